"""Who is to blame for a failed proof: the bytes of one copy, or the backup, wherever it lies."""

from typing import Literal

from ops_pipelines.errors import OpsError
from ops_pipelines.vault.reader import Copy

Blame = Literal["copy", "backup"]


def blamed(copy: Copy | None) -> Blame:
    """The backup only when every byte that was restored is proved to be the one that was published.

    The parts are proved by the signed manifest. What a tool keeps in a repository beside them is not: there a failure
    says something of this copy, and of no other.
    """
    if copy is None or copy.manifest.data_bytes:
        return "copy"
    try:
        copy.hash_the_rest()
    except (OpsError, OSError):
        return "copy"
    return "backup"
