"""Write a first configuration: keys, `ops.yaml`, and what Dagster needs to start. Overwrites nothing unasked."""

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyrage

from ops_pipelines import durable, home, stopping
from ops_pipelines.config.load import DEFAULT_NAME, load_config
from ops_pipelines.engines.registry import kind_of
from ops_pipelines.errors import OpsError, SafetyRefusal
from ops_pipelines.setup.document import AGE_KEY, RESTIC_PASSWORD, Choice, text, url_file
from ops_pipelines.vault import codec

_IGNORED = ".gitignore"


@dataclass
class Written:
    """What became of each file, by its name relative to the directory.

    Attributes:
        kept: those that were there already and are as they were.
    """

    directory: Path
    recipient: str = ""
    written: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)


def refuse_existing(directory: Path) -> None:
    """Refuse a directory that has an `ops.yaml` already. Raises SafetyRefusal."""
    if (path := directory / DEFAULT_NAME).exists():
        raise SafetyRefusal(
            f"{path} exists already",
            safe="nothing was changed",
            next="ops check reads it; to write a new one in its place: ops init --force",
        )


def write(directory: Path, choice: Choice, *, replace: bool, environ: Mapping[str, str] = os.environ) -> Written:
    """Write everything; a key that is there is used again, since backups may depend on it.

    Args:
        replace: write over an `ops.yaml`, and over files with URLs.
    Raises:
        SafetyRefusal: there is an `ops.yaml`.
        ConfigError: what was chosen makes no sense together; `ops.yaml` is not written then.
        OpsError: a file cannot be written.
    """
    if not replace:
        refuse_existing(directory)
    done = Written(directory)
    try:
        durable.make_directory(directory, mode=0o777)
        durable.make_directory(directory / AGE_KEY.parent)
        identity = _secret(done, AGE_KEY, str(pyrage.x25519.Identity.generate()))
        done.recipient = codec.public_key(identity)
        if choice.folders:
            _secret(done, RESTIC_PASSWORD, secrets.token_urlsafe(32))
        for each in (*choice.databases, *choice.own.databases):
            if not each.variable and not kind_of(each.kind).on_disk:
                _secret(done, url_file(each.name), each.url, replace=True)
        _put_config(done, text(choice, done.recipient, directory), environ)
        for name in (home.INSTANCE, home.WORKSPACE):
            _put(done, name, home.template(name))
        _put(done, _IGNORED, f"{AGE_KEY.parent}/\nvar/\n.env\n".encode())
    except OSError as error:
        raise OpsError(
            f"{error.filename or directory} cannot be written",
            why=error.strerror or str(error),
            safe="existing files are as they were",
            next="name a directory that this user may write to: ops init DIRECTORY",
        ) from None
    return done


def _secret(done: Written, name: Path, value: str, *, replace: bool = False) -> str:
    """Keep a secret in a file that nobody else can read; one that is there stays, unless told otherwise."""
    path = done.directory / name
    if path.exists() and not replace:
        done.kept.append(str(name))
        return path.read_text(encoding="utf-8")
    durable.write(path, f"{value}\n".encode())
    done.written.append(str(name))
    return value


def _put_config(done: Written, content: str, environ: Mapping[str, str]) -> None:
    """Only a file that `ops check` accepts takes the name."""
    path = done.directory / f".ops-{secrets.token_hex(4)}.yaml"
    with stopping.ending(lambda: path.unlink(missing_ok=True)):
        path.touch(mode=0o600, exist_ok=False)
        path.write_text(content, encoding="utf-8")
        load_config(path, environ=environ)
        path.chmod(0o644)
        durable.flush(path)
        path.replace(done.directory / DEFAULT_NAME)
        durable.flush(done.directory)
    done.written.insert(0, DEFAULT_NAME)


def _put(done: Written, name: str, content: bytes) -> None:
    path = done.directory / name
    if path.exists():
        done.kept.append(name)
        return
    # Whole or not at all: the next `ops init` keeps what it finds, and would keep half of a file.
    durable.write(path, content, mode=0o666)
    done.written.append(name)
