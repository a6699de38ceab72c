"""Random schemas, many to a database: drawn by hypothesis, proved together, and halved until one is left that fails."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

Statements = Sequence[str]
_BATCH = 50


def first_failing(
    strategy: st.SearchStrategy[list[str]],
    count: int,
    database: Callable[[Sequence[Statements]], AbstractContextManager[str]],
    prove: Callable[[str, str], None],
) -> str:
    """Draw so many schemas and prove them; returns the statements of one that fails and why, empty when all hold.

    Args:
        database: a new database with these schemas in it, for the length of the block; its name.
        prove: asserts that the database of this name comes back; its second argument is another word at each call.
    """
    rounds = 0

    def fails(made: Sequence[Statements]) -> str:
        nonlocal rounds
        rounds += 1
        with database(made) as name:
            try:
                prove(name, f"round{rounds}")
            except AssertionError as error:
                return str(error)
        return ""

    made = drawn(strategy, count)
    assert len(made) == count
    batches = (made[start : start + _BATCH] for start in range(0, count, _BATCH))
    return next(filter(None, (smallest_failing(batch, fails) for batch in batches)), "")


def drawn(strategy: st.SearchStrategy[list[str]], count: int) -> list[Statements]:
    """So many of what a strategy makes, the same at each run of one number."""
    found: list[Statements] = []

    @settings(
        max_examples=count, database=None, derandomize=True, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(strategy)
    def collect(made: list[str]) -> None:
        found.append(made)

    collect()
    return found


def smallest_failing(schemas: Sequence[Statements], fails: Callable[[Sequence[Statements]], str]) -> str:
    """What fails, in as few statements as halving and leaving out find; empty when all holds.

    Args:
        fails: proves some schemas in one database; returns what is wrong, empty when nothing is.
    """
    why = fails(schemas)
    if not why:
        return ""
    while len(schemas) > 1:
        half = len(schemas) // 2
        for part in (schemas[:half], schemas[half:]):
            if said := fails(part):
                schemas, why = part, said
                break
        else:
            return f"only together: {why}"
    statements = list(schemas[0])
    for statement in reversed(schemas[0]):
        fewer = [each for each in statements if each is not statement]
        try:
            said = fails([fewer])
        except Exception:  # what is left does not stand without it
            continue
        if said:
            statements, why = fewer, said
    return ";\n".join([*statements, why])
