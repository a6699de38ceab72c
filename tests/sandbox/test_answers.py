"""Whoever has taken over the process in the sandbox says anything: it ends the proof, and nothing else."""

import json
import socket
import struct
import time
from collections.abc import Iterator

import pytest

from ops_pipelines.recovery.enclosed import wire
from ops_pipelines.recovery.enclosed.values import as_contents, as_finding, as_restored, as_texts, as_value

NONSENSE: list[object] = [
    {"progress": ["load"]},
    {"progress": {"a": 1}},
    {"progress": ["load", "much", None]},
    {"ask": "the key", "role": "dump"},
    {"ask": "part", "role": ["dump"]},
    {"found": "all is well"},
    {"error": "none"},
    {"error": {"type": ["CorruptCopy"], "what": 1}},
    [],
    "answer",
    None,
]


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Our end, and the other one."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def received(ours: socket.socket, *, within_s: float = 30) -> wire.Message:
    return wire.receive(ours, most_bytes=1_000_000, deadline=time.monotonic() + within_s)


@pytest.mark.parametrize("said", NONSENSE, ids=[json.dumps(each)[:30] for each in NONSENSE])
def test_nonsense_is_an_error_of_the_sandbox(pair: tuple[socket.socket, socket.socket], said: object) -> None:
    ours, theirs = pair
    packed = json.dumps(said).encode()
    theirs.sendall(struct.pack("!Q", len(packed)) + packed)
    with pytest.raises(wire.SandboxFailed):
        received(ours)


@pytest.mark.parametrize("sent", [b"", b"\0\0", struct.pack("!Q", 2**60), struct.pack("!Q", 9) + b"{" * 9,
                                  struct.pack("!Q", 200_000) + b"[" * 200_000])  # fmt: skip
def test_bytes_that_are_no_message_are_an_error_of_the_sandbox(
    pair: tuple[socket.socket, socket.socket], sent: bytes
) -> None:
    ours, theirs = pair
    theirs.sendall(sent)
    theirs.shutdown(socket.SHUT_WR)
    with pytest.raises(wire.SandboxFailed):
        received(ours)


def test_who_talks_without_end_is_not_listened_to_without_end(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    deadline = time.monotonic() + 0.2
    packed = json.dumps({"progress": ["load", 1, None]}).encode()
    with pytest.raises(wire.SandboxFailed):
        while True:
            theirs.sendall(struct.pack("!Q", len(packed)) + packed)
            wire.receive(ours, most_bytes=1000, deadline=deadline)


@pytest.mark.parametrize("read", [as_contents, as_finding, as_restored, as_texts])
@pytest.mark.parametrize("said", [None, [], {"level": {}}, {"a": {}}, "x"], ids=str)
def test_an_answer_of_another_shape_is_an_error_of_the_sandbox(read: object, said: object) -> None:
    assert callable(read)
    with pytest.raises(wire.SandboxFailed):
        read(said)


UNTYPED: list[object] = [{}, {"a": "1", "b": "2"}, {"decimal": "many"}, {"datetime": "yesterday"}, {"float": []}]


@pytest.mark.parametrize("said", UNTYPED, ids=str)
def test_a_value_of_no_type_is_an_error_of_the_sandbox(said: object) -> None:
    with pytest.raises(wire.SandboxFailed):
        as_value(said)
