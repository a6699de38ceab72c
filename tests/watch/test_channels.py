"""What a channel takes, what it refuses, and what that means for the next try. Real sockets on both sides."""

import socket
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from ops_pipelines.errors import OpsError, SafetyRefusal
from ops_pipelines.redact import MASK, redact
from ops_pipelines.settings.secrets import SecretRef
from ops_pipelines.watch.alerts.channels import base, mail
from ops_pipelines.watch.alerts.channels.base import Channel, NotDelivered
from ops_pipelines.watch.alerts.channels.mail import Mail
from ops_pipelines.watch.alerts.channels.registry import open_channel
from ops_pipelines.watch.alerts.delivery import send
from ops_pipelines.watch.alerts.message import Message
from tests.faults.conftest import wait_until
from tests.unit.vaults import AT
from tests.watch.receivers import SECRET_PATH, Answer, Mailbox, Webhook, certificate, mailbox

EVENT = (
    "[OPS] verify_failed source=crm phase=verify store=nas last_good=20261120T020000Z-0001 "
    "severity=error status=opened incident=20261121T020000Z-00000001"
)


def channel(url: str, name: str = "slack") -> Channel:
    return open_channel(name, SecretRef.model_validate({"literal": url}))


def message(**changes: object) -> Message:
    facts = {
        "incident": "20261121T020000Z-00000001", "event": "opened", "severity": "error", "rule": "verify_failed",
        "source": "crm", "store": "nas", "phase": "verify", "title": "verify failed", "at": AT, "since": AT,
        "cause": "rows: 3 <lost> & gone", "next": "ops backup crm", "good": "20261120T020000Z-0001",
        "good_at": "2026-11-20T02:00:00Z", "link": "http://127.0.0.1:3000/runs/abc",
    }  # fmt: skip
    return Message.model_validate({**facts, **changes})


def test_slack_gets_text_and_blocks_and_its_ok_is_what_counts(hook: Webhook) -> None:
    assert channel(hook.url).send(message()) == "200 ok"
    (body,) = hook.bodies
    assert body["text"] == "[OPS] FAIL crm: verify failed"
    said = body["blocks"][1]["text"]["text"]
    for part in ("*phase:* verify", "3 &lt;lost&gt; &amp; gone", "20261120T020000Z-0001, 1d 0h old",
                 "`ops backup crm`", "http://127.0.0.1:3000/runs/abc", "*since:* 2026-11-21 02:00:00 UTC"):  # fmt: skip
        assert part in said
    assert said.splitlines()[-1] == EVENT


def test_slack_that_asks_for_a_moment_gets_it(hook: Webhook) -> None:
    hook.answers = [Answer(429, "rate_limited", {"Retry-After": "3"})]
    slept: list[float] = []
    assert send(channel(hook.url), message(), sleep=slept.append) == "200 ok"
    assert slept == [3.0]


def test_slack_that_asks_for_long_is_left_alone(hook: Webhook) -> None:
    hook.answers = [Answer(429, "rate_limited", {"Retry-After": "120"})]
    with pytest.raises(NotDelivered, match="429 rate_limited, asks to wait 120 s") as caught:
        send(channel(hook.url), message())
    assert caught.value.retry_after_s == 120
    assert len(hook.asked) == 1


def test_a_server_error_is_tried_again_a_few_times(hook: Webhook) -> None:
    hook.answers = [Answer(500, "oops"), Answer(503, "")]
    assert send(channel(hook.url), message(), sleep=lambda _: None) == "200 ok"
    hook.always = Answer(500, "oops")
    with pytest.raises(NotDelivered, match="500 oops"):
        send(channel(hook.url), message(), sleep=lambda _: None)
    assert len(hook.asked) == 3 + 3


@pytest.mark.parametrize(
    ("status", "body"), [(404, "no_service"), (410, "channel_is_archived"), (403, "invalid_token")]
)
def test_a_revoked_webhook_is_not_tried_again(hook: Webhook, status: int, body: str) -> None:
    hook.always = Answer(status, body)
    with pytest.raises(NotDelivered, match=f"{status} {body}: the webhook was revoked"):
        send(channel(hook.url), message())
    assert len(hook.asked) == 1


def test_a_page_that_says_200_is_no_delivery_and_a_redirect_is_not_followed(hook: Webhook) -> None:
    hook.answers = [Answer(200, "<html>please log in</html>"), Answer(302, "", {"Location": hook.url})]
    with pytest.raises(NotDelivered, match="no Slack webhook"):
        channel(hook.url).send(message())
    with pytest.raises(NotDelivered, match="302"):
        channel(hook.url).send(message())
    assert len(hook.asked) == 2


def test_blocks_that_are_refused_go_as_text(hook: Webhook) -> None:
    hook.answers = [Answer(400, "invalid_blocks")]
    assert channel(hook.url).send(message()) == "200 ok"
    (body,) = hook.bodies
    assert "blocks" not in body
    assert "ops backup crm" in body["text"]


def test_one_that_never_answers_has_an_end(hook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "TIMEOUT_S", 0.3)
    over = threading.Event()
    hook.always = Answer(wait=over.wait)
    try:
        with pytest.raises(NotDelivered, match="no answer within"):
            send(channel(hook.url), message())
        wait_until(lambda: bool(hook.asked))  # where it is busy the client's patience may end before it was heard
    finally:
        over.set()
    assert len(hook.asked) == 1


def test_mail_is_encrypted_and_logged_in_and_threads_an_incident(tmp_path: Path) -> None:
    pem = certificate(tmp_path)
    with mailbox(tls=pem, user="ops", password="canary mail/pw") as post:
        url = (
            f"smtp://ops:canary%20mail%2Fpw@127.0.0.1:{post.port}/?from=ops@example.com&to=a@example.com,b@example.com"
        )
        assert "accepted for a@example.com, b@example.com" in channel(f"{url}&ca={pem}").send(message())
        (letter,) = post.letters
        assert post.to == [["a@example.com", "b@example.com"]]
        assert post.encrypted == [True]
        assert letter["Subject"] == "[OPS] FAIL crm: verify failed"
        assert letter["References"] == "<20261121T020000Z-00000001@example.com>"
        assert "cause:     rows: 3 <lost> & gone" in letter.get_content()
        assert EVENT in letter.get_content().splitlines()
        with pytest.raises(NotDelivered, match="certificate verify failed"):
            channel(url).send(message())
        with pytest.raises(NotDelivered, match="535"):
            channel(url.replace("canary", "wrong") + f"&ca={pem}").send(message())
    assert len(post.letters) == 1


def test_mail_speaks_tls_from_the_first_byte_where_it_is_told_to(tmp_path: Path) -> None:
    pem = certificate(tmp_path)
    with mailbox(tls=pem, implicit=True, user="ops", password="canary mail/pw") as post:
        url = f"smtps://ops:canary%20mail%2Fpw@127.0.0.1:{post.port}/?from=ops@example.com&to=a@example.com"
        assert "accepted for a@example.com" in channel(f"{url}&ca={pem}").send(message())
        with pytest.raises(NotDelivered, match="certificate verify failed"):
            channel(url).send(message())
    assert post.subjects == ["[OPS] FAIL crm: verify failed"]


def test_mail_is_not_sent_in_the_clear_through_a_network(post: Mailbox) -> None:
    local = Mail.of(f"smtp://127.0.0.1:{post.port}/?from=ops@example.com&to=a@example.com")
    assert local.plain_allowed
    assert not Mail.of("smtp://mail.example.com/?to=a@example.com").plain_allowed
    with pytest.raises(NotDelivered, match="offers no STARTTLS; nothing was sent"):
        replace(local, plain_allowed=False).send(message())
    assert post.letters == []
    assert "accepted" in local.send(message())


def test_mail_that_is_refused_says_why(post: Mailbox) -> None:
    url = f"smtp://127.0.0.1:{post.port}/?from=ops@example.com&to=a@example.com"
    post.refuse = "451 try later"
    with pytest.raises(NotDelivered, match="451 try later") as caught:
        channel(url).send(message())
    assert caught.value.again
    post.refuse = "554 spam"
    with pytest.raises(NotDelivered, match="554 spam") as caught:
        channel(url).send(message())
    assert not caught.value.again


def test_mail_that_nobody_may_get_or_no_server_takes_says_why(post: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"smtp://127.0.0.1:{post.port}/?from=ops@example.com&to=a@example.com,b@example.com"
    post.unknown = ("b@example.com",)
    assert channel(url).send(message()).endswith("accepted for a@example.com; refused: b@example.com: 550 unknown")
    post.unknown = ("a@example.com", "b@example.com")
    with pytest.raises(NotDelivered, match=r"every recipient was refused: a@example\.com: 550 unknown") as caught:
        channel(url).send(message())
    assert not caught.value.again
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(mail, "TIMEOUT_S", 0.1)
        port = silent.getsockname()[1]
        with pytest.raises(NotDelivered, match="did not answer in time"):
            channel(url.replace(str(post.port), str(port))).send(message())
    with pytest.raises(NotDelivered, match="cannot be reached: Connection refused") as caught:
        channel(url.replace(str(post.port), str(port))).send(message())
    assert caught.value.again


@pytest.mark.parametrize(
    "url", ["smtp://mail.example.com", "smtp:///?to=a@x", "mailto:nobody", "smtp://h:99999999/?to=a@x"]
)
def test_a_mail_address_that_says_too_little_is_told(url: str) -> None:
    with pytest.raises(OpsError, match="URL of the mail channel"):
        channel(url, "mail")


def test_mailto_hands_over_to_this_machine() -> None:
    found = Mail.of("mailto:a@example.com?from=ops@example.com")
    assert (found.host, found.port, found.to, found.sender) == ("localhost", 25, ["a@example.com"], "ops@example.com")


def test_any_other_url_is_apprises(hook: Webhook) -> None:
    hook.always = Answer(200, "ok")
    url = f"json://127.0.0.1:{hook.port}{SECRET_PATH}"
    assert channel(url, "anything").send(message()) == "accepted"
    (body,) = hook.bodies
    assert body["title"] == "[OPS] FAIL crm: verify failed"
    assert "ops backup crm" in body["message"]
    assert EVENT in body["message"].splitlines()
    hook.always = Answer(500, "no")
    with pytest.raises(NotDelivered, match="500"):
        channel(url, "anything").send(message())
    with pytest.raises(OpsError, match="Apprise does not recognise"):
        channel("https://example.com/hook", "anything")


def test_a_secret_address_does_not_travel_unencrypted_and_is_masked_everywhere() -> None:
    with pytest.raises(SafetyRefusal, match="unencrypted"):
        channel("http://hooks.slack.com/services/T0/B0/plainCanary99")
    channel("https://hooks.slack.com/services/T0AAAAAAAA/B0BBBBBBBB/secretCanary99")
    shown = redact("POST /services/T0AAAAAAAA/B0BBBBBBBB/secretCanary99 and secretCanary99 of services")
    assert "Canary" not in shown
    assert shown.endswith(f"and {MASK} of services")


@pytest.mark.parametrize(
    ("changes", "subject"),
    [
        ({}, "[OPS] FAIL crm: verify failed"),
        ({"severity": "critical", "event": "escalated"}, "[OPS] CRITICAL crm: verify failed, got worse"),
        ({"severity": "warn", "source": "", "store": "nas"}, "[OPS] WARN store nas: verify failed"),
        ({"event": "repeated", "since": "2026-11-20T20:00:00Z"}, "[OPS] FAIL crm: verify failed, for 6h 00m"),
        ({"event": "resolved", "since": "2026-11-21T01:00:00Z"}, "[OPS] OK crm: verify failed: recovered after 1h 00m"),
    ],
)
def test_a_subject_says_how_bad_and_of_what(changes: dict[str, object], subject: str) -> None:
    assert message(**changes).subject == subject


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, EVENT),
        ({"backup": "20261121T015500Z-0002"}, EVENT.replace("nas", "nas backup=20261121T015500Z-0002")),
        ({"event": "resolved", "since": "2026-11-21T01:00:00Z"}, EVENT.replace("opened", "resolved")),
        ({"source": "", "store": ""}, EVENT.replace(" source=crm", "").replace(" store=nas", "")),
        # A name that others chose neither begins a line nor adds a pair.
        ({"source": 'a b="c"\nd'}, EVENT.replace("=crm", r'="a b=\"c\"\\nd"')),
    ],
)
def test_an_event_line_has_the_rule_and_its_context_in_one_order(changes: dict[str, object], line: str) -> None:
    made = message(**changes)
    assert made.event_lines == (line,)
    assert made.text.splitlines()[-1] == line
