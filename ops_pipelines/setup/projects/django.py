"""Django: `DATABASES` in the settings, which are read as text and never run."""

import ast
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ops_pipelines.engines.address import family
from ops_pipelines.setup.files import text_of
from ops_pipelines.setup.found import Database, database_of
from ops_pipelines.setup.projects.project import Project, found, of_settings

_MODULE = re.compile(r"""DJANGO_SETTINGS_MODULE["']\s*,\s*["']([\w.]+)["']""")
_LOOKUPS = ("get", "getenv", "env", "config", "str", "url", "path", "int", "get_secret", "get_env_variable")
_URL_LOOKUPS = ("db", "db_url", "dj_db_url", "config")


class _Unknown(Exception):
    """Only running the settings would tell."""


def find(directory: Path, values: Mapping[str, str]) -> Project | None:
    """The databases of a Django project."""
    text = text_of(directory / "manage.py")
    if "DJANGO_SETTINGS_MODULE" not in text:
        return None
    named = _MODULE.search(text)
    module = values.get("DJANGO_SETTINGS_MODULE") or (named[1] if named else "")
    tried = []
    for path in _settings(directory, module):
        tried.append(str(path.relative_to(directory)))
        settings = _Settings(directory, values)
        settings.read(path)
        databases = found(settings.databases(f"DATABASES ({tried[-1]})"))
        if databases:
            return Project("Django", databases)
    where = ", ".join(tried) or f"no settings were found for {module or 'manage.py'}"
    return Project("Django", (), f"DATABASES in {where} cannot be read without running it")


def _settings(directory: Path, module: str) -> Iterator[Path]:
    """The settings, the likeliest first: production's, then those that manage.py names, then any."""
    named = directory / Path(*module.split(".")).with_suffix(".py") if module else None
    if named is not None and not named.is_file():
        named = named.with_suffix("") / "__init__.py"
    folder = named.parent if named is not None else directory
    likely = [folder / name for name in ("production.py", "prod.py")] if folder.name == "settings" else []
    rest = [*directory.glob("*/settings.py"), *directory.glob("*/settings/*.py"), *directory.glob("settings/*.py")]
    every = [*likely, *([named] if named else []), *sorted(rest)]
    yield from (path for path in dict.fromkeys(every) if path.is_file())


class _Settings:
    """The values of a settings file, as far as they can be told without running it."""

    def __init__(self, root: Path, values: Mapping[str, str]) -> None:
        self._root, self._values, self._names = root, values, dict[str, Any]()

    def read(self, path: Path, depth: int = 0) -> None:
        """Take in what a file assigns, and before it what it imports with a star."""
        try:
            tree = ast.parse(text_of(path))
        except (SyntaxError, ValueError):
            return
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and any(each.name == "*" for each in node.names) and depth < 5:
                base = path.parents[node.level - 1] if node.level else self._root
                self.read(base.joinpath(*(node.module or "").split(".")).with_suffix(".py"), depth + 1)
        self._names["__file__"] = str(path)
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and len(node.targets) == 1:
                self._assign(node.targets[0], node.value)
            elif isinstance(node, ast.AnnAssign) and node.value is not None:
                self._assign(node.target, node.value)

    def databases(self, origin: str) -> Iterator[Database | None]:
        """What `DATABASES` names."""
        for alias, settings in self._databases().items():
            if isinstance(settings, str):
                name = "" if alias == "default" else alias
                yield database_of(settings, origin=origin, name=name, directory=self._root)
            elif isinstance(settings, dict):
                lower = {str(key).lower(): value for key, value in settings.items()}
                yield of_settings(lower, self._root, origin)

    def _databases(self) -> dict[str, Any]:
        known = self._names.get("DATABASES")
        return known if isinstance(known, dict) else {}

    def _assign(self, target: ast.expr, node: ast.expr) -> None:
        try:
            value = self._value(node)
        except _Unknown:
            return
        if isinstance(target, ast.Name):
            if target.id != "DATABASES" or isinstance(value, dict):
                self._names[target.id] = value
        elif isinstance(target, ast.Subscript):
            try:
                holder, key = self._value(target.value), self._value(target.slice)
            except _Unknown:
                return
            if isinstance(holder, dict):
                holder[key] = value

    def _value(self, node: ast.expr) -> Any:  # noqa: PLR0911  (a case for each kind of expression)
        match node:
            case ast.Constant(value=value):
                return value
            case ast.Name(id=name) if name in self._names:
                return self._names[name]
            case ast.Dict(keys=keys, values=values):
                return {
                    self._value(key): self._or_nothing(value)
                    for key, value in zip(keys, values, strict=True)
                    if key is not None
                }
            case ast.JoinedStr(values=parts):
                return "".join(str(self._value(each)) for each in parts)
            case ast.FormattedValue(value=inner):
                return self._value(inner)
            case ast.BinOp(left=left, op=ast.Div(), right=right):
                return Path(str(self._value(left))) / str(self._value(right))
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return str(self._value(left)) + str(self._value(right))
            case ast.BoolOp(op=ast.Or(), values=values):
                return next((value for value in map(self._or_nothing, values) if value), "")
            case ast.IfExp(body=body, orelse=orelse):
                return self._or_nothing(body) or self._value(orelse)
            case ast.Subscript(value=holder, slice=key):
                return self._looked_up(holder, key)
            case ast.Attribute(value=holder, attr="parent"):
                return Path(str(self._value(holder))).parent
            case ast.Call():
                return self._called(node)
        raise _Unknown

    def _or_nothing(self, node: ast.expr) -> Any:
        try:
            return self._value(node)
        except _Unknown:
            return ""

    def _looked_up(self, holder: ast.expr, key: ast.expr) -> Any:
        name = self._value(key)
        if ast.unparse(holder).endswith("environ"):
            return self._values.get(str(name), "")
        values = self._value(holder)
        if isinstance(values, dict) and name in values:
            return values[name]
        raise _Unknown

    def _called(self, node: ast.Call) -> Any:
        function = ast.unparse(node.func)
        last = function.rpartition(".")[2]
        options = {each.arg: each.value for each in node.keywords if each.arg}
        if function in ("Path", "pathlib.Path", "str") and node.args:
            return self._value(node.args[0])
        if last in ("resolve", "absolute", "as_posix") and isinstance(node.func, ast.Attribute):
            return self._value(node.func.value)
        if last in ("abspath", "realpath", "dirname") and node.args:
            path = str(self._value(node.args[0]))
            return os.path.dirname(path) if last == "dirname" else path  # noqa: PTH120  (what the settings call)
        if function.endswith("path.join"):
            return str(Path(*(str(self._value(each)) for each in node.args)))
        if last == "parse" and node.args:
            return self._value(node.args[0])
        return self._variable(function, last, node.args, options)

    def _variable(self, function: str, last: str, args: list[ast.expr], options: Mapping[str, ast.expr]) -> Any:
        """What `os.environ.get`, `env(…)`, `config(…)`, `env.db(…)`, `dj_database_url.config(…)` return."""
        of_urls = last in _URL_LOOKUPS and (function.startswith("dj_database_url") or last != "config")
        if not (of_urls or last in _LOOKUPS):
            raise _Unknown
        default = options.get("default") or (args[1] if len(args) > 1 else None)
        given = options.get("env") or (args[0] if args else None)
        if of_urls and isinstance(given, ast.Constant) and family(str(given.value)) is not None:
            default, given = given, options.get("env")
        name = self._value(given) if given is not None else "DATABASE_URL"
        return self._values.get(str(name)) or (self._value(default) if default is not None else "")
