"""Tables whose own checks refuse the rows that a dump has of them, and how those rows come back all the same.

A check stands in CREATE TABLE, before the rows. Where its function means something else by now, or reads a table that
is loaded later, it refuses rows that the source holds: `pg_restore` alone loses the whole table. So such checks are
taken away before the rows are loaded, and put back after them, not valid where rows violate them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from ops_pipelines.engines.base import Finding
from ops_pipelines.engines.postgres.connection import Server, StatementFailed, session
from ops_pipelines.engines.postgres.refusals import Refusal

_LIMIT = timedelta(hours=6)  # a check that is put back reads its whole table
# An entry's text is `schema table owner`. A check that is inherited is taken away where it was declared: the highest
# first, and put back the other way round.
_CHECKS = """
with recursive refused as (
    select c.oid, 0 as height from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where exists (select from unnest(%s::text[]) as entry
                    where strpos(entry, concat(n.nspname, ' ', c.relname, ' ')) = 1)
    union
    select i.inhparent, height + 1 from refused join pg_inherits i on i.inhrelid = refused.oid)
select format('%%s.%%I', k.conrelid::regclass, k.conname),
       format('alter table %%s drop constraint %%I', k.conrelid::regclass, k.conname),
       format('alter table %%s add constraint %%I %%s', k.conrelid::regclass, k.conname, pg_get_constraintdef(k.oid)),
       format('comment on constraint %%I on %%s is %%L', k.conname, k.conrelid::regclass,
              obj_description(k.oid, 'pg_constraint'))
  from pg_constraint k join (select oid, max(height) as height from refused group by oid) r on r.oid = k.conrelid
 where k.contype = 'c' and k.conislocal and k.convalidated order by r.height desc, 1
"""
_BY_HAND = (
    "pg_restore alone loses these rows; by hand: pg_restore --section=pre-data, drop those checks, pg_restore"
    " --section=data, add the checks (NOT VALID where rows violate them), pg_restore --section=post-data"
)
_NAMED = 5


@dataclass(frozen=True)
class Check:
    """One check of a table: its name in the fingerprint, and the statements that take it away and put it back."""

    name: str
    drop: str
    add: str
    comment: str


@dataclass(frozen=True)
class PutBack:
    """What came of checks that were put back; `findings` and `excused` as in `Restored`."""

    findings: Sequence[Finding] = ()
    excused: Mapping[str, Sequence[str]] = field(default_factory=dict)


def of_refused(target: Server, refused: Sequence[Refusal]) -> list[Check]:
    """The checks in the way of tables whose rows were refused; none where no rows were."""
    texts = [each.entry.text for each in refused if each.entry is not None and each.entry.kind == "TABLE DATA"]
    if not texts:
        return []
    with session(target, limit=_LIMIT) as opened:
        return [Check(*row) for row in opened.rows(_CHECKS, [texts])]


def take_away(target: Server, checks: Sequence[Check]) -> None:
    """Drop them. Raises StatementFailed."""
    with session(target, limit=_LIMIT) as opened:
        for check in checks:
            opened.rows(check.drop)


def put_back(target: Server, checks: Sequence[Check]) -> PutBack:
    """Add them to the loaded tables, not valid where rows violate them. Raises StatementFailed."""
    violated: list[Check] = []
    with session(target, limit=_LIMIT) as opened:
        for check in reversed(checks):
            try:
                opened.rows(check.add)
            except StatementFailed as error:
                if not error.sqlstate:
                    raise
                opened.rows(f"{check.add} not valid")
                violated.append(check)
            opened.rows(check.comment)
    detail = f"rows that checks refuse while they are loaded were loaded before them: {_listed(checks)}; "
    if violated:
        detail += f"the source's own rows violate, so NOT VALID now: {_listed(violated)}; "
    excused = {f"constraint {check.name}": ("definition", "validated") for check in violated}
    return PutBack([Finding("checks", False, detail + _BY_HAND, attention=True)], excused)


def _listed(checks: Sequence[Check]) -> str:
    more = f" … and {len(checks) - _NAMED} more" if len(checks) > _NAMED else ""
    return ", ".join(sorted(check.name for check in checks)[:_NAMED]) + more
