"""A stop (Ctrl-C, SIGTERM) is a stop wherever it comes: never lost, and never taken for a broken copy."""

import io
import itertools
import logging
import os
import shutil
import signal
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pyrage
import pytest
from sqlalchemy import create_engine

from ops_pipelines import durable, lease, lent, outages, process, stopping
from ops_pipelines.errors import CorruptCopy
from ops_pipelines.ledger.ledger import Ledger
from ops_pipelines.ledger.models import FAILED, RUNNING, SUCCEEDED
from ops_pipelines.settings.outage import OutageCommands
from ops_pipelines.vault import codec
from ops_pipelines.vault.signing.keys import Keys
from ops_pipelines.vault.stores.s3.cache import Cache
from tests.stops import stopped_at, stopped_at_each_line

_KEY = pyrage.x25519.Identity.generate()
_PLAIN = b"some bytes " * 3000


@pytest.fixture(autouse=True)
def as_in_a_command() -> Iterator[None]:
    """Signals as `ops` handles them."""
    before = {number: signal.getsignal(number) for number in stopping.STOPS}, sys.unraisablehook
    stopping.settle()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before[0].items():
        signal.signal(number, handler)
    sys.unraisablehook = before[1]


def sealed() -> bytes:
    out = io.BytesIO()
    codec.encode(io.BytesIO(_PLAIN), out, [str(_KEY.to_public())])
    return out.getvalue()


def encoding() -> None:
    codec.encode(io.BytesIO(_PLAIN), io.BytesIO(), [str(_KEY.to_public())])


def decoding(data: bytes) -> Callable[[], None]:
    return lambda: codec.decode(io.BytesIO(data), io.BytesIO(), [str(_KEY)], encrypted=True, compressed=True)


@pytest.mark.parametrize("number", stopping.STOPS)
@pytest.mark.parametrize("which", ["encode", "decode"])
def test_a_stop_at_any_line_of_the_codec_is_a_stop(which: str, number: signal.Signals) -> None:
    """The libraries for age and Zstandard raise errors of their own for it: a backup that is well would be bad."""
    work = encoding if which == "encode" else decoding(sealed())
    for turn in range(1, 10_000):
        try:
            hit = stopped_at(turn, work, number, "codec.py")
        except KeyboardInterrupt:
            assert [signal.getsignal(each) for each in stopping.STOPS] == [signal.default_int_handler] * 2
            continue
        assert not hit, f"the stop before line {turn} was lost"
        assert turn > 50
        return


@pytest.mark.parametrize("failing", [False, True])
def test_an_attempt_that_is_stopped_at_any_line_of_the_ledger_has_ended(tmp_path: Path, failing: bool) -> None:
    """Once a stop had come between the row and the block around the work: it stayed open until the next start."""
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}")

    def attempt() -> None:
        with suppress(ZeroDivisionError), ledger.activity("copy", source="crm") as entry:
            entry.store = str(1 / (not failing))

    for turn in range(1, 10_000):
        hit, stopped = False, False
        try:
            hit = stopped_at(turn, attempt, signal.SIGTERM, "ledger.py")
        except KeyboardInterrupt:
            stopped = True
        rows = ledger.recent(limit=1)
        assert all(row.status != RUNNING for row in rows), f"a stop before line {turn} left it open"
        if not hit and not stopped:
            break
        assert stopped, f"the stop before line {turn} was lost"
    assert turn > 30
    assert {row.status for row in ledger.recent(limit=1000)} == {FAILED} | (set() if failing else {SUCCEEDED})


def test_a_program_has_ended_that_is_stopped_at_any_line_of_its_start_and_its_end() -> None:
    """`Popen` forgets what it has started; the sandbox's own program then waited for ever for a word from us."""

    minute = timedelta(minutes=1)
    reading_end, writing_end = os.pipe()
    os.set_blocking(reading_end, False)

    def program() -> None:
        with process.running(["sleep", "60"], limits=process.Limits(minute, minute), files=[writing_end]):
            pass

    def lives() -> bool:
        """Whether anybody but us has the pipe that each was given."""
        nonlocal reading_end, writing_end
        os.close(writing_end)
        try:
            return os.read(reading_end, 1) != b""
        except BlockingIOError:
            return True
        finally:
            os.close(reading_end)
            reading_end, writing_end = os.pipe()
            os.set_blocking(reading_end, False)

    assert stopped_at_each_line(program, ["process.py", "subprocess.py"], lives) > 200


def test_an_owned_directory_is_gone_that_is_stopped_at_any_line_while_it_is_made_and_removed(tmp_path: Path) -> None:
    """It stayed where a stop came between its making and its block, or while it was removed."""

    def directory() -> None:
        with lease.owned_directory(tmp_path / "scratch" / "one") as made:
            (made / "data").mkdir()
            (made / "data" / "rows").touch()

    turns = stopped_at_each_line(
        directory, ["lease.py", "shutil.py"], lambda: [str(each) for each in tmp_path.glob("scratch/*/")]
    )
    assert turns > 100


def test_a_file_is_whole_or_not_there_that_is_stopped_at_any_line_while_it_is_written(tmp_path: Path) -> None:
    """The unfinished one beside it stayed; one of those that are written so is the secret key that signs."""
    path = tmp_path / "folder" / "file"

    def write() -> None:
        path.unlink(missing_ok=True)
        durable.write(path, _PLAIN)

    def left() -> list[str]:
        half = path.exists() and path.read_bytes() != _PLAIN
        return [f"half of {path}"] * half + [str(each) for each in path.parent.glob(".*")]

    assert stopped_at_each_line(write, ["durable.py"], left) > 30


def test_a_key_that_is_stopped_at_any_line_while_it_is_made_leaves_no_other_secret(tmp_path: Path) -> None:
    def left() -> list[str]:
        return [str(each) for each in tmp_path.rglob(".*") if each.suffix != ".lock"]

    def make() -> None:
        shutil.rmtree(tmp_path / "keys", ignore_errors=True)
        keys = Keys(tmp_path / "keys")
        keys.signer(datetime.now(timezone.utc))
        keys.rotate(datetime.now(timezone.utc))

    assert stopped_at_each_line(make, ["durable.py", "keys.py", "minisign.py"], left) > 100


def test_what_a_bucket_said_is_kept_whole_or_not_at_all_when_it_is_stopped(tmp_path: Path) -> None:
    cache, said = Cache(tmp_path), itertools.count()

    def fetch() -> None:
        cache.get("crm", "manifest.json", str(next(said)), lambda: _PLAIN)

    assert stopped_at_each_line(fetch, ["cache.py"], lambda: list(tmp_path.glob("crm/.*"))) > 20


def test_a_note_of_locks_is_gone_that_is_stopped_at_any_line(tmp_path: Path) -> None:
    def lend() -> None:
        with lent.noted(tmp_path / "files-0", store="local", source="crm") as note:
            note("1")
            note("2")

    files = ["lent.py", "durable.py"]
    assert stopped_at_each_line(lend, files, lambda: [str(each) for each in tmp_path.iterdir()]) > 50


def test_a_server_runs_again_whose_outage_is_stopped_at_any_line(tmp_path: Path) -> None:
    done, root = tmp_path / "done", tmp_path / "outages"
    stop, start = (("sh", "-c", f"echo {word} >> {done}") for word in ("stopped", "started"))
    commands = OutageCommands(stop=stop, start=start, allow_outage=True)

    def break_down() -> None:
        done.unlink(missing_ok=True)
        with outages.outage(root, "crm", commands) as end:
            end()

    def left() -> list[str]:
        was = done.read_text(encoding="utf-8").split() if done.exists() else []
        down = was[-1:] == ["stopped"]
        return ["it is down"] * down + [str(each) for each in root.glob("*/")]

    assert stopped_at_each_line(break_down, ["outages.py", "durable.py"], left) > 50


def test_damage_is_still_told_as_damage() -> None:
    data = bytearray(sealed())
    data[-5] ^= 1
    with pytest.raises(CorruptCopy):
        decoding(bytes(data))()


def test_a_stop_that_a_destructor_swallows_comes_again() -> None:
    class Thing:
        """Something that is told of its end."""

    def ending(_reference: object) -> None:
        signal.raise_signal(signal.SIGTERM)

    thing = Thing()
    _reference = weakref.ref(thing, ending)
    with pytest.raises(KeyboardInterrupt):
        del thing
        threading.Event().wait(30)


def test_another_error_of_a_destructor_is_shown_as_ever(capsys: pytest.CaptureFixture[str]) -> None:
    class Thing:
        def __del__(self) -> None:
            raise ValueError("nothing of ours")

    Thing()
    assert "nothing of ours" in capsys.readouterr().err


def test_a_stop_that_a_library_writes_down_on_its_way_is_told_by_us_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLAlchemy logs what goes wrong while a connection is closed, with a traceback, and passes it on."""
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    engine = create_engine("sqlite://")
    connection = engine.connect()

    def stopped_while_closing(_connection: object) -> None:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(engine.dialect, "do_close", stopped_while_closing)
    with pytest.raises(KeyboardInterrupt):
        connection.invalidate()
    assert capsys.readouterr().err == ""
    logging.getLogger("of a library").error("another error", exc_info=ValueError("of its own"))
    assert "another error" in capsys.readouterr().err


def test_where_ctrl_c_is_ignored_it_stays_so() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with stopping.Held():
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
