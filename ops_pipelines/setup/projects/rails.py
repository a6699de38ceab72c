"""Rails: `config/database.yml`. Its Ruby is not run; what it looks up in the environment is looked up."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from ops_pipelines.config.document import plain
from ops_pipelines.setup.found import Database, database_of
from ops_pipelines.setup.projects.project import Project, found, of_settings

_FILE = Path("config/database.yml")
_ERB = re.compile(r"<%=(.*?)%>", re.DOTALL)
_STATEMENT = re.compile(r"<%.*?%>", re.DOTALL)
_LOOKUP = re.compile(r"""ENV(?:\.fetch)?[\[(]\s*["'](\w+)["']""")
_DEFAULT = re.compile(r"""(?:,|\|\||\{)\s*["']?([^"'{}()]*?)["']?\s*[)}]?\s*\Z""")


def find(directory: Path, values: Mapping[str, str]) -> Project | None:
    """The databases of a Rails project's production, or of the environment that `RAILS_ENV` names."""
    path = directory / _FILE
    if not path.is_file():
        return None
    try:
        text = _ERB.sub(lambda code: _ruby(code[1], values), path.read_text(encoding="utf-8"))
        sections = next(iter(plain(_STATEMENT.sub("", text))), None)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        return Project("Rails", (), f"{_FILE} cannot be read: {' '.join(str(error).split())[:200]}")
    sections = sections if isinstance(sections, dict) else {}
    wanted = (values.get("RAILS_ENV"), "production", "development")
    name = next((each for each in wanted if each and isinstance(sections.get(each), dict)), None)
    if name is None:
        return Project("Rails", (), f"{_FILE} has no section production")
    databases = found(_databases(sections[name], directory, f"{name} ({_FILE})"))
    return Project("Rails", databases, f"section {name} of {_FILE} names no database")


def _databases(section: dict[str, Any], directory: Path, origin: str) -> Iterator[Database | None]:
    several = [
        each for each in section.values() if isinstance(each, dict) and {"adapter", "database", "url"} & set(each)
    ]
    for each in several or [section]:
        if each.get("url"):
            yield database_of(str(each["url"]), origin=origin, directory=directory)
            continue
        settings = {
            **each,
            "engine": each.get("adapter"),
            "name": each.get("database"),
            "user": each.get("username"),
            "host": each.get("host") or each.get("socket"),
        }
        yield of_settings(settings, directory, origin)


def _ruby(code: str, values: Mapping[str, str]) -> str:
    """What an expression gives: a variable's value, else its default, else nothing."""
    for name in _LOOKUP.findall(code):
        if values.get(name):
            return _quoted(values[name])
    default = _DEFAULT.search(code) if _LOOKUP.search(code) else None
    return default[1].strip() if default else ""


def _quoted(value: str) -> str:
    """A value as YAML reads it back, whatever is in it."""
    return value if re.fullmatch(r"[\w.@/-]+", value) else f"'{value.replace(chr(39), chr(39) * 2)}'"
