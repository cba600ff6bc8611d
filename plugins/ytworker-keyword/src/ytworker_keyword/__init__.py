"""YouTube search for ytworker: the hits of a query, filtered and ranked.

Importing this imports neither yt-dlp nor the network; both wait for the first task.
"""

from ytworker_keyword.parameters import KeywordParameters
from ytworker_keyword.worker import YouTubeKeywordWorker

__version__ = "0.1.0"
__all__ = ["KeywordParameters", "YouTubeKeywordWorker", "__version__"]
