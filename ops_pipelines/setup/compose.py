"""What a compose file runs and keeps: databases, published on this machine or not, and volumes with uploads."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ops_pipelines.engines.address import parse, split_host
from ops_pipelines.engines.clues import Value
from ops_pipelines.engines.registry import CLUES
from ops_pipelines.errors import SourceError
from ops_pipelines.setup.files import text_of, yaml_of
from ops_pipelines.setup.found import Database, Missing, database_of, url_of
from ops_pipelines.setup.variables import read_dotenv

VOLUMES = Path("/var/lib/docker/volumes")

NAMES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
_NOT_DATABASES = ("exporter", "express", "admin", "backup")
_UPLOADS = re.compile(r"(?:^|/)(?:uploads?|media|attachments|storage|wp-content|files|documents)(?:/|$)")
_VARIABLE = re.compile(r"\$\$|\$\{([A-Za-z_]\w*)(?::?[-?]([^}]*))?\}|\$([A-Za-z_]\w*)")


@dataclass(frozen=True)
class Composed:
    """What the compose file of a directory says.

    Attributes:
        folders: where the volumes with uploads lie on this machine.
        addresses: for each service with a database, the host and the port at which this machine reaches it.
    """

    databases: Sequence[Database] = ()
    missing: Sequence[Missing] = ()
    folders: Sequence[tuple[str, Path]] = ()
    addresses: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def from_here(self, found: Database) -> Database:
        """A database as this machine reaches it: in a compose network a host is the name of a service."""
        if found.kind not in CLUES or found.problem:
            return found
        try:
            hosts = parse(found.url, found.kind).hosts
        except SourceError:
            return found
        host, port = self.addresses.get(split_host(hosts[0])[0] if len(hosts) == 1 else "", ("", ""))
        if not port:
            return found
        url = re.sub(rf"(?<=[/@]){re.escape(hosts[0])}(?=[/?]|$)", f"{host}:{port}", found.url, count=1)
        return replace(found, url=url, variable="", origin=f"{found.origin}, as this machine reaches it")


def read(directory: Path, environ: Mapping[str, str], volumes: Path = VOLUMES) -> Composed:
    """The compose file of a directory; nothing where there is none.

    Args:
        environ: what `${VARIABLE}` in it means, beside the directory's `.env`.
        volumes: where the daemon keeps named volumes.
    """
    path = next((directory / name for name in NAMES if (directory / name).is_file()), None)
    if path is None:
        return Composed()
    values = read_dotenv(directory / ".env") | dict(environ)
    said = next(iter(yaml_of(path)), None)  # of a broken one compose itself says better what is wrong with it
    document = said if isinstance(said, dict) else {}
    services = document.get("services")
    if not isinstance(services, dict):
        return Composed()
    read = {str(name): _interpolated(each, values) for name, each in services.items() if isinstance(each, dict)}
    kinds = {name: kind for name, each in read.items() if (kind := _kind(str(each.get("image", "")))) is not None}
    every = [_database(kind, name, read[name], directory, path.name) for name, kind in kinds.items()]
    ports = {name: _port(_listed(read[name].get("ports")), str(CLUES[kind].port)) for name, kind in kinds.items()}
    project = values.get("COMPOSE_PROJECT_NAME") or str(document.get("name") or directory.resolve().name)
    stores = {name: each for name, each in read.items() if name not in kinds}
    return Composed(
        [each for each in every if isinstance(each, Database)],
        [each for each in every if isinstance(each, Missing)],
        list(_uploads(stores, document.get("volumes"), directory, volumes, project)),
        {name: ("127.0.0.1", port) for name, port in ports.items() if port},
    )


def _uploads(
    services: Mapping[str, dict[str, Any]], named: Any, directory: Path, volumes: Path, project: str
) -> Iterator[tuple[str, Path]]:
    """Volumes that services mount where uploads lie: each one's name and its folder on this machine."""
    prefix = re.sub(r"[^a-z0-9_-]", "", project.lower())
    for service in services.values():
        for each in _listed(service.get("volumes")):
            source, target = _mounted(each)
            if not source or not _UPLOADS.search(target):
                continue
            if source.startswith((".", "/", "~")):
                yield Path(target).name, directory / Path(source).expanduser()
                continue
            said = named.get(source) if isinstance(named, dict) else None
            said = said if isinstance(said, dict) else {}
            own = source if said.get("external") else f"{prefix}_{source}"
            yield source, volumes / str(said.get("name") or own) / "_data"


def _mounted(volume: Any) -> tuple[str, str]:
    if isinstance(volume, dict):
        return str(volume.get("source") or ""), str(volume.get("target") or "")
    words = str(volume).split(":")
    return (words[0], words[1]) if len(words) > 1 else ("", words[0])


def _kind(image: str) -> str | None:
    name = image.rpartition("/")[2].partition(":")[0].partition("@")[0].lower()
    if any(word in name for word in _NOT_DATABASES):
        return None
    known = ((word, kind) for kind, clues in CLUES.items() for word in clues.images)
    return next((kind for word, kind in known if word in name), None)


def _database(kind: str, name: str, service: dict[str, Any], directory: Path, file: str) -> Database | Missing:
    values = _environment(service, directory)
    login, inside = CLUES[kind].login(_values(values, directory)), str(CLUES[kind].port)
    origin = f"service {name} ({file})"
    if not login.database:
        return Missing(f"the database in {origin}", "its environment names no database")
    port = _port(_listed(service.get("ports")), inside)
    # In the network of the service its name is its address; on this machine nobody has that name, and it is said.
    host = "127.0.0.1" if port else name
    url = url_of(kind, host=host, port=port, user=login.user, password=login.password, database=login.database)
    found = database_of(url, origin=origin, name=login.database)
    assert found is not None, "it has a name"
    if port:
        return found
    why = f"the service publishes no port: add ports: ['127.0.0.1:{inside}:{inside}'] to it, or run ops beside it"
    return replace(found, problem=why)


def _values(values: Mapping[str, str], directory: Path) -> Value:
    def value(*names: str) -> str:
        for name in names:
            if values.get(name):
                return values[name]
            if file := values.get(f"{name}_FILE"):
                # A secret's name tells its file, where compose keeps it beside.
                for path in (directory / file.lstrip("/"), directory / "secrets" / Path(file).name):
                    if text := text_of(path).strip():
                        return text
        return ""

    return value


def _environment(service: dict[str, Any], directory: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in _listed(service.get("env_file")):
        name = str(each.get("path", "")) if isinstance(each, dict) else str(each)
        found |= read_dotenv(directory / name)
    given = service.get("environment") or {}
    pairs = given.items() if isinstance(given, dict) else (str(each).partition("=")[::2] for each in _listed(given))
    return found | {str(key): str(value) for key, value in pairs if value is not None}


def _port(ports: Any, inside: str) -> str:
    """The port of this machine that leads to a port of the service."""
    for each in ports:
        if isinstance(each, dict):
            if str(each.get("target")) == inside and each.get("published"):
                return str(each["published"])
            continue
        words = str(each).partition("/")[0].rsplit(":", 2)
        if len(words) > 1 and words[-1] == inside:
            return words[-2]
    return ""


def _listed(value: Any) -> list[Any]:
    """What may be a list or one thing by itself, as a list."""
    if isinstance(value, list):
        return value
    return [] if value is None else [value]


def _interpolated(value: Any, values: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return _VARIABLE.sub(
            lambda found: values.get(found[1] or found[3] or "") or found[2] or ("$" if found[0] == "$$" else ""), value
        )
    if isinstance(value, dict):
        return {key: _interpolated(each, values) for key, each in value.items()}
    return [_interpolated(each, values) for each in value] if isinstance(value, list) else value
