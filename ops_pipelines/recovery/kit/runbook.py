"""The printed runbook of a kit: the exact commands for each source, and what to expect of them."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from textwrap import fill

from ops_pipelines.by_hand import steps
from ops_pipelines.config.models import Config
from ops_pipelines.engines.registry import kind_of
from ops_pipelines.engines.source import Source
from ops_pipelines.language.said import Size, said, worded
from ops_pipelines.language.speech import Language, language
from ops_pipelines.recovery.kit.secrets import SECOND, VALUES, Carried, restic_variable, store_variable
from ops_pipelines.recovery.verify import farthest_store
from ops_pipelines.vault.catalogue import Catalogues, RestorePoint
from ops_pipelines.vault.manifest import Manifest
from ops_pipelines.vault.stores.base import Store
from ops_pipelines.vault.stores.registry import LOCAL

_WIDTH = 120
_SEALED = {
    "passphrase": """       export KIT_PASSPHRASE='...'
       openssl enc -d -aes-256-cbc -md sha256 -pbkdf2 -iter 600000 -pass env:KIT_PASSPHRASE < kit.key.enc > kit.key
       mkdir -m 700 opened && age -d -i kit.key secrets.tar.age | tar -xf - -C opened; rm kit.key""",
    "recipient": "       mkdir -m 700 opened && age -d -i IDENTITY secrets.tar.age | tar -xf - -C opened",
}
_TITLE = said("Recovery runbook")
_FIRST = said("Before anything else")
_CAREFUL = said(
    "**Do not hurry, and do not touch what is left of the old machine.** Every command here reads backups and writes "
    "into new databases and folders only. It refuses a database or folder that is not empty."
)
_WHOLE = said("Copy this folder (the kit) onto it, go into it, and see that it is whole: `sha256sum -c SHA256SUMS`")
_OPEN_IT = said("Open its sealed part:")
_IN_ORDER = said("Recover the sources below **in the order in which they stand**.")
_ENDINGS = said(
    "If a command ends with status 0, the restored data matches the backup. 1: the data is there, read what was "
    "printed. 2: it failed; try the next older restore point (`--backup ID`) or another store, into a new database. "
    "3: refused, nothing was changed."
)
_SIGNED = said(
    "A restore point counts when a key in `trusted.keys` of this kit signed it; the script says of every other one why "
    "it is not believed. `--unsigned` takes it all the same: only when you know who could write to that store."
)
_WHERE = said("Where this kit belongs")
_TWO_PLACES = said(
    "In two places, one of them in another building, and not only where the backups are: on a USB stick in a safe, "
    "with a second person. The passphrase belongs somewhere else than the kit. A kit that was never tested may not "
    "work: `ops drill` proves it, and `ops kit --check DIR` says whether it still opens the newest backups. Write it "
    "anew after every change of `ops.yaml` and of keys: `ops kit --to DIR`. Print this file."
)
_OR = said("or")
_BY_HAND = said("By hand, without the script:")
_ASKS = said("asks for the passphrase")
_SEALED_FOR = said("the age identity or SSH key it was sealed for")
_OPEN = said("this kit is NOT sealed: guard it like a key")


def write_runbook(
    config: Config,
    stores: Mapping[str, Store],
    catalogues: Catalogues,
    carried: Carried,
    sealed: Sequence[str],
    *,
    made_at: datetime,
) -> str:
    """The whole of `RUNBOOK.md`, in the language of `ops.yaml`; commands are the same in each."""
    spoken = language(config.language)
    kinds = sorted({source.kind for source in config.sources.values()})
    head = "\n".join(_head(kinds, sealed, made_at, spoken))
    notes = []
    if SECOND in carried.identities:
        only = said(
            "`{file}` exists in this kit only: it opens backups when every other key is lost.", file=f"opened/{SECOND}"
        )
        notes.append(spoken.tell(only))
    notes += [spoken.tell(said("**Not in this kit:** {what}", what=each)) for each in carried.missing]
    order = [name for head_name in config.heads for name in config.group_of(head_name)]
    chapters = [_chapter(config, stores, catalogues, name, spoken) for name in order]
    return "\n".join([head, *(f"- {note}" for note in notes), "", *chapters, *_keeping(spoken)])


def _head(kinds: Sequence[str], sealed: Sequence[str], made_at: datetime, spoken: Language) -> Iterator[str]:
    tell = spoken.tell
    yield f"# {tell(_TITLE)}"
    yield ""
    yield _wrapped(
        said(
            "Written {moment}. Everything below works on a clean machine, without Python, ops_pipelines or Dagster.",
            moment=made_at,
        ),
        spoken,
    )
    yield ""
    yield f"## {tell(_FIRST)}"
    yield ""
    yield _wrapped(_CAREFUL, spoken, "1. ")
    yield _wrapped(
        said("Take a machine with Linux and install: {tools} (Debian: {command}),", tools="`age`, `zstd`, `openssl`",
             command="`apt-get install age zstd openssl`"),
        spoken, "2. ",
    )  # fmt: skip
    for kind in kinds:
        also = said("and for {kind}: {tools}.", kind=kind, tools=kind_of(kind).to_install)
        yield f"   {tell(also)}"
    yield _wrapped(_WHOLE, spoken, "3. ")
    yield _wrapped(_OPEN_IT, spoken, "4. ")
    yield ""
    yield from _opening(sealed, spoken)
    yield ""
    opened = said(
        "This makes the folder `opened`: the identities that open the backups in `opened/keys`, passwords and keys of "
        "stores in `opened/{values}`. Destroy it when you are done: `rm -rf opened`",
        values=VALUES,
    )
    yield _wrapped(opened, spoken, "   ")
    yield _wrapped(_IN_ORDER, spoken, "5. ")
    for paragraph in (_ENDINGS, _SIGNED):
        yield ""
        yield _wrapped(paragraph, spoken)
    yield ""


def _opening(sealed: Sequence[str], spoken: Language) -> Iterator[str]:
    """The commands that open the sealed part, for each way in which it was sealed."""
    tell = spoken.tell
    if not sealed:
        yield f"       sh recover.sh open opened            # {tell(_OPEN)}"
    for index, way in enumerate(sealed):
        if index:
            yield from ("", f"   {tell(_OR)}", "")
        if way == "passphrase":
            yield f"       sh recover.sh open opened            # {tell(_ASKS)}"
        else:
            yield f"       sh recover.sh open opened -i IDENTITY     # {tell(_SEALED_FOR)}"
        yield from ("", f"   {tell(_BY_HAND)}", "", _SEALED[way])


def _keeping(spoken: Language) -> Iterator[str]:
    yield from (f"## {spoken.tell(_WHERE)}", "", _wrapped(_TWO_PLACES, spoken), "")


def _wrapped(paragraph: str, spoken: Language, begin: str = "") -> str:
    """A paragraph on lines that fit on paper; commands in it are not cut at their hyphens."""
    return fill(
        spoken.tell(paragraph), _WIDTH, initial_indent=begin, subsequent_indent=" " * len(begin),
        break_on_hyphens=False, break_long_words=False,
    )  # fmt: skip


def _chapter(config: Config, stores: Mapping[str, Store], catalogues: Catalogues, name: str, spoken: Language) -> str:
    source, point = config.source(name), catalogues(name).recovery_point
    lines = [f"## {name} ({source.kind})", ""]
    if point is None:
        lines += [spoken.tell(said("Nothing of it was verified when this was written.")), ""]
        places = [*config.places(name)]
    else:
        lines += [*(f"- {spoken.tell(each)}" for each in _expectations(source, point)), ""]
        farthest = farthest_store(stores, point)
        places = [farthest, *(each for each in point.stores if each != farthest)]
    for store in places:
        lines += _commands(config, stores, name, source, store, point, spoken)
    if point is not None:
        by_hand = said("By hand, without the script, in a copy of the restore point's directory:")
        lines += [spoken.tell(by_hand), ""]
        manifest = point.manifest
        lines += [f"    {command}" for command in steps(manifest.kind, manifest.engine, manifest.parts)] + [""]
    return "\n".join(lines)


def _expectations(source: Source, point: RestorePoint) -> Iterator[str]:
    manifest, verdict = point.manifest, point.verdict
    newest = {"id": f"`{point.id}`", "at": point.started_at}
    if verdict is None:
        yield said("Newest proved restore point at that time: {id}, taken {at}.", **newest)
    else:
        words = worded(verdict.words)
        yield said(
            "Newest proved restore point at that time: {id}, taken {at}; its proof: {words}.", **newest, words=words
        )
    yield said(
        "Expect {size} to fetch and {plain} on the disk; {held}.",
        size=Size(manifest.size_bytes),
        plain=Size(manifest.plain_bytes),
        held=_held(manifest),
    )
    if verdict is None:
        yield said("Time: at most {rto} is tolerable.", rto=source.rto)
    else:
        took = verdict.finished_at - verdict.started_at
        yield said(
            "Time: its last restore and proof took {span}; at most {rto} is tolerable.", span=took, rto=source.rto
        )
    if (tied := manifest.tied_to) is not None:
        yield said("Belongs to restore point {id} of {source}.", id=f"`{tied.backup_id}`", source=tied.source)
    for gap in verdict.missing if verdict is not None else ():
        yield said("Not compared: {what}: {why}", what=gap.what, why=gap.why)
    for warning in manifest.warnings:
        yield said("Note: {what}", what=warning)


def _held(manifest: Manifest) -> str:
    if manifest.contents.known_rows is None:
        return said("how many rows is not known")
    return said("{rows} rows in {tables} tables", rows=manifest.contents.rows, tables=manifest.contents.tables)


def _commands(
    config: Config, stores: Mapping[str, Store], name: str, source: Source, store: str, point: RestorePoint | None,
    spoken: Language,
) -> Iterator[str]:  # fmt: skip
    settings = config.stores.get(store)
    where = shlex.quote(settings.shell_address if settings is not None else str(stores[LOCAL].root))
    place = said("From {store} (off-site)", store=store) if stores[store].offsite else said("From {store}", store=store)
    yield f"### {spoken.tell(place)}"
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
