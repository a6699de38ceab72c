"""A command that we advise can be typed as it is printed, in the shell where it is read.

Everywhere else it is written as `ops VERB`. Where the shell would not find that program, or it would read another
`ops.yaml` than this command does, the command line prints what is needed beside it.
"""

import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from ops_pipelines import text
from ops_pipelines.cli.verbs import VERBS
from ops_pipelines.config.load import find_config

NAME = "ops"
# Not `/somewhere/ops kit`, nor `devops up`.
_ADVISED = re.compile(rf"(?<![\w./-]){NAME}(?= (?:{'|'.join(VERBS)}|--version)\b(?P<named>[^\n;&|]*? --config\b)?)")
_given: ContextVar[Path | None] = ContextVar("given", default=None)


@contextmanager
def reading(given: Path | None) -> Iterator[None]:
    """While a command runs: the file that `--config` names, or nothing."""
    token = _given.set(given)
    try:
        yield
    finally:
        _given.reset(token)


def as_typed(markup: str) -> str:
    """What is printed, in Rich's markup, with every command in it as it can be typed here."""
    if f"{NAME} " not in markup:
        return markup
    program, setting = text.rich(_program()), text.rich(_setting())
    return _ADVISED.sub(lambda found: program if found["named"] else f"{setting}{program}", markup)


def _program() -> str:
    """This program, as the shell finds it: its name, or its path from here."""
    own = Path(sys.argv[0])
    if own.name != NAME:
        own = Path(sys.executable).with_name(NAME)  # python -m ops_pipelines
    own = own.absolute()
    found = shutil.which(NAME)
    if not own.exists() or (found and own.samefile(found)):
        return NAME
    return text.shell(str(own.relative_to(Path.cwd()) if own.is_relative_to(Path.cwd()) else own))


def _setting() -> str:
    """What names the file to read, unless it is the one that is read without."""
    given = _given.get()
    if given is None or find_config(given) == find_config():
        return ""
    return f"OPS_CONFIG={text.shell(str(given))} "
