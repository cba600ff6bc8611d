"""Web pages: a thin shell of HTML around the JSON that an API call would give."""

from __future__ import annotations

import json
from html import escape
from typing import TYPE_CHECKING

from ytworker_ytdlp.testing._shapes import VISITOR

if TYPE_CHECKING:
    from ytworker_ytdlp.testing._shapes import Json

_VERSION = "2.20261101.00.00"
_CONFIG: dict[str, object] = {
    "INNERTUBE_CLIENT_NAME": "WEB",
    "INNERTUBE_CLIENT_VERSION": _VERSION,
    "INNERTUBE_CONTEXT_CLIENT_NAME": 1,
    "INNERTUBE_CONTEXT": {"client": {"clientName": "WEB", "clientVersion": _VERSION, "hl": "en", "gl": "US"}},
    "VISITOR_DATA": VISITOR,
    "LOGGED_IN": False,
}


def page(title: str, *, data: Json | None = None, player: Json | None = None) -> str:
    """Return a page with the site's configuration and, where given, its initial data and player answer."""
    scripts = [f"ytcfg.set({_script(_CONFIG)});"]
    if player is not None:
        scripts.append(f"var ytInitialPlayerResponse = {_script(player)};")
    if data is not None:
        scripts.append(f"var ytInitialData = {_script(data)};")
    body = "".join(f"<script>{script}</script>" for script in scripts)
    return f"<!DOCTYPE html><html><head><title>{escape(title)} - YouTube</title></head><body>{body}</body></html>"


def consent_page() -> str:
    """Return the page that asks for cookies before it shows anything."""
    form = '<form action="https://consent.youtube.com/save" method="POST"><button>Accept all</button></form>'
    return (
        "<!DOCTYPE html><html><head><title>Before you continue to YouTube</title></head>"
        f"<body><h1>Before you continue to YouTube</h1>{form}</body></html>"
    )


def captcha_page() -> str:
    """Return the page that comes with HTTP 429."""
    return (
        "<!DOCTYPE html><html><head><title>Sorry...</title></head><body><p>Our systems have detected unusual traffic "
        'from your computer network.</p><form id="captcha-form"></form></body></html>'
    )


def _script(data: Json) -> str:
    # A "<" in a title would end the script element.
    return json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")
