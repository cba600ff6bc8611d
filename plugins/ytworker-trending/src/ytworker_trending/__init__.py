"""What is trending on YouTube for ytworker: YouTube's hubs, and its charts by country.

Importing this imports neither yt-dlp nor the network; both wait for the first task.
"""

from ytworker_trending.parameters import TrendingParameters
from ytworker_trending.settings import TrendingSettings
from ytworker_trending.worker import YouTubeTrendingWorker

__version__ = "0.1.0"
__all__ = ["TrendingParameters", "TrendingSettings", "YouTubeTrendingWorker", "__version__"]
