"""The printed runbook of a kit: the exact commands for each source, and what to expect of them."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from ops_pipelines.by_hand import steps
from ops_pipelines.clock import human_duration, human_size
from ops_pipelines.config.models import Config
from ops_pipelines.engines.registry import kind_of
from ops_pipelines.engines.source import Source
from ops_pipelines.recovery.kit.secrets import SECOND, VALUES, Carried, restic_variable, store_variable
from ops_pipelines.recovery.verify import farthest_store
from ops_pipelines.vault.catalogue import Catalogues, RestorePoint
from ops_pipelines.vault.manifest import Manifest
from ops_pipelines.vault.stores.base import Store
from ops_pipelines.vault.stores.registry import LOCAL
from ops_pipelines.vault.verdict import Verdict

_HEAD = """# Recovery runbook

Written {made_at} UTC. Everything below works on a clean machine, without Python, ops_pipelines or Dagster.

## Before anything else

1. **Do not hurry, and do not touch what is left of the old machine.** Every command here reads backups and writes into
   new databases and folders only. It refuses a database or folder that is not empty.
2. Take a machine with Linux and install: `age`, `zstd`, `openssl` (Debian: `apt-get install age zstd openssl`),
{clients}
3. Copy this folder (the kit) onto it, go into it, and see that it is whole: `sha256sum -c SHA256SUMS`
4. Open its sealed part:

{opening}

   This makes the folder `opened`: the identities that open the backups in `opened/keys`, passwords and keys of stores
   in `opened/{values}`. Destroy it when you are done: `rm -rf opened`
5. Recover the sources below **in the order in which they stand**.

If a command ends with status 0, the restored data matches the backup. 1: the data is there, read what was printed.
2: it failed; try the next older restore point (`--backup ID`) or another store, into a new database. 3: refused,
nothing was changed.

A restore point counts when a key in `trusted.keys` of this kit signed it; the script says of every other one why it is
not believed. `--unsigned` takes it all the same: only when you know who could write to that store.
"""
_SEALED = {
    "passphrase": """       sh recover.sh open opened            # asks for the passphrase

   By hand, the same in two steps (openssl opens the kit's own key, age opens the rest with it):

       export KIT_PASSPHRASE='...'
       openssl enc -d -aes-256-cbc -md sha256 -pbkdf2 -iter 600000 -pass env:KIT_PASSPHRASE < kit.key.enc > kit.key
       mkdir -m 700 opened && age -d -i kit.key secrets.tar.age | tar -xf - -C opened; rm kit.key""",
    "recipient": """       sh recover.sh open opened -i IDENTITY     # the age identity or SSH key it was sealed for

   By hand: `mkdir -m 700 opened && age -d -i IDENTITY secrets.tar.age | tar -xf - -C opened`""",
}
_OPEN = "       sh recover.sh open opened            # this kit is NOT sealed: guard it like a key"
_KEEPING = """## Where this kit belongs

In two places, one of them in another building, and not only where the backups are: on a USB stick in a safe, with a
second person. The passphrase belongs somewhere else than the kit. A kit that was never tested may not work: `ops drill`
proves it, and `ops kit --check DIR` says whether it still opens the newest backups. Write it anew after every change of
`ops.yaml` and of keys: `ops kit --to DIR`. Print this file.
"""


def write_runbook(
    config: Config,
    stores: Mapping[str, Store],
    catalogues: Catalogues,
    carried: Carried,
    sealed: Sequence[str],
    *,
    made_at: datetime,
) -> str:
    """The whole of `RUNBOOK.md`."""
    kinds = sorted({source.kind for source in config.sources.values()})
    opening = "\n\n   or\n\n".join(_SEALED[way] for way in sealed) or _OPEN
    head = _HEAD.format(
        made_at=_minutes(made_at),
        clients="\n".join(f"   and for {kind}: {kind_of(kind).to_install}." for kind in kinds),
        opening=opening,
        values=VALUES,
    )
    notes = []
    if SECOND in carried.identities:
        notes.append(f"`opened/{SECOND}` exists in this kit only: it opens backups when every other key is lost.")
    notes += [f"**Not in this kit:** {each}" for each in carried.missing]
    order = [name for head_name in config.heads for name in config.group_of(head_name)]
    chapters = [_chapter(config, stores, catalogues, name) for name in order]
    return "\n".join([head, *(f"- {note}" for note in notes), "", *chapters, _KEEPING])


def _chapter(config: Config, stores: Mapping[str, Store], catalogues: Catalogues, name: str) -> str:
    source, point = config.source(name), catalogues(name).recovery_point
    lines = [f"## {name} ({source.kind})", ""]
    if point is None:
        lines += ["Nothing of it was verified when this was written.", ""]
        places = [LOCAL, *source.copies]
    else:
        lines += [*_expectations(source, point), ""]
        farthest = farthest_store(stores, point)
        places = [farthest, *(each for each in point.stores if each != farthest)]
    for store in places:
        lines += _commands(config, stores, name, source, store, point)
    if point is not None:
        lines += ["By hand, without the script, in a copy of the restore point's directory:", ""]
        manifest = point.manifest
        lines += [f"    {command}" for command in steps(manifest.kind, manifest.engine, manifest.parts)] + [""]
    return "\n".join(lines)


def _expectations(source: Source, point: RestorePoint) -> Iterator[str]:
    manifest, verdict = point.manifest, point.verdict
    proof = f"; its proof: {verdict.words}" if verdict is not None else ""
    yield f"- Newest proved restore point at that time: `{point.id}`, taken {_minutes(point.started_at)} UTC{proof}."
    yield (
        f"- Expect {human_size(manifest.size_bytes)} to fetch and {human_size(manifest.plain_bytes)} on the disk; "
        f"{_held(manifest)}."
    )
    took = f"its last restore and proof took {_took(verdict)}; " if verdict is not None else ""
    yield f"- Time: {took}at most {human_duration(source.rto)} is tolerable."
    if manifest.tied_to is not None:
        yield f"- Belongs to restore point `{manifest.tied_to.backup_id}` of {manifest.tied_to.source}."
    for gap in verdict.missing if verdict is not None else ():
        yield f"- Not compared: {gap.what}: {gap.why}"
    for warning in manifest.warnings:
        yield f"- Note: {warning}"


def _held(manifest: Manifest) -> str:
    if manifest.contents.known_rows is None:
        return "how many rows is not known"
    return f"{manifest.contents.rows} rows in {manifest.contents.tables} tables"


def _commands(
    config: Config, stores: Mapping[str, Store], name: str, source: Source, store: str, point: RestorePoint | None
) -> Iterator[str]:
    settings = config.stores.get(store)
    where = shlex.quote(settings.shell_address if settings is not None else str(stores[LOCAL].root))
    yield f"### From {store}" + (" (off-site)" if stores[store].offsite else "")
    yield ""
    if settings is not None and settings.key_variables:
        yield f"    . ./opened/{VALUES}"
        for key in settings.key_variables:
            yield f'    export {key}="${{{store_variable(store, key)}:-}}"'
        for key, value in settings.shell_environment.items():
            yield f"    export {key}={shlex.quote(value)}"
    yield f"    sh recover.sh list {where} {name}"
    kind = kind_of(source.kind)
    if source.repository_password is not None:
        yield f"    . ./opened/{VALUES}"
    for line in kind.kit_target(restic_variable(name)):
        yield f"    {line}"
    target = f"./{name}_restored" if kind.on_disk else f"{name}_restored"
    # The files that belong to a database, not just the newest.
    chosen = f" --backup {point.id}" if point is not None and point.manifest.tied_to is not None else ""
    yield f"    sh recover.sh restore {where} {name} --to {' '.join([target, *kind.kit_options])}{chosen}"
    yield ""


def _took(verdict: Verdict) -> str:
    return human_duration(verdict.finished_at - verdict.started_at)


def _minutes(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"
