"""What a human reads: one message about one incident, as text and as Slack blocks. Sends nothing.

Every text is redacted when the message is made, before it reaches the ledger.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from ops_pipelines import text
from ops_pipelines.chronology import age, in_words
from ops_pipelines.config.alerts import SEVERITIES, Severity
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
    title: str
    cause: str
    safe: str = ""
    next: str
    at: datetime
    since: datetime
    good: str | None = None
    good_at: datetime | None = None
    good_words: str = ""
    link: str | None = None
    ended: str = ""
    backup: str = ""
    listed: tuple[str, ...] = ()
    listed_events: tuple[str, ...] = ()
    sections: tuple[tuple[str, tuple[str, ...]], ...] = ()
    fine: bool = False

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
            return f"{self.word} {self.title}"
        about = self.source or (f"store {self.store}" if self.store else "this machine")
        after = {
            "escalated": ", got worse",
            "repeated": f", for {self._lasted}",
            "resolved": f": {self.ended or 'recovered'} after {self._lasted}",
        }.get(self.event, "")
        return " ".join(f"{self.word} {about}: {self.title}{after}".split())

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
            return {"next": self.next} if self.next else {}
        facts = {
            "source": self.source,
            "store": self.store,
            "phase": self.phase,
            "cause": self.cause,
            "since": f"{_moment(self.since)} ({self._lasted})",
            "last good": self._good(),
            "safe": self.safe,
            "next": self.next,
            "run": self.link or "",
            "incident": f"{self.incident} ({self.rule})",
        }
        if self.event == "resolved":
            facts["until"] = _moment(self.at)
            facts["next"] = facts["safe"] = ""
        if self.event == "test":
            facts["since"] = facts["last good"] = ""
        return {name: value for name, value in facts.items() if value}

    @property
    def text(self) -> str:
        """The whole message as plain text."""
        set_in = f"\n{'':11}"  # a line of a tool's error must not read as a fact of ours
        facts = (f"{name + ':':<11}{value.replace(chr(10), set_in)}" for name, value in self.facts.items())
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
        lines += [f"*{name}:* {_formatted(name, value)}" for name, value in self.facts.items()]
        lines += [text.slack(line) for line in self.event_lines]
        return {
            "text": text.slack(self.subject),
            "blocks": [
                {"type": "header", "text": {"type": "plain_text", "text": header, "emoji": True}},
                *({"type": "section", "text": {"type": "mrkdwn", "text": body}} for body in _sections(lines)),
            ],
        }

    @property
    def _lasted(self) -> str:
        return in_words(self.since, self.at) if self.since <= self.at else "a clock was set back since"

    def _good(self) -> str:
        if self.good is None:
            return f"nothing of {self.source} has been verified yet" if self.source else ""
        if not self.good:
            return self.good_words
        words = f", {self.good_words}" if self.good_words else ""
        if self.good_at is None or age(self.good_at, self.at) is None:
            return f"{self.good}, age not known{words}"
        return f"{self.good}, {in_words(self.good_at, self.at)} old{words}"


def message_about(
    condition: Condition, *, incident: str, event: Event, since: datetime, at: datetime, dagster_url: str | None
) -> Message:
    """The message about a condition at a moment of its incident.

    Args:
        dagster_url: where the web UI is, for the link to the run.
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
        title=text.line(redact(condition.title)),
        cause=_shortened(text.lines(redact(condition.cause))),
        safe=text.line(redact(condition.safe)),
        next=text.line(redact(condition.next)),
        at=at,
        since=since,
        backup=condition.backup,
        good=condition.good.id if condition.good else None,
        good_at=condition.good.at if condition.good else None,
        good_words=condition.good.words if condition.good else "",
        link=f"{str(dagster_url).rstrip('/')}/runs/{condition.run_id}" if linked else None,
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
    lines = [f"{each.headline}{'' if over else f' ({each.cause})'}" for each in worst]
    more = [f"and {len(lines) - _LISTED} more"] if len(lines) > _LISTED else []
    about = ", ".join(dict.fromkeys(each.source or each.store or "this machine" for each in worst))
    how_many = f"{len(messages)} incidents {'resolved' if over else 'at once'}"
    return worst[0].model_copy(
        update={
            "event": "all_clear" if over else "digest",
            "title": f"{how_many}: {about[:_LONGEST_TITLE]}{'…' if len(about) > _LONGEST_TITLE else ''}",
            "next": "ops alerts list",
            "at": at,
            "listed": tuple([" ".join(line.split())[:_LONGEST_LINE] for line in lines[:_LISTED]] + more),
            "listed_events": tuple(line for each in worst[:_LISTED] for line in each.event_lines),
        }
    )


def trial(at: datetime, channel: str) -> Message:
    """The message of `ops alerts test`."""
    return Message(
        incident="none",
        event="test",
        severity="warn",
        rule="test",
        source="",
        store="",
        phase="alerts",
        title=f"test of channel {channel}",
        cause="this is a test (ops alerts test); nothing is wrong",
        next="nothing: if you can read this, the channel works",
        at=at,
        since=at,
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


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _formatted(name: str, value: str) -> str:
    return f"`{text.slack(value)}`" if name == "next" else text.slack(value)
