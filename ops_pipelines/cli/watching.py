"""Something that is shown again and again in the same place, until Ctrl-C. Needs a terminal."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from ops_pipelines import text
from ops_pipelines.cli.output import FINE, Markup, console, say
from ops_pipelines.clock import SystemClock, human_duration
from ops_pipelines.errors import OpsError, SafetyRefusal

_LOOK_S = 0.25


class NoTerminal(SafetyRefusal):
    """Nobody sees what would be drawn again and again."""


def watched(show: Callable[[], object], every: timedelta, *, command: str) -> int:
    """Show it on a screen of its own, anew after each pause, and once more below the prompt when it is ended.

    Args:
        show: prints it; what fails is shown, and tried again.
        command: what shows it once.
    Returns:
        0: Ctrl-C is how somebody ends it, and no failure.
    Raises:
        NoTerminal: the output is no terminal, or one that cannot move its cursor.
    """
    if not console.is_terminal or console.is_dumb_terminal:
        raise NoTerminal(
            "what is watched needs a terminal", why="the output goes to a file, a pipe or a plain terminal",
            safe="nothing was started", next=f"{command}; it shows the same once",
        )  # fmt: skip
    shown = ""
    try:
        with console.screen(hide_cursor=True):
            while True:
                shown = _shown(show)
                _draw_for(every, shown)
    except KeyboardInterrupt:
        console.file.write(shown)
    return FINE


def _shown(show: Callable[[], object]) -> str:
    """What it prints, with its colours, in lines that are no longer than the terminal is wide."""
    with console.capture() as captured, _wrapped():
        try:
            show()
        except OpsError as error:
            say("[bold red]✗[/] {}", Markup(text.rich(str(error))))
    return captured.get()


@contextmanager
def _wrapped() -> Iterator[None]:
    before, console.soft_wrap = console.soft_wrap, False
    try:
        yield
    finally:
        console.soft_wrap = before


def _draw_for(every: timedelta, shown: str) -> None:
    """Draw it, and again when the terminal has another size, until the pause is over."""
    until = time.monotonic() + every.total_seconds()
    drawn: tuple[int, int] | None = None
    while time.monotonic() < until:
        if (size := (console.size.width, console.size.height)) != drawn:
            _draw(shown, size[1], every)
            drawn = size
        time.sleep(_LOOK_S)


def _draw(shown: str, height: int, every: timedelta) -> None:
    """All of it that has room, from the upper left corner, without a moment in which the screen is empty."""
    lines = shown.splitlines()
    room = max(1, height - 2)
    left = f" ({len(lines) - room} lines more: a larger terminal shows them)" if len(lines) > room else ""
    said = f"{SystemClock().now():%H:%M:%S} UTC, every {human_duration(every)}, Ctrl-C ends it{left}"
    drawn = "".join(f"{line}\x1b[0m\x1b[K\n" for line in [*lines[:room], said])
    console.file.write(f"\x1b[H{drawn}\x1b[J")
    console.file.flush()
