"""Names that a restore is never given: databases that belong to a server, and paths where a database is meant."""

from collections.abc import Sequence

from ops_pipelines.errors import SafetyRefusal

_PATHS = ("/", "./", "../", "~", ".\\", "\\", "file:")


def refusal(name_or_url: str, database: str, reserved: Sequence[str], *, source: str) -> SafetyRefusal | None:
    """Why a target may not be written to; None when nothing is wrong with its name.

    Args:
        database: the database's name in it.
        reserved: the server's own databases.
        source: the name of the source, for the advice.
    """
    instead = f"name a new database, it is created for you: ops restore {source} --to {source}_restored"
    if name_or_url.startswith(_PATHS):
        return SafetyRefusal(
            f"{name_or_url} looks like a path, and {source} is a database",
            safe="nothing was changed",
            next=instead,
        )
    if database.lower() in reserved:
        return SafetyRefusal(f"{database} belongs to the server itself", safe="nothing was changed", next=instead)
    return None
