"""Atom and RSS feeds for ytworker.

Importing this imports neither feedparser nor httpx; both wait for the first task.
"""

from ytworker_feeds.worker import FeedParameters, FeedSettings, FeedWorker

__version__ = "0.1.0"
__all__ = ["FeedParameters", "FeedSettings", "FeedWorker", "__version__"]
