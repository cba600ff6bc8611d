"""``ytworker digest``: what was collected lately, as Markdown. An example of a command plugin."""

from ytworker_digest.command import app

__version__ = "0.1.0"
__all__ = ["__version__", "app"]
