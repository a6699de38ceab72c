"""What is asserted about a restored copy: what its kind demands, and the user's own checks. Each is timed."""

import time as stopwatch
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, time, timezone
from decimal import Decimal
from functools import partial
from math import isnan
from typing import Protocol, runtime_checkable

from ops_pipelines.clock import human_duration
from ops_pipelines.engines.base import Contents, Finding, Prover, Restored
from ops_pipelines.engines.source import Source
from ops_pipelines.errors import SourceError
from ops_pipelines.personal import masked
from ops_pipelines.process import CommandFailed, Limits, run
from ops_pipelines.redact import redact
from ops_pipelines.settings.checks import AggregationCheck, CommandCheck, Expectation, SqlCheck
from ops_pipelines.vault.verdict import Check


@runtime_checkable
class Runner(Protocol):
    """An engine that restores elsewhere, and runs the user's programs there, too."""

    def run_program(self, check: CommandCheck, target: str) -> Check:
        """See `run_program`."""
        ...


def run_assertions(engine: Prover, target: str, held: Contents, restored: Restored) -> Iterator[Check]:
    """Everything that this kind of target must satisfy; see `Engine.assertions` for what is raised."""
    started = stopwatch.monotonic()
    for found in engine.assertions(target, held, notes=restored.notes):
        now = stopwatch.monotonic()
        yield Check(
            name=found.name,
            passed=found.passed,
            detail=found.detail,
            attention=found.attention,
            seconds=round(now - started, 3),
        )
        started = now


def as_checks(findings: Iterable[Finding]) -> Iterator[Check]:
    """What a restore itself found out, as checks."""
    for found in findings:
        yield Check(name=found.name, passed=found.passed, detail=found.detail, attention=found.attention)


def run_checks(engine: Prover, target: str, source: Source, *, as_of: datetime) -> Iterator[Check]:
    """Everything the user wants asserted about a restored copy of a source: questions, then programs.

    Args:
        as_of: the start of the dump; ages are measured from it, so an old backup stays provable.
    """
    for check in source.checks:
        yield _timed(partial(run_check, engine, target, check, as_of=as_of))
    run_here: Callable[[CommandCheck, str], Check] = engine.run_program if isinstance(engine, Runner) else run_program
    for program in source.commands:
        yield _timed(partial(run_here, program, target))


def _timed(asking: Callable[[], Check]) -> Check:
    started = stopwatch.monotonic()
    return asking().model_copy(update={"seconds": round(stopwatch.monotonic() - started, 3)})


def run_program(check: CommandCheck, target: str) -> Check:
    """Run a program of the user's own against a restored copy.

    One that cannot be started or takes too long has failed: it was meant to say that all is well.
    """
    limits = Limits(stall=check.limit, total=check.limit)
    try:
        printed = run(check.command, env={"OPS_TARGET": target}, limits=limits).stdout
    except CommandFailed as error:
        why = error.why.splitlines()[-1] if error.why else ""
        detail = _told(check, f"{error.what}: {why}".rstrip(": "))
        return Check(name=f"check {check.name}", passed=False, detail=detail, attention=check.attention)
    last = printed.decode(errors="replace").strip().splitlines()[-1:]
    return Check(name=f"check {check.name}", passed=True, detail=_told(check, last[0]) if last else "status 0")


def _told(check: Expectation | CommandCheck, said: str) -> str:
    """What a check says, for everybody who reads a report."""
    return masked(redact(said)) if check.mask else redact(said)


def run_check(engine: Prover, target: str, check: SqlCheck | AggregationCheck, *, as_of: datetime) -> Check:
    """Ask the question and judge the answer.

    Args:
        as_of: the start of the dump; ages are measured from it, so an old backup stays provable.
    """
    name = f"check {check.name}"
    try:
        answer = engine.ask(target, check.question)
    except SourceError as error:
        said = _told(check, error.why or error.what)
        return Check(name=name, passed=False, detail=said, attention=check.attention)
    problem = _problem(check, answer, as_of)
    said = problem or f"{answer}"
    if not isinstance(answer, (int, float, Decimal, date)):  # a sum may look like the number of a card
        said = _told(check, said)
    return Check(name=name, passed=problem is None, detail=said, attention=check.attention)


def _problem(check: Expectation, answer: object, as_of: datetime) -> str | None:
    if answer is None:
        return "the query returned nothing"
    if check.max_age is not None:
        if (moment := _moment(answer)) is None:
            return f"{answer!r} is not a time"
        age = as_of - moment
        if age > check.max_age:
            return f"{answer} was {human_duration(age)} old, more than {human_duration(check.max_age)}"
    if check.equals is not None and not _equal(answer, check.equals):
        return f"{answer}, expected {_plain(check.equals)}"
    if check.min is None and check.max is None:
        return None
    if not isinstance(answer, (int, float, Decimal)):
        return f"{answer!r} is not a number"
    # NaN is neither: it is not below, not above, and no answer.
    if check.min is not None and (isnan(answer) or answer < check.min):
        return f"{answer}, expected at least {_plain(check.min)}"
    if check.max is not None and (isnan(answer) or answer > check.max):
        return f"{answer}, expected at most {_plain(check.max)}"
    return None


def _plain(number: str | float) -> str:
    return str(int(number)) if isinstance(number, float) and number.is_integer() else str(number)


def _equal(answer: object, expected: str | float | bool) -> bool:
    if isinstance(answer, (int, float, Decimal)) and isinstance(expected, (int, float)):
        return float(answer) == float(expected)
    return str(answer) == str(expected)


def _moment(answer: object) -> datetime | None:
    if isinstance(answer, datetime):
        return answer if answer.tzinfo else answer.replace(tzinfo=timezone.utc)
    if isinstance(answer, date):
        return datetime.combine(answer, time(), timezone.utc)
    return None


def holds_something(found: Contents) -> Check:
    """Of an adopted backup nothing is known to compare with, but an empty database is no backup of anything."""
    detail = f"{found.rows:,} rows in {len(found.tables)} tables; what the source held is not known"
    return Check(name="not empty", passed=found.rows > 0, detail=detail)
