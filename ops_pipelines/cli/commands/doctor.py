"""`ops doctor`: is everything as it has to be? One line for each question, with what to do about it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from ops_pipelines.cli import output
from ops_pipelines.config.errors import ConfigError
from ops_pipelines.config.load import find_config, load_config
from ops_pipelines.doctor.ask import ask_all, of_error
from ops_pipelines.doctor.litter import Rightly, Swept, sweep
from ops_pipelines.doctor.question import EXIT_STATUS, Found, Measure, Question, State, worst
from ops_pipelines.doctor.questions import all_questions
from ops_pipelines.doctor.running import WATCHED
from ops_pipelines.doctor.shared import Shared
from ops_pipelines.doctor.sources import RECOVERY_POINT
from ops_pipelines.errors import OpsError
from ops_pipelines.workspace import Workspace, open_workspace

VERSION = 1
_COLOURS = {"OK": "green", "ATTENTION": "yellow", "FAILED": "bold red"}
_NAGIOS = {"OK": "OK", "ATTENTION": "WARNING", "FAILED": "CRITICAL"}


@output.explained
def doctor(
    source: Annotated[str | None, typer.Argument(help="Only this source and its stores; default: everything.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show only what is not OK.")] = False,
    send: Annotated[bool, typer.Option("--send", help="Send a message through every alert channel.")] = False,
    sweep_: Annotated[bool, typer.Option("--sweep", help="Only remove what killed runs left behind.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="With --sweep: only say what it would remove.")] = False,
    nagios: Annotated[bool, typer.Option("--nagios", help="One line for Nagios, with performance data.")] = False,
    config: output.ConfigOption = None,
    as_json: output.JsonOption = False,
) -> int:
    """Ask everything that has to hold for the next backup and the next restore, by trying it. Changes nothing.

    Exit status, as Nagios has it: 0 all is well, 1 something needs attention, 2 something does not work.
    With --sweep: 0 nothing of ours is left, 1 something could not be removed. Example: ops doctor crm
    """
    if dry_run and not sweep_:
        raise OpsError("--dry-run belongs to --sweep", next="ops doctor --sweep --dry-run")
    if sweep_:
        return _sweep(output.open_work(config), dry_run=dry_run, as_json=as_json)
    found = _examined(config, source, sending=send, shown=not (as_json or nagios))
    state = worst(found)
    if as_json:
        output.print_json(_document(state, found))
    elif nagios:
        output.say("{}", _nagios_line(state, found))
    else:
        _report(found, quiet=quiet)
    return EXIT_STATUS[state]


def _examined(given: Path | None, source: str | None, *, sending: bool, shown: bool) -> list[Found]:
    path = find_config(given)
    try:
        workspace = open_workspace(load_config(path))
    except ConfigError as error:
        # Without a configuration this is the only answer there is.
        return [Found("configuration", "ops.yaml", of_error(error), 0.0)]
    if source is not None:
        workspace.config.source(source)
    questions = all_questions(Shared(workspace, path, source), sending=sending)
    with _progress(questions, shown=shown) as on_answer:
        return ask_all(questions, on_answer=on_answer)


@contextmanager
def _progress(questions: Sequence[Question], *, shown: bool) -> Iterator[Callable[[Found], None]]:
    if not shown or not output.errors.is_terminal:
        yield lambda found: None
        return
    with output.errors.status("asking …") as status:
        count = 0

        def on_answer(found: Found) -> None:
            nonlocal count
            count += 1
            status.update(output.markup("asking … {} of {}: {}, {}", count, len(questions), found.subject, found.name))

        yield on_answer


def _report(found: Sequence[Found], *, quiet: bool) -> None:
    shown = [each for each in found if not quiet or each.answer.state != "OK"]
    width = max((len(each.name) for each in shown), default=0)
    subject = ""
    for each in shown:
        if each.subject != subject:
            output.say("[bold]{}[/]" if not subject else "\n[bold]{}[/]", each.subject)
            subject = each.subject
        state = output.markup(f"[{_COLOURS[each.answer.state]}]{{}}[/]", f"{each.answer.state:<9}")
        output.say("  {}  {}  {}", state, f"{each.name:<{width}}", each.answer.said)
        for number, line in enumerate(each.answer.fix):
            output.say("  {}  {}  {} {}", f"{'':9}", f"{'':{width}}", "→" if number == 0 else " ", line)
    if shown:
        output.say("")
    output.say("{}", _sum(found))
    if after := _next(found):
        output.say("\nnext: [bold]{}[/]", after)


def _next(found: Sequence[Found]) -> str:
    """The command after this one: repair, back up, then let it run by itself."""
    failed = {each.name for each in found if each.answer.state == "FAILED"}
    if failed - {RECOVERY_POINT}:
        return "ops doctor --quiet   # when what FAILED is repaired, as its → says"
    if failed:
        return "ops backup"
    return next((fix for each in found if each.name == WATCHED for fix in each.answer.fix), "")


def _sum(found: Sequence[Found]) -> str:
    counts = {state: sum(each.answer.state == state for each in found) for state in _COLOURS}
    return ", ".join(f"{count} {state}" for state, count in counts.items())


def _document(state: State, found: Sequence[Found]) -> dict[str, object]:
    return {
        "version": VERSION,
        "ok": state == "OK",
        "state": state,
        "answers": [
            {
                "subject": each.subject,
                "question": each.name,
                "state": each.answer.state,
                "said": each.answer.said,
                "fix": list(each.answer.fix),
                "seconds": each.seconds,
                "measures": [vars(measure) for measure in each.answer.measures],
            }
            for each in found
        ],
    }


def _nagios_line(state: State, found: Sequence[Found]) -> str:
    """One line: the worst first, then a bar and the numbers."""
    wrong = sorted(
        (each for each in found if each.answer.state != "OK"), key=lambda each: -EXIT_STATUS[each.answer.state]
    )
    said = "; ".join(f"{each.subject} {each.name}: {each.answer.said}" for each in wrong) or "all is well"
    numbers = [_perfdata(measure) for each in found for measure in each.answer.measures]
    return f"OPS {_NAGIOS[state]} - {_sum(found)} - {said.replace('|', '/')} | {' '.join(numbers)}"


def _perfdata(measure: Measure) -> str:
    limits = ["" if each is None else f"{each:g}" for each in (measure.warn, measure.critical)]
    return f"'{measure.name}'={measure.value:.15g}{measure.unit};{';'.join(limits)}".rstrip(";")


def _sweep(workspace: Workspace, *, dry_run: bool, as_json: bool) -> int:
    done = sweep(workspace, dry_run=dry_run)
    if as_json:
        left = [{"what": what, "why": why} for what, why in done.left]
        output.print_json({"version": VERSION, "dry_run": dry_run, "removed": done.removed, "left": left})
    else:
        _report_swept(done, dry_run=dry_run)
    return output.FINE if all(isinstance(why, Rightly) for _, why in done.left) else output.ATTENTION


def _report_swept(done: Swept, *, dry_run: bool) -> None:
    verb = "would remove" if dry_run else "removed"
    for each in done.removed:
        output.say("[green]{}[/]  {}", verb, each)
    for what, why in done.left:
        output.say("[yellow]left[/]  {}: {}", what, why)
    output.say("{} {}, left {}", verb, len(done.removed), len(done.left))
