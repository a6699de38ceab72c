"""What every test of damaged files shares: tries with a seed, what may be raised, and how much memory there is.

Valid files are torn (`mutate.torn`) and twisted (`mutate.twisted`), and given to whoever reads such files. What is
refused is refused with an error of ours that names the place: nothing else is raised, nothing hangs, and no file of a
few kilobytes takes a gigabyte.
"""

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

import psutil

from tests.faults.mutate import torn, twisted
from tests.faults.tries import chance, long_run, tries

_ROOM = 2**30
_CHEAP = 20
"""A damaged file costs a hundredth of a killed process: the long run tries more of them."""


@contextmanager
def a_gigabyte() -> Iterator[None]:
    """Nothing in the block may take more memory than that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + _ROOM, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@contextmanager
def only(refused: type[Exception], attempt: str) -> Iterator[None]:
    """What the block does succeeds, or is refused so."""
    try:
        yield
    except refused as error:
        assert str(error).strip(), f"{attempt}: refused without a word"
    except Exception as error:
        raise AssertionError(f"{attempt}: {type(error).__name__}: {error}") from error


def each_try(what: str, default: int) -> Iterator[tuple[Random, str]]:
    """A chance for each try, and what that try is called."""
    with a_gigabyte():
        for number in range(tries(default) * (_CHEAP if long_run() else 1)):
            name = f"{what}, try {number}"
            yield chance(name), name


def twisted_or_torn(random: Random, content: bytes) -> bytes:
    """A JSON file, damaged in its bytes or in its values."""
    if random.random() < 0.4:
        return torn(random, content)
    return json.dumps(twisted(random, json.loads(content))).encode()
