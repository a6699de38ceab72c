"""A copy of this tree that may be broken, and its tests run there."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[2]
PYTHON = Path(".venv/bin/python")
_PASSED, _FAILED = 0, 1


@dataclass(frozen=True)
class Ran:
    """What pytest said.

    Attributes:
        failed: a test failed, or did not end.
        said: the end of what it printed.
    """

    failed: bool
    said: str


@contextmanager
def copied() -> Iterator[Path]:
    """The files that git knows, as they are now, somewhere else; gone after the block."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    with TemporaryDirectory(prefix="mutants-", dir=os.environ.get("TMPDIR", "/var/tmp")) as made:
        tree = Path(made)
        umask = os.umask(0o022)  # sandboxed workers are another user, and who calls us may be private
        for name in filter(None, listed.decode().split("\0")):
            if (ROOT / name).is_file():
                (tree / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / name, tree / name)
        # Sandboxed workers see the environment and nothing beside it: it is part of the copy.
        shutil.copytree(ROOT / ".venv", tree / ".venv", symlinks=True, copy_function=partial(_linked, tree))
        # What nobody mutates is compiled once; pytest writes nothing there.
        subprocess.run([tree / PYTHON, "-m", "compileall", "-q", tree / "ops_pipelines"], check=True)
        os.umask(umask)
        yield tree


def _linked(tree: Path, source: str, target: str) -> None:
    """One file of the environment: a link to the same bytes, or where it names its place, another text."""
    path = Path(source)
    if path.parent.name == "bin" or path.name.startswith("__editable__"):
        with suppress(UnicodeDecodeError):
            text = path.read_text("utf-8")
            Path(target).write_text(text.replace(str(ROOT), str(tree)), "utf-8")
            shutil.copymode(source, target)
            return
    if not (path.name.startswith("__editable__") and path.suffix == ".pyc"):
        try:
            os.link(source, target)
        except OSError:  # another file system
            shutil.copy2(source, target)


@contextmanager
def changed(path: Path, text: str) -> Iterator[None]:
    """A file with another text for the length of the block."""
    before = path.read_text("utf-8")
    for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
        compiled.unlink()  # it would be believed when the new text has its length and its second
    path.write_text(text, "utf-8")
    try:
        yield
    finally:
        path.write_text(before, "utf-8")


class Tests:
    """Runs tests of a copy; see `ready`."""

    def __init__(self, tree: Path) -> None:
        self._tree = tree
        self._ready = subprocess.Popen(
            [tree / PYTHON, "-m", "tools.mutants.ready"],
            cwd=tree,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def __enter__(self) -> "Tests":
        return self

    def __exit__(self, *_: object) -> None:
        self._ready.communicate()

    def run(self, tests: Sequence[str], *, limit_s: float) -> Ran:
        """Run them until one fails. Raises RuntimeError when pytest itself could not: that says nothing of a change."""
        assert self._ready.stdin is not None and self._ready.stdout is not None
        said = self._tree / "said"
        arguments = ["-x", "-q", "-p", "no:cacheprovider", "--disable-warnings", *tests]
        asked = {"arguments": arguments, "limit_s": limit_s, "said": str(said)}
        self._ready.stdin.write(json.dumps(asked).encode() + b"\n")
        self._ready.stdin.flush()
        status: int | None = json.loads(self._ready.stdout.readline())
        told = "\n".join(said.read_text("utf-8", errors="replace").strip().splitlines()[-12:])
        if status is None:
            return Ran(True, f"did not end in {limit_s:.0f} s")
        # A change that breaks the import of a test module is seen by whoever starts it: that is a failure, too.
        if status in (_PASSED, _FAILED) or "error" in told.lower():
            return Ran(status != _PASSED, told)
        raise RuntimeError(f"pytest could not run (exit status {status}): {told}")
