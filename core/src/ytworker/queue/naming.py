"""How a queue is called where its URL must not be shown."""

from urllib.parse import urlsplit


def queue_name(url: str) -> str:
    """Name a queue in logs and metrics: the file or the database, without its folder, its host and its login."""
    path = urlsplit(url).path.rstrip("/")
    return path.rpartition("/")[2] or "queue"
