"""How well a proof can be kept to itself on this machine: in a sandbox, as another account, or not at all."""

import os
import secrets
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Literal

from ops_pipelines import stopping
from ops_pipelines.errors import Inconclusive
from ops_pipelines.process import CommandFailed, Limits
from ops_pipelines.sandbox import account
from ops_pipelines.sandbox.jail import Jail
from ops_pipelines.text import shell

Isolation = Literal["sandbox", "account", "none"]
"""From the best to the weakest."""

_ORDER: Sequence[Isolation] = ("sandbox", "account", "none")
_QUICK = Limits(stall=timedelta(seconds=30), total=timedelta(seconds=30))
_INSTALL = "apt-get install bubblewrap"


@dataclass(frozen=True)
class Standing:
    """What this machine and this user can have.

    Attributes:
        best: the best isolation there is.
        why: what stands in the way of a better one; empty for a sandbox.
        cure: the command or change that gives it.
    """

    best: Isolation
    why: str = ""
    cure: str = ""


@cache
def standing() -> Standing:
    """Try it: a sandbox is there when a command has run in one."""
    if shutil.which("bwrap") is None:
        why, cure = "bubblewrap is not installed", _INSTALL
    else:
        why = _refused()
        cure = (
            "allow user namespaces: sysctl user.max_user_namespaces=10000 (in a container: run it with "
            "--security-opt seccomp=unconfined --security-opt systempaths=unconfined)"
        )
    if not why:
        return Standing("sandbox")
    if os.geteuid() == 0 and shutil.which("setpriv"):
        if account.named():
            return Standing("account", why, cure)
        cure = f"{cure}; or make another account: useradd --system --shell /usr/sbin/nologin {account.NAME}"
    return Standing("none", why, cure)


def chosen(accepted: Isolation) -> Isolation:
    """The best isolation that can be had here, no weaker than what is accepted; none where none is wanted.

    Args:
        accepted: `verify.isolation`.
    Raises:
        Inconclusive: there is none that is good enough, or whoever would run in it cannot read our own program.
    """
    if accepted == "none":
        return "none"
    if (private := account.private_program()) is not None:
        raise Inconclusive(
            "a proof cannot read the program that it runs",
            why=f"{private} is this user's alone: it was installed under a private umask",
            safe="nothing was restored; the backup is not marked bad",
            next=f"chmod -R o+rX {shell(str(private))}",
        )
    found = standing()
    if _ORDER.index(found.best) > _ORDER.index(accepted):
        raise Inconclusive(
            "the verification cannot be isolated from this machine",
            why=f"what is restored could run programs here, and {found.why}",
            safe="nothing was restored; the backup is not marked bad",
            next=f"{found.cure}; or accept less in ops.yaml: verify: {{isolation: {found.best}}}",
        )
    return found.best


def warning(isolation: Isolation) -> str:
    """What a verdict says of an isolation that is not the best; empty for the best."""
    if isolation == "account":
        why = standing().why
        return f"verified as user {account.sandbox_uid()}, who sees what everybody may see on this machine: {why}"
    if isolation == "none":
        return "verified with the rights of this user: ops.yaml says verify: {isolation: none}"
    return ""


def _refused() -> str:
    """Why no command runs in a sandbox here; empty when one does."""
    directory = Path(tempfile.gettempdir()).resolve() / f"ops-sandbox-{secrets.token_hex(8)}"
    with stopping.ending(lambda: shutil.rmtree(directory, ignore_errors=True)):
        directory.mkdir(mode=0o700)
        account.give(directory)
        try:
            with Jail(directory).running(["true"], limits=_QUICK) as tried:
                tried.finish()
        except CommandFailed as error:
            return f"{error.what}: {error.why}".strip(": ")
    return ""
