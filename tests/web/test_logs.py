"""One event a line, one schema, nothing secret: of requests and of everything that is attempted."""

import json
import logging
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ops_pipelines import logs, redact
from ops_pipelines.workspace import open_workspace
from tests.logged import stop_logging
from tests.web.conftest import MakeHouse

MANY = """
import sys
from pathlib import Path
from ops_pipelines import logs
logs.set_up(file=Path(sys.argv[1]), keep_mib=1)
for number in range(3000):
    logs.event("dump_published", source=sys.argv[2], number=number, filler="x" * 200)
"""


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Path]:
    """A file that this process logs into, until the test ends."""
    path = tmp_path / "logs" / "ops.log"
    logs.set_up(file=path)
    yield path
    stop_logging()


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_every_attempt_is_a_line_when_it_ends(make_house: MakeHouse, log: Path) -> None:
    house = make_house()
    backup_id = house.holds("crm", "bad")
    with pytest.raises(OSError), house.workspace.ledger.activity("copy", source="crm", store="nas", run_id="r1"):
        raise OSError("no space left")
    published, judged, copied = lines(log)
    assert (published["event"], published["level"], published["source"]) == ("dump_published", "info", "crm")
    assert (judged["event"], judged["level"], judged["outcome"]) == ("verify_failed", "error", "bad")
    assert judged["backup_id"] == backup_id
    assert (copied["event"], copied["run_id"], copied["store"]) == ("copy_failed", "r1", "nas")
    assert copied["error"] == "no space left"
    for each in (published, judged, copied):
        assert list(each)[:4] == ["timestamp", "level", "event", "source"]
        assert each["timestamp"].endswith("Z")
        assert each["duration_s"] >= 0


def test_only_we_may_read_the_file(log: Path) -> None:
    logs.event("something_happened")
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_no_secret_passes_wherever_it_stands(log: Path) -> None:
    secret = redact.register('canary"in\\the\nlog')
    logs.event("copy_failed", why=f"refused: {secret}", nested={"deep": [secret, {secret: 1}]}, other=Path(secret))
    try:
        raise ValueError(f"wrong: {secret}")
    except ValueError:
        logging.getLogger("dagster").exception("it said %s", secret)
    logging.getLogger("uvicorn.error").warning("postgresql://boss:canary-unregistered@db/crm")
    written = log.read_text(encoding="utf-8")
    assert "canary" not in written
    assert [each.get("logger") for each in lines(log)] == [None, "dagster", "uvicorn.error"]
    assert "ValueError" in lines(log)[1]["exception"]


def test_several_processes_fill_and_rotate_one_file_and_no_line_is_torn(tmp_path: Path) -> None:
    path = tmp_path / "ops.log"
    workers = [subprocess.Popen([sys.executable, "-c", MANY, str(path), f"source_{number}"]) for number in range(2)]
    assert [worker.wait(timeout=120) for worker in workers] == [0, 0]
    files = sorted(tmp_path.glob("ops.log*"))
    assert len(files) >= 2
    seen = {(each["source"], each["number"]) for file in files for each in lines(file)}
    assert len(seen) == 6000, "every line of both is in one of the files"
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_nobody_hears_anything_until_it_is_asked_for(make_house: MakeHouse) -> None:
    house = make_house()
    program = (
        "import sys; from ops_pipelines.config.load import load_config;"
        "from ops_pipelines.workspace import open_workspace;"
        "ledger = open_workspace(load_config()).ledger\n"
        "with ledger.activity('dump', source='crm') as entry: entry.fail('no')"
    )
    environ = {"PATH": os.environ["PATH"], "OPS_CONFIG": str(house.folder / "ops.yaml")}

    def said(**more: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", program], env={**environ, **more}, capture_output=True, text=True, check=True
        )
        return done.stdout + done.stderr

    assert said() == ""
    assert json.loads(said(OPS_LOG_FORMAT="json"))["event"] == "dump_failed"
    assert "dump_failed" in said(OPS_LOG_FORMAT="human")
    assert said(OPS_LOG_FILE=str(house.folder / "our.log")) == ""
    assert lines(house.folder / "our.log")[0]["event"] == "dump_failed"


def test_a_log_that_cannot_be_written_is_said_so(make_house: MakeHouse) -> None:
    (make_house().folder / "file").touch()
    house = make_house(logging={"file": "file/ops.log"})
    with pytest.raises(Exception, match=r"the log .*file/ops.log cannot be written"):
        open_workspace(house.workspace.config)


def test_every_request_is_a_line_with_its_id(make_house: MakeHouse) -> None:
    with make_house().serving() as site:
        given = site.get("metrics?secret=1", X_Request_ID="abc-1").headers
        made = site.get("nothing%0Ahere", X_Request_ID="not fit ! for a log").headers
        assert site.stop() == 0
    answered = [each for each in site.events if each["event"] == "request_answered"]
    assert [(each["method"], each["path"], each["status"]) for each in answered] == [
        ("GET", "/metrics", 200),
        ("GET", "/nothing%0Ahere", 404),
    ]
    assert [each["request_id"] for each in answered] == ["abc-1", made["x-request-id"]]
    assert given["x-request-id"] == "abc-1"
    assert all(each["duration_s"] > 0 for each in answered)
    assert [each["event"] for each in site.events if each not in answered] == ["server_started", "server_stopped"]


def test_a_log_whose_folder_is_gone_fails_nothing(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logs.event("dump_published")
    log.unlink()
    log.parent.rmdir()
    logs.event("dump_published")
    assert "No such file or directory" in capsys.readouterr().err
