"""Databases that a compose file runs and publishes on this machine."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from dotenv import dotenv_values

from ops_pipelines.setup.found import Database, Kind, database_of, url_of

NAMES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
_IMAGES: tuple[tuple[str, Kind], ...] = (
    ("postgres", "postgres"), ("postgis", "postgres"), ("timescaledb", "postgres"), ("pgvector", "postgres"),
    ("mariadb", "mysql"), ("mysql", "mysql"), ("percona", "mysql"), ("mongo", "mongodb"),
)  # fmt: skip
_NOT_DATABASES = ("exporter", "express", "admin", "backup")
_INSIDE: Mapping[Kind, str] = {"postgres": "5432", "mysql": "3306", "mongodb": "27017"}
_VARIABLE = re.compile(r"\$\$|\$\{([A-Za-z_]\w*)(?::?[-?]([^}]*))?\}|\$([A-Za-z_]\w*)")


def published(directory: Path, environ: Mapping[str, str]) -> Iterator[Database]:
    """The databases of a directory's compose file; one without a published port has a problem.

    Args:
        environ: what `${VARIABLE}` in it means, beside the directory's `.env`.
    """
    path = next((directory / name for name in NAMES if (directory / name).is_file()), None)
    if path is None:
        return
    values = {key: value for key, value in dotenv_values(directory / ".env").items() if value} | dict(environ)
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return  # compose itself says better what is wrong with it
    services = document.get("services") if isinstance(document, dict) else None
    for name, service in services.items() if isinstance(services, dict) else ():
        if isinstance(service, dict) and (kind := _kind(str(service.get("image", "")))) is not None:
            found = _database(kind, str(name), _interpolated(service, values), directory, path.name)
            if found is not None:
                yield found


def _kind(image: str) -> Kind | None:
    name = image.rpartition("/")[2].partition(":")[0].partition("@")[0].lower()
    if any(word in name for word in _NOT_DATABASES):
        return None
    return next((kind for word, kind in _IMAGES if word in name), None)


def _database(kind: Kind, name: str, service: dict[str, Any], directory: Path, file: str) -> Database | None:
    values = _environment(service, directory)
    user, password, database = _login(kind, values, directory)
    if not database:
        return None
    port = _port(service.get("ports") or (), _INSIDE[kind])
    options = "?authSource=admin" if kind == "mongodb" and user else ""
    url = url_of(kind, host="127.0.0.1", port=port, user=user, password=password, database=database, options=options)
    origin = f"service {name} ({file})"
    found = database_of(url, origin=origin, name=database)
    if found is None or port:
        return found
    inside = _INSIDE[kind]
    why = f"the service publishes no port: add ports: ['127.0.0.1:{inside}:{inside}'] to it, or run ops beside it"
    return Database(found.kind, found.name, found.url, origin, problem=why)


def _login(kind: Kind, values: Mapping[str, str], directory: Path) -> tuple[str, str, str]:
    def value(*names: str) -> str:
        for name in names:
            if values.get(name):
                return values[name]
            if file := values.get(f"{name}_FILE"):
                # A secret's name tells its file, where compose keeps it beside.
                for path in (directory / file.lstrip("/"), directory / "secrets" / Path(file).name):
                    if path.is_file():
                        return path.read_text(encoding="utf-8").strip()
        return ""

    if kind == "postgres":
        user = value("POSTGRES_USER") or "postgres"
        return user, value("POSTGRES_PASSWORD"), value("POSTGRES_DB") or user
    if kind == "mysql":
        # The root account sees everything that a dump needs.
        root = value("MARIADB_ROOT_PASSWORD", "MYSQL_ROOT_PASSWORD")
        database = value("MARIADB_DATABASE", "MYSQL_DATABASE")
        if root:
            return "root", root, database
        return value("MARIADB_USER", "MYSQL_USER"), value("MARIADB_PASSWORD", "MYSQL_PASSWORD"), database
    user, password = value("MONGO_INITDB_ROOT_USERNAME"), value("MONGO_INITDB_ROOT_PASSWORD")
    return user, password, value("MONGO_INITDB_DATABASE")


def _environment(service: dict[str, Any], directory: Path) -> dict[str, str]:
    files = service.get("env_file") or ()
    found: dict[str, str] = {}
    for each in [files] if isinstance(files, (str, dict)) else files:
        name = str(each.get("path", "")) if isinstance(each, dict) else str(each)
        found |= {key: value for key, value in dotenv_values(directory / name).items() if value}
    given = service.get("environment") or {}
    pairs = given.items() if isinstance(given, dict) else (str(each).partition("=")[::2] for each in given)
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


def _interpolated(value: Any, values: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return _VARIABLE.sub(
            lambda found: values.get(found[1] or found[3] or "") or found[2] or ("$" if found[0] == "$$" else ""), value
        )
    if isinstance(value, dict):
        return {key: _interpolated(each, values) for key, each in value.items()}
    return [_interpolated(each, values) for each in value] if isinstance(value, list) else value
