"""Two outcomes that a plugin wants to tell apart from all other errors.

::

    PermanentError
    └── NoSuchTabError      the channel is there, the tab is not: a legal empty list
    RetryableError
    └── FeedMissingError    the feed answered 404, which happens in waves: confirm by another route
"""

from ytworker import PermanentError, RetryableError


class NoSuchTabError(PermanentError):
    """The channel has no tab of this kind, or nobody is live on it."""


class FeedMissingError(RetryableError):
    """The Atom feed answered 404. That alone proves nothing."""
