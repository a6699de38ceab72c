"""The plain commands that restore one copy with standard tools: real paths, nothing of ours needed to run them."""

from collections.abc import Iterator, Mapping

from ops_pipelines.by_hand import steps
from ops_pipelines.config.models import Config, UnknownSource
from ops_pipelines.errors import OpsError
from ops_pipelines.repository import NO_REPOSITORY
from ops_pipelines.settings.secrets import SecretRef
from ops_pipelines.text import shell
from ops_pipelines.vault.catalogue import RestorePoint
from ops_pipelines.vault.stores.base import Store
from ops_pipelines.vault.stores.settings import copied


def commands(config: Config, stores: Mapping[str, Store], point: RestorePoint, store: str) -> Iterator[str]:
    """Lines for a shell, comments among them. Needs neither the key nor the source's entry in `ops.yaml`.

    Args:
        store: the store whose copy is used.
    """
    manifest = point.manifest
    yield f"# {point.id} of {manifest.source} ({manifest.kind}), taken {point.started_at:%Y-%m-%d %H:%M:%S} UTC"
    said = point.verdict
    yield f"# {said.words} {said.started_at:%Y-%m-%d %H:%M} UTC: {said.reason}" if said else "# never verified"
    yield "# line by line in a shell, or all at once: ops restore … --print | bash -eu"
    yield "umask 077"
    yield from _fetched(config, stores, manifest.source, point.id, store)
    key, notes = _key(config, point)
    yield from notes
    for command in steps(manifest.kind, manifest.engine, manifest.parts, key=key):
        if command.startswith(NO_REPOSITORY):
            yield f"{_repository(stores, manifest.source, store)}   # RESTIC_PASSWORD is asked for"
        else:
            yield command


def _fetched(config: Config, stores: Mapping[str, Store], source: str, backup_id: str, store: str) -> Iterator[str]:
    where, settings = stores[store].location(source, backup_id), config.stores.get(store)
    folder = shell(f"{source}-{backup_id}")
    yield from (settings.fetched if settings is not None else copied)(shell(where), folder)


def _key(config: Config, point: RestorePoint) -> tuple[str, list[str]]:
    """What stands behind `age -i`, and what has to be said about it."""
    if not point.manifest.recipients:
        return "KEY", []
    identity = _identity(config, point.manifest.source)
    if identity is not None and identity.file is not None:
        return shell(str(identity.file)), []
    where = f"in the environment variable {identity.env}" if identity is not None and identity.env else "in your kit"
    recipients = ", ".join(point.manifest.recipients)
    return "KEY", [f"# KEY: a file with the identity of {recipients} ({where})"]


def _identity(config: Config, source: str) -> SecretRef | None:
    try:
        encrypt = config.source(source).encrypt
    except UnknownSource:
        encrypt = config.defaults.encrypt
    return encrypt.identity if encrypt is not None else None


def _repository(stores: Mapping[str, Store], source: str, store: str) -> str:
    try:
        address = stores[store].repository(source).address
    except OpsError:
        return NO_REPOSITORY
    return f"export RESTIC_REPOSITORY={shell(address)}"
