"""What a disk refuses, in words: rights, locks it does not know, things that do not belong there."""

import errno
from pathlib import Path

from ops_pipelines.errors import StoreError
from ops_pipelines.text import shell
from ops_pipelines.vault.stores import plain


def refused(name: str, root: Path, verb: str, error: OSError) -> StoreError:
    """What to tell of it.

    Args:
        name, root: of the store.
        verb: what cannot be done: `read`, `written`.
    """
    unlockable, what = error.errno in (errno.ENOLCK, errno.EOPNOTSUPP), f"store {name} ({root})"
    if error.errno == errno.EPERM:
        return StoreError(
            f"{what} cannot be {verb}",
            why=f"{error.strerror}: {error.filename}; it may be append-only or immutable",
            safe="published restore points are untouched",
            next=f"look at its rights: lsattr -R {shell(str(root))}; where its own host deletes what is old, "
            "give the store a keep of its own that keeps more",
        )
    if isinstance(error, plain.NotPlain):
        return StoreError(
            f"{what} cannot be {verb}",
            why=f"{error.filename}: {error.why}",
            safe="nothing of it was read, followed or changed",
            next=f"check who put it there: ls -la {shell(str(Path(error.filename).parent))}",
        )
    return StoreError(
        f"{what} cannot be {verb}",
        why=f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}"
        + ("; this file system has no locks (flock)" if unlockable else ""),
        safe="unfinished work was discarded; published restore points are untouched",
        next="mount NFS as version 4, or version 3 with lockd running; where one machine alone writes, "
        "-o local_lock=flock will do"
        if unlockable
        else f"check the disk: df -h {shell(str(root))}; ls -ld {shell(str(root))}",
    )
