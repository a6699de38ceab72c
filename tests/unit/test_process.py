"""Other people's programs run in their own group, within limits, and leave nothing behind."""

import errno
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

from ops_pipelines import redact
from ops_pipelines.process import CommandFailed, CommandTimedOut, Limits, run, running

LIMITS = Limits(stall=timedelta(seconds=30), total=timedelta(seconds=30), grace=timedelta(seconds=0.3))
SHORT = Limits(stall=timedelta(seconds=0.4), total=timedelta(seconds=30), grace=timedelta(seconds=0.3))


def wait_until(condition: Callable[[], bool], within_s: float = 20) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def python(code: str, *words: str | Path) -> list[str | Path]:
    return [sys.executable, "-c", textwrap.dedent(code), *words]


def test_what_a_command_prints_comes_back() -> None:
    done = run(["sh", "-c", "cat; echo complaint >&2"], limits=LIMITS, stdin=b"hello")
    assert (done.stdout, done.stderr, done.status) == (b"hello", "complaint", 0)


def test_a_non_zero_exit_status_is_an_error_with_the_programs_own_words() -> None:
    with pytest.raises(CommandFailed, match="sh exited with status 3") as caught:
        run(["sh", "-c", "echo because >&2; exit 3"], limits=LIMITS)
    assert (caught.value.status, caught.value.why) == (3, "because")
    assert run(["sh", "-c", "exit 3"], limits=LIMITS, accept=(0, 3)).status == 3


def test_a_signal_is_an_error() -> None:
    with pytest.raises(CommandFailed, match="died of SIGKILL"):
        run(["sh", "-c", "kill -9 $$"], limits=LIMITS)
    with pytest.raises(CommandFailed, match="died of signal 40"):
        run(["sh", "-c", "kill -40 $$"], limits=LIMITS)


def test_of_a_traceback_only_the_error_is_told() -> None:
    """A process of ours in a sandbox that is sent Ctrl-C ends with twenty lines about its code."""
    code = """
        import os, signal, sys
        signal.signal(signal.SIGINT, signal.default_int_handler)
        print("because", file=sys.stderr)
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            raise RuntimeError("one line\\nand another")
    """
    with pytest.raises(CommandFailed, match="exited with status 1") as caught:
        run(python(code), limits=LIMITS)
    told = caught.value.why.splitlines()
    assert (told[:2], told[-2:]) == (["because", "KeyboardInterrupt"], ["RuntimeError: one line", "and another"])
    assert "File" not in caught.value.why and "Traceback" not in caught.value.why


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(CommandFailed, match="no-such-program") as caught:
        run(["/nowhere/no-such-program", "--flag"], limits=LIMITS)
    assert "No such file" in caught.value.why


def test_secrets_in_a_programs_complaint_are_hidden() -> None:
    redact.register("canary-of-a-command")
    with pytest.raises(CommandFailed) as caught:
        run(["sh", "-c", "echo canary-of-a-command >&2; exit 1"], limits=LIMITS)
    assert "canary" not in str(caught.value)


def test_a_stall_ends_the_read() -> None:
    with running(["sh", "-c", "echo one; sleep 60"], limits=SHORT) as command:
        assert command.read() == b"one\n"
        with pytest.raises(CommandTimedOut, match=r"sent nothing for 0\.4s"):
            command.read()
        assert command.exited()


def test_slow_but_steady_is_no_stall() -> None:
    with running(["sh", "-c", "for i in 1 2 3 4 5 6; do echo $i; sleep 0.15; done"], limits=SHORT) as command:
        lines = b""
        while chunk := command.read():
            lines += chunk
        command.finish()
    assert lines.split() == [b"1", b"2", b"3", b"4", b"5", b"6"]


def test_the_total_limit_ends_a_command_that_keeps_talking() -> None:
    limits = Limits(stall=timedelta(seconds=30), total=timedelta(seconds=0.5), grace=timedelta(seconds=0.3))
    with pytest.raises(CommandTimedOut, match=r"ran longer than 0\.5s"), running(["yes"], limits=limits) as command:
        while command.read():
            pass
    with pytest.raises(CommandTimedOut, match="ran longer than"):
        run(["sleep", "60"], limits=limits)


def test_limits_of_months_are_allowed() -> None:
    months = Limits(stall=timedelta(days=400), total=timedelta(days=400))
    with running(["echo", "hi"], limits=months) as command:
        assert command.read() == b"hi\n"
        command.finish()
    assert run(["echo", "hi"], limits=months).stdout == b"hi\n"


def test_a_command_without_output_must_show_progress_elsewhere(tmp_path: Path) -> None:
    with pytest.raises(CommandTimedOut, match="made no progress"):
        run(["sleep", "60"], limits=SHORT, alive=lambda: len(list(tmp_path.iterdir())))
    working = "for i in 1 2 3 4 5 6; do touch $0/$i; sleep 0.15; done"
    run(["sh", "-c", working, tmp_path], limits=SHORT, alive=lambda: len(list(tmp_path.iterdir())))


def test_the_whole_group_ends_with_the_block_though_it_ignores_sigterm_and_has_grandchildren(tmp_path: Path) -> None:
    stubborn = """
        import os, signal, sys, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        for child in range(3):
            if os.fork() == 0:
                if os.fork() == 0:
                    pass
                break
        open(f"{sys.argv[1]}/{os.getpid()}", "w").close()
        while True:
            time.sleep(60)
    """
    with running(python(stubborn, tmp_path), limits=LIMITS):
        wait_until(lambda: len(list(tmp_path.iterdir())) == 7)
    pids = [int(path.name) for path in tmp_path.iterdir()]
    wait_until(lambda: all(gone(pid) for pid in pids))


def test_children_that_outlive_their_program_are_ended_with_it() -> None:
    with running(["sh", "-c", "sleep 300 >/dev/null 2>&1 & echo $!"], limits=LIMITS) as command:
        child = int(command.read())
        command.finish()
        wait_until(lambda: gone(child))


def test_an_exception_in_the_block_leaves_no_process() -> None:
    with pytest.raises(ZeroDivisionError), running(["sleep", "300"], limits=LIMITS) as command:
        raise ZeroDivisionError
    assert gone(command.pid)


def test_a_program_that_we_have_no_file_left_to_watch_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(_pid: int) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    before = psutil.Process().children()
    monkeypatch.setattr(os, "pidfd_open", none_left)
    with pytest.raises(CommandFailed, match="sleep cannot be started"), running(["sleep", "300"], limits=LIMITS):
        pytest.fail("it runs, and nobody could tell when it has ended")
    assert psutil.Process().children() == before


def test_a_command_dies_with_a_parent_that_is_killed() -> None:
    parent = """
        from datetime import timedelta
        from ops_pipelines.process import Limits, running
        with running(["sleep", "300"], limits=Limits(timedelta(days=1), timedelta(days=1))) as command:
            print(command.pid, flush=True)
            command.finish()
    """
    with subprocess.Popen(python(parent), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        wait_until(lambda: psutil.Process(child).name() == "sleep")  # past setpriv, which sets the signal
        process.kill()
    wait_until(lambda: gone(child))


def test_only_what_a_command_needs_of_our_environment_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_URL", "postgresql://secret")
    monkeypatch.setenv("PGPASSWORD", "of-another-source")
    monkeypatch.setenv("TZ", "Europe/Prague")
    seen = dict(line.split("=", 1) for line in run(["env"], limits=LIMITS, env={"A": "1"}).stdout.decode().splitlines())
    assert not {"SOURCE_URL", "PGPASSWORD"} & seen.keys()
    assert (seen["A"], seen["TZ"], seen["LC_ALL"]) == ("1", "Europe/Prague", "C.UTF-8")


def test_our_descriptors_are_not_passed_on(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as opened:
        listed = run(["ls", "-l", "/proc/self/fd"], limits=LIMITS).stdout.decode()
        assert opened.name not in listed


def test_a_torrent_of_complaints_is_kept_to_its_end() -> None:
    noise = (
        "import sys; [print('noise' * 20, file=sys.stderr) for _ in range(50000)]; print('the end', file=sys.stderr)"
    )
    done = run(python(noise), limits=LIMITS)
    assert len(done.stderr) <= 64 * 1024
    assert done.stderr.endswith("the end")


def test_a_reader_that_stops_early_does_not_hang() -> None:
    with running(["yes"], limits=LIMITS) as command:
        command.read(1)
    assert gone(command.pid)
