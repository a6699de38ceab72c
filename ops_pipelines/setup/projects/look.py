"""Every project in a folder and right below it, whatever its framework."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from ops_pipelines.setup import variables
from ops_pipelines.setup.projects import django, php, prisma, rails, spring
from ops_pipelines.setup.projects.project import Find, Project

_FIND: tuple[Find, ...] = (
    django.find, rails.find, spring.find, prisma.find, php.laravel, php.symfony, php.wordpress,
)  # fmt: skip
_NOT_OURS = ("prisma", "node_modules", "vendor", "venv", "keys", "var", "dist", "build", "target")


def projects(directory: Path, values: Mapping[str, str]) -> Iterator[Project]:
    """The projects in a folder, and in the folders in it, where a repository holds several.

    Args:
        values: the variables that the applications have.
    """
    for folder in (directory, *_below(directory)):
        own = values if folder == directory else _with_dotenv(folder, values)
        for find in _FIND:
            if (project := find(folder, own)) is not None:
                yield project


def _below(directory: Path) -> list[Path]:
    try:
        return sorted(
            each for each in directory.iterdir()
            if each.is_dir() and not each.is_symlink() and each.name[0] != "." and each.name not in _NOT_OURS
        )  # fmt: skip
    except OSError:
        return []


def _with_dotenv(folder: Path, values: Mapping[str, str]) -> dict[str, str]:
    return variables.dotenv(folder)[1] | dict(values)
