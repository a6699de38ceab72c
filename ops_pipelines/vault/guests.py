"""Whose restore points are believed beside our own: those of another installation, for the sources that it takes."""

from collections.abc import Mapping
from dataclasses import dataclass

from ops_pipelines.vault.signing.minisign import PublicKey


@dataclass(frozen=True)
class Guest:
    """Another installation.

    Attributes:
        name: what it is called in `ops.yaml`.
        id: what it signs as.
        keys: its public keys, by their numbers.
    """

    name: str
    id: str
    keys: Mapping[bytes, PublicKey]


Guests = Mapping[str, Guest]
"""By source, who takes it."""
