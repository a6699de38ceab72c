"""Every case of every engine, and the controls: where nothing is corrupted nothing may be caught."""

from tests.matrix import files, mongodb, mysql, postgres, stored
from tests.matrix.case import NOT_CAUGHT, Act, Case

ENGINES = ("postgres", "mysql", "mongodb", "files")
CASES = [
    *(case for engine in ENGINES for case in stored.cases(engine)),
    *postgres.CASES,
    *mysql.CASES,
    *mongodb.CASES,
    *files.CASES,
]


def _nothing(given: object) -> None:
    pass


def _controls(engine: str) -> list[Case]:
    truthful: Act = lambda given: given.lie('exec "$REAL" "$@"')  # noqa: E731
    controls = [
        Case(engine, "stored", "the bytes as they are", (_nothing,), NOT_CAUGHT),
        Case(engine, "restored", "the restore as it is", (_nothing,), NOT_CAUGHT),
        Case(engine, "source", "the source as it is", (_nothing,), NOT_CAUGHT),
    ]
    if engine != "mongodb":  # which is dumped without a program
        controls.append(Case(engine, "source", "a dump program that tells the truth", (truthful,), NOT_CAUGHT))
    return controls


def played(engine: str) -> list[Case]:
    """What is applied to the backups of an engine: its corruptions and its controls."""
    return [*(case for case in CASES if case.engine == engine), *_controls(engine)]
