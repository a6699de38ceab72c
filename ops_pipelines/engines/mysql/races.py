"""Was anything made anew, swapped or altered and altered back while it was dumped? Definitions alone do not tell.

InnoDB refuses to read a table that was truncated, rebuilt or made anew after a snapshot began. It does not notice that
two tables changed their names: the dump then holds the rows of one of them twice, and none of the other's. And a
procedure that was replaced and put back is dumped as it was in between. So what the server knows of each object's age
is read before and after: InnoDB's own number of a table where the account may know it (PROCESS), and the times at which
tables, routines, triggers and events were made. Those count in seconds: what was made in the very second we looked is
taken for changed as soon as any statement that defines something ran on the server meanwhile.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ops_pipelines.engines.mysql import database, rights
from ops_pipelines.engines.mysql.clients import MARIADB
from ops_pipelines.engines.mysql.connection import Session
from ops_pipelines.proof import BACK_UP, Gap

_AGES = """
select 'table', table_name, cast(create_time as char) from information_schema.tables where table_schema = database()
union all select lower(routine_type), routine_name, cast(greatest(created, last_altered) as char)
  from information_schema.routines where routine_schema = database()
union all select 'trigger', trigger_name, cast(created as char) from information_schema.triggers
  where trigger_schema = database()
union all select 'event', event_name, cast(greatest(created, last_altered) as char) from information_schema.events
  where event_schema = database()
"""
_STATEMENTS = "^com_(create|alter|drop|rename|truncate)_(table|view|procedure|function|trigger|event|index|sequence|db)"
_RENAMES = ("com_rename_table", "com_alter_table")
_VIEWS = ("com_create_view", "com_alter_view", "com_drop_view")


@dataclass(frozen=True)
class Look:
    """What the server knew at one moment.

    Attributes:
        second: when this was read.
        ages: when each object was made or altered, by kind and name; empty where the server does not know.
        ids: InnoDB's numbers of the tables; None when the account may not know.
        statements: how many statements that define something ran on the whole server so far, by their counter's name.
    """

    product: str
    second: str
    ages: Mapping[str, str]
    ids: Mapping[str, str] | None
    statements: Mapping[str, int]


def look(opened: Session) -> Look:
    """What the server knows now of this session's database."""
    second = str(opened.value("select cast(now() as char)"))
    ages = {f"{kind} {name}": str(age or "") for kind, name, age in opened.rows(_AGES)}
    counted = opened.rows("show global status where variable_name rlike %s", [_STATEMENTS])
    statements = {str(name).lower(): int(count) for name, count in counted}
    return Look(database.product_of(opened), second, ages, rights.table_ids(opened), statements)


def changed(then: Look, now: Look) -> list[str]:
    """What is another object than it was, or may have been one in between; by kind and name."""
    if then.statements == now.statements:
        return []
    found = {name for name in {*then.ages, *now.ages} if then.ages.get(name) != now.ages.get(name)}
    found |= {name for name, age in now.ages.items() if age[: len(then.second)] >= then.second}
    if then.ids is not None and now.ids is not None:
        found |= {f"table {name}" for name in {*then.ids, *now.ids} if then.ids.get(name) != now.ids.get(name)}
    return sorted(found)


def unknown(then: Look, now: Look, account: str) -> Iterator[Gap]:
    """What may have changed and changed back without a trace that we could see."""
    ran = {name for name, count in now.statements.items() if count != then.statements.get(name)}
    if then.product == MARIADB:
        # A renamed table is of the second in which it was renamed. Of views nothing is known.
        if ran & set(_VIEWS) and any(not age for age in now.ages.values()):
            yield Gap(
                what="views that were replaced and put back during the dump",
                why="views were made or dropped on the server meanwhile, and it does not record which",
                cure=BACK_UP,
            )
    elif ran & set(_RENAMES) and then.ids is None:
        yield Gap(
            what="tables that exchanged their names during the dump",
            why="tables were altered or renamed on the server meanwhile, and the account may not see which",
            cure=f"GRANT PROCESS ON *.* TO {account};",
        )
