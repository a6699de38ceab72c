"""What a proof is called: `verified` alone means that everything was compared."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops_pipelines.engines import definition
from ops_pipelines.engines.base import Contents, TableFacts
from ops_pipelines.proof import Gap, Grade, in_words, weaker
from ops_pipelines.recovery.compare import uncompared

GAP = Gap(what="table public.secrets", why="permission denied", cure="grant select on public.secrets to backup")


@pytest.mark.parametrize(
    ("grade", "gaps", "words"),
    [
        ("full", [], "verified"),
        ("sample", [], "verified by sample"),
        ("counts", [], "verified by row counts"),
        ("restored", [], "restored, not compared"),
        ("full", [GAP], "partly verified, 1 not compared"),
        ("counts", [GAP, GAP], "partly verified by row counts, 2 not compared"),
        ("restored", [GAP], "restored, not compared"),
    ],
)
def test_only_a_whole_proof_is_called_verified(grade: Grade, gaps: list[Gap], words: str) -> None:
    assert in_words(grade, gaps) == words


def test_a_grade_is_weaker_than_those_above_it() -> None:
    assert weaker("counts", "full") and weaker("restored", "counts") and weaker("sample", "full")
    assert not weaker("full", "full") and not weaker("full", "sample")


def test_what_was_not_compared_is_named_with_its_reason() -> None:
    held = Contents(
        level="full",
        dialect="x 1",
        objects={"table a": "exists here", "table b": "text"},
        tables={"a": TableFacts(rows=1, digest="d")},
        unsteady=["a"],
        gaps=(GAP,),
    )
    told = [gap.what for gap in uncompared(held, held)]
    assert told == ["table public.secrets", "table a", "a"]
    other = held.model_copy(update={"dialect": "x 2"})
    assert "definitions" in [gap.what for gap in uncompared(held, other)]


@given(st.lists(st.tuples(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), st.text()), unique_by=lambda each: each[0]))
def test_a_definition_is_read_as_it_was_written(facts: list[tuple[str, str]]) -> None:
    facts = [(label, value.replace("\0", "")) for label, value in facts]
    assert definition.read(definition.written(facts)) == dict(facts)
