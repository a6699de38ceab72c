"""Addresses as people have them: no half of a password is seen on any surface, whether or not it could be read."""

import subprocess

import pytest

from ops_pipelines.engines.postgres.connection import Server
from tests.end_to_end.conftest import OPS, Shell, back_up
from tests.faults.test_secrets import watched
from tests.sample import execute, files_holding

HEAD, TAIL = "canary-pw-head", "canary-pw-tail"
RAW = f"{HEAD}/@#?%:{TAIL}"
AMBIGUOUS = f"{HEAD}@x?a={TAIL}"


class Hostile(Shell):
    """A shell whose environment holds the address of a target."""

    target = ""

    def typed(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Type a command, however it ends."""
        return subprocess.run(
            [OPS, *words], cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, "TARGET_URL": self.target}


@pytest.fixture(scope="module")
def role(crm: Server) -> None:
    """Who logs in with the password."""
    execute(crm, f"create role canary superuser login password '{RAW}'")


@pytest.fixture
def hostile(shell: Shell, crm: Server, role: None) -> Hostile:
    """The source is reached by an address of which nothing was encoded."""
    made = Hostile(shell.folder)
    made.target = _url(crm, RAW, "crm_target")
    _write(made, f'"{_url(crm, RAW, "crm")}?schema=public&connection_limit=1"')
    return made


def _url(server: Server, password: str, database: str) -> str:
    known = server.parameters
    return f"postgresql+psycopg2://canary:{password}@{known['host'].replace('/', '%2F')}:{known['port']}/{database}"


def _write(shell: Shell, url: str) -> None:
    (shell.folder / "crm.url").write_text(url, encoding="utf-8")


def _assert_nothing_shown(shell: Shell, said: str, seen: list[str]) -> None:
    assert HEAD not in said
    assert TAIL not in said
    assert seen == []
    assert files_holding(shell.folder, HEAD, TAIL, ignoring="crm.url") == []


def test_an_address_of_which_nothing_was_encoded_works_and_is_shown_nowhere(hostile: Hostile) -> None:
    with watched() as seen:
        said = hostile.ops("check") + hostile.ops("backup", "crm")
        said += hostile.ops("restore", "crm", "--to", "${TARGET_URL}")
        said += hostile.ops("list", "crm", "--json") + hostile.ops("restore", "crm", "--to", "${TARGET_URL}", expect=3)
    assert "crm_target on " in said
    _assert_nothing_shown(hostile, said, seen)


def test_an_address_that_can_be_read_in_two_ways_is_refused_without_a_word_of_it(hostile: Hostile, crm: Server) -> None:
    _write(hostile, _url(crm, AMBIGUOUS, "crm"))
    with watched() as seen:
        backup, doctor = hostile.typed("backup", "crm"), hostile.typed("doctor")
        asked = [backup, doctor, hostile.typed("status"), hostile.typed("verify", "crm")]
    assert "cannot be read" in backup.stdout + backup.stderr
    assert "cannot be read" in doctor.stdout + doctor.stderr
    assert all(each.returncode for each in asked)
    _assert_nothing_shown(hostile, "".join(each.stdout + each.stderr for each in asked), seen)


def test_a_target_on_the_command_line_is_not_said_again(hostile: Hostile, crm: Server) -> None:
    back_up(hostile)
    half = f"{HEAD}/{TAIL}"
    for target in (
        _url(crm, AMBIGUOUS, "crm_x"), _url(crm, RAW, "crm"), f"canary:{half}@tcp(h:3306)/x", f"redis://me:{half}@h/x",
    ):  # fmt: skip
        done = hostile.typed("restore", "crm", "--to", target)
        assert done.returncode in (2, 3)
        _assert_nothing_shown(hostile, done.stdout + done.stderr, [])
