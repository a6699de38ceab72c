"""The page about mutations, made from runs: what was changed, what a dump's text shows of it, what we see."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

_ROOT = Path(__file__).parents[2]
PAGE = _ROOT / "docs/mutations.md"
_RUNS = _ROOT / "var/mutations"
_HEAD = """# Mutations: whatever a dump's text shows, the comparison sees

Made by `make field`; do not edit. A database that holds everything its server can hold is changed, one statement
at a time: every attribute that can be altered, every kind of object commented, granted, renamed, made and dropped.
After each change the plain text that the server's own dump program prints is compared with the one before, and so are
our definitions, by the letter. Where the text differs and our definitions do not, a change could slip through a
verification: those are listed with the reason.

| server | changes made | the text differs | seen | not seen |
|---|---|---|---|---|
"""


def add(server: str, counts: Mapping[str, int], unseen: Sequence[tuple[str, str, str]]) -> None:
    """Keep one run's result, and write the page from the newest of each server.

    Args:
        counts: changes by what became of them: silent, seen, unseen.
        unseen: kind, statement and reason.
    """
    _RUNS.mkdir(parents=True, exist_ok=True)
    path = _RUNS / f"{server.partition('.')[0]}.json"
    path.write_text(json.dumps({"server": server, "counts": counts, "unseen": unseen}), encoding="utf-8")
    runs = [json.loads(each.read_text("utf-8")) for each in sorted(_RUNS.glob("*.json"))]
    PAGE.write_text(_HEAD + "".join(map(_row, runs)) + _listed(runs), encoding="utf-8")


def _row(run: Mapping[str, Mapping[str, int]]) -> str:
    silent, seen, unseen = (run["counts"][name] for name in ("silent", "seen", "unseen"))
    return f"| {run['server']} | {silent + seen + unseen} | {seen + unseen} | {seen} | {unseen} |\n"


def _listed(runs: Sequence[Mapping[str, Sequence[tuple[str, str, str]]]]) -> str:
    found = {(kind, reason) for run in runs for kind, _statement, reason in run["unseen"]}
    lines = "".join(f"| {kind} | {reason} |\n" for kind, reason in sorted(found))
    return "\n## Not seen, and why\n\n" + (f"| change | reason |\n|---|---|\n{lines}" if lines else "Nothing.\n")
