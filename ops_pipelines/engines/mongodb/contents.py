"""The MongoDB fingerprint: every definition, and of every collection its documents' count and digest.

A dump fingerprints what passes through it (`dumper`), which costs no second read; `take` reads a
database for it, after a restore.
"""

from datetime import timedelta

from ops_pipelines.engines.base import Contents, Level, TableFacts
from ops_pipelines.engines.mongodb import accounts, expiry
from ops_pipelines.engines.mongodb.connection import Server, connected
from ops_pipelines.engines.mongodb.documents import Tally
from ops_pipelines.engines.mongodb.migrations import Heads
from ops_pipelines.engines.mongodb.namespaces import Collection, describe, objects
from ops_pipelines.engines.mongodb.scan import Deadline, raw_batches, side_by_side, sizes

DIALECT = "mongodb 3"
"""Raise the number with any change to what `namespaces.objects` or `accounts.objects` make of a definition."""


def of(
    level: Level,
    collections: list[Collection],
    tables: dict[str, TableFacts],
    users: accounts.Accounts | None,
    seed: int,
    heads: Heads,
) -> Contents:
    """The fingerprint of these; nothing is said about users and roles that were not looked at."""
    if level == "off":
        return Contents(level="off", dialect=DIALECT)
    found = objects(collections) | accounts.objects(users or accounts.Accounts())
    unseen = accounts.KINDS if users is None else ()
    seed = seed if level == "sample" else 0
    return Contents(
        level=level,
        dialect=DIALECT,
        objects=found,
        tables=tables,
        migrations=heads.found(),
        unseen=unseen,
        gaps=heads.gaps(),
        seed=seed,
    )


def take(server: Server, *, level: Level, jobs: int, limit: timedelta, with_accounts: bool, seed: int) -> Contents:
    """Fingerprint a database by reading it.

    Args:
        level: `sample` digests some documents, `counts` none, `off` reads nothing.
        jobs: collections read side by side.
        limit: the longest it may take altogether.
        with_accounts: users and roles of the database, too.
        seed: decides which documents a sample consists of.
    Raises:
        SourceError: the server failed.
    """
    if level == "off":
        return of("off", [], {}, None, 0, Heads())
    tables: dict[str, TableFacts] = {}
    heads = Heads()
    with connected(server) as database:
        deadline = Deadline(limit)
        collections = describe(database)
        known = sizes(database, collections)

        def read(collection: Collection) -> None:
            assert collection.data is not None
            tally = Tally(level, seed)
            average_bytes = known[collection.name].average_bytes
            for batch in raw_batches(database, collection.data, deadline, average_bytes=average_bytes):
                tally.add(batch)
                heads.add(collection.name, batch)
            tables[collection.name] = tally.facts()

        side_by_side([each for each in collections if each.data is not None], jobs, read)
        with expiry.made(database):
            collections = describe(database)
        users = accounts.read(database) if with_accounts else None
    return of(level, collections, tables, users, seed, heads)
