"""`docs/detection-matrix.md`, made from what came of every corruption in a run."""

from collections.abc import Sequence

from tests.matrix.case import Case, Seen

_TITLES = {"postgres": "PostgreSQL", "mysql": "MariaDB", "mysqld": "MySQL", "mongodb": "MongoDB", "files": "folders"}
_SECTIONS = (
    ("stored", "Stored bytes", "What lies in a store is damaged, mixed up, or changed on purpose."),
    (
        "restored",
        "What comes back",
        "The bytes are whole, but what a restore makes of them is not what the source was.",
    ),
    ("source", "The source and its dump", "The dump program lies, or the source itself has changed."),
)
_HEAD = """# What a verification catches, and what it does not

<!-- Made by tests/matrix: OPS_WRITE_MATRIX=1 .venv/bin/python -m pytest tests/matrix -->

**{caught} of {applied} corruptions caught.** Each was applied to a real backup, which was then verified from its second
store. A cell names the checks that failed, as they stand in the verdict and in the log:

* a bare name such as `checksum`: the verdict is `bad`;
* `key` *inconclusive*: nothing is known about the backup, which is neither trusted nor marked bad;
* `row drift` *attention*: the backup is as good as its source, and a human should look at that;
* *refused*: the dump failed and no restore point was made;
* **not caught**: it passes as verified, for the reason given below the table.

MongoDB is stood in for by SecantusDB here. A dash means that an engine has no such thing, or that it was not tried.
"""


def page(cases: Sequence[Case]) -> str:
    """The whole page; a case's test asserts that what it expects is what is seen."""
    outcomes = {case.name: case.expected for case in cases}
    caught = sum(each.caught for each in outcomes.values())
    text = [_HEAD.format(caught=caught, applied=len(cases)), *_counts(cases, outcomes)]
    for where, title, about in _SECTIONS:
        here = [case for case in cases if case.where == where]
        text += ["", f"## {title}", "", about, "", *_table(here, outcomes), *_reasons(here, outcomes)]
    return "\n".join(text) + "\n"


def _counts(cases: Sequence[Case], outcomes: dict[str, Seen]) -> list[str]:
    rows = ["| | caught | applied |", "|---|---|---|"]
    for engine, title in _TITLES.items():
        ours = [outcomes[case.name] for case in cases if case.engine == engine]
        rows.append(f"| {title} | {sum(each.caught for each in ours)} | {len(ours)} |")
    return rows


def _table(cases: Sequence[Case], outcomes: dict[str, Seen]) -> list[str]:
    cells = {(case.corruption, case.engine): _cell(outcomes[case.name]) for case in cases}
    rows = [f"| corruption | {' | '.join(_TITLES.values())} |", "|---" * (len(_TITLES) + 1) + "|"]
    for corruption in dict.fromkeys(case.corruption for case in cases):
        told = " | ".join(cells.get((corruption, engine), "–") for engine in _TITLES)
        rows.append(f"| {corruption} | {told} |")
    return rows


def _cell(seen: Seen) -> str:
    if not seen.caught:
        return "**not caught**"
    names = ", ".join(f"`{name}`" for name in seen.checks)
    told = {"bad": "", "inconclusive": " *inconclusive*", "verified": " *attention*", "refused": "*refused*"}
    return f"{names}{told[seen.outcome]}"


def _reasons(cases: Sequence[Case], outcomes: dict[str, Seen]) -> list[str]:
    missed: dict[tuple[str, str], list[str]] = {}
    for case in cases:
        if not outcomes[case.name].caught:
            missed.setdefault((case.corruption, case.why), []).append(_TITLES[case.engine])
    lines = [f"* **{corruption}** ({', '.join(engines)}): {why}" for (corruption, why), engines in missed.items()]
    return ["", "Not caught:", "", *lines] if lines else []
