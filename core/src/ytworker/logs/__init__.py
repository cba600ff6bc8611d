"""The program's own log: events of a closed list, as JSON Lines for programs and as sentences for people.

Code logs with :mod:`logging` as everywhere; ``extra=event(LogEvent.JOB_FINISHED, …)`` names what happened and adds its
fields. What plugins and libraries say has no event of ours and is logged as ``plugin.message`` or ``log.message``.
"""

from ytworker.logs.events import KEYS, LogEvent, event
from ytworker.logs.formatters import MAX_LINE, ConsoleFormatter, JSONFormatter
from ytworker.logs.strangers import Listening, Printed, as_text

__all__ = [
    "KEYS",
    "MAX_LINE",
    "ConsoleFormatter",
    "JSONFormatter",
    "Listening",
    "LogEvent",
    "Printed",
    "as_text",
    "event",
]
