"""What a human reads: one message about one incident, as text and as Slack blocks. Sends nothing.

Every text is redacted when the message is made, before it reaches the ledger.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from ops_pipelines import text
from ops_pipelines.chronology import age
from ops_pipelines.config.alerts import SEVERITIES, Severity
from ops_pipelines.language.said import KEEP_FACTS, Words, changed, counted, said, worded
from ops_pipelines.language.speech import Code, language
from ops_pipelines.redact import redact
from ops_pipelines.watch.alerts.conditions import Condition

Event = Literal["opened", "escalated", "repeated", "resolved", "test", "digest", "all_clear", "summary"]

MARK = "[OPS]"
"""Every subject and every event line begins with it: what people filter by."""
_WORDS: Mapping[Severity, str] = {"warn": "WARN", "error": "FAIL", "critical": "CRITICAL"}
_SIGNS: Mapping[str, str] = {
    "WARN": ":warning:",
    "FAIL": ":red_circle:",
    "CRITICAL": ":rotating_light:",
    "OK": ":large_green_circle:",
    "TEST": ":information_source:",
}
_SPACES = re.compile("[ \n\t]+")
_THIS_MACHINE = said("this machine")
_LABELS: Mapping[str, str] = {
    "source": said("source:"), "store": said("store:"), "phase": said("phase:"), "cause": said("cause:"),
    "since": said("since:"), "until": said("until:"), "last good": said("last good:"), "safe": said("safe:"),
    "next": said("next:"), "run": said("run:"), "incident": said("incident:"),
}  # fmt: skip
_NO_CALLS = str.maketrans("<>", "‹›")
_LONGEST_CAUSE = 1500
_LONGEST_HEADER, _LONGEST_TITLE = 150, 80
_LONGEST_SECTION = 2900  # Slack refuses 3001 characters
_LISTED, _LONGEST_LINE = 50, 200


class Message(BaseModel):
    """One message.

    Attributes:
        incident: id of the incident it is about.
        at: when it was decided.
        since: when the incident was opened.
        good: id of the last good restore point, `good_at` the start of its dump, `good_words` what its proof is called.
        ended: of a resolved one, why it ended, when it is not that all is well again.
        backup: id of the backup it is about, where it is about one.
        listed: of a digest, a line for each incident.
        listed_events: of a digest, the event line of each incident.
        sections: of a summary, lines under headings.
        language: in which it is read.
        fine: of a summary, whether nobody has to do anything.
    """

    model_config = ConfigDict(frozen=True)

    incident: str
    event: Event
    severity: Severity
    rule: str
    source: str
    store: str
    phase: str
    title: Words
    cause: Words
    safe: Words = ""
    next: Words
    at: datetime
    since: datetime
    good: str | None = None
    good_at: datetime | None = None
    good_words: Words = ""
    link: str | None = None
    ended: Words = ""
    backup: str = ""
    listed: tuple[str, ...] = ()
    listed_events: tuple[str, ...] = ()
    sections: tuple[tuple[str, tuple[str, ...]], ...] = ()
    fine: bool = False
    language: Code = "en"

    def kept(self) -> dict[str, Any]:
        """As the ledger keeps it: texts with their facts."""
        return self.model_dump(mode="json", context=KEEP_FACTS)

    @property
    def word(self) -> str:
        """How bad it is, in a word."""
        if self.fine:
            return "OK"
        return {"resolved": "OK", "all_clear": "OK", "test": "TEST"}.get(self.event, _WORDS[self.severity])

    @property
    def subject(self) -> str:
        """`[OPS] FAIL crm: verify failed`."""
        return f"{MARK} {self.headline}"

    @property
    def headline(self) -> str:
        """`FAIL crm: verify failed`."""
        if self.listed or self.event == "summary":
            return f"{self.word} {self._tell(self.title)}"
        about = self.source or (said("store {name}", name=self.store) if self.store else _THIS_MACHINE)
        told = said("{about}: {what}", about=about, what=self._what)
        return _SPACES.sub(" ", f"{self.word} {self._tell(told)}").strip()

    @property
    def _what(self) -> str:
        if self.event == "escalated":
            return said("{title}, got worse", title=self.title)
        if self.event == "repeated":
            return said("{title}, for {span}", title=self.title, span=self._lasted)
        if self.event == "resolved":
            ended = self.ended or said("recovered")
            return said("{title}: {ended} after {span}", title=self.title, ended=ended, span=self._lasted)
        return self.title

    @property
    def event_lines(self) -> tuple[str, ...]:
        """`[OPS] verify_failed source=crm phase=verify …`, for filters: one of each incident, always in this order."""
        if self.listed:
            return self.listed_events
        context = {
            "source": self.source,
            "phase": self.phase,
            "store": self.store,
            "backup": self.backup,
            "last_good": self.good or "",
            "severity": self.severity,
            "status": self.event,
            "incident": self.incident,
        }
        known = (f"{name}={text.value(value)}" for name, value in context.items() if value)
        return (" ".join([MARK, self.rule, *known]),)

    @property
    def facts(self) -> dict[str, str]:
        """What is known, by its name, in the order of its weight."""
        if self.listed or self.event == "summary":
            return {"next": self._tell(self.next)} if self.next else {}
        facts = {
            "source": self.source,
            "store": self.store,
            "phase": language(self.language).word(self.phase),
            "cause": self._tell(self.cause),
            "since": f"{self._moment(self.since)} ({language(self.language).shown(self._lasted)})",
            "last good": self._tell(self._good()),
            "safe": self._tell(self.safe),
            "next": self._tell(self.next),
            "run": self.link or "",
            "incident": f"{self.incident} ({self.rule})",
        }
        if self.event == "resolved":
            facts["until"] = self._moment(self.at)
            facts["next"] = facts["safe"] = ""
        if self.event == "test":
            facts["since"] = facts["last good"] = ""
        return {name: value for name, value in facts.items() if value}

    @property
    def text(self) -> str:
        """The whole message as plain text."""
        labels = {name: self._label(name) for name in self.facts}
        width = max([11, *(len(label) + 1 for label in labels.values())])
        set_in = f"\n{'':{width}}"  # a line of a tool's error must not read as a fact of ours
        facts = (f"{labels[name]:<{width}}{value.replace(chr(10), set_in)}" for name, value in self.facts.items())
        told = [*self.listed, *([""] if self.listed else [])]
        for heading, lines in self.sections:
            told += [f"{heading}:", *(f"  {line}" for line in lines), ""]
        return "\n".join([self.subject, "", *told, *facts, "", *self.event_lines])

    @property
    def slack(self) -> dict[str, object]:
        """The body of a post to a Slack webhook: text for notifications, blocks for the channel."""
        # In a header nothing is escaped, and its length counts: other brackets call nobody either.
        header = f"{_SIGNS[self.word]} {self.subject}"[:_LONGEST_HEADER].translate(_NO_CALLS)
        lines = [*(f"• {text.slack(line)}" for line in self.listed)]
        for heading, told in self.sections:
            lines += [f"*{text.slack(heading)}*", *(f"• {text.slack(line)}" for line in told)]
        lines += [f"*{self._label(name)}* {_formatted(name, value)}" for name, value in self.facts.items()]
        lines += [text.slack(line) for line in self.event_lines]
        return {
            "text": text.slack(self.subject),
            "blocks": [
                {"type": "header", "text": {"type": "plain_text", "text": header, "emoji": True}},
                *({"type": "section", "text": {"type": "mrkdwn", "text": body}} for body in _sections(lines)),
            ],
        }

    @property
    def _lasted(self) -> timedelta | str:
        return self.at - self.since if self.since <= self.at else said("a clock was set back since")

    def _good(self) -> str:
        if self.good is None:
            return said("nothing of {source} has been verified yet", source=self.source) if self.source else ""
        if not self.good:
            return self.good_words
        passed = age(self.good_at, self.at) if self.good_at is not None else None
        found = said("{id}, age not known", id=self.good)
        if passed is not None:
            found = said("{id}, {age} old", id=self.good, age=passed)
        return said("{point}, {words}", point=found, words=worded(self.good_words)) if self.good_words else found

    def _tell(self, text: str) -> str:
        return language(self.language).tell(text)

    def _label(self, name: str) -> str:
        return self._tell(_LABELS[name])

    def _moment(self, at: datetime) -> str:
        return f"{at:%Y-%m-%d %H:%M:%S} UTC" if self.language == "en" else language(self.language).moment(at)


def message_about(
    condition: Condition,
    *,
    incident: str,
    event: Event,
    since: datetime,
    at: datetime,
    dagster_url: str | None,
    language: Code = "en",
) -> Message:
    """The message about a condition at a moment of its incident.

    Args:
        dagster_url: where the web UI is, for the link to the run.
        language: in which it is read.
    """
    linked = dagster_url is not None and condition.run_id is not None
    return Message(
        incident=incident,
        event=event,
        severity=condition.severity,
        rule=condition.rule,
        source=condition.source,
        store=condition.store,
        phase=condition.phase,
        title=changed(condition.title, _one_line),
        cause=changed(condition.cause, lambda cause: _shortened(text.lines(redact(cause)))),
        safe=changed(condition.safe, _one_line),
        next=changed(condition.next, _one_line),
        at=at,
        since=since,
        backup=condition.backup,
        good=condition.good.id if condition.good else None,
        good_at=condition.good.at if condition.good else None,
        good_words=condition.good.words if condition.good else "",
        link=f"{str(dagster_url).rstrip('/')}/runs/{condition.run_id}" if linked else None,
        language=language,
    )


def resolution(last: Message, *, at: datetime, ended: str = "") -> Message:
    """The message that the trouble is over.

    Args:
        told: what was last known of it.
        ended: why, when it is not that all is well again.
    """
    return last.model_copy(update={"event": "resolved", "at": at, "ended": ended})


def digest(messages: Sequence[Message], *, at: datetime) -> Message:
    """One message in place of many that are due at once, the worst first. They are either all ends, or none is."""
    over = messages[0].event == "resolved"
    worst = sorted(messages, key=lambda each: -SEVERITIES.index(each.severity))
    spoken = language(worst[0].language)
    lines = [f"{each.headline}{'' if over else f' ({spoken.tell(each.cause)})'}" for each in worst]
    left = len(lines) - _LISTED
    more = [spoken.tell(counted("and {count} more", "and {count} more", left))] if left > 0 else []
    about = ", ".join(dict.fromkeys(each.source or each.store or spoken.tell(_THIS_MACHINE) for each in worst))
    about = f"{about[:_LONGEST_TITLE]}{'…' if len(about) > _LONGEST_TITLE else ''}"
    title = counted(
        "{count} incident at once: {about}", "{count} incidents at once: {about}", len(messages), about=about
    )
    if over:
        title = counted(
            "{count} incident resolved: {about}", "{count} incidents resolved: {about}", len(messages), about=about
        )
    return worst[0].model_copy(
        update={
            "event": "all_clear" if over else "digest",
            "title": title,
            "next": "ops alerts list",
            "at": at,
            "listed": tuple([" ".join(line.split())[:_LONGEST_LINE] for line in lines[:_LISTED]] + more),
            "listed_events": tuple(line for each in worst[:_LISTED] for line in each.event_lines),
        }
    )


def trial(at: datetime, channel: str, language: Code = "en") -> Message:
    """The message of `ops alerts test`."""
    return Message(
        incident="none",
        event="test",
        severity="warn",
        rule="test",
        source="",
        store="",
        phase="alerts",
        title=said("test of channel {channel}", channel=channel),
        cause=said("this is a test (ops alerts test); nothing is wrong"),
        next=said("nothing: if you can read this, the channel works"),
        at=at,
        since=at,
        language=language,
    )


def _shortened(cause: str) -> str:
    return cause if len(cause) <= _LONGEST_CAUSE else f"{cause[:_LONGEST_CAUSE]}…"


def _sections(lines: Sequence[str]) -> list[str]:
    """Lines put together into as few texts as Slack takes."""
    sections = [""]
    for line in lines:
        if len(sections[-1]) + len(line) > _LONGEST_SECTION:
            sections.append("")
        sections[-1] += line if not sections[-1] else f"\n{line}"
    return sections


def _one_line(words: str) -> str:
    return text.line(redact(words))


def _formatted(name: str, value: str) -> str:
    return f"`{text.slack(value)}`" if name == "next" else text.slack(value)
