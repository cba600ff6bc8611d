"""The log of requests, in memory and on request in a file."""

from __future__ import annotations

import json
import threading
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from ytworker_ytdlp.testing._records import Request


class RequestLog:
    """Collects requests from all connections.

    Args:
        path: Where to append one line of JSON for each request; None for memory only.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._lock = threading.Lock()
        self._requests: list[Request] = []
        self._path = path

    def add(self, request: Request) -> None:
        """Append a request."""
        with self._lock:
            self._requests.append(request)
            if self._path is not None:
                line = json.dumps({**asdict(request), "at": request.at.isoformat()}, ensure_ascii=False)
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(f"{line}\n")

    def all(self) -> list[Request]:
        """Return a copy of the requests so far, in order of arrival at the log."""
        with self._lock:
            return list(self._requests)

    def clear(self) -> None:
        """Forget the requests; the file keeps them."""
        with self._lock:
            self._requests.clear()
