"""Where requests may go: to https addresses of YouTube, and never to an address of a private network."""

import ipaddress
import urllib.parse
from typing import Any

DOMAIN = "youtube.com"
REFUSED_HOSTS = frozenset({"consent.youtube.com", "accounts.youtube.com"})
MAX_REDIRECTS = 3

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_COMPATIBLE = ipaddress.IPv6Network("::/96")

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def url_problem(url: str) -> str | None:
    """Say why a URL may not be asked, or None when it may.

    Allowed is https to ``youtube.com`` and its subdomains, on the usual port and without a user name;
    ``consent.youtube.com`` is refused because it forwards to wherever its query says.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        host, port = (parts.hostname or "").lower().removesuffix("."), parts.port
    except ValueError:
        return "not a readable address"
    if parts.scheme != "https":
        return f"{parts.scheme[:20] or 'no scheme'} instead of https"
    if "@" in parts.netloc or "\\" in url:
        return "a user name or a backslash in the address"
    if port not in {None, 443}:
        return f"port {port}"
    if host in REFUSED_HOSTS or not (host == DOMAIN or host.endswith(f".{DOMAIN}")):
        shown = f"{host[:80]}/sorry" if parts.path.startswith("/sorry") else host[:80]  # Google's page of a captcha
        return f"{shown or 'no host'} is not a host that is asked"
    return None


def address_problem(address: str) -> str | None:
    """Say why a resolved IP address may not be connected to, or None when it may."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return f"{address!r} is not an IP address"
    for candidate in (found, *_embedded(found)):
        if not candidate.is_global or candidate.is_multicast:
            return f"{found} is not a public address"
    return None


def _embedded(address: IPAddress) -> list[IPAddress]:
    """Unwrap the IPv4 address inside a mapped, compatible, 6to4, Teredo or NAT64 address."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    inner: list[Any] = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64 or address in _COMPATIBLE:
        inner.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return [candidate for candidate in inner if candidate is not None]
