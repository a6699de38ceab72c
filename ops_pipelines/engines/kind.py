"""Everything that is particular to one kind of source, as one object: what the rest of the house asks instead of
asking what kind something is.

A manifest or a row of the ledger knows a kind by its name alone, so nothing here needs `ops.yaml`. What a configured
source of that kind can say for itself stands in its model (`engines.source.Source`).
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Literal, Protocol

from pydantic import JsonValue

from ops_pipelines.engines.base import Contents
from ops_pipelines.engines.clues import Clues
from ops_pipelines.engines.figures import Figures
from ops_pipelines.engines.source import Source

Step = Literal["dump", "snapshot"]


@dataclass(frozen=True)
class ScriptLogin:
    """How the kit's script gets at a server.

    Attributes:
        options: for its command line; no password is in them.
        environment: variables that it needs.
        local: it is reached by a socket, so that no network is needed.
    """

    options: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    local: bool = False


class Measure(Protocol):
    """Asks a server how it is. Returns the seconds until it had answered, and what it said of itself."""

    def __call__(self, url: str, /, *, limit: timedelta, slow_query: timedelta) -> tuple[float, Figures]:
        """Raises OpsError."""
        ...


class Kind(ABC):
    """One kind of source.

    Attributes:
        name: as `kind:` in `ops.yaml` and in manifests.
        settings: its model in `ops.yaml`.
        clues: by what `ops init` knows a database on a server; None where there is no server.
        words: parts of what frameworks call it: `postg` of `django.db.backends.postgresql`.
        step: what its first asset is called.
        on_disk: it is files of this machine, and is restored into folders.
        speaks_sql: a user's check of it is SQL.
        programs: what its scratch servers and readers run, as they may be found on PATH.
        clients: the programs that restore it by hand; `a|b` where either will do.
        to_install: the same for somebody on a clean machine, in words.
        kit_options: for the kit's script.
        log_hint: the command that shows what its server wrote.
        dump_heads: what a dump made by other means begins with.
        json_list: the SQL function that collects a column into one JSON value; empty where no SQL is spoken.
    """

    name: str
    settings: type[Source]
    clues: Clues | None = None
    words: Sequence[str] = ()
    step: Step = "dump"
    on_disk: bool = False
    speaks_sql: bool = True
    programs: Sequence[str] = ()
    clients: Sequence[str] = ()
    to_install: str = ""
    kit_options: Sequence[str] = ("-i opened/keys",)
    log_hint: str = ""
    dump_heads: tuple[bytes, ...] = ()
    json_list: str = ""

    @abstractmethod
    def by_hand(self, facts: Mapping[str, JsonValue], roles: Collection[str]) -> Sequence[str]:
        """The commands that restore the plain parts with standard tools only. Every name in them is quoted.

        Args:
            facts: what its engine recorded.
            roles: of the parts that there are.
        """

    @abstractmethod
    def load(self) -> None:
        """Import what a source of this kind needs, before threads do: two that import a driver at once may break it."""

    def reap(self, directory: Path) -> None:
        """Take back what a killed scratch server holds outside its directory; nothing, with most."""
        return

    def tools(self, facts: Mapping[str, JsonValue]) -> Sequence[str]:
        """`clients`, for one restore point."""
        return self.clients

    def program(self, wanted: str) -> Path | None:
        """Where one of its clients is, when there is more than PATH to look at."""
        return None

    def kit_target(self, password_variable: str) -> Iterator[str]:
        """What somebody types before the kit's script, so that it knows the new server; no password as an argument.

        Args:
            password_variable: what exports a repository's password, in the opened kit.
        """
        yield from ()

    def script_login(self, target: str, home: Path) -> ScriptLogin:
        """How the kit's script gets at a scratch server.

        Args:
            target: its URL.
            home: a private directory for a file with the login.
        """
        return ScriptLogin()

    def at(self, target: str, database: str) -> str:
        """The URL of another database on the server of a target."""
        return target

    def for_applications(self, target: str) -> str:
        """A target's URL as frameworks take it."""
        return target

    def loopback_port(self, target: str) -> int | None:
        """The port of a scratch server that cannot be reached by a socket; None where it can."""
        return None

    def is_legacy_folder(self, folder: Path) -> bool:
        """Whether a folder is a dump of this kind, made by other means."""
        return False

    def missing(
        self, named: Sequence[str], held: Contents, facts: Mapping[str, JsonValue], below: str
    ) -> Sequence[str]:
        """Those of some files, as an application names them, that a restore did not bring.

        Args:
            held: what was restored.
            facts: what its engine recorded.
            below: what relative paths are relative to.
        """
        return named

    def measure(self) -> Measure | None:
        """Asks a server of this kind how it is; None where there is none."""
        return None
