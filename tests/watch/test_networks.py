"""A network in trouble between us and a channel: it is given up in time, and the next channel reaches a human."""

from datetime import timedelta

import pytest

from ops_pipelines.outside import heartbeats
from ops_pipelines.settings.secrets import SecretRef
from ops_pipelines.watch.alerts.channels import base
from tests.faults.tries import chance, tries
from tests.servers.between import TROUBLES, Trouble, between
from tests.watch.conftest import MakeHouse
from tests.watch.outside import listener, wait_for
from tests.watch.receivers import Mailbox, Webhook
from tests.watch.test_delivery import SUBJECT, deliver, failed, found, mail_url

_ANSWER = {"slack": 120, "mail": 250}
"""About as many bytes as each says in one delivery."""


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("first", ["slack", "mail"])
def test_a_channel_behind_a_network_in_trouble_is_given_up_and_the_next_one_reaches_a_human(
    first: str, trouble: Trouble, make_house: MakeHouse, hook: Webhook, post: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "TIMEOUT_S", 2.0)
    dice = chance(f"{first} {trouble}")
    port = hook.port if first == "slack" else post.port
    with between(f"tcp://127.0.0.1:{port}") as proxy:
        urls = {"slack": hook.url, "mail": mail_url(post)}
        urls[first] = urls[first].replace(f":{port}/", f":{proxy.port}/")
        order = sorted(urls, key=lambda name: name != first)
        house = make_house({name: urls[name] for name in order})
        for number in range(tries(1)):
            proxy.suffer(trouble, after_bytes=dice.randrange(_ANSWER[first]))
            found(house, *(failed(each) for each in range(number + 1)))
            sent = deliver(house, within=timedelta(minutes=5)).sent
            proxy.heal()
            subject = SUBJECT.replace("s0", f"s{number}")
            # A message may have arrived although its answer did not: then it is told twice rather than never.
            assert subject in (*hook.texts, *post.subjects)
            assert [name for told, name in sent if told == subject], "by one of them, for sure"


def test_a_heartbeat_host_that_drips_its_answer_is_given_up_and_the_next_beats_are_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A socket's own timeout counts from the last byte: the head of this answer would take a minute."""
    monkeypatch.setattr(heartbeats, "TIMEOUT_S", 0.5)
    with listener() as outside, between(f"tcp://127.0.0.1:{outside.port}") as proxy:
        monkeypatch.setattr("tests.servers.between._SLOW_BYTES_A_S", 8)
        proxy.suffer("slow")
        url = SecretRef.model_validate({"literal": f"http://127.0.0.1:{proxy.port}/beat"})
        for event in ("start", "fail", "start", "fail"):
            heartbeats.beat(url, event)
        wait_for(lambda: len(outside.beats) == 4, within_s=8)
