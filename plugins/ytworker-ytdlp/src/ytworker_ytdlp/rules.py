"""What goes wrong on YouTube and what it means, as data; :mod:`ytworker_ytdlp.taxonomy` reads it."""

from dataclasses import dataclass

from ytworker import ErrorClass

HOUR = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One known failure.

    Attributes:
        name: Its short name.
        error_class: What it means to the engine.
        hint: What to check or do next, as a sentence.
        types: Names of exception classes that prove it, also as bases.
        statuses: HTTP statuses that prove it.
        patterns: Regular expressions, case-insensitive, with a straight apostrophe where the text has any.
        retry_after: Seconds to wait, where the site is known to want them.
        identity: Whether it is about who asks, so that a mere warning proves it.
        availability: What it says about a single video in a list; None means it says nothing.
    """

    name: str
    error_class: ErrorClass
    hint: str
    types: frozenset[str] = frozenset()
    statuses: frozenset[int] = frozenset()
    patterns: tuple[str, ...] = ()
    retry_after: float | None = None
    identity: bool = False
    availability: str | None = None


RULES: tuple[Rule, ...] = (
    Rule(
        name="certificate",
        error_class=ErrorClass.CONFIG,
        hint="If a proxy of yours opens TLS, name its certificate authority in plugins.ytdlp.ca_file; "
        "plugins.ytdlp.verify_tls = false switches the check off.",
        types=frozenset({"CertificateVerifyError", "SSLCertVerificationError"}),
    ),
    Rule(
        name="cookies",
        error_class=ErrorClass.CONFIG,
        hint="Check that plugins.ytdlp.cookie_file is a cookie file in Netscape format.",
        types=frozenset({"CookieLoadError"}),
    ),
    Rule(
        name="proxy_login",
        error_class=ErrorClass.CONFIG,
        hint="Check user name and password in plugins.ytdlp.proxy.",
        patterns=(r"tunnel connection failed: 407", r"proxy authentication required"),
    ),
    Rule(
        name="rate_limited",
        error_class=ErrorClass.THROTTLED,
        hint="This identity asked too much; it rests for an hour. A slower pace avoids it.",
        patterns=(r"content isn't available, try again later", r"rate-limited by youtube"),
        retry_after=HOUR,
        identity=True,
    ),
    Rule(
        name="bot_check",
        error_class=ErrorClass.BLOCKED,
        hint="YouTube takes this address for a robot. Ask less, from another address (plugins.ytdlp.proxy), or with "
        "cookies (plugins.ytdlp.cookie_file).",
        patterns=(
            r"confirm you're not a bot",
            r"captcha challenge",
            r"ip is likely being blocked",
            r"login_required",
            r"^please sign in\b",  # what is left of LOGIN_REQUIRED for a public video, its advice cleaned away
        ),
        identity=True,
    ),
    Rule(
        name="consent",
        error_class=ErrorClass.BLOCKED,
        hint="YouTube asks for consent to its cookies before anything else. Give it in a browser and set "
        "plugins.ytdlp.cookie_file, or ask from another address (plugins.ytdlp.proxy).",
        patterns=(r"a redirect was refused: consent\.(?:youtube|google)\.com",),
        identity=True,
    ),
    Rule(
        name="throttled",
        error_class=ErrorClass.THROTTLED,
        hint="The source cools down; the task goes on by itself.",
        statuses=frozenset({429}),
        patterns=(
            r"http error 429",
            r"too many requests",
            r"recaptcha",
            r"a redirect was refused: (?:[a-z0-9]+\.)?google\.com/sorry",
        ),
        identity=True,
    ),
    Rule(
        name="forbidden",
        error_class=ErrorClass.THROTTLED,
        hint="The source cools down. If it happens again, check plugins.ytdlp (proxy, cookie_file, player_clients).",
        statuses=frozenset({403}),
        patterns=(r"http error 403",),
        identity=True,
    ),
    Rule(
        name="geo_blocked",
        error_class=ErrorClass.RESTRICTED,
        hint="It needs an address in another country (plugins.ytdlp.proxy).",
        types=frozenset({"GeoRestrictedError"}),
        patterns=(
            r"not made this video available in your country",
            r"(?:not|n't) available in your country",
            r"blocked it in your country",
        ),
        availability="restricted",
    ),
    Rule(
        name="members_only",
        error_class=ErrorClass.RESTRICTED,
        hint="Only members of the channel see it.",
        patterns=(r"available to this channel's members", r"join this channel", r"music premium members"),
        availability="members_only",
    ),
    Rule(
        name="age_restricted",
        error_class=ErrorClass.RESTRICTED,
        hint="It needs the cookies of an adult's account (plugins.ytdlp.cookie_file).",
        patterns=(r"inappropriate for some users", r"confirm your age", r"age-restricted"),
        availability="restricted",
    ),
    Rule(
        name="paid",
        error_class=ErrorClass.RESTRICTED,
        hint="It must be bought first.",
        patterns=(r"requires payment", r"this video is drm protected", r"drm protected"),
        availability="restricted",
    ),
    Rule(
        name="not_yet",
        error_class=ErrorClass.NOT_YET,
        hint="It has not begun yet.",
        patterns=(
            r"premieres in",
            r"premiere will begin",
            r"live event will begin",
            r"begin in a few moments",
        ),
        retry_after=HOUR,
        availability="public",
    ),
    Rule(
        name="processing",
        error_class=ErrorClass.NOT_YET,
        hint="It was uploaded just now.",
        patterns=(r"processing this video",),
        retry_after=HOUR,
        availability="public",
    ),
    Rule(
        name="no_tab",
        error_class=ErrorClass.INVALID,
        hint="The channel is there but shows no such list.",
        types=frozenset({"UserNotLive"}),
        patterns=(r"does not have an? .{1,40} tab", r"is not currently live"),
    ),
    Rule(
        name="private",
        error_class=ErrorClass.GONE,
        hint="Its owner has hidden it. Open the address in a browser to make sure.",
        patterns=(r"private video", r"\bis private\b", r"(?:channel|playlist) is private"),
        availability="private",
    ),
    Rule(
        name="gone",
        error_class=ErrorClass.GONE,
        hint="Check the spelling of the address or handle and open it in a browser.",
        statuses=frozenset({404, 410}),
        patterns=(
            r"channel does(?: not|n't) exist",
            r"account .{0,80}terminated",
            r"(?:account|channel) has been (?:terminated|suspended|closed)",
            r"removed because it violated",
            r"playlist does(?: not|n't) exist",
            r"playlist type is unviewable",
            r"redirected to youtube\.com home page",
            r"failed to resolve url",
            r"requested entity was not found",
            r"this channel (?:is not|isn't) available",
            r"video (?:is )?unavailable",
            r"removed by the (?:uploader|user)",
            r"no longer available",
            r"has been removed",
            r"video does(?: not|n't) exist",
            r"recording (?:is not|isn't) available",
        ),
        availability="gone",
    ),
    Rule(
        name="not_available",
        error_class=ErrorClass.GONE,
        hint="Open the address in a browser to make sure.",
        patterns=(
            r"this video (?:is not|isn't) available(?! in)",
            r"content (?:is not|isn't) available on this app",
        ),
        availability="gone",
    ),
    Rule(
        name="invalid",
        error_class=ErrorClass.INVALID,
        hint="Check the address: YouTube, or yt-dlp, does not take it.",
        types=frozenset({"UnsupportedError"}),
        statuses=frozenset({400}),
        patterns=(r"is not a valid url", r"no suitable extractor", r"unsupported url"),
    ),
    Rule(
        name="redirects",
        error_class=ErrorClass.SUSPECT,
        hint="The answers lead in a circle. Open the address in a browser to make sure.",
        statuses=frozenset({301, 302, 303, 307, 308}),
    ),
    Rule(
        name="server",
        error_class=ErrorClass.TRANSIENT,
        hint="YouTube has a problem; it is tried again.",
        statuses=frozenset({408, *range(500, 600)}),
        patterns=(r"http error 5\d\d", r"unknown error occurred"),
    ),
    Rule(
        name="connection",
        error_class=ErrorClass.TRANSIENT,
        hint="The connection broke; it is tried again.",
        types=frozenset(
            {
                "IncompleteRead",
                "ProxyError",
                "SSLError",
                "TransportError",
                "TimeoutError",
                "ConnectionError",
                "URLError",
            }
        ),
        patterns=(r"timed out", r"connection reset", r"remote end closed", r"bytes read, .* expected"),
    ),
    Rule(
        name="not_json",
        error_class=ErrorClass.SUSPECT,
        hint="Another page, or garbage, came in place of an answer. It is asked again once; if it stays, open the "
        "address in a browser and update yt-dlp.",
        types=frozenset({"JSONDecodeError", "RecursionError", "UnicodeDecodeError"}),
        patterns=(r"failed to parse json", r"exceeds the limit \(\d+ digits\)", r"maximum recursion depth"),
    ),
    Rule(
        name="unreadable",
        error_class=ErrorClass.SUSPECT,
        hint="YouTube sends nothing like that: check the network and plugins.ytdlp.proxy. It is asked again once.",
        types=frozenset({"UnreadableAnswerError"}),
    ),
    Rule(
        name="incomplete",
        error_class=ErrorClass.TRANSIENT,
        hint="The answer was cut or of an unknown shape; it is tried again. If it stays, update yt-dlp.",
        patterns=(
            r"incomplete data received",
            r"unable to recognize tab page",
            r"incomplete yt initial data",
            r"failed to extract any player response",
        ),
    ),
)

BUG = Rule(
    name="bug",
    error_class=ErrorClass.BUG,
    hint="YouTube has probably changed its pages: update yt-dlp (pip install -U yt-dlp), then retry the task.",
)
