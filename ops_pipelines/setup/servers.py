"""Ask a server which databases it has, where a login is known and no database is."""

from collections.abc import Iterator, Sequence

from ops_pipelines.engines.registry import CLUES
from ops_pipelines.errors import SourceError
from ops_pipelines.setup.clients import Login
from ops_pipelines.setup.found import Database, Missing, database_of


def every_database(login: Login) -> Iterator[Database | Missing]:
    """The databases that a login sees on its server; what is missing, where the server does not say."""
    try:
        names = _names(login)
    except SourceError as error:
        yield Missing(f"the databases that {login.origin} leads to", f"{error.what}: {error.why}")
        return
    for name in names:
        found = database_of(login.url(name), origin=login.origin)
        assert found is not None, "it has a name"
        yield found


def _names(login: Login) -> Sequence[str]:
    clues = CLUES[login.kind]
    return clues.databases(login.url(clues.own_database)) if clues.databases is not None else ()
