"""The account that proofs run as when we are root: without a login, a home or a file but what it is given."""

import os
import pwd
import stat
import sys
from datetime import timedelta
from functools import cache
from pathlib import Path

from ops_pipelines.process import CommandFailed, Limits, run

NAME = "ops-proof"
PACKAGE = Path(__file__).parents[1]
"""Our own program, which is run again inside."""
_QUICK = Limits(stall=timedelta(seconds=20), total=timedelta(seconds=20))
_UNNAMED = 64198  # of the range that systemd keeps for accounts without an entry (61184 to 65519)


@cache
def sandbox_uid() -> int:
    """The user and group number: that of the account `ops-proof` where there is one, else one that has no entry.

    An account with an entry is taken as it is; a number that belongs to somebody else is passed over.
    """
    try:
        return pwd.getpwnam(NAME).pw_uid
    except KeyError:
        taken = {each.pw_uid for each in pwd.getpwall()}
        return next(uid for uid in range(_UNNAMED, 65520) if uid not in taken)


def named() -> bool:
    """Whether the account has an entry: outside of a sandbox some servers do not start without one."""
    try:
        return pwd.getpwnam(NAME).pw_uid != 0
    except KeyError:
        return False


def give(path: os.PathLike[str]) -> None:
    """Give a path of ours to that account, as far as we are root; a plain user keeps it."""
    if os.geteuid() == 0:
        os.chown(path, sandbox_uid(), sandbox_uid(), follow_symlinks=False)


def private_program() -> Path | None:
    """What must be opened for that account to read our own program: its environment, or the package; None when it can.

    A proof runs what is installed here; under umask 077 an installation is its owner's alone.
    """
    if os.geteuid() != 0 or all(each.stat().st_mode & stat.S_IROTH for each in (PACKAGE, PACKAGE / "__init__.py")):
        return None
    inside = sys.prefix != sys.base_prefix and PACKAGE.is_relative_to(sys.prefix)
    return Path(sys.prefix) if inside else PACKAGE


def cannot(path: os.PathLike[str], *, write: bool) -> str:
    """The outermost directory on the way to a path that keeps the account out; empty when it gets there.

    Args:
        write: whether it has to write there.
    """
    given = Path(path).resolve()
    for each in [*reversed(given.parents), given]:
        wanted = "-w" if write and each == given else "-x"
        try:
            run([*dropping(), "test", wanted, each], limits=_QUICK)
        except CommandFailed:
            return str(each)
    return ""


def without(capability: str) -> list[str]:
    """The prefix that takes one capability (`mknod`) from a command of root's; empty for a plain user, who has none."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", f"--bounding-set=-{capability}", f"--inh-caps=-{capability}", "--no-new-privs", "--"]


def dropping() -> list[str]:
    """The prefix that switches a command of root's to that account, for good; empty for a plain user.

    Plain users get no new rights by the sandbox itself.
    """
    if os.geteuid() != 0:
        return []
    uid = str(sandbox_uid())
    return [
        "setpriv", "--reuid", uid, "--regid", uid, "--clear-groups", "--no-new-privs", "--bounding-set=-all",
        "--inh-caps=-all", "--",
    ]  # fmt: skip
