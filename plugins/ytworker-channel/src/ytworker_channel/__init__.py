"""YouTube channels for ytworker: the newest videos, shorts and streams of a channel.

Importing this imports neither yt-dlp nor the network; both wait for the first task.
"""

from ytworker_channel.parameters import ChannelParameters
from ytworker_channel.worker import YouTubeChannelWorker

__version__ = "0.1.0"
__all__ = ["ChannelParameters", "YouTubeChannelWorker", "__version__"]
