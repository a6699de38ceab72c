"""Every command that a hint, an alert or a rule tells to type exists, and every unit that it names."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import yaml

from tests.docs.test_command_lines import COMMANDS, GROUPS, mistake
from tools.reference.commands import named

PROJECT = Path(__file__).parents[2]
PACKAGE = PROJECT / "ops_pipelines"
RULES = sorted((PROJECT / "deploy/monitoring/rules").glob("*.yml"))
UNITS = {path.stem for path in (PROJECT / "deploy/systemd").glob("*.service")}
_COMMAND = re.compile(r"(?:^|(?<=[\s(;`]))ops ([a-z][^;`\n]*)")
_END = re.compile(r"\s+(?:#|\(|→)|[,;`)]\s|[,;`).:]+$|: |, ")
_ADVICE = ("next", "advice", "cure", "fix")
_PROSE = ("the", "uses")  # our name in a sentence
_ANSWERS = ("attention", "failed")


def hints(tree: ast.AST) -> Iterator[str]:
    """What is said to be done next: of errors, of conditions, of the doctor's answers."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        advice = [each.value for each in node.keywords if each.arg in _ADVICE]
        if ast.unparse(node.func).rpartition(".")[2] in _ANSWERS:
            advice += node.args[1:]
        for each in advice:
            yield from _texts(each)


def _texts(node: ast.AST) -> Iterator[str]:
    """Every text in an expression; what an f-string fills in is a name."""
    if isinstance(node, ast.JoinedStr):
        yield "".join(str(each.value) if isinstance(each, ast.Constant) else "crm" for each in node.values)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    else:
        for each in ast.iter_child_nodes(node):
            yield from _texts(each)


def commands(text: str) -> Iterator[str]:
    """The commands of ours in a hint, without what is said behind them."""
    for found in _COMMAND.findall(text):
        yield _END.split(found)[0].strip().rstrip(")")


def wrong(command: str) -> str:
    """What is wrong with a command as a whole: unlike a page's, a hint's is typed as it stands."""
    words = command.split()
    verb = tuple(words[:2]) if tuple(words[:2]) in COMMANDS else tuple(words[:1])
    if words[0] in _PROSE:
        return ""
    if verb not in COMMANDS | GROUPS:
        return "no such command"
    # Words of a sentence may follow; what counts is that the verb and its options are there.
    options = [word for word in words if word.startswith("--")]
    known = {"--help"} | ({name for each in named(verb).params for name in each.opts} if verb in COMMANDS else set())
    if unknown := [word for word in options if word.partition("=")[0] not in known]:
        return f"no such option: {unknown[0]}"
    bare = [each.name for each in named(verb).params if each.required] if verb in COMMANDS else []
    return f"without its {bare[0]}" if bare and len(words) == len(verb) else ""


def test_every_command_of_a_hint_can_be_typed() -> None:
    told = {(text, path.name) for path in PACKAGE.rglob("*.py") for text in hints(ast.parse(path.read_text("utf-8")))}
    found = {(command, name) for text, name in told for command in commands(text)}
    assert len(found) > 60, "and they are found at all"
    assert {f"{name}: ops {command}": said for command, name in found if (said := wrong(command))} == {}


def test_every_rule_of_prometheus_tells_commands_and_units_that_exist() -> None:
    rules = [
        rule
        for path in RULES
        for group in yaml.safe_load(path.read_text("utf-8")).get("groups", ())
        for rule in group["rules"]
    ]
    advice = [rule["annotations"]["next"] for rule in rules if "next" in rule.get("annotations", {})]
    assert len(advice) > 10
    for text in advice:
        plain = re.sub(r"\{\{.*?\}\}", "crm", text)
        assert {command: mistake(command.split()) for command in commands(plain) if mistake(command.split())} == {}
        ours = {unit for unit in re.findall(r"systemctl \w+ ([\w@.-]+)", plain) if unit.startswith(("ops", "dagster"))}
        assert ours <= UNITS, text


def test_a_hint_that_cannot_be_typed_is_noticed() -> None:
    assert [bool(wrong(each)) for each in ("drill", "drill total_loss", "bakup crm", "restore crm --too x")] == [
        True, False, True, True,
    ]  # fmt: skip
