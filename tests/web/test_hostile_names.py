"""What others wrote (names, errors, verdicts, manifests) is text on every face, whatever it would like to be there."""

import io
import json
import subprocess
from contextlib import redirect_stderr, redirect_stdout
from email import message_from_bytes, policy
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from rich.console import Console

from ops_pipelines import text
from ops_pipelines.cli.main import app
from ops_pipelines.orchestration.describe import bullets, lines_of, verdict_metadata
from ops_pipelines.watch.alerts.channels.mail import Mail
from ops_pipelines.watch.alerts.conditions import Condition
from ops_pipelines.watch.alerts.message import message_about
from ops_pipelines.watch.report import build_page, build_report
from ops_pipelines.watch.snapshots import look
from tests.web.conftest import House, MakeHouse
from tests.web.pages import status_page

UNSEEN = [chr(code) for code in (*range(9), *range(11, 32), *range(127, 160), 0x200F, 0x2028, 0x202E, 0x2066, 0xFEFF)]
PAYLOADS = {
    "terminal": "t\x1b]0;owned\x07\x1b[31mred\x9b2J",
    "bidi": "bill\u202efdp.exe\u2066",
    "newline": "x\n[green]✓[/] all is well\r\nRSET",
    "rich": "[/x][red][link=http://evil.example]here[/link]",
    "backslash": "\\[bold]a\\\\[bold]b\\",
    "markdown": "[pay](http://evil.example) ![x](http://evil.example/i.png) `id` **big** | cell | ~~x~~",
    "html": "<script>alert(1)</script><img src=x onerror=alert(1)>\"'><b>",
    "slack": "<!channel> <http://evil.example|the bank> &lt;!here&gt;",
    "shell": "$(touch pwned); `touch pwned` 'q' \"d\" & touch pwned\ntouch pwned",
    "csv": "=cmd|' /C calc'!A0",
    "braces": "{0} {name} %s %(x)s {{ 7*7 }} {% raw %}",
}
every_payload = pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS.keys())


class Tags(HTMLParser):
    """The elements and the attributes of a page, and what a reader sees."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.said = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(f"{tag} {sorted(name for name, _ in attrs)}")

    def handle_data(self, data: str) -> None:
        self.said += data


@pytest.fixture
def told(make_house: MakeHouse, monkeypatch: pytest.MonkeyPatch) -> House:
    house = make_house()
    monkeypatch.setenv("OPS_CONFIG", str(house.folder / "ops.yaml"))
    monkeypatch.setenv("COLUMNS", "2000")
    return house


def typed(*words: str) -> tuple[str, str]:
    """What a command says, and what it complains of."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
        app(words)
    assert ended.value.code in (0, 1, 2)
    return out.getvalue(), err.getvalue()


def seen(payload: str) -> str:
    """A payload on one line of a terminal."""
    return text.line(payload)


@every_payload
def test_on_a_terminal(told: House, payload: str) -> None:
    told.holds("crm", "bad", detail=payload)
    for words in (("list",), ("status", "--steps"), ("status",), ("prune",)):
        out, err = typed(*words)
        assert not [each for each in UNSEEN if each in out + err], words
        assert not any(line.startswith("✓") for line in (out + err).splitlines())
    assert text.lines(payload).splitlines()[0] in typed("list")[0]


@every_payload
def test_in_json(told: House, payload: str) -> None:
    told.holds("crm", "bad", detail=payload)
    out, _err = typed("list", "--json")
    assert not [each for each in UNSEEN if each in out]
    assert json.loads(out)["crm"]["restore_points"][0]["verdict"]["checks"][0]["detail"] == payload


@every_payload
def test_in_a_report(told: House, payload: str) -> None:
    told.holds("crm", "bad", detail="harmless")
    reader = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    expected = Tags(reader.render(build_report(told.workspace)))
    verdict = told.workspace.catalogue("crm").points[-1].verdicts[-1]
    changed = verdict.model_copy(
        update={"checks": [verdict.checks[0].model_copy(update={"detail": payload}), *verdict.checks[1:]]}
    )
    told.workspace.local.keep_verdict(changed)
    report = build_report(told.workspace)
    found = Tags(reader.render(report))
    assert found.tags == expected.tags
    assert not [each for each in UNSEEN if each in report]
    assert " ".join(text.lines(payload).split()) in " ".join(found.said.split())


@every_payload
def test_in_a_report_as_html(told: House, payload: str) -> None:
    told.holds("crm", "bad", detail="harmless")
    expected = Tags(build_page(told.workspace)).tags
    verdict = told.workspace.catalogue("crm").points[-1].verdicts[-1]
    changed = verdict.model_copy(
        update={"checks": [verdict.checks[0].model_copy(update={"detail": payload}), *verdict.checks[1:]]}
    )
    told.workspace.local.keep_verdict(changed)
    page = build_page(told.workspace)
    assert Tags(page).tags == expected
    assert not [each for each in UNSEEN if each in page]
    assert text.lines(payload) in Tags(page).said


@every_payload
def test_on_the_page(told: House, payload: str) -> None:
    told.holds("crm", "bad", detail="harmless")
    look(told.workspace)
    expected = Tags(status_page(told.workspace)).tags
    verdict = told.workspace.catalogue("crm").points[-1].verdicts[-1]
    changed = verdict.model_copy(
        update={"checks": [verdict.checks[0].model_copy(update={"detail": payload}), *verdict.checks[1:]]}
    )
    told.workspace.local.keep_verdict(changed)
    look(told.workspace)
    page = status_page(told.workspace)
    assert Tags(page).tags == expected
    assert not [each for each in UNSEEN if each in page]
    assert text.lines(payload) in Tags(page).said


@every_payload
def test_in_an_alert(told: House, payload: str) -> None:
    at = told.workspace.clock.now()
    condition = Condition(
        rule="verify_failed", source="crm", store="", phase="verify", severity="error",
        title=f"verify {payload}", cause=payload, next=f"ops verify {payload}",
    )  # fmt: skip
    message = message_about(condition, incident="abc", event="opened", since=at, at=at, dagster_url=None)
    for each in (json.dumps(message.slack, ensure_ascii=False), text.slack(message.text)):
        assert "<" not in each
        assert not [character for character in UNSEEN if character in each]
    letter = Mail.of("smtp://me:secret-of-mail@localhost/?from=ops@example.com&to=you@example.com")._letter(message)
    arrived = message_from_bytes(letter.as_bytes(), policy=policy.default)
    assert sorted(arrived.keys()) == sorted(letter.keys())
    assert "\n" not in str(arrived["Subject"])
    # A line of somebody else's is set in: none reads as a fact of ours.
    assert [line for line in message.text.splitlines() if line.startswith(("source:", "next:"))] == [
        "source:    crm", f"next:      {seen(f'ops verify {payload}')}",
    ]  # fmt: skip


@every_payload
def test_in_dagster(told: House, payload: str) -> None:
    told.holds("crm", "bad", detail=payload)
    verdict = told.workspace.catalogue("crm").points[-1].verdicts[-1]
    assert verdict_metadata(verdict)["reason"].value.endswith(payload)  # text there, which is shown as it is
    listed = bullets([payload])
    assert lines_of(listed) == [" ".join(text.lines(payload).split())]
    reader = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    assert Tags(reader.render(listed)).tags == ["ul []", "li []"]


@every_payload
def test_in_a_command_that_somebody_pastes(payload: str, tmp_path: Path) -> None:
    command = f"printf %s {text.shell(payload)}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, cwd=tmp_path, check=True)
    assert done.stdout.decode() == payload
    assert "\n" not in command
    assert list(tmp_path.iterdir()) == []


@every_payload
def test_in_rich_whatever_follows(payload: str) -> None:
    shown = io.StringIO()
    Console(file=shown, width=1000, color_system=None).print(f"[bold]{text.rich(payload)}[/] end", highlight=False)
    assert shown.getvalue().rstrip("\n").endswith(" end")
    assert "[/]" not in shown.getvalue() or "[/]" in payload


@every_payload
def test_in_code_of_markdown(payload: str) -> None:
    rendered = MarkdownIt("commonmark").render(f"next: {text.markdown_code(payload)} end")
    assert Tags(rendered).tags == ["p []", "code []"]
    block = MarkdownIt("commonmark").render(text.markdown_block(payload + "\n```\n# out\n````\nx"))
    assert [each.split()[0] for each in Tags(block).tags] == ["pre", "code"]


def test_a_name_that_is_no_text_is_shown_all_the_same() -> None:
    name = b"caf\xe9.txt".decode("utf-8", "surrogateescape")
    for each in (text.line, text.lines, text.rich, text.markdown, text.html, text.slack, text.json):
        assert "caf" in each(name).encode("utf-8").decode()
    done = subprocess.run(["bash", "-c", f"printf %s {text.shell(name)}"], capture_output=True, check=True)
    assert done.stdout == b"caf\xe9.txt"
