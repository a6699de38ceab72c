"""Record what a newcomer sees, from nothing to a proved restore: `python -m tools.recording`.

A Django project with a database and uploads is made in a folder that is gone afterwards; the commands are really typed
there, on a terminal. `docs/images/first-backup.cast` plays it with its times (asciinema play), README.md has its text.
Of what was printed one thing is changed: the folder is called /srv/shop.
"""

import json
import os
import pty
import re
import select
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

PROJECT = Path(__file__).parents[1]
CAST, README = PROJECT / "docs/images/first-backup.cast", PROJECT / "README.md"
COMMANDS = ("ops init --yes", "ops doctor", "ops backup")
BEGIN, END = "<!-- Made by: python -m tools.recording -->\n```text\n", "```\n<!-- end -->"
_COLUMNS, _ROWS, _FOLDER = 118, 40, "/srv/shop"
_PIECE = re.compile(
    r"(?P<piece>\x1b\[(?P<up>\d+)A|(?P<erase>\x1b\[2?K)|\x1b\[[0-9;?]*[A-Za-z]|[\r\n]|(?P<text>[^\x1b\r\n]+))"
)
_LONG = 20
_SETTINGS = """
from pathlib import Path
BASE_DIR = Path(__file__).resolve().parent.parent
MEDIA_ROOT = BASE_DIR / "media"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"}}
"""

Event = tuple[float, str, str]
"""Seconds since the start, `o` for output, and the text: a line of an asciicast."""


def main() -> None:
    """Record it, and write both files anew."""
    with TemporaryDirectory() as folder:
        events = list(record(Path(folder)))
    head = {"version": 2, "width": _COLUMNS, "height": _ROWS, "title": "From nothing to a proved restore"}
    CAST.write_text("".join(f"{json.dumps(each)}\n" for each in (head, *events)), encoding="utf-8")
    page = README.read_text(encoding="utf-8")
    before, after = page.partition(BEGIN)[0], page.partition(END)[2]
    README.write_text(f"{before}{BEGIN}{shown(CAST)}{END}{after}", encoding="utf-8")
    print(f"{CAST.relative_to(PROJECT)}: {len(COMMANDS)} commands, {events[-1][0]:.0f} s")


def record(folder: Path) -> Iterator[Event]:
    """Type the commands in a new project; yields what the terminal showed."""
    make_project(folder)
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(folder), "TERM": "xterm-256color",
        "COLUMNS": str(_COLUMNS), "LINES": str(_ROWS), "TZ": "UTC",
    }  # fmt: skip
    began = time.monotonic()
    for command in COMMANDS:
        yield (round(time.monotonic() - began, 3), "o", f"$ {command}\r\n")
        for text in _typed(command, folder, environment):
            yield (round(time.monotonic() - began, 3), "o", text.replace(str(folder), _FOLDER))


def shown(cast: Path) -> str:
    """A recording as text; of a long answer only what failed and how it ends."""
    events = [json.loads(line) for line in cast.read_text(encoding="utf-8").splitlines()[1:]]
    text = "".join(each[2] for each in events)
    parts = re.split(r"^(?=\$ )", "\n".join(_lines(text)), flags=re.MULTILINE)
    return "".join(f"{_shortened(part)}\n" for part in parts if part).rstrip("\n") + "\n"


def _lines(text: str) -> list[str]:
    """What is left on a terminal whose lines were written over: progress goes up and erases."""
    lines, row = [""], 0
    for found in _PIECE.finditer(text):
        if found["up"]:
            row = max(0, row - int(found["up"]))
        elif found["piece"] == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif found["piece"] == "\r" or found["erase"]:
            lines[row] = lines[row] if found["piece"] == "\r" and text[found.end() :].startswith("\n") else ""
        elif found["text"]:
            lines[row] += found["text"]
    return [line.rstrip() for line in lines]


def _shortened(part: str) -> str:
    lines = part.strip("\n").splitlines()
    if len(lines) > _LONG:
        lines = [lines[0], "…", *(line for line in lines if line.startswith("  FAILED")), "…", *lines[-3:]]
    return "\n".join(lines) + "\n"


def make_project(folder: Path) -> None:
    """A Django project with a SQLite database and uploads."""
    for name, content in {"manage.py": "", "shop/__init__.py": "", "shop/settings.py": _SETTINGS}.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    (folder / "manage.py").write_text('"DJANGO_SETTINGS_MODULE", "shop.settings"\n', encoding="utf-8")
    (folder / "media").mkdir()
    for number in range(40):
        (folder / f"media/{number}.jpg").write_bytes(os.urandom(50_000))
    with closing(sqlite3.connect(folder / "db.sqlite3")) as database, database:
        database.execute("create table shop_order (id integer primary key, total numeric not null)")
        database.executemany("insert into shop_order (total) values (?)", [(each,) for each in range(5000)])


def _typed(command: str, folder: Path, environment: dict[str, str]) -> Iterator[str]:
    """What a command writes on a terminal of its own."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command.split(), cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    held = b""
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        while select.select([terminal], [], [], 600)[0]:
            try:
                held += os.read(terminal.fileno(), 65536)
            except OSError:  # the other end is closed
                break
            whole, line_end, rest = held.rpartition(b"\n")
            if line_end:
                held = rest
                yield (whole + line_end).decode()
    if held:
        yield held.decode()
    process.wait()


if __name__ == "__main__":
    main()
