"""The page about exit statuses, from the tree of errors and the commands' own help."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator

import ops_pipelines
from ops_pipelines.errors import OpsError
from tools.reference.commands import every_command, named
from tools.reference.markdown import code, page, table

_TOLD = """
| status | means |
|---|---|
| 0 | fine |
| 1 | attention: it works, and a human should look |
| 2 | broken: it did not work, or no backup counts. A usage mistake is 2 as well |
| 3 | refused for safety: it could have been done, and was not |
| 130 | stopped with Ctrl-C or SIGTERM; what was unfinished was thrown away |

A status that is not here must be taken for a failure.
"""


def statuses_page() -> str:
    """The statuses, where a command says more, and which error ends with which."""
    told = {words: _told(words) for words in every_command()}
    particular = [(code(" ".join(("ops", *words))), said) for words, said in told.items() if words and said]
    errors = [
        (code(error.__name__), str(error.exit_status), (inspect.getdoc(error) or "").splitlines()[0])
        for error in sorted(set(_errors(OpsError)), key=lambda each: each.__name__)
    ]
    return page(
        "Exit statuses",
        _TOLD,
        "## Where a command says more",
        table(("command", "exit status"), particular),
        "## Errors",
        "With `--json` an error is an object: `error` (the name below), `what`, `why`, `safe`, `next`.",
        table(("error", "status", "meaning"), errors),
    )


def _told(words: tuple[str, ...]) -> str:
    text = " ".join((named(words).help or "").split())
    found = re.search(r"Exit status(?: of --check)?: (.*?)\.(?: Example|$| [A-Z])", text)
    return found[1] if found else ""


def _errors(error: type[OpsError]) -> Iterator[type[OpsError]]:
    """Every subclass, in every module of the package."""
    for module in pkgutil.walk_packages(ops_pipelines.__path__, "ops_pipelines."):
        if ".migrations." not in module.name and not module.name.startswith("ops_pipelines.definitions"):
            importlib.import_module(module.name)
    waiting = [error]
    while waiting:
        for each in waiting.pop().__subclasses__():
            if each.__module__.startswith("ops_pipelines.") and not each.__name__.startswith("_"):
                waiting.append(each)
                yield each
