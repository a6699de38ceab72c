"""The text of a first `ops.yaml`: what was chosen, and in comments what else there is."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ops_pipelines.clock import human_size
from ops_pipelines.engines.registry import kind_of
from ops_pipelines.setup.discover import OWN
from ops_pipelines.setup.found import Database, Folder
from ops_pipelines.setup.own import BASE, Own

AGE_KEY, RESTIC_PASSWORD = Path("keys/age.key"), Path("keys/restic.password")
_PLAIN = re.compile(r"[A-Za-z0-9_./-]*[A-Za-z_/][A-Za-z0-9_./-]*")
_EVERY, _RPO = "0 2,8,14,20 * * *", "24h"


@dataclass(frozen=True)
class Copies:
    """The second place: a directory, or a bucket.

    Attributes:
        where: a path, or `s3://bucket/prefix`.
        endpoint: of a bucket that is not Amazon's.
        credentials: prefix of the variables with a bucket's keys; boto3 looks where it always does unless given.
    """

    where: str
    endpoint: str = ""
    credentials: str = ""

    @property
    def name(self) -> str:
        """What the store is called."""
        return "offsite" if self.is_bucket else "second"

    @property
    def is_bucket(self) -> bool:
        """Whether it is a bucket."""
        return self.where.startswith("s3://")


@dataclass(frozen=True)
class Choice:
    """What is to be protected, and how.

    Attributes:
        databases: those that do not answer are protected as well: their backups fail until they do, and are heard.
        left_out: databases that were found and that the user does not want.
        ledger: the variable with the ledger's URL; a file unless given.
    """

    databases: Sequence[Database] = ()
    folders: Sequence[Folder] = ()
    own: Own = field(default_factory=Own)
    left_out: Sequence[Database] = ()
    copies: Copies | None = None
    timezone: str = "UTC"
    ledger: str = ""


def url_file(name: str) -> Path:
    """Where the URL of a database lies that no variable holds."""
    return Path("keys") / f"{name}.url"


def text(choice: Choice, recipient: str, directory: Path) -> str:
    """The whole file.

    Args:
        recipient: the public age key.
        directory: where the file will lie; paths below it are written relative to it.
    """
    return "\n".join([*_head(choice, recipient), *_stores(choice, directory), *_sources(choice, directory), *_tail()])


def _head(choice: Choice, recipient: str) -> Iterator[str]:
    yield """\
# What is protected, where the copies go, and how backups are verified. Written by `ops init`; it is yours from here on.
# `ops check` reads it and names the line of every mistake, `ops schema` prints every key there is.
# Paths are relative to this file. Secrets are never written here, only where to find them.
"""
    yield _commented(f"timezone: {choice.timezone}", "the schedule's and the day partitions'; an IANA name")
    yield _commented(
        f"base: {BASE}", "the local store, the ledger, scratch space: on a local disk with room for a restore"
    )
    if choice.ledger:
        yield f"ledger: {{env: {choice.ledger}}}"
    yield ""
    yield _commented("defaults:", "for every source, unless it says otherwise")
    yield _commented(f'  every: "{_EVERY}"', "back up four times a day …")
    yield _commented(f"  rpo: {_RPO}", "… so that never more than a day is lost, even when one run fails")
    yield _commented("  rto: 30m", "a restore may take this long")
    yield "  keep: {last: 4, daily: 14, weekly: 8, monthly: 12, min_verified: 3} # `ops prune` shows what goes"
    yield "  encrypt:"
    yield f'    age: ["{recipient}"]'
    yield _commented(f"    identity: {{file: {AGE_KEY}}}", "only needed where backups are verified and restored")
    if choice.copies is not None:
        yield _commented(
            f"  copies: [{choice.copies.name}]", "every backup is copied there, and restored from there to verify it"
        )
    yield ""


def _stores(choice: Choice, directory: Path) -> Iterator[str]:
    copies = choice.copies
    if copies is None:
        yield """\
# There is no second copy yet: what destroys this disk destroys the backups on it. A directory on another disk or a
# NAS, or a bucket, makes one; name it under `defaults:` with copies: [offsite]
# stores:
#   offsite:
#     kind: s3
#     bucket: acme-backups
#     offsite: true
#     credentials: {env: OFFSITE}     # OFFSITE_ACCESS_KEY_ID, OFFSITE_SECRET_ACCESS_KEY
"""
        return
    yield "stores:"
    yield f"  {copies.name}:"
    if not copies.is_bucket:
        yield "    kind: directory"
        yield f"    path: {_relative(Path(copies.where), directory)}"
        yield _commented("    # mounted: true", "when it is a volume of its own: refuse while it is not mounted")
        yield _commented("    # offsite: true", "when it is in another building")
        yield ""
        return
    bucket, _, prefix = copies.where.removeprefix("s3://").partition("/")
    yield "    kind: s3"
    yield f"    bucket: {json.dumps(bucket)}"
    if prefix.strip("/"):
        yield f"    prefix: {json.dumps(prefix.strip('/'))}"
    if copies.endpoint:
        yield f"    endpoint: {json.dumps(copies.endpoint)}"
    if copies.credentials:
        yield f"    credentials: {{env: {copies.credentials}}}"
    yield _commented("    offsite: true", "it is off-site, so it takes encrypted backups only")
    yield ""


def _sources(choice: Choice, directory: Path) -> Iterator[str]:
    yield "sources:"
    for each in choice.databases:
        yield from _database(each, directory)
    # With one database it is clear whose files they are; a file is uploaded before its row is written.
    owner = choice.databases[0].name if len(choice.databases) == 1 else ""
    for folder in choice.folders:
        said = f"NOT REACHED YET: {folder.problem}" if folder.problem else ""
        said = said or f"{folder.files} files, {human_size(folder.size_bytes)}"
        yield _commented(f"  {folder.name}:", _one_line(said))
        yield "    kind: files"
        yield f"    paths: [{_relative(folder.path, directory)}]"
        yield f"    password: {{file: {RESTIC_PASSWORD}}}"
        if owner:
            yield _commented(f"    with: {owner}", "backed up right after its database")
        yield ""
    yield from _own(choice.own, directory)
    for each in choice.left_out:
        yield f"  # {each.name}: not protected, left out on purpose"
        yield f"  #   kind: {each.kind}"
        variable = each.variable or f"{each.name.upper()}_DATABASE_URL"
        yield f"  #   url: {{env: {variable}}}    # found in {_one_line(each.origin)}\n"


def _database(each: Database, directory: Path, *, checks: bool = True) -> Iterator[str]:
    said = f"{each.server}, {human_size(each.size_bytes)}" if each.server else f"from {each.origin}"
    yield _commented(f"  {each.name}:", _one_line(f"NOT REACHED YET: {each.problem}" if each.problem else said))
    yield f"    kind: {each.kind}"
    if kind_of(each.kind).on_disk:
        yield f"    paths: [{_relative(each.path, directory)}]"
    else:
        place = f"env: {each.variable}" if each.variable else f"file: {url_file(each.name)}"
        yield f"    url: {{{place}}}"
    if checks and kind_of(each.kind).speaks_sql:
        yield _commented(
            "    # checks:", "asked of every restored backup, in addition to the comparison with the source"
        )
        yield "    #   - {name: fresh, sql: select max(created_at) from orders, max_age: 48h}"
    yield ""


def _own(own: Own, directory: Path) -> Iterator[str]:
    """We are worth protecting ourselves: without the ledger and Dagster's history nobody knows what was proved when."""
    if own.files:
        paths = ", ".join(_relative(path, directory) for path in own.files)
        yield _commented(f"  {OWN}:", "ourselves: the ledger, and what Dagster remembers of every run")
        yield "    kind: sqlite"
        yield f"    paths: [{paths}]"
        yield ""
    for each in own.databases:
        yield from _database(each, directory, checks=False)


def _tail() -> Iterator[str]:
    yield """\
# Who is told when something is wrong (Apprise URLs: Slack, mail, Telegram, …); try it with `ops alerts test`
# alerts:
#   channels:
#     slack: {env: ALERT_SLACK_WEBHOOK}
#   route: [slack]

# Who notices when nothing runs any more
# sentry: {dsn: {env: SENTRY_DSN}, environment: production}

# Every week a disaster is rehearsed, every month a restore point chosen at random is restored (see `ops plan`)
# drills: off
"""


def _commented(line: str, why: str) -> str:
    """A line with a comment, which begin in one column."""
    return f"{line:<32} # {why}"


def _relative(path: Path, directory: Path) -> str:
    """A path as it is written: quoted where YAML would read something else."""
    shown = str(path.relative_to(directory)) if path.is_absolute() and path.is_relative_to(directory) else str(path)
    return shown if _PLAIN.fullmatch(shown) else json.dumps(shown)


def _one_line(words: str) -> str:
    return " ".join(words.split())[:160]
