"""The clean machine: what is left after a loss. An empty directory, the stores that survive, and what a kit carries.

Nothing of the machine that is lost is used: no local store, no ledger, no address of a source. The sources' URLs are
replaced by ones where nobody listens, so that no mistake of a drill can reach production.
"""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from ops_pipelines import redact
from ops_pipelines.config.alerts import Alerts
from ops_pipelines.config.drills import DrillKit, Drills
from ops_pipelines.config.load import load_config
from ops_pipelines.config.models import Config
from ops_pipelines.config.sentry import Sentry
from ops_pipelines.engines.source import Source
from ops_pipelines.errors import OpsError
from ops_pipelines.language.said import Word, said
from ops_pipelines.places import Places
from ops_pipelines.recovery.kit import seal
from ops_pipelines.recovery.kit.kit import CONFIG, read_index
from ops_pipelines.recovery.kit.secrets import (
    SECOND,
    VALUES,
    identities_in,
    restic_variable,
    signing_in,
    store_variable,
)
from ops_pipelines.settings.secrets import SecretRef
from ops_pipelines.vault.signing.keys import INSTALLATION, TRUSTED, Keys
from ops_pipelines.vault.stores.base import Store
from ops_pipelines.vault.stores.registry import LOCAL, open_stores
from ops_pipelines.vault.stores.settings import StoreSettings
from ops_pipelines.vault.trust import Trust
from ops_pipelines.workspace import Workspace


@dataclass(frozen=True)
class Kit:
    """What the kit in use gives, or what stands in for it.

    Attributes:
        directory: where the kit is; None when there is none.
        keys: age identities by their path in the kit.
        values: other secrets by the variable they are exported as.
        signing: whose signatures are believed, by the names of the files.
        config: the `ops.yaml` in it; None when there is no kit.
        told: what the report says of it.
    """

    directory: Path | None = None
    keys: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)
    signing: Mapping[str, bytes] = field(default_factory=dict)
    config: bytes | None = None
    told: str = said("none: keys came from encrypt.identity, which a disaster would have taken with it")


def open_kit(settings: DrillKit) -> Kit:
    """Unseal the configured kit. Raises OpsError (CannotOpen, CorruptCopy, SecretMissing)."""
    index = read_index(settings.directory)
    passphrase = settings.passphrase.reveal(purpose="drills.kit.passphrase") if settings.passphrase else ""
    identity = settings.identity.reveal(purpose="drills.kit.identity") if settings.identity else ""
    files = seal.open_secrets(settings.directory, passphrase=passphrase, identity=identity)
    keys = {path: redact.register(text.strip()) for path, text in identities_in(files).items()}
    exported = [shlex.split(line)[1] for line in files.get(VALUES, b"").decode().splitlines() if line[:6] == "export"]
    values = dict(each.split("=", 1) for each in exported)
    for value in values.values():
        redact.register(value)
    told = said("{directory}, made {moment}, not sealed", directory=str(settings.directory), moment=index.made_at)
    if index.sealed:
        told = said(
            "{directory}, made {moment}, sealed with {means}",
            directory=str(settings.directory), moment=index.made_at, means=list(map(Word, index.sealed)),
        )  # fmt: skip
    return Kit(settings.directory, keys, values, signing_in(files), files.get(CONFIG), told)


def second_only(kit: Kit) -> Kit:
    """The same kit when every key but its second identity is lost. Raises OpsError when it has none."""
    if SECOND not in kit.keys:
        raise OpsError(
            "there is no second identity to recover with",
            why="no kit with one is configured"
            if kit.directory is None
            else f"{kit.directory} has {len(kit.keys)} keys",
            safe="every backup is untouched; but who loses encrypt.identity loses them all",
            next="ops kit --to DIR --new-identity; add its recipient to encrypt.age; set drills.kit",
        )
    told = said("{kit}; second identity only", kit=kit.told)
    return Kit(kit.directory, {SECOND: kit.keys[SECOND]}, kit.values, kit.signing, kit.config, told)


@dataclass(frozen=True)
class CleanMachine(Workspace):
    """A workspace on the clean machine.

    Attributes:
        keys: the only identities there are.
        held: the stores that survived.
        scratch: where scratch servers live: below the real base, so that any later start sweeps them.
    """

    keys: Sequence[str] = field(kw_only=True)
    held: Mapping[str, Store] = field(kw_only=True)
    scratch: Path = field(kw_only=True)

    @cached_property
    def stores(self) -> dict[str, Store]:
        """What survived."""
        return dict(self.held)

    @cached_property
    def places(self) -> Places:
        """Its own, but for scratch servers."""
        return Places(self.config.base, lent=self.scratch)

    def identities(self, name: str) -> Sequence[str]:
        """Every identity the kit has, whatever source it was for."""
        return self.keys


def clean_machine(workspace: Workspace, directory: Path, kit: Kit, *, every_store: bool = False) -> CleanMachine:
    """A clean machine in an empty directory.

    Args:
        every_store: keep all stores, the local one too: for scenarios in which the machine was not lost.
    Raises:
        OpsError: no store survives, or the kit's configuration cannot be read.
    """
    live = workspace.config
    config = _from_kit(live, kit.config, directory) if kit.config is not None else live
    surviving = list(live.stores) if every_store else surviving_stores(live)
    stores = {name: _reachable(name, config.stores[name], live, kit) for name in surviving if name in config.stores}
    base = directory / "base"
    sources = {name: _detached(name, source, live, kit) for name, source in config.sources.items()}
    changes: dict[str, Any] = {
        "base": base, "stores": stores, "sources": sources, "ledger": None, "alerts": Alerts(), "sentry": Sentry(),
    }  # fmt: skip
    clean = config.model_copy(update=changes)
    trust = Trust(_believed(base / "keys", kit.signing or workspace.signing.files()), workspace.clock, clean.guests)
    held = {name: store for name, store in open_stores(clean.stores, clean.base, trust).items() if name != LOCAL}
    if every_store:
        held = {LOCAL: workspace.local, **held}
    if not held:
        raise OpsError(
            "no store would be left after a loss",
            why="no store has offsite: true, and drills.stores names none",
            safe="nothing was started",
            next="add a store that is elsewhere, or name what would be left: drills: {stores: [nas]}",
        )
    keys = tuple(kit.keys.values()) if kit.keys else _configured_keys(live)
    return CleanMachine(clean, workspace.clock, keys=keys, held=held, scratch=workspace.places.scratch)


def _believed(directory: Path, files: Mapping[str, bytes]) -> Keys:
    """Who the machine was, and whose signatures are ours; nothing is signed on a clean machine."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in (INSTALLATION, TRUSTED):
        if name in files:
            (directory / name).write_bytes(files[name])
    return Keys(directory)


def surviving_stores(config: Config) -> list[str]:
    """The stores that are left when the machine is lost."""
    named = (config.drills or Drills()).stores
    return list(named) or [name for name, store in config.stores.items() if store.offsite]


def _from_kit(live: Config, text: bytes, directory: Path) -> Config:
    """The configuration that the kit carries, with programs looked for where they are on this machine."""
    path = directory / CONFIG
    path.touch(mode=0o600)
    path.write_bytes(text)
    config = load_config(path)
    sources = {
        name: source.model_copy(update=live.sources[name].placed_here() if name in live.sources else {})
        for name, source in config.sources.items()
    }
    return config.model_copy(update={"sources": sources})


def _reachable(name: str, store: StoreSettings, live: Config, kit: Kit) -> StoreSettings:
    """A store as the clean machine sees it: a disk where it is mounted today, a bucket with the kit's keys."""
    carried = {key: kit.values.get(store_variable(name, key), "") for key in store.key_variables}
    return store.as_here(live.stores.get(name)).with_keys({key: value for key, value in carried.items() if value})


def _detached(name: str, source: Source, live: Config, kit: Kit) -> Source:
    """A source without a way to the real one; the kit says the password of its repository, or this machine does."""
    known, there = kit.values.get(restic_variable(name)), live.sources.get(name, source)
    if known is None:
        return source.detached(there.repository_password or source.repository_password)
    return source.detached(SecretRef.model_validate({"literal": known}))


def _configured_keys(config: Config) -> tuple[str, ...]:
    found = [key for name in config.sources for key in config.identities(name)]
    return tuple(dict.fromkeys(found))
