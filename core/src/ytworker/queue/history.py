"""How much of a task's history is kept, by every store alike.

A task may be put off without a bound: while there is no network, while its source cools down, until its plugin is
there. What counts against ``max_attempts`` is kept whole; of what does not, the beginning and the end.
"""

HISTORY_END = 50
"""So many failures of one and the same attempt are kept, from its beginning and from its end; and as many claims that
were followed by nothing but a deferral or a return."""
EVENTS_AT_LEAST = 2 * HISTORY_END
"""So many of a task's first events are kept: a claim and what ended it are two."""
UNCOUNTED = ("deferred", "returned")
"""The events that end a claim without an attempt being counted."""
