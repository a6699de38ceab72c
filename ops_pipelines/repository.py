"""Where another tool keeps data of its own inside a store. Shared by engines and stores, who do not know each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

NO_REPOSITORY = "export RESTIC_REPOSITORY=…"
"""How a command by hand begins where somebody has to fill in the address."""


@dataclass(frozen=True)
class Repository:
    """A place in a store that belongs to another tool (restic), by that tool's own address.

    Attributes:
        address: a path, or a URL such as `s3:https://host/bucket/prefix`.
        environment: what the tool needs to get there: credentials, never put into arguments.
        options: command line words that it needs to get there, without secrets.
    """

    address: str
    environment: Mapping[str, str] = field(default_factory=dict)
    options: Sequence[str] = ()
