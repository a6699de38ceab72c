"""A step that was slower than before is named; a wobble is not."""

from ops_pipelines.drill.measure import slower_steps


def test_a_step_that_was_slower_than_before_is_named_with_what_is_usual() -> None:
    past = [{"start": 2.0, "load": 10.0}, {"start": 2.2, "load": 12.0}, {"start": 2.1, "load": 11.0}]
    (told,) = slower_steps({"start": 2.6, "load": 30.0, "new": 99.0}, past)
    assert told == "load took 30.0 s, 11.0 s is usual over 3 drills"
    assert slower_steps({"start": 0.4}, [{"start": 0.1}]) == []  # four times as long, and nothing to anybody
    assert slower_steps({"load": 30.0}, []) == []
