"""A backup reads every document once: nothing else that it asks makes the server read them again."""

from collections.abc import Iterator

import pytest
from pymongo import monitoring

from tests.engines.mongodb.conftest import Mongo, Protect, TestServer
from tests.engines.mongodb.wire import Script, serving

NAMES = ("a", "b", "c")


class Recorder(monitoring.CommandListener):
    """Writes down every command that it hears of, as `command collection`."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """One is on its way."""
        asked = event.command
        stages = [stage for each in asked.get("pipeline", ()) for stage in each]
        self.heard += [f"{name} {asked[event.command_name]}" for name in stages or [event.command_name]]

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Nothing of interest."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Nothing of interest."""


@pytest.fixture
def heard() -> Iterator[list[str]]:
    """What clients that are made during the test send."""
    recorder = Recorder()
    monitoring.register(recorder)
    yield recorder.heard
    monitoring._LISTENERS.command_listeners.remove(recorder)  # no public way leads back


@pytest.fixture
def database(mongo: TestServer) -> Mongo:
    """A database of some collections."""
    made = mongo.new_database()
    for name in NAMES:
        made[name].insert_many([{"_id": i} for i in range(50)])
    return made


def of_documents(heard: list[str]) -> list[str]:
    """What makes SecantusDB read documents: it counts and measures by reading them."""
    reading = ("find", "count", "$count", "collStats", "$collStats", "dbStats", "validate")
    return sorted(each for each in heard if each.split()[0] in reading)


def test_the_stand_in_is_made_to_read_every_document_once(
    database: Mongo, mongo: TestServer, protect: Protect, heard: list[str]
) -> None:
    manifest = protect(mongo.url(database.name)).take()
    assert manifest.contents.rows == 150
    assert of_documents(heard) == [f"find {name}" for name in NAMES]


def test_mongodb_is_asked_for_what_it_has_in_its_books(protect: Protect) -> None:
    played = Script({name: [{"_id": i} for i in range(5)] for name in NAMES})
    with serving(played) as url:
        protect(url).take()
    asked = [f"{next(iter(each))} {next(iter(each.values()))}" for each in played.heard]
    for name in NAMES:
        assert asked.count(f"aggregate {name}") == 1
        assert asked.count(f"count {name}") == 2
    assert "find oplog.rs" not in asked
