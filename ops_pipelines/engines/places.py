"""Where a database lives, told from how it is spelled alone: names are looked up, nothing is connected to."""

import ipaddress
import os
import socket
from collections.abc import Iterable
from dataclasses import dataclass

_HERE = "this machine"


@dataclass(frozen=True)
class Place:
    """One database on one server, in a form in which two spellings of it are alike.

    Attributes:
        kind: the engine's.
        addresses: every `(host, port)` it may be reached at; any name of this machine is one host.
        sockets: the same for socket files on this machine: real path and port.
        database: its name.
    """

    kind: str
    addresses: frozenset[tuple[str, int]]
    sockets: frozenset[tuple[str, int]]
    database: str

    def shares_server_with(self, other: "Place") -> bool:
        """Whether both are on one server. A socket and a port of this machine with the same number count as one."""
        if self.kind != other.kind:
            return False
        if self.addresses & other.addresses or {path for path, _ in self.sockets} & {path for path, _ in other.sockets}:
            return True
        return bool(_by_number(self) & other.addresses or _by_number(other) & self.addresses)

    def is_same_as(self, other: "Place") -> bool:
        """Whether both are one database."""
        return self.database == other.database and self.shares_server_with(other)

    @property
    def is_here(self) -> bool:
        """Whether its server runs on this machine."""
        return bool(self.sockets) or any(host == _HERE for host, _ in self.addresses)


def place(
    kind: str, database: str, *, hosts: Iterable[tuple[str, int]] = (), sockets: Iterable[tuple[str, int]] = ()
) -> Place:
    """A place by the names it was given.

    Args:
        hosts: host names or addresses in any spelling, with ports.
        sockets: paths of socket files, with the port the server has.
    """
    addresses = {(each, port) for host, port in hosts for each in _canonical(host)}
    files = {(path if path.startswith("@") else os.path.realpath(path), port) for path, port in sockets}
    return Place(kind, frozenset(addresses), frozenset(files), database)


def _by_number(place: Place) -> set[tuple[str, int]]:
    return {(_HERE, port) for _, port in place.sockets}


def _canonical(host: str) -> set[str]:
    """Every address of a host; its name where it cannot be looked up."""
    try:
        # The C library reads 127.1 and 0x7f000001 as every client does.
        found = {str(info[4][0]) for info in socket.getaddrinfo(host.strip("[]"), None, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        return {host.lower().rstrip(".")}
    return {_HERE if _is_ours(each) else each for each in found}


def _is_ours(address: str) -> bool:
    """Whether an address is one of this machine: nobody can listen on another's."""
    parsed = ipaddress.ip_address(address.split("%", maxsplit=1)[0])
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    if parsed.is_loopback or parsed.is_unspecified:
        return True
    family = socket.AF_INET6 if parsed.version == 6 else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(parsed), 0))
    except OSError:
        return False
    return True
