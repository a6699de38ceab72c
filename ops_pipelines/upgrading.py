"""What this version will change of what an earlier one left. It asks and changes nothing."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from ops_pipelines.compat.variables import NAMES
from ops_pipelines.config.models import Config
from ops_pipelines.errors import OpsError
from ops_pipelines.ledger.ledger import HEAD
from ops_pipelines.ledger.schema import schema_of, steps_from
from ops_pipelines.places import Places
from ops_pipelines.vault import manifest, verdict
from ops_pipelines.vault.catalogue import read_catalogue
from ops_pipelines.vault.stores.base import Store
from ops_pipelines.vault.stores.registry import LOCAL, local_store
from ops_pipelines.vault.trust import Trust

State = Literal["same", "changes", "newer", "unknown"]
"""`same`: used as it is. `changes`: brought to this version's form. `newer`: this version leaves it alone. `unknown`:
it could not be asked."""


@dataclass(frozen=True)
class Finding:
    """One thing that was left, and what becomes of it.

    Attributes:
        found: the number of its format, or what was found, in words.
        known: the number that this version writes.
        said: what becomes of it.
    """

    what: str
    state: State
    found: str
    known: str
    said: str


def look(config: Config, trust: Trust, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Everything whose form has a number, and names that are old."""
    yield _ledger(config)
    # Who opens a store notes below `base` which disk it was: nothing of this is to be left.
    with TemporaryDirectory() as notes:
        others = {name: each.open(name, Path(notes), trust) for name, each in config.stores.items()}
        yield from _restore_points(config, {LOCAL: local_store(config.base, trust), **others})
    yield from _variables(environ)


def _ledger(config: Config) -> Finding:
    url = config.ledger.reveal(purpose="ledger") if config.ledger else f"sqlite:///{Places(config.base).ledger}"
    try:
        found = schema_of(url)
    except OpsError as error:
        return Finding("ledger", "unknown", "?", HEAD, f"{error.what}: {error.why}")
    if found is None:
        return Finding("ledger", "changes", "none", HEAD, "it is made when it is first used")
    if found > HEAD:
        return Finding("ledger", "newer", found, HEAD, "a newer version has used it: this one refuses to start on it")
    if found == HEAD:
        return Finding("ledger", "same", found, HEAD, "it is used as it is")
    steps = ", ".join(steps_from(found))
    said = f"it is brought to {HEAD} when it is first used ({steps}); the earlier version refuses it from then on"
    return Finding("ledger", "changes", found, HEAD, said)


def _restore_points(config: Config, stores: Mapping[str, Store]) -> Iterator[Finding]:
    counts, problems = Counter[tuple[str, int]](), dict[str, tuple[State, str]]()
    for source in config.sources:
        found = read_catalogue(stores, source, None)
        for point in found.points:
            counts.update((f"manifests in {store}", point.manifest.version) for store in point.stores)
            counts.update((f"verdicts on {each.store}", each.version) for each in point.verdicts)
        for fault in found.faults:
            if fault.problem in ("newer", "away", "unreadable"):
                problems[fault.words] = ("newer" if fault.problem == "newer" else "unknown", fault.store)
    for (what, version), number in sorted(counts.items()):
        known = verdict.VERSION if what.startswith("verdicts") else manifest.VERSION
        said = f"{number}, read as they are: what is published is never written again"
        yield Finding(what, "same", str(version), str(known), said)
    for words, (state, store) in problems.items():
        yield Finding(f"store {store}", state, "?", str(manifest.VERSION), words)


def _variables(environ: Mapping[str, str]) -> Iterator[Finding]:
    for name, key in NAMES.items():
        if environ.get(name):
            yield Finding(name, "same", "old name", "", f"it still overrides {key}; write that into ops.yaml instead")
