"""Prisma: the `datasource` of a schema. Its URL is a variable of `.env` nearly always, which is found there."""

import re
from collections.abc import Mapping
from pathlib import Path

from ops_pipelines.setup.files import text_of
from ops_pipelines.setup.found import database_of
from ops_pipelines.setup.projects.project import Project, found

_FILES = ("prisma/schema.prisma", "schema.prisma", "prisma/schema/schema.prisma")
_CONFIGS = ("prisma.config.ts", "prisma.config.js", "prisma.config.mjs")
_DATASOURCE = re.compile(r"\bdatasource\s+\w+\s*\{(.*?)\}", re.DOTALL)
_URL = re.compile(r"""\b(directUrl|url)\s*[=:]\s*(?:(?:env\(|process\.env(?:\.|\[))\s*["']?(\w+)|["']([^"']+)["'])""")


def find(directory: Path, values: Mapping[str, str]) -> Project | None:
    """The database of a Prisma schema; the direct address, where it names one beside a pooler's."""
    path = next((directory / name for name in _FILES if (directory / name).is_file()), None)
    if path is None:
        return None
    named = path.relative_to(directory)
    text = " ".join(each for each in _DATASOURCE.findall(text_of(path)))
    text += " ".join(text_of(directory / name) for name in _CONFIGS)
    urls = {key: (variable, literal) for key, variable, literal in _URL.findall(text)}
    for key in ("directUrl", "url"):
        variable, literal = urls.get(key, ("", ""))
        url = values.get(variable, "") if variable else literal
        each = database_of(url.replace("file:", "sqlite:///", 1) if url.startswith("file:") else url,
                           origin=f"{variable or key} ({named})", directory=path.parent)  # fmt: skip
        if each is not None:
            return Project("Prisma", found([each]))
    unset = ", ".join(sorted({variable for variable, _literal in urls.values() if variable}))
    return Project("Prisma", (), f"{named} takes its url from {unset or 'elsewhere'}, which is not set here or in .env")
