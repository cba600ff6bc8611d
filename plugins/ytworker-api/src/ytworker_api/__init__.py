"""YouTube's Data API v3 for ytworker: videos, uploads of channels, searches and charts, within the quota of the day.

Importing this imports neither google's client nor the network; both wait for the first task.
"""

from ytworker_api.parameters import ApiParameters
from ytworker_api.plan import Cost, plan
from ytworker_api.reasons import REASONS, Reason, Verdict, judge
from ytworker_api.settings import ApiSettings
from ytworker_api.worker import YouTubeAPIWorker

__version__ = "0.1.0"
__all__ = [
    "REASONS",
    "ApiParameters",
    "ApiSettings",
    "Cost",
    "Reason",
    "Verdict",
    "YouTubeAPIWorker",
    "__version__",
    "judge",
    "plan",
]
