"""`ops status --watch` in a real terminal, and where there is none."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Month

OPS = str(Path(sys.executable).with_name("ops"))
_LONGEST_S = 60


class Terminal:
    """A program in a terminal of 100 columns and 20 lines."""

    def __init__(self, *words: str) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 100, 0, 0))
        self.process = subprocess.Popen(
            words, stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, "TERM": "xterm-256color"}
        )
        os.close(theirs)
        self.said = ""

    def read_until(self, told: Callable[[str], bool]) -> None:
        """Read what it draws until that is told, or its end."""
        while not told(self.said):
            assert select.select([self._ours], [], [], _LONGEST_S)[0], self.said
            try:
                self.said += os.read(self._ours, 65536).decode()
            except OSError:  # it has ended
                return

    def close(self) -> None:
        """End it, if it runs."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._ours)


@pytest.fixture
def terminal(month: Month) -> Iterator[Terminal]:
    opened = Terminal(OPS, "status", "--watch", "--every", "1")
    yield opened
    opened.close()


def test_it_is_drawn_again_in_place_and_ctrl_c_leaves_the_last_look_below_the_prompt(terminal: Terminal) -> None:
    terminal.read_until(lambda said: len(re.findall(r"\d\d:\d\d:\d\d UTC, every 1.0s, Ctrl-C ends it", said)) > 1)
    assert terminal.said.count("\x1b[?1049h") == 1 and terminal.said.count("\x1b[H") >= 2
    drawn = terminal.said.rpartition("\x1b[H")[2]
    assert "\x1b[2J" not in drawn, "it does not flicker"
    terminal.process.send_signal(signal.SIGINT)
    terminal.read_until(lambda said: False)
    assert terminal.process.wait() == 0
    left = terminal.said.rpartition("\x1b[?1049l")[2]
    assert "never backed up" in left and "Ctrl-C ends it" not in left
    assert "\x1b[?25h" in terminal.said, "the cursor is back"


def test_in_a_pipe_it_says_what_to_type_instead(month: Month) -> None:
    done = subprocess.run([OPS, "status", "--watch"], capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "needs a terminal" in done.stderr and "next: ops status; it shows the same once" in done.stderr
    done = subprocess.run([OPS, "status", "--watch", "--json"], capture_output=True, text=True, check=False)
    assert done.returncode == 3 and '"what": "--watch is for people' in done.stdout
