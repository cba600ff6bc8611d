"""A guard on the sockets of this process: who connects to a host that was not declared is refused and written down."""

import ipaddress
import socket
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatch
from typing import Any
from unittest import mock

_INTERNET = (socket.AF_INET, socket.AF_INET6)


class UndeclaredHostError(OSError):
    """Somebody wanted to reach a host that the test did not declare."""


@dataclass
class NetworkGuard:
    """What was wanted of the network.

    Attributes:
        hosts: Who may be reached: names, addresses, or ``*.example.com`` for all names below one.
        refused: Everybody else who was to be reached, in order.
    """

    hosts: Collection[str] = ()
    refused: list[str] = field(default_factory=list)
    _resolved: set[str] = field(default_factory=set)

    def admit(self, host: object) -> None:
        """Let a declared host pass.

        Raises:
            UndeclaredHostError: It is none.
        """
        name = host.decode() if isinstance(host, bytes) else str(host)
        if name in self._resolved or any(fnmatch(name.lower(), known.lower()) for known in self.hosts):
            return
        self.refused.append(name)
        msg = f"{name} is not among the declared hosts ({', '.join(self.hosts) or 'none'})"
        raise UndeclaredHostError(msg)

    def resolve(self, ask: Callable[..., Any], host: object, *arguments: Any, **options: Any) -> Any:
        """Resolve the name of a declared host, and remember its addresses as declared."""
        if host is not None:
            self.admit(host)
        found = ask(host, *arguments, **options)
        self._resolved.update(str(entry[4][0]) for entry in found)
        return found

    def connect(self, call: Callable[..., Any], sock: socket.socket, address: Any, *more: Any) -> Any:
        """Connect to a declared host."""
        if sock.family in _INTERNET:
            self.admit(_plain(address[0]))
        return call(sock, address, *more)


@contextmanager
def guarded_network(hosts: Collection[str] = ()) -> Iterator[NetworkGuard]:
    """Refuse every connection and every look-up of this process but to declared hosts.

    What a child process or a library in C that brings its own sockets does is not seen.

    Args:
        hosts: See :class:`NetworkGuard`.
    """
    guard = NetworkGuard(hosts)
    resolve, connect, connect_ex = socket.getaddrinfo, socket.socket.connect, socket.socket.connect_ex

    def guarded_resolve(host: object, *arguments: Any, **options: Any) -> Any:
        return guard.resolve(resolve, host, *arguments, **options)

    def guarded_connect(sock: socket.socket, address: Any) -> Any:
        return guard.connect(connect, sock, address)

    def guarded_connect_ex(sock: socket.socket, address: Any) -> Any:
        return guard.connect(connect_ex, sock, address)

    with (
        mock.patch("socket.getaddrinfo", guarded_resolve),
        mock.patch("socket.socket.connect", guarded_connect),
        mock.patch("socket.socket.connect_ex", guarded_connect_ex),
    ):
        yield guard


def _plain(host: object) -> object:
    """Write an address the one way that it was declared in; IPv6 has several."""
    try:
        return str(ipaddress.ip_address(str(host).partition("%")[0]))
    except ValueError:
        return host
