"""YouTube's Data API v3 for ytworker: videos, uploads of channels, searches and charts, within the quota of the day.

Importing this imports neither google's client nor the network; both wait for the first task.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ytworker_api.client import Client
    from ytworker_api.costs import Cost, plan
    from ytworker_api.parameters import ApiParameters
    from ytworker_api.reasons import REASONS, Reason, Verdict, judge
    from ytworker_api.settings import ApiSettings
    from ytworker_api.worker import YouTubeAPIWorker

__version__ = "0.1.0"

_HOMES = {
    "ApiParameters": "parameters",
    "ApiSettings": "settings",
    "Client": "client",
    "Cost": "costs",
    "REASONS": "reasons",
    "Reason": "reasons",
    "Verdict": "reasons",
    "YouTubeAPIWorker": "worker",
    "judge": "reasons",
    "plan": "costs",
}

__all__ = [
    "REASONS",
    "ApiParameters",
    "ApiSettings",
    "Client",
    "Cost",
    "Reason",
    "Verdict",
    "YouTubeAPIWorker",
    "__version__",
    "judge",
    "plan",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
