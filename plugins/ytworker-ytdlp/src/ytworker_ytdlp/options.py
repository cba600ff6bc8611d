"""The option set. Fixed, but for what the settings say; nothing from a task ever gets here."""

from typing import Any

from ytworker_ytdlp.settings import YtdlpSettings

EXTRACTORS = ("youtube", "youtube:tab", "youtube:search", "youtube:search_url")
"""Exactly these, by full name: no ``generic``, nor ``:ythistory`` and its kin, which a loose ``^youtube`` admits."""

EXTRACTOR_ARGS: dict[str, dict[str, list[str]]] = {
    "youtube": {
        "player_skip": ["configs", "js"],
        "skip": ["hls", "dash", "translated_subs"],
        "raise_incomplete_data": ["1"],
        "lang": ["en"],
    },
    "youtubetab": {"skip": ["webpage"]},
}


def options(settings: YtdlpSettings, proxy: str, logger: Any, cookies: Any) -> dict[str, Any]:
    """Build the options of the one YoutubeDL.

    ``cachedir``, cookies and logger keep it off the disk and the terminal; one extractor retry confirms a 404, every
    other retry is the engine's; the playlist reload for unavailable videos costs a request for entries nobody wants.

    Args:
        settings: What the operator chose.
        proxy: The proxy in use, or an empty text for none.
        logger: Takes all output.
        cookies: A text stream of cookies, or None.
    """
    return {
        "quiet": True,
        "no_warnings": False,
        "color": "never",
        "logger": logger,
        "skip_download": True,
        "simulate": True,
        "noplaylist": False,
        "cachedir": False,
        "allowed_extractors": list(EXTRACTORS),
        "enable_file_urls": False,
        "default_search": "error",
        "geo_bypass": False,
        "external_downloader": {},
        "postprocessors": [],
        "ignoreerrors": False,
        "ignore_no_formats_error": False,
        "check_formats": False,
        "extractor_retries": 1,
        "retries": 0,
        "extract_flat": True,
        "lazy_playlist": True,
        "compat_opts": ["no-youtube-unavailable-videos"],
        "socket_timeout": settings.socket_timeout,
        "proxy": proxy,
        "nocheckcertificate": not settings.verify_tls,
        "source_address": settings.source_address,
        "cookiefile": cookies,
        "js_runtimes": _runtimes(settings.js_runtimes),
        "remote_components": [],
        "extractor_args": _extractor_args(settings),
    }


def _runtimes(names: list[str]) -> dict[str, dict[str, str]]:
    pairs = (name.partition(":") for name in names)
    return {name: {"path": path} if path else {} for name, _, path in pairs}


def _extractor_args(settings: YtdlpSettings) -> dict[str, dict[str, list[str]]]:
    merged = {name: {key: list(values) for key, values in args.items()} for name, args in EXTRACTOR_ARGS.items()}
    merged["youtube"]["player_client"] = list(settings.player_clients)
    for name, args in settings.extractor_args.items():
        merged.setdefault(name.lower(), {}).update({key: list(values) for key, values in args.items()})
    return merged
