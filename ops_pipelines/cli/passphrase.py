"""A passphrase that a user names by where it is: never on the command line itself."""

import os
from pathlib import Path

from ops_pipelines import redact
from ops_pipelines.errors import OpsError


def given_passphrase(name: str, file: Path | None) -> str:
    """The passphrase in an environment variable or on a file's first line; empty where neither is named.

    Raises:
        OpsError: both are named, or the one that is has none.
    """
    if name and file is not None:
        raise OpsError("give the passphrase in one way only", next="--passphrase-env or --passphrase-file")
    if name:
        if not os.environ.get(name):
            raise OpsError(f"the environment variable {name} is not set", next=f"export {name}=…")
        return redact.register(os.environ[name])
    if file is not None:
        # The first line, as recover.sh reads it.
        lines = read_text(file).splitlines()
        if not lines or not lines[0]:
            raise OpsError(f"{file} is empty", next="put the passphrase on its first line")
        return redact.register(lines[0])
    return ""


def read_text(path: Path) -> str:
    """A small file that the user named. Raises OpsError."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise OpsError(f"{path} cannot be read", why=str(error)) from None
