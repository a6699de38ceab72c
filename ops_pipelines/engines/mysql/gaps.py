"""What a dump of a MySQL or MariaDB database cannot know or hold, because of its account or a broken view: gaps."""

from collections.abc import Iterator, Mapping, Sequence

from ops_pipelines.engines.mysql import rights
from ops_pipelines.engines.mysql.connection import QueryFailed, Session, identifier
from ops_pipelines.engines.mysql.definitions import Table
from ops_pipelines.errors import SourceError
from ops_pipelines.proof import Gap

_NAMED = 5


def found(opened: Session, tables: Sequence[Table], broken: Mapping[str, QueryFailed]) -> Iterator[Gap]:
    """The gaps of a dump of this session's database.

    Args:
        tables: what is listed to the account and can be dumped.
        broken: views that cannot be, and what the server says of each.
    Raises:
        SourceError: a table is listed and may not be read, so that the dump would lack its rows; names the grant.
    """
    name, account = str(opened.value("select database()")), rights.account(opened)
    at = f"{identifier(name)}.*"
    _refuse_unread(opened, tables, broken, at, account)
    held = rights.held(opened, name)
    for view, said in sorted(broken.items()):
        yield Gap(what=f"view {view}", why=f"not in the dump, because it is broken: {said.why}", cure=_mend(view))
    if "SELECT" not in held:
        yield from _unlisted(opened, tables, at, account)
    if "TRIGGER" not in held:
        yield Gap(
            what="triggers",
            why="a server lists them only to an account with TRIGGER: if there are any, they are not in the dump",
            cure=f"GRANT TRIGGER ON {at} TO {account};",
        )
    if rights.hides_routines(opened, name):
        yield Gap(
            what="procedures and functions",
            why="they are not shown to this account: if there are any, they are not in the dump",
            cure=rights.showing_routines(opened, at, account),
        )


def no_lock(account: str) -> Gap:
    """Dump and fingerprint could not be brought to one instant."""
    return Gap(
        what="all rows and definitions",
        why="the account may neither FLUSH TABLES WITH READ LOCK (RELOAD) nor LOCK TABLES, so what the source held at "
        "the dump's instant is not known",
        cure=f"GRANT RELOAD ON *.* TO {account};",
    )


def _refuse_unread(
    opened: Session, tables: Sequence[Table], broken: Mapping[str, QueryFailed], at: str, account: str
) -> None:
    unread = list(rights.unread(opened, tables))
    refused = [table.name for table, error in unread if rights.refuses(error)]
    refused += [view for view, error in broken.items() if rights.refuses(error)]
    if refused:
        raise SourceError(
            f"the source's account may not read {_listed(refused)}",
            why="its dump would lack those rows",
            safe="no dump was taken; earlier backups are untouched",
            next=f"GRANT SELECT ON {at} TO {account};  then: ops backup",
        )
    if unread:
        table, error = unread[0]
        raise SourceError(
            f"{_listed([each.name for each, _ in unread])} cannot be read",
            why=error.why,
            safe="no dump was taken; earlier backups are untouched",
            next=f"CHECK TABLE {identifier(table.name)};  repair or drop it, then: ops backup",
        )


def _unlisted(opened: Session, tables: Sequence[Table], at: str, account: str) -> Iterator[Gap]:
    hidden = rights.unlisted(opened, tables)
    cure = f"GRANT SELECT ON {at} TO {account};"
    if hidden:
        raise SourceError(
            f"the source's account does not even see {_listed(sorted(hidden))}",
            why="InnoDB has these tables in this database, and the account has no privilege on them",
            safe="no dump was taken; earlier backups are untouched",
            next=f"{cure}  then: ops backup",
        )
    if hidden is None:
        yield Gap(
            what="tables on which the account has no privilege",
            why="a server does not even list them: if there are any, they are not in the dump",
            cure=cure,
        )


def _mend(view: str) -> str:
    return f"fix it, or: DROP VIEW {identifier(view)};"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return (
        f"table {', '.join(names[:_NAMED])}{more}" if len(names) == 1 else f"tables {', '.join(names[:_NAMED])}{more}"
    )
