"""A disk that keeps only what was flushed: what is left of a folder when the power is cut between two system calls.

Names and bytes are apart, as POSIX has it: `fsync` of a file keeps its bytes and promises nothing about its name;
`fsync` of a directory keeps the names that were made, moved and removed in it until then. What was not flushed may be
on the disk or not, in any combination. A rename is one step, as on every file system with a journal.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

Tree = Mapping[str, bytes | None]
"""What a folder holds, by path below it; None is a directory."""
_numbers = itertools.count()


@dataclass(eq=False)
class Node:
    """A file, a link or a directory, whatever its names are."""

    form: str
    content: bytes = b""
    number: int = field(default_factory=lambda: next(_numbers))


@dataclass(eq=False)
class Step:
    """One change, or something that was said; `forced` is the step whose flush has put it on the disk.

    Attributes:
        entries: names that it gives and takes: directory, name, and what it names from then on.
        node: whose bytes it changes, with `write`.
    """

    what: str
    entries: list[tuple[Node, str, Node | None]] = field(default_factory=list)
    node: Node | None = None
    write: Callable[[bytearray], None] | None = None
    forced: int | None = None

    @property
    def changes(self) -> bool:
        """Whether it changes the disk."""
        return bool(self.entries) or self.write is not None


class Disk:
    """A folder and everything that was done to it, in order.

    Args:
        root: the folder; what it holds now lies on the disk.
    """

    def __init__(self, root: Path) -> None:
        self.root = Node("directory")
        self.steps: list[Step] = []
        self._namings: list[tuple[int, Step]] = []
        self._writes: dict[Node, list[tuple[int, Step]]] = {}
        self._contents: dict[tuple[Node, tuple[int, ...]], bytes] = {}
        self._names: dict[Node, dict[str, Node]] = {self.root: {}}
        self._first: dict[Node, dict[str, Node]] = {self.root: {}}
        for path in sorted(root.rglob("*")):
            below = PurePosixPath(path.relative_to(root))
            form = "link" if path.is_symlink() else "directory" if path.is_dir() else "file"
            content = path.read_bytes() if form == "file" else str(path.readlink()).encode() if form == "link" else b""
            made = Node(form, content)
            parent = self.find(below.parent)
            assert parent is not None
            for names in (self._names, self._first):
                names[parent][below.name] = made
                names[made] = {}

    def find(self, path: PurePosixPath) -> Node | None:
        """What has this path at the last step."""
        node: Node | None = self.root
        for name in path.parts:
            node = self._names.get(node, {}).get(name) if node is not None else None
        return node

    def said(self, words: str) -> None:
        """Somebody was told something."""
        self.steps.append(Step(f"said: {words}"))

    def name(self, what: str, *given: tuple[PurePosixPath, Node | None]) -> None:
        """Names are given or taken, all in one step."""
        entries = []
        for path, node in given:
            parent = self.find(path.parent)
            if parent is None:
                return  # what lies outside of the folder
            entries.append((parent, path.name, node))
        for parent, name, node in entries:
            if node is None:
                self._names[parent].pop(name, None)
            else:
                self._names[parent][name] = node
                self._names.setdefault(node, {})
        self._namings.append((len(self.steps), Step(what, entries=entries)))
        self.steps.append(self._namings[-1][1])

    def write(self, node: Node, offset: int, data: bytes) -> None:
        """Bytes of a file."""

        def written(content: bytearray) -> None:
            content.extend(bytes(max(0, offset - len(content))))
            content[offset : offset + len(data)] = data

        self._change(Step(f"write {len(data)} bytes", node=node, write=written), node)

    def truncate(self, node: Node, size: int) -> None:
        """A file becomes so long."""

        def cut(content: bytearray) -> None:
            del content[size:]
            content.extend(bytes(size - len(content)))

        self._change(Step(f"truncate to {size}", node=node, write=cut), node)

    def _change(self, step: Step, node: Node) -> None:
        self._writes.setdefault(node, []).append((len(self.steps), step))
        self.steps.append(step)

    def flush(self, node: Node | None) -> None:
        """What was done to it until now is on the disk; everything when None."""
        self.steps.append(Step("flush" if node is not None else "flush everything"))
        for step in self.steps:
            touched = (step.node, *(parent for parent, _name, _node in step.entries))
            if step.forced is None and step.changes and (node is None or node in touched):
                step.forced = len(self.steps) - 1

    def content(self, node: Node) -> bytes:
        """All the bytes that were written to a file."""
        return self._bytes(node, len(self.steps), lambda step: True)

    def tree(self, at: int, kept: Callable[[Step], bool]) -> Tree:
        """What the folder holds when the power is cut before step `at`.

        Args:
            kept: which of the steps that nobody has flushed are on the disk nevertheless.
        """
        return self.tree_and_torn(at, kept)[0]

    def tree_and_torn(self, at: int, kept: Callable[[Step], bool]) -> tuple[Tree, list[str]]:
        """The same, with the files that then lack bytes which they are given in the end."""
        tree: dict[str, bytes | None] = {}
        torn = []
        for path, node in self._walk(self.root, "", self._names_at(at, kept)):
            tree[path] = None if node.form == "directory" else self._bytes(node, at, kept)
            if node in self._writes and tree[path] != self.content(node):
                torn.append(path)
        return tree, torn

    def _names_at(self, at: int, kept: Callable[[Step], bool]) -> Mapping[Node, dict[str, Node]]:
        names = {node: dict(held) for node, held in self._first.items()}
        for number, step in self._namings:
            if number < at and (self._is_forced(step, at) or kept(step)):
                for parent, name, node in step.entries:
                    held = names.setdefault(parent, {})
                    if node is None:
                        held.pop(name, None)
                    else:
                        held[name] = node
        return names

    def _walk(self, node: Node, path: str, names: Mapping[Node, dict[str, Node]]) -> Iterator[tuple[str, Node]]:
        for name, below in sorted(names.get(node, {}).items()):
            where = f"{path}/{name}" if path else name
            yield where, below
            if below.form == "directory":
                yield from self._walk(below, where, names)

    def _bytes(self, node: Node, at: int, kept: Callable[[Step], bool]) -> bytes:
        if node not in self._writes:
            return node.content
        written = [
            (number, step)
            for number, step in self._writes.get(node, ())
            if number < at and (self._is_forced(step, at) or kept(step))
        ]
        key = (node, tuple(number for number, _step in written))
        if key not in self._contents:
            content = bytearray(node.content)
            for _number, step in written:
                assert step.write is not None
                step.write(content)
            self._contents[key] = bytes(content)
        return self._contents[key]

    @staticmethod
    def _is_forced(step: Step, at: int) -> bool:
        return step.forced is not None and step.forced < at


def everything(step: Step) -> bool:
    """What a reader sees who looks while the machine lives."""
    return True


def nothing(step: Step) -> bool:
    """Only what was flushed is on the disk."""
    return False


def names_only(step: Step) -> bool:
    """Every name is on the disk, and no byte that was not flushed: files of size 0, as on XFS."""
    return bool(step.entries)


def put(tree: Tree, folder: Path) -> None:
    """Lay a tree out in a folder that is not there yet."""
    folder.mkdir(mode=0o700)
    for path, content in tree.items():
        if content is None:
            (folder / path).mkdir(mode=0o700)
        else:
            (folder / path).touch(mode=0o600)
            (folder / path).write_bytes(content)
