"""Make the recovery kit: a directory with all that is needed to recover on a clean machine with standard tools."""

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from ops_pipelines import __version__, durable
from ops_pipelines.clock import Clock
from ops_pipelines.config.models import Config
from ops_pipelines.errors import CorruptCopy, OpsError, SafetyRefusal
from ops_pipelines.recovery.kit import seal
from ops_pipelines.recovery.kit.runbook import write_runbook
from ops_pipelines.recovery.kit.secrets import SECOND, Carried, gather, public_keys
from ops_pipelines.redact import redact
from ops_pipelines.settings.secrets import SecretRef
from ops_pipelines.stopping import Held
from ops_pipelines.text import shell
from ops_pipelines.vault.manifest import SUMS, render
from ops_pipelines.workspace import Workspace

SCRIPT, RUNBOOK, INDEX, CONFIG = "recover.sh", "RUNBOOK.md", "kit.json", "ops.yaml"
BELIEVED = "trusted.keys"
"""The public keys whose signatures `recover.sh` believes."""


_UNFINISHED = ".unfinished"


class Index(BaseModel):
    """`kit.json`: what a kit is, without a secret.

    Attributes:
        config_sha256: of the `ops.yaml` it was made from.
        sealed: how its secret half is protected.
        opens_for: age recipients whose backups its identities open.
        ssh_identities: how many SSH keys are in it; they do not tell for whom they open.
        second: recipient of the identity that exists in this kit only.
        missing: what could not be resolved where it was made.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    format: Literal["ops_pipelines/recovery-kit"] = "ops_pipelines/recovery-kit"
    version: Literal[1] = 1
    product: str
    made_at: datetime
    config_sha256: str
    sealed: Sequence[Literal["passphrase", "recipient"]]
    opens_for: Sequence[str]
    ssh_identities: int
    second: str | None
    missing: Sequence[str]


@dataclass(frozen=True)
class Sealing:
    """How the secret half is protected: either or both; with neither it lies open."""

    passphrase: str = ""
    recipients: Sequence[str] = ()

    @property
    def ways(self) -> list[Literal["passphrase", "recipient"]]:
        """In words, for the index."""
        found: list[Literal["passphrase", "recipient"]] = ["passphrase"] if self.passphrase else []
        return [*found, "recipient"] if self.recipients else found


@dataclass(frozen=True)
class Made:
    """A kit just written: its index, its files, and what a human should know."""

    index: Index
    files: Sequence[str]
    warnings: Sequence[str]


def make_kit(workspace: Workspace, config: Path, directory: Path, sealing: Sealing, *, new_identity: bool) -> Made:
    """Write a kit, or write an existing one anew with its second identity kept.

    Args:
        config: the `ops.yaml` that the workspace was opened from.
        new_identity: put a fresh age identity into the kit, and nowhere else.
    Raises:
        SafetyRefusal: the directory holds something else, or a kit that would be lost.
        OpsError: it cannot be written.
    """
    if 0 < len(sealing.passphrase) < seal.SHORTEST:
        raise OpsError(
            f"the passphrase has {len(sealing.passphrase)} characters, {seal.SHORTEST} are needed",
            why="whoever finds the kit can try passphrases offline, as fast as their machines allow",
            next="take five random words",
        )
    kept_key, second = _kept(directory, sealing)
    if new_identity:
        if second:
            raise SafetyRefusal(
                f"the kit in {directory} has a second identity already",
                why=f"it opens for {', '.join(public_keys([second]))}",
                safe="nothing was changed",
                next="leave out --new-identity, or write a kit of its own: --to another directory",
            )
        second = seal.new_identity()
    carried = gather(workspace)
    if second:
        carried.identities[SECOND] = second
    text = config.read_bytes()
    index = _index(workspace.clock, carried, sealing, text, second)
    sealed = seal.pack({**carried.files(), CONFIG: text})
    files = {
        SCRIPT: resources.files("ops_pipelines.recovery.kit").joinpath(SCRIPT).read_bytes(),
        CONFIG: _without_passwords(text, workspace.config),
        "manifest.schema.json": render().encode(),
        RUNBOOK: write_runbook(
            workspace.config, workspace.stores, workspace.catalogue, carried, sealing.ways, made_at=index.made_at
        ).encode(),
        **_sealed(sealed, sealing, kept_key),
        BELIEVED: workspace.trust.for_openssl(),
        INDEX: (index.model_dump_json(indent=1) + "\n").encode(),
    }
    _write(directory, files)
    return Made(index, [*files, SUMS], _warnings(workspace.config, index, open_secrets=not sealing.ways))


def read_index(directory: Path) -> Index:
    """The index of a kit. Raises CorruptCopy when there is none that can be read."""
    try:
        return Index.model_validate_json((directory / INDEX).read_bytes())
    except OSError as error:
        raise CorruptCopy(
            f"{directory} is no recovery kit",
            check="kit",
            why=f"{INDEX}: {error.strerror or error}",
            next=f"make one: ops kit --to {shell(str(directory))} --passphrase-file FILE",
        ) from None
    except ValidationError as error:
        why = str(error.errors(include_url=False)[0]["msg"])
        raise CorruptCopy(f"{directory / INDEX} cannot be read", check="kit", why=why) from None


def unopened(config: Config, index: Index) -> list[str]:
    """The sources whose next backup no identity of the kit opens, as far as public keys tell."""
    found = []
    for name, source in config.sources.items():
        recipients = source.encrypt.age if source.encrypt is not None else ()
        perhaps = index.ssh_identities and any(each.startswith("ssh-") for each in recipients)
        if recipients and not perhaps and not set(recipients) & set(index.opens_for):
            found.append(name)
    return found


def _kept(directory: Path, sealing: Sealing) -> tuple[str, str]:
    """The key and the second identity of the kit that is in the directory already; empty when there is none."""
    if not directory.exists() or {each.name for each in directory.iterdir()} <= {_UNFINISHED}:
        return "", ""
    if not (directory / INDEX).is_file():
        raise SafetyRefusal(
            f"{directory} holds other files", safe="nothing was changed", next="name a new directory: ops kit --to DIR"
        )
    old = read_index(directory)
    try:
        # The key stays, so that no moment of writing leaves a kit that does not open.
        key = ""
        if "passphrase" in old.sealed and sealing.passphrase:
            key = seal.unlock((directory / seal.KIT_KEY).read_bytes(), sealing.passphrase)
        if old.second is None:
            return key, ""
        second = seal.open_secrets(directory, identity=key, passphrase=sealing.passphrase)[SECOND].decode()
    except (seal.CannotOpen, OSError, KeyError) as error:
        raise SafetyRefusal(
            f"the kit in {directory} cannot be rewritten",
            why=f"{error.what if isinstance(error, OpsError) else error}; what only this kit has would be lost",
            safe="nothing was changed",
            next="give the same passphrase as before, or another directory, and keep the old kit",
        ) from None
    return key, second


def _index(clock: Clock, carried: Carried, sealing: Sealing, text: bytes, second: str) -> Index:
    identities = list(carried.identities.values())
    return Index(
        product=f"ops_pipelines {__version__}",
        made_at=clock.now(),
        config_sha256=hashlib.sha256(text).hexdigest(),
        sealed=sealing.ways,
        opens_for=public_keys(identities),
        ssh_identities=sum("-----BEGIN" in identity for identity in identities),
        second=public_keys([second])[0] if second else None,
        missing=carried.missing,
    )


def _sealed(secrets: bytes, sealing: Sealing, kept_key: str) -> dict[str, bytes]:
    if not sealing.ways:
        return {seal.PLAIN: secrets}
    recipients, files = list(sealing.recipients), {}
    if sealing.passphrase:
        key = kept_key or seal.new_identity()
        recipients += public_keys([key])
        files[seal.KIT_KEY] = seal.lock(key, sealing.passphrase)
    return {**files, seal.ENCRYPTED: seal.encrypt(secrets, recipients)}


def _without_passwords(text: bytes, value: Any) -> bytes:
    """`ops.yaml` with every password in a plain URL masked; the sealed half has it as it is."""
    if isinstance(value, SecretRef):
        literal = value.literal.get_secret_value() if value.literal is not None else ""
        masked = redact(literal)
        return text.replace(literal.encode(), masked.encode()) if literal and masked != literal else text
    if isinstance(value, BaseModel):
        value = {name: getattr(value, name) for name in type(value).model_fields}
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else ():
        text = _without_passwords(text, each)
    return text


def _write(directory: Path, files: dict[str, bytes]) -> None:
    """All of it beside what is there, then one rename after the other, which no stop comes between: the files of a kit
    fit together, and half of an old one with half of a new one opens nothing. The checksums last.
    """
    sums = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in files.items())
    complete, staged = {**files, SUMS: sums.encode()}, directory / _UNFINISHED
    try:
        shutil.rmtree(staged, ignore_errors=True)
        for name, data in complete.items():
            durable.write(staged / name, data, mode=0o700 if name == SCRIPT else 0o600)
        with Held():
            for name in complete:
                (staged / name).replace(directory / name)
            for stale in {seal.PLAIN, seal.ENCRYPTED, seal.KIT_KEY} - set(files):
                (directory / stale).unlink(missing_ok=True)
            staged.rmdir()
            directory.chmod(0o700)
            durable.flush(directory)
    except OSError as error:
        raise OpsError(
            f"the kit in {directory} cannot be written",
            why=f"{error.strerror or error}: {error.filename}",
            safe="no backup was touched",
            next=f"ls -ld {directory}; df -h {directory}",
        ) from None


def _warnings(config: Config, index: Index, *, open_secrets: bool) -> list[str]:
    found = [f"not in the kit: {each}" for each in index.missing]
    if blind := unopened(config, index):
        found.append(f"no identity in the kit opens the backups of {', '.join(blind)}: add one to encrypt.age")
    if index.second is not None:
        for name, source in config.sources.items():
            if source.encrypt is not None and index.second not in source.encrypt.age:
                found.append(f"{name} is not encrypted for the second identity yet: add {index.second} to encrypt.age")
    if open_secrets:
        found.append("the identities in it are not sealed: whoever finds the kit reads every backup")
    return found
