"""Migrations of a small PostgreSQL database, drawn from a seed: the same seed gives the same steps.

Each step is one transaction that ends with its number in `app.log`. So a dump tells how many steps it has seen, and
playing just those on an empty database gives what it has to hold.
"""

import random
from collections.abc import Sequence

START = (
    "create schema app",
    "create table app.log (step int)",
    "create table app.items (id int primary key, c varchar(40), step int)",
    "insert into app.items select i, 'row ' || i, 0 from generate_series(1, 300) i",
    "create table app.parts (id int, c text) partition by range (id)",
    "create table app.low partition of app.parts for values from (0) to (100)",
    "create table app.high partition of app.parts for values from (100) to (200)",
    "insert into app.parts select i, 'part ' || i from generate_series(0, 199) i",
    "create sequence app.counter start 1000",
    "create function app.f() returns int language sql as 'select 0'",
    "create view app.seen as select id, c::text as c from app.items",
    "insert into app.log values (0)",
)
_SEEN = "create view app.seen as select id, c::text as c from app.items"


def _rewrite(step: int) -> Sequence[str]:
    kind = ("text", "varchar(60)", "varchar(50)")[step % 3]
    return ("drop view app.seen", f"alter table app.items alter c type {kind} using c || ''", _SEEN)


def _reload(step: int) -> Sequence[str]:
    return (
        "create table app.kept as table app.items",
        "truncate app.items",
        f"insert into app.items select id, 'loaded ' || {step}, {step} from app.kept",
        "drop table app.kept",
    )


def _swap(step: int) -> Sequence[str]:
    return (
        "create table app.fresh (like app.items including all)",
        f"insert into app.fresh select id, 'fresh ' || {step}, {step} from app.items",
        "drop table app.items cascade",
        "alter table app.fresh rename to items",
        _SEEN,
    )


def _rename(_step: int) -> Sequence[str]:
    return ("alter table app.items rename to things", "alter table app.things rename to items")


def _restart(step: int) -> Sequence[str]:
    return (f"alter sequence app.counter restart with {1 + step}",)


def _replace(step: int) -> Sequence[str]:
    return (f"create or replace function app.f() returns int language sql as 'select {step}'",)


def _another_function(step: int) -> Sequence[str]:
    return ("drop function app.f()", f"create function app.f() returns int language sql as 'select {step} + 1'")


def _detach(step: int) -> Sequence[str]:
    return (
        "alter table app.parts detach partition app.high",
        f"update app.high set c = 'apart ' || {step}",
        "alter table app.parts attach partition app.high for values from (100) to (200)",
    )


def _refill(step: int) -> Sequence[str]:
    return ("truncate app.parts", f"insert into app.parts select i, 'again {step}' from generate_series(0, 199) i")


def _index(step: int) -> Sequence[str]:
    return (
        ("drop index if exists app.by_step",) if step % 2 else ("create index if not exists by_step on app.items (c)",)
    )


def _constrain(step: int) -> Sequence[str]:
    dropped = "alter table app.items drop constraint if exists positive"
    return (dropped,) if step % 2 else (dropped, "alter table app.items add constraint positive check (step >= 0)")


def _look(step: int) -> Sequence[str]:
    return (f"create or replace view app.seen as select id, c::text as c from app.items where id <> -{step}",)


def _come_and_go(step: int) -> Sequence[str]:
    if step % 2:
        return ("drop table if exists app.passing",)
    return (
        "drop table if exists app.passing",
        f"create table app.passing as select i, {step} as step from generate_series(1, 50) i",
    )


_STEPS = (
    _rewrite, _reload, _swap, _rename, _restart, _replace, _another_function, _detach, _refill, _index, _constrain,
    _look, _come_and_go,
)  # fmt: skip


def steps(seed: int, count: int) -> list[Sequence[str]]:
    """The first steps of a seed, each the statements of one transaction."""
    drawn = random.Random(seed)
    return [(*drawn.choice(_STEPS)(number), f"insert into app.log values ({number})") for number in range(1, count + 1)]
