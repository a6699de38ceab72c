"""Spring Boot, and what is like it: `application.properties`, `application.yml` and their profiles."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ops_pipelines.engines.address import family
from ops_pipelines.setup.files import text_of, yaml_of
from ops_pipelines.setup.found import Database, database_of, with_login
from ops_pipelines.setup.projects.project import Project, found, of_settings

_BUILDS = ("pom.xml", "build.gradle", "build.gradle.kts")
_FRAMEWORKS = ("spring-boot", "springframework.boot", "quarkus", "micronaut")
_OF_DATABASES = ("jdbc", "data-jpa", "postgresql", "mysql", "mariadb", "mongodb", "r2dbc", "hibernate")
_FOLDERS = ("src/main/resources", "src/main/resources/config", "config", ".")
_PLACEHOLDER = re.compile(r"\$\{([^${}:]+)(?::([^${}]*))?\}")
_MONGODB = ("spring.data.mongodb", "spring.mongodb")


def find(directory: Path, values: Mapping[str, str]) -> Project | None:
    """The databases of a project that is built with Maven or Gradle, of its production profile where it has one."""
    build = " ".join(text_of(directory / name) for name in _BUILDS)
    if not any(word in build for word in _FRAMEWORKS) or not any(word in build for word in _OF_DATABASES):
        return None
    files = sorted(
        _files(directory), key=lambda path: (not _is_production(path), path.stem != "application", path.name)
    )
    common = {
        key: value for path in reversed(files) if path.stem == "application" for key, value in _read(path).items()
    }
    for path in files:
        settings = common | _read(path)
        databases = found(_databases(settings, values, directory, str(path.relative_to(directory))))
        if databases:
            return Project("Spring", databases)
    looked = (
        ", ".join(str(path.relative_to(directory)) for path in files) or "no application.properties or .yml is there"
    )
    return Project("Spring", (), f"no datasource was found in {looked}")


def _files(directory: Path) -> Iterator[Path]:
    for folder in _FOLDERS:
        for ending in ("properties", "yml", "yaml"):
            yield from (directory / folder).glob(f"application*.{ending}")


def _is_production(path: Path) -> bool:
    return path.stem in ("application-prod", "application-production")


def _read(path: Path) -> dict[str, str]:
    if path.suffix == ".properties":
        lines = (line.strip() for line in text_of(path).splitlines())
        pairs = (re.split(r"\s*[=:]\s*", line, maxsplit=1) for line in lines if line and line[0] not in "#!")
        return {pair[0]: pair[1] for pair in pairs if len(pair) > 1}
    return {key: value for each in yaml_of(path) for key, value in _flat(each, "")}


def _flat(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, f"{path}.{key}" if path else str(key))
    elif value is not None:
        yield path, str(value)


def _databases(
    settings: Mapping[str, str], values: Mapping[str, str], directory: Path, file: str
) -> Iterator[Database | None]:
    def said(key: str) -> str:
        """The value of a key: the environment's (`SPRING_DATASOURCE_URL`), else the file's."""
        return values.get(re.sub(r"[.-]", "_", key).upper()) or _filled(settings.get(key, ""), settings, values)

    for key in settings:
        holder, _, last = key.rpartition(".")
        if last in ("url", "uri", "jdbc-url", "jdbcUrl") and family(said(key)) is not None:
            above = holder.rpartition(".")[0]
            login = [
                next((said(f"{where}.{word}") for where in (holder, above) if said(f"{where}.{word}")), "")
                for word in ("username", "password")
            ]
            yield database_of(with_login(said(key), *login), origin=f"{key} ({file})", directory=directory)
    for prefix in _MONGODB:
        if said(f"{prefix}.database") and not said(f"{prefix}.uri"):
            parts = {word: said(f"{prefix}.{word}") for word in ("host", "port", "password")}
            named = {"engine": "mongodb", "user": said(f"{prefix}.username"), "name": said(f"{prefix}.database")}
            yield of_settings({**parts, **named}, directory, f"{prefix} ({file})")


def _filled(text: str, settings: Mapping[str, str], values: Mapping[str, str]) -> str:
    """A value with its `${NAME:default}`, which may stand in one another."""
    for _depth in range(5):
        filled = _PLACEHOLDER.sub(lambda name: values.get(name[1]) or settings.get(name[1]) or name[2] or "", text)
        if filled == text:
            break
        text = filled
    return text
