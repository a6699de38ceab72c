"""A command's code is imported when somebody types that command: `ops --help` waits for none of them."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

from ops_pipelines.cli.stopped import a_stop_is_told
from ops_pipelines.cli.verbs import Verb


class OnDemand(Mapping[str, Any]):
    """Commands by name, each imported and built when it is asked for (typer's copy of click is not public: no type)."""

    def __init__(self, verbs: Mapping[str, Verb]) -> None:
        self._verbs = verbs
        self._built: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._built:
            self._built[name] = _build(name, self._verbs[name].place)
        return self._built[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._verbs)

    def __len__(self) -> int:
        return len(self._verbs)


def _build(name: str, place: str) -> Any:
    module, _, attribute = place.partition(":")
    with a_stop_is_told():
        found = getattr(import_module(f"ops_pipelines.cli.commands.{module}"), attribute)
    if not isinstance(found, typer.Typer):
        alone = typer.Typer(add_completion=False, rich_markup_mode=None)
        alone.command(name)(found)
        found = alone
    command = typer.main.get_command(found)
    command.name = name
    return command


class Uncut(TyperGroup):
    """A group whose help shows each command's first sentence whole."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, each.get_short_help_str(1000)) for name, each in self.commands.items()])


def group_of(verbs: Mapping[str, Verb]) -> type[TyperGroup]:
    """A class for `typer.Typer(cls=…)` that has these commands, in this order."""

    class Group(TyperGroup):
        def __init__(self, **settings: Any) -> None:
            super().__init__(**settings)
            self.commands = OnDemand(verbs)  # type: ignore[assignment]  # read only

        def list_commands(self, ctx: Any) -> list[str]:
            return list(verbs)

        def format_commands(self, ctx: Any, formatter: Any) -> None:
            with formatter.section("Commands"):
                formatter.write_dl([(name, verb.help) for name, verb in verbs.items()])

    return Group
