"""Who may press a button: an operator, from our own page; everybody else is told why not."""

import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress

import pytest

from ops_pipelines.errors import OpsError, SafetyRefusal
from ops_pipelines.ledger.alerts import AlertLedger
from ops_pipelines.watch.alerts.watch import watch_once
from ops_pipelines.watch.snapshots import look
from ops_pipelines.web.operations import NothingSuch, Operations, restored_below
from ops_pipelines.web.pages.environment import Visit
from ops_pipelines.web.pages.restore import restore_page
from tests.web.conftest import House, MakeHouse, Site
from tests.web.test_access import basic

WEB = {
    "token": {"env": "READ"},
    "operate": {"token": {"env": "OPERATE"}, "basic": {"user": "anna", "password": {"env": "PASSWORD"}}},
}
SECRETS = {"READ": "may-read", "OPERATE": "may-operate", "PASSWORD": "heslo"}
READER, OPERATOR = "Bearer may-read", "Bearer may-operate"


class _Stay(urllib.request.HTTPRedirectHandler):
    """Shows where one is sent, instead of going there."""

    def redirect_request(self, *_: object) -> None:
        return None


def press(site: Site, path: str, body: str = "", **headers: str) -> tuple[int, str]:
    """Send a form; the status, and where one is sent or what is said."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(f"{site.url}{path}", body.encode(), named, method="POST")
    try:
        with urllib.request.build_opener(_Stay).open(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers.get("location") or error.read().decode()


@pytest.fixture
def house(make_house: MakeHouse) -> House:
    """A house in which a backup of `crm` has failed, which is an incident."""
    made = make_house(web=WEB)
    with suppress(OpsError), made.workspace.ledger.activity("dump", source="crm"):
        raise OpsError("the disk is full")
    look(made.workspace, watching=True)
    watch_once(made.workspace)
    return made


@pytest.fixture
def site(house: House) -> Iterator[Site]:
    """Its page."""
    with house.serving(environ=SECRETS) as running:
        yield running


def test_only_an_operator_changes_anything(house: House, site: Site) -> None:
    book = AlertLedger(house.workspace.ledger)
    incident = book.open_incidents()[0].id
    path = f"incidents/{incident}/acknowledge"
    assert press(site, path)[0] == 401
    assert press(site, path, Authorization="Bearer wrong")[0] == 401
    status, said = press(site, path, Authorization=READER)
    assert status == 403 and "web.operate" in said
    assert book.open_incidents()[0].acked_by is None
    assert press(site, path, Authorization=basic("anna", "heslo")) == (303, "/incidents")
    assert book.open_incidents()[0].acked_by == "anna"
    form = "source=crm&rule=&for=4h&reason=the+server+moves"
    assert press(site, "mutes", form, Authorization=OPERATOR) == (303, "/incidents")
    [mute] = book.mutes(house.workspace.clock.now())
    assert (mute.source, mute.rule, mute.reason) == ("crm", None, "the server moves")
    assert press(site, f"mutes/{mute.id}/end", Authorization=OPERATOR)[0] == 303
    assert book.mutes(house.workspace.clock.now()) == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://["},
    ],
    ids=lambda headers: "{}: {}".format(*next(iter(headers.items()))),
)
def test_a_page_of_somebody_else_presses_no_button(house: House, site: Site, headers: dict[str, str]) -> None:
    """The browser would send the password that it keeps."""
    status, said = press(site, "mutes", "for=1d", Authorization=basic("anna", "heslo"), **headers)
    assert status == 403 and "somebody else" in said
    assert AlertLedger(house.workspace.ledger).mutes(house.workspace.clock.now()) == []


def test_our_own_page_does(site: Site) -> None:
    host = site.url.removeprefix("http://").strip("/")
    for ours in ({"Sec-Fetch-Site": "same-origin"}, {"Origin": f"http://{host}"}):
        assert press(site, "mutes", "for=1h", Authorization=OPERATOR, **ours)[0] == 303


def test_buttons_are_shown_to_operators_alone(site: Site) -> None:
    assert '<form method="post"' not in site.get("incidents", Authorization=READER).text
    assert "sign in" in site.get("incidents", Authorization=READER).text
    assert "Acknowledge" in site.get("incidents", Authorization=OPERATOR).text
    assert site.get("sign-in", Authorization=READER).headers["www-authenticate"].startswith("Basic")


def test_what_cannot_be_started_says_why_and_what_is_safe(site: Site) -> None:
    status, said = press(site, "sources/crm/backup", Authorization=OPERATOR)
    assert status == 409 and "nobody said where Dagster runs" in said and "nothing was started" in said
    assert press(site, "sources/nobody/backup", Authorization=OPERATOR)[0] == 404
    assert press(site, "sources/crm/verify", Authorization=OPERATOR)[0] == 400
    for length in ("eternity", "9999999d", "9" * 20 + "w"):
        assert press(site, "mutes", f"for={length}", Authorization=OPERATOR)[0] == 400
    status, said = press(site, "mutes", "for=0s", Authorization=OPERATOR)
    assert status == 409 and "no length" in said
    assert press(site, "mutes", "for=1h&rule=nothing", Authorization=OPERATOR)[0] == 404
    assert press(site, "mutes", "x" * 70000, Authorization=OPERATOR)[0] == 413
    assert press(site, "incidents/none/acknowledge", Authorization=OPERATOR)[0] == 404


@pytest.mark.parametrize(
    ("source", "to", "allowed"),
    [
        ("crm", "crm_again", True), ("crm", "postgresql://evil.example/crm", False), ("crm", "$CRM_URL", False),
        ("crm", "/etc/cron.d", False), ("crm", "host=evil.example", False), ("crm", "-x", False), ("crm", "a\0", False),
        ("uploads", "{restored}/uploads_again", True), ("uploads", "{restored}", False),
        ("uploads", "/etc/ssh/sshd_config.d", False), ("uploads", "{restored}/../../etc", False),
        ("uploads", "restored/x", False), ("uploads", "{restored}/was_restored/link/cron.d", False),
        ("uploads", "{restored}/was_restored/link/../x", False), ("uploads", "{restored}/\0", False),
    ],
)  # fmt: skip
def test_a_button_restores_beside_and_nowhere_else(make_house: MakeHouse, source: str, to: str, allowed: bool) -> None:
    """A backup is not sent to a server of somebody else, and root writes no folder of the machine."""
    crm = {"kind": "postgres", "url": {"file": "url"}}
    uploads = {"kind": "files", "paths": ["uploads"], "password": {"file": "url"}}
    house = make_house(web=WEB, sources={"crm": crm, "uploads": uploads})
    restored = restored_below(house.workspace.config, "uploads")
    assert restored is not None
    (restored / "was_restored").mkdir(parents=True)
    (restored / "was_restored" / "link").symlink_to("/etc")
    target = to.format(restored=restored)
    with pytest.raises(NothingSuch if allowed else SafetyRefusal):
        Operations(house.workspace, None).restore(source, "none", target, [], "anna")


def test_buttons_for_everybody_are_for_this_machine_alone(make_house: MakeHouse) -> None:
    status, said = make_house(web={"token": {"env": "READ"}}).refused("--host", "0.0.0.0", "--buttons", environ=SECRETS)
    assert status == 3 and "web: {operate:" in said


def test_buttons_for_everybody_are_for_nobody_behind_a_proxy(make_house: MakeHouse) -> None:
    """It is on this machine, and brings whoever it likes."""
    house = make_house(web={"trusted_proxies": ["127.0.0.1"]})
    with house.serving("--buttons") as site:
        for header in ("X-Forwarded-For", "Forwarded"):
            for where in ("127.0.0.1", "192.0.2.1"):
                assert press(site, "mutes", "for=1h", **{header: where})[0] == 403
        assert press(site, "mutes", "for=1h") == (303, "/incidents")


@pytest.mark.parametrize(
    "web", [{"token": ""}, {"token": {"env": "BLANK"}}, {"token": {"env": "READ"}, "operate": {"token": ""}}]
)
def test_an_empty_key_opens_nothing(make_house: MakeHouse, web: dict[str, object]) -> None:
    status, said = make_house(web=web).refused("--host", "0.0.0.0", environ={**SECRETS, "BLANK": " "})
    assert status == 2 and ("is empty" in said or "is not set" in said)


@pytest.mark.parametrize(
    "web",
    [
        {"token": {"env": "READ"}, "operate": {"token": {"env": "SAME"}}},
        {"token": {"env": "READ"}, "operate": {"basic": {"user": "anna", "password": {"env": "SAME"}}}},
        {"basic": {"user": "ops", "password": {"env": "READ"}}, "operate": {"token": {"env": "SAME"}}},
    ],
)
def test_who_may_read_does_not_know_what_operates(make_house: MakeHouse, web: dict[str, object]) -> None:
    status, said = make_house(web=web).refused(environ={**SECRETS, "SAME": SECRETS["READ"]})
    assert status == 3 and "could operate as well" in said and SECRETS["READ"] not in said


def test_a_browser_says_of_our_forms_that_they_are_ours(site: Site) -> None:
    """Over plain HTTP on another host it sends no Sec-Fetch-Site, and with no-referrer the Origin null."""
    assert site.get("", Authorization=READER).headers["referrer-policy"] == "same-origin"


def test_a_restore_point_that_was_named_is_restored_or_none_is(make_house: MakeHouse) -> None:
    """The one behind a link may be older than what is offered, or be gone meanwhile: another is no substitute."""
    workspace = make_house().workspace
    for number in range(62):
        with workspace.ledger.activity("dump", source="crm", backup_id=f"point-{number:02}") as entry:
            entry.store = "local"

    def shown(backup: str) -> str:
        return restore_page(workspace, "crm", Visit(asked={"backup": backup, "preview": "1"}))

    button = '<input type="hidden" name="backup" value="{}">'
    assert button.format("point-00") in shown("point-00")
    assert button.format("point-61") in shown("")
    assert '<form method="post"' not in shown("gone")
