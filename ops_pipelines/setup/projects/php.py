"""Laravel, Symfony and WordPress: `.env` mostly, which is read with the other variables, and their own files."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ops_pipelines.setup.files import text_of, yaml_of
from ops_pipelines.setup.found import Database, database_of
from ops_pipelines.setup.projects.project import Project, found, of_settings

_SQLITE = "database/database.sqlite"
_DOCTRINE = Path("config/packages/doctrine.yaml")
_ENV = re.compile(r"%env\((?:[\w]+:)*(\w+)\)%")
_LARAVEL_KEY = r"""["']{}["']\s*=>\s*(?:env\(\s*["'](\w+)["']\s*(?:,\s*["']?([^"')]*)["']?\s*)?\)|["']([^"']*)["'])"""
_DEFINED = re.compile(r"""define\(\s*["'](DB_\w+)["']\s*,\s*(["'])(.*?)(?<!\\)\2\s*\)""")
_DEFINED_BY = re.compile(
    r"""define\(\s*["'](DB_\w+)["']\s*,\s*(?:\w+\(\s*)?(?:getenv\w*\(|env\(|\$_ENV\[)?\s*["'](\w+)["']\s*"""
    r"""(?:,\s*["']([^"']*)["'])?"""
)


def laravel(directory: Path, values: Mapping[str, str]) -> Project | None:
    """The database of a Laravel project's default connection."""
    if not (directory / "artisan").is_file():
        return None
    text = text_of(directory / "config/database.php")
    name = values.get("DB_CONNECTION") or _php(text, "default", values) or "sqlite"
    block = re.search(rf"""["']{re.escape(name)}["']\s*=>\s*\[(.*?)\n\s*\],""", text, re.DOTALL)
    url = values.get("DB_URL") or values.get("DATABASE_URL") or ""
    origin = f"connection {name} (.env, config/database.php)"
    if url:
        return Project(
            "Laravel", found([database_of(url, origin=origin, directory=directory)]), "its DB_URL is no address"
        )

    def said(word: str, variable: str) -> str:
        return values.get(variable) or (_php(block[1], word, values) if block else "")

    settings = {
        "engine": said("driver", "") or name, "host": said("host", "DB_HOST"), "port": said("port", "DB_PORT"),
        "user": said("username", "DB_USERNAME"), "password": said("password", "DB_PASSWORD"),
        "name": said("database", "DB_DATABASE") or (_SQLITE if name == "sqlite" else ""),
    }  # fmt: skip
    why = f"neither .env nor config/database.php names the database of connection {name}"
    return Project("Laravel", found([of_settings(settings, directory, origin)]), why)


def _php(text: str, key: str, values: Mapping[str, str]) -> str:
    match = re.search(_LARAVEL_KEY.format(re.escape(key)), text)
    return (values.get(match[1] or "") or match[2] or match[3] or "") if match else ""


def symfony(directory: Path, values: Mapping[str, str]) -> Project | None:
    """The databases of a Symfony project that has Doctrine."""
    if not (directory / "bin/console").is_file() or not (directory / _DOCTRINE).is_file():
        return None
    try:
        dbal = yaml_of(directory / _DOCTRINE)[0]["doctrine"]["dbal"]
        connections = dbal.get("connections") or {"default": dbal}
        databases = found(_doctrine(connections, directory, values))
    except (LookupError, TypeError, AttributeError):
        databases = ()
    return Project("Symfony", databases, f"neither DATABASE_URL in .env nor {_DOCTRINE} names a database")


def _doctrine(connections: dict[str, Any], directory: Path, values: Mapping[str, str]) -> Iterator[Database | None]:
    for each in connections.values():
        said = {
            key: _ENV.sub(lambda name: values.get(name[1], ""), str(value)).replace(
                "%kernel.project_dir%", str(directory)
            )
            for key, value in each.items()
        }
        if said.get("url"):
            url = said["url"].replace("%kernel.project_dir%", str(directory))
            yield database_of(url, origin=f"doctrine.dbal ({_DOCTRINE})", directory=directory)
        else:
            settings = {**said, "engine": said.get("driver"), "name": said.get("dbname") or said.get("path")}
            yield of_settings(settings, directory, f"doctrine.dbal ({_DOCTRINE})")


def wordpress(directory: Path, values: Mapping[str, str]) -> Project | None:
    """The database of a WordPress."""
    text = text_of(directory / "wp-config.php")
    if "DB_NAME" not in text:
        return None
    said = {name: values.get(variable) or default for name, variable, default in _DEFINED_BY.findall(text)}
    said |= {name: value.replace("\\'", "'").replace("\\\\", "\\") for name, _quote, value in _DEFINED.findall(text)}
    host, _, rest = said.get("DB_HOST", "").partition(":")
    port, socket = ("", rest) if rest.startswith("/") else (rest, "")
    settings = {
        "engine": "mysql", "host": socket or host, "port": port, "user": said.get("DB_USER"),
        "password": said.get("DB_PASSWORD"), "name": said.get("DB_NAME"),
    }  # fmt: skip
    return Project(
        "WordPress", found([of_settings(settings, directory, "wp-config.php")]), "wp-config.php does not say"
    )
