"""A network of machines on this one: each site is a network namespace, which reaches the centre and nothing else."""

import secrets
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest


@dataclass(frozen=True)
class Network:
    """What connects the sites.

    Attributes:
        centre: this machine's address, which every site reaches.
        prefix: of the names of namespaces.
    """

    centre: str
    prefix: str

    def inside(self, site: str) -> list[str]:
        """Words before a command that is to run at a site."""
        return ["ip", "netns", "exec", f"{self.prefix}{site}"]

    def cut(self, site: str) -> None:
        """Nothing of a site reaches the centre any more, and nobody is told."""
        _ip("link", "set", f"{self.prefix}{site}", "down")

    def mend(self, site: str) -> None:
        """The opposite."""
        _ip("link", "set", f"{self.prefix}{site}", "up")


@contextmanager
def network(*sites: str) -> Iterator[Network]:
    """A network with these sites, gone after the block; skips the test where namespaces cannot be made."""
    # Interfaces have names of at most 15 characters.
    token, third = secrets.token_hex(2), secrets.randbelow(200) + 20
    made = Network(f"10.217.{third}.1", f"o{token}")
    with ExitStack() as undo:
        try:
            bridge = f"o{token}"
            _ip("link", "add", bridge, "type", "bridge")
            undo.callback(_ip, "link", "del", bridge)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("network namespaces cannot be made here")
        _ip("address", "add", f"{made.centre}/24", "dev", bridge)
        _ip("link", "set", bridge, "up")
        for number, site in enumerate(sites, start=11):
            name = f"{made.prefix}{site}"
            _ip("netns", "add", name)
            undo.callback(_ip, "netns", "del", name)
            _ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
            _ip("link", "set", name, "master", bridge, "up")
            # From one site to another nothing passes: an isolated port of a bridge reaches the bridge itself alone.
            _run("bridge", "link", "set", "dev", name, "isolated", "on")
            for words in (["link", "set", "lo", "up"], ["address", "add", f"10.217.{third}.{number}/24", "dev", "eth0"],
                          ["link", "set", "eth0", "up"]):  # fmt: skip
                _ip("-n", name, *words)
        yield made


def _ip(*words: str) -> None:
    _run("ip", *words)


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True)
