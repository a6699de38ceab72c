"""What a command does to a folder, call by call, as strace sees it; every process that it starts is seen.

Not seen: what is written through mapped memory. Of ours only SQLite does that, to an index (`-shm`) that it makes anew.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath

import pytest

from tests.faults.disks.disk import Disk, Node

_CALLS = (
    "open,openat,creat,write,pwrite64,writev,pwritev,pwritev2,sendfile,copy_file_range,lseek,fsync,fdatasync,sync,"
    "syncfs,rename,renameat,renameat2,mkdir,mkdirat,rmdir,unlink,unlinkat,link,linkat,symlink,symlinkat,ftruncate,"
    "truncate,fallocate"
)
_LINE = re.compile(r"(\d+) +(\w+)\((.*)\) += (-?\d+)(.*)", re.DOTALL)
_UNFINISHED = re.compile(r"(\d+) +(\w+)\((.*) <unfinished \.\.\.>$", re.DOTALL)
_RESUMED = re.compile(r"(\d+) +<\.\.\. (\w+) resumed>(.*)$", re.DOTALL)
_OPEN = re.compile(r"(AT_FDCWD|-?\d+)(?:<((?:\\x..)*)>(\(deleted\))?)?")


def record(
    folder: Path, argv: Sequence[str], *, cwd: Path, log: Path, accept: Sequence[int] = (0,)
) -> tuple[Disk, str]:
    """Run a command to its end; returns what it did to the folder, and what it printed.

    Args:
        folder: what is looked at; symbolic links on the way to it are followed.
        log: a file for strace, outside of the folder.
    """
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed (Debian: apt-get install strace)")
    disk = Disk(folder)
    tracing = [
        "strace",
        "-f",
        "-y",
        "-xx",
        "-s",
        str(64 * 2**20),
        "--seccomp-bpf",
        "-e",
        f"trace={_CALLS}",
        "-o",
        str(log),
    ]
    done = subprocess.run([*tracing, "--", *argv], cwd=cwd, capture_output=True, text=True, check=False)
    if "Operation not permitted" in done.stderr and not log.exists():
        pytest.skip(f"processes cannot be traced here: {done.stderr.splitlines()[0]}")
    assert done.returncode in accept, done.stdout + done.stderr
    _Reader(disk, folder.resolve()).read(log)
    return disk, done.stdout


class _Reader:
    def __init__(self, disk: Disk, root: Path) -> None:
        self._disk, self._root = disk, PurePosixPath(root)
        self._offsets: dict[tuple[str, str], int] = {}
        self._appending: set[tuple[str, str]] = set()

    def read(self, log: Path) -> None:
        for call, words, result in _calls(log):
            handler: Callable[[str, list[str], int], None] = getattr(self, f"_{_HANDLERS.get(call, call)}")
            handler(call, words, result)

    def _below(self, path: str, at: str = "") -> PurePosixPath | None:
        whole = PurePosixPath(os.path.normpath(PurePosixPath(at) / path))
        return whole.relative_to(self._root) if whole.is_relative_to(self._root) else None

    def _node(self, word: str) -> tuple[Node | None, tuple[str, str]]:
        """What an open file is, and by what its offset is known."""
        number, path = _descriptor(word)
        below = self._below(path) if path.startswith("/") else None
        return self._disk.find(below) if below is not None else None, (number, path)

    def _open(self, call: str, words: list[str], result: int) -> None:
        if call == "openat":
            at, path, flags = _descriptor(words[0])[1], words[1], words[2]
        else:
            at, path, flags = "", words[0], words[1] if call == "open" else "O_CREAT|O_TRUNC"
        below = self._below(_text(path), at)
        if below is None:
            return
        node, opened = self._disk.find(below), (str(result), str(self._root / below))
        self._offsets[opened] = 0
        (self._appending.add if "O_APPEND" in flags else self._appending.discard)(opened)
        if "O_TMPFILE" in flags:
            return
        if node is None and "O_CREAT" in flags:
            self._disk.name(f"create {below}", (below, Node("file")))
        elif node is not None and "O_TRUNC" in flags:
            self._disk.truncate(node, 0)

    def _write(self, call: str, words: list[str], result: int) -> None:
        node, opened = self._node(words[0])
        if opened[0] == "1" and words[1].startswith('"') and (said := _bytes(words[1])).startswith(b"said "):
            self._disk.said(said.decode(errors="replace").strip())
        if node is None or node.form != "file" or result <= 0:
            return
        if call in ("writev", "pwritev", "pwritev2"):
            data = b"".join(_unescaped(each) for each in re.findall(r'iov_base="([^"]*)"', words[1]))[:result]
        else:
            assert call in ("write", "pwrite64"), f"{call} to {opened[1]} is not understood"
            data = _bytes(words[1])[:result]
        if call in ("pwrite64", "pwritev", "pwritev2"):
            offset = int(words[3])
        elif opened in self._appending:
            offset = len(self._disk.content(node))
        else:
            offset = self._offsets.get(opened, 0)
            self._offsets[opened] = offset + result
        self._disk.write(node, offset, data)

    def _copied(self, call: str, words: list[str], result: int) -> None:
        node, opened = self._node(words[0] if call == "sendfile" else words[2])
        origin, came = self._node(words[1] if call == "sendfile" else words[0])
        if node is None or result <= 0:
            return
        offset, taken = self._offsets.get(opened, 0), self._offsets.get(came, 0)
        self._offsets[opened], self._offsets[came] = offset + result, taken + result
        content = self._disk.content(origin) if origin is not None else Path(came[1]).read_bytes()
        self._disk.write(node, offset, content[taken : taken + result])

    def _lseek(self, call: str, words: list[str], result: int) -> None:
        self._offsets[_descriptor(words[0])] = result

    def _flush(self, call: str, words: list[str], result: int) -> None:
        node, _opened = self._node(words[0])
        if node is not None:
            self._disk.flush(node)

    def _sync(self, call: str, words: list[str], result: int) -> None:
        self._disk.flush(None)

    def _truncate(self, call: str, words: list[str], result: int) -> None:
        below = self._below(_text(words[0])) if call == "truncate" else None
        node = self._disk.find(below) if below is not None else self._node(words[0])[0] if call == "ftruncate" else None
        if node is not None:
            self._disk.truncate(node, int(words[1]))

    def _fallocate(self, call: str, words: list[str], result: int) -> None:
        node, _opened = self._node(words[0])
        if node is not None and words[1] == "0" and len(self._disk.content(node)) < int(words[2]) + int(words[3]):
            self._disk.truncate(node, int(words[2]) + int(words[3]))

    def _rename(self, call: str, words: list[str], result: int) -> None:
        old, new = self._two(call, words)
        moved = self._disk.find(old) if old is not None else None
        if moved is None or new is None or old is None:
            assert (old is None) == (new is None), f"a rename into or out of the folder: {words}"
            return
        other = self._disk.find(new) if words[-1] == "RENAME_EXCHANGE" else None
        self._disk.name(f"rename {old} to {new}", (old, other), (new, moved))

    def _mkdir(self, call: str, words: list[str], result: int) -> None:
        below = self._one(call, words)
        if below is not None:
            self._disk.name(f"mkdir {below}", (below, Node("directory")))

    def _unlink(self, call: str, words: list[str], result: int) -> None:
        below = self._one(call, words)
        if below is not None and self._disk.find(below) is not None:
            self._disk.name(f"remove {below}", (below, None))

    def _link(self, call: str, words: list[str], result: int) -> None:
        old, new = self._two(call, words)
        node = self._disk.find(old) if old is not None else None
        if node is not None and new is not None:
            self._disk.name(f"link {old} as {new}", (new, node))

    def _symlink(self, call: str, words: list[str], result: int) -> None:
        at, name = (_descriptor(words[1])[1], words[2]) if call == "symlinkat" else ("", words[1])
        below = self._below(_text(name), at)
        if below is not None:
            self._disk.name(f"symlink {below}", (below, Node("link", _text(words[0]).encode())))

    def _one(self, call: str, words: list[str]) -> PurePosixPath | None:
        at, name = (_descriptor(words[0])[1], words[1]) if call.endswith("at") else ("", words[0])
        return self._below(_text(name), at)

    def _two(self, call: str, words: list[str]) -> tuple[PurePosixPath | None, PurePosixPath | None]:
        if "at" not in call:
            return self._below(_text(words[0])), self._below(_text(words[1]))
        first, second = _descriptor(words[0])[1], _descriptor(words[2])[1]
        return self._below(_text(words[1]), first), self._below(_text(words[3]), second)


_HANDLERS = {
    "openat": "open", "creat": "open", "pwrite64": "write", "writev": "write", "pwritev": "write", "pwritev2": "write",
    "sendfile": "copied", "copy_file_range": "copied", "fsync": "flush", "fdatasync": "flush", "syncfs": "sync",
    "ftruncate": "truncate", "renameat": "rename", "renameat2": "rename", "mkdirat": "mkdir", "rmdir": "unlink",
    "unlinkat": "unlink", "linkat": "link", "symlinkat": "symlink",
}  # fmt: skip


def _calls(log: Path) -> Iterator[tuple[str, list[str], int]]:
    """Every call that succeeded, in the order in which they ended."""
    begun: dict[tuple[str, str], str] = {}
    with log.open(encoding="ascii") as lines:
        for line in lines:
            text = line.rstrip("\n")
            if found := _UNFINISHED.match(text):
                begun[found[1], found[2]] = found[3]
                continue
            if found := _RESUMED.match(text):
                text = f"{found[1]} {found[2]}({begun.pop((found[1], found[2]), '')}{found[3]}"
            if (found := _LINE.match(text)) and int(found[4]) >= 0:
                yield found[2], _words(found[3]), int(found[4])


def _words(arguments: str) -> list[str]:
    """The arguments of a call; strings hold no comma, since every byte of them is escaped."""
    inside = re.sub(r"\[\{.*?\}\]", lambda vector: vector[0].replace(", ", ";"), arguments)
    return inside.split(", ")


def _descriptor(word: str) -> tuple[str, str]:
    found = _OPEN.fullmatch(word)
    if found is None:
        return word.partition("<")[0], ""  # a pipe or a socket
    return found[1], "" if found[3] or found[2] is None else os.fsdecode(_unescaped(found[2]))


def _text(word: str) -> str:
    return os.fsdecode(_bytes(word))


def _bytes(word: str) -> bytes:
    assert word.startswith('"') and word.endswith('"'), word[-80:]
    return _unescaped(word[1:-1])


def _unescaped(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))
