"""Does a kit still open the newest backup of every source? Proved with the kit's own identities, nothing else."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ops_pipelines.errors import CorruptCopy, OpsError
from ops_pipelines.recovery.kit import seal
from ops_pipelines.recovery.kit.kit import BELIEVED, Index, read_index, unopened
from ops_pipelines.recovery.kit.secrets import identities_in
from ops_pipelines.vault.catalogue import RestorePoint
from ops_pipelines.vault.manifest import SUMS
from ops_pipelines.vault.reader import Copy
from ops_pipelines.vault.stores.base import Store
from ops_pipelines.vault.trust import Trust
from ops_pipelines.vault.verdict import Check
from ops_pipelines.workspace import Workspace


@dataclass(frozen=True)
class Checked:
    """What was found out about a kit.

    Attributes:
        proved: the kit was really opened; otherwise only public keys were compared.
    """

    index: Index
    proved: bool
    checks: Sequence[Check]

    @property
    def opens(self) -> bool:
        """Whether it opens everything it must."""
        return all(check.passed or check.attention for check in self.checks)

    @property
    def current(self) -> bool:
        """Whether nothing has changed since it was made."""
        return all(check.passed for check in self.checks)


def check_kit(
    workspace: Workspace, config: Path, directory: Path, *, passphrase: str = "", identity: str = ""
) -> Checked:
    """Look at a kit; with the passphrase or an identity it was sealed for, really open the newest backups with it.

    Raises:
        CorruptCopy: it is no kit.
        seal.CannotOpen: what was given does not open it.
    """
    index = read_index(directory)
    checks = [_files(directory)]
    proved = bool(passphrase or identity) or not index.sealed
    keys: list[str] = []
    if proved:
        keys = list(identities_in(seal.open_secrets(directory, passphrase=passphrase, identity=identity)).values())
    for name in workspace.config.sources:
        newest = workspace.catalogue(name).newest
        if newest is None:
            checks.append(Check(name=name, passed=True, detail="no backup yet"))
        else:
            checks.append(_opens(workspace.stores, newest, keys) if proved else _should_open(index, newest))
    same = hashlib.sha256(config.read_bytes()).hexdigest() == index.config_sha256
    detail = "as when the kit was made" if same else f"changed since {index.made_at:%Y-%m-%d %H:%M} UTC"
    checks.append(Check(name="ops.yaml", passed=same, detail=detail, attention=True))
    checks.append(_believes(workspace.trust, directory))
    blind = unopened(workspace.config, index)
    if blind:
        detail = f"the next backup of {', '.join(blind)} will not open: no identity of the kit is in encrypt.age"
        checks.append(Check(name="keys", passed=False, detail=detail))
    return Checked(index, proved, checks)


def _files(directory: Path) -> Check:
    """Whether every file is what it was when the kit was written."""
    damaged = []
    try:
        for line in (directory / SUMS).read_text(encoding="utf-8").splitlines():
            expected, name = line.split("  ", 1)
            path = directory / name
            if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != expected:
                damaged.append(name)
    except (OSError, ValueError) as error:
        return Check(name="files", passed=False, detail=str(error))
    return Check(name="files", passed=not damaged, detail=f"damaged: {', '.join(damaged)}" if damaged else "whole")


def _believes(trust: Trust, directory: Path) -> Check:
    """Whether the script in it believes the signatures of today."""
    path = directory / BELIEVED
    same = path.is_file() and path.read_bytes() == trust.for_openssl()
    detail = "as when the kit was made" if same else "changed since: rewrite the kit (ops kit --to DIR)"
    return Check(name="signatures", passed=same, detail=detail, attention=True)


def _opens(stores: Mapping[str, Store], point: RestorePoint, keys: Sequence[str]) -> Check:
    """Decrypt a small part of the newest backup with nothing but the kit's identities."""
    name, why = point.manifest.source, ""
    for store in point.stores:
        try:
            Copy(stores[store], point.manifest, lambda: keys).data("contents")
        except CorruptCopy as error:
            why = f"{error.what}: {error.why}"
        except OpsError as error:
            why = error.what
        else:
            return Check(name=name, passed=True, detail=f"opened {point.id} from {store}")
    return Check(name=name, passed=False, detail=f"does not open {point.id}: {why}")


def _should_open(index: Index, point: RestorePoint) -> Check:
    recipients = point.manifest.recipients
    common = set(recipients) & set(index.opens_for)
    if not recipients or common:
        return Check(name=point.manifest.source, passed=True, detail=f"has a key of {point.id}")
    if index.ssh_identities and any(each.startswith("ssh-") for each in recipients):
        detail = f"perhaps {point.id}, by an SSH key: open the kit to know"
        return Check(name=point.manifest.source, passed=False, detail=detail, attention=True)
    return Check(name=point.manifest.source, passed=False, detail=f"has no key of {point.id}")
