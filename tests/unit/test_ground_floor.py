"""Secrets are hidden, times are told, errors speak to a human."""

import html
import json
import shlex
from datetime import datetime, timedelta, timezone
from urllib.parse import quote, quote_plus

import markupsafe
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops_pipelines import redact
from ops_pipelines.clock import human_duration, human_size, new_id
from ops_pipelines.errors import OpsError, SafetyRefusal
from ops_pipelines.settings.values import format_duration, parse_duration


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://user:hunter22@host/db", "mongodb+srv://u:hunter22@h", "password=hunter22", "PASSWORD: hunter22",
        "password='hunter22 with spaces'", 'sslpassword = "hunter22"', "pwd=hunter22;x=1", "?token=hunter22&x=1",
        "AGE-SECRET-KEY-1HUNTER22", "postgresql://u:hunter22@evil@host/db",
    ],
)  # fmt: skip
def test_what_looks_like_a_secret_is_hidden_though_nobody_registered_it(text: str) -> None:
    assert "hunter22" not in redact.redact(text).lower()


def test_a_registered_secret_is_hidden_however_it_is_written() -> None:
    redact.register("p@ss/wörd 9")
    redact.register("two\nlines-of-key")
    for spelling in ("p@ss/wörd 9", "p%40ss%2Fw%C3%B6rd%209", "p%40ss%2fw%c3%b6rd%209", "p%40ss%2Fw%C3%B6rd+9"):
        assert redact.redact(f"<{spelling}>") == f"<{redact.MASK}>"
    assert "lines-of-key" not in redact.redact("two\nlines-of-key")


NASTY = ("/", "@", "#", "?", "%", ":", "'", '"', "$", "\\", " ", "\n", "&", "<", "`", "\x1b", "č")


@pytest.mark.parametrize("character", [*NASTY, 'č"', "č\n", "č'", "č&", "&\"'"])
def test_no_half_of_a_secret_is_seen_however_it_is_escaped(character: str) -> None:
    """Not a letter: those of the secret stand nowhere else in these texts."""
    secret = redact.register(f"QXJZ{character}VKWY")
    spelled = (
        secret, quote(secret), quote(secret, safe=""), quote_plus(secret), json.dumps(secret), json.dumps([secret]),
        json.dumps(secret, ensure_ascii=False), json.dumps(f"x={secret}!"),
        json.dumps(f"x={secret}!", ensure_ascii=False), html.escape(secret), str(markupsafe.escape(secret)),
        html.escape(secret, quote=False), repr(secret), repr(f"x={secret}!"), shlex.quote(secret),
        shlex.quote(f"url=postgresql://me:{secret}@host/db"), f"postgresql://me:{secret}@host/db",
        secret.replace("\\", r"\\").replace("'", r"\'"), f"'{secret.replace(chr(39), chr(39) * 2)}'",
    )  # fmt: skip
    for text in spelled:
        shown = redact.redact(f"before {text} after")
        assert not set("QXJZVKWY") & set(shown), (text, shown)
        assert shown.startswith("before ")
        assert shown.endswith(" after")


def test_a_secret_of_four_letters_is_hidden_and_a_shorter_one_would_hide_the_message() -> None:
    redact.register("wxyz")
    redact.register("the")
    assert redact.redact("the word wxyz") == f"the word {redact.MASK}"


def test_a_secret_that_begins_within_itself_is_hidden_wherever_it_stands() -> None:
    redact.register("aaaa")
    assert redact.redact("<aaaaa>") == f"<{redact.MASK}>"


def test_two_secrets_side_by_side_are_masked_as_one() -> None:
    """How many there were, and where one ends, is nobody's business."""
    redact.register("wxyz")
    redact.register("stuv")
    assert redact.redact("<wxyzstuv>") == f"<{redact.MASK}>"


@given(st.data())
def test_secrets_that_overlap_leave_no_half(data: st.DataObject) -> None:
    """Whatever two secrets share, and wherever they lie: no character of either is left."""
    whole = data.draw(st.text("abc", min_size=6, max_size=20))
    ends = st.tuples(st.integers(0, len(whole) - 4), st.integers(4, len(whole)))
    begins = [(begin, max(end, begin + 4)) for begin, end in data.draw(st.lists(ends, min_size=1, max_size=4))]
    before = set(redact._values)
    redact._values.clear()
    try:
        for begin, end in begins:
            redact.register(whole[begin:end])
        hidden = {place for begin, end in begins for place in range(begin, end)}
        shown = redact.redact(whole)
    finally:
        redact._values.clear()
        redact._values.update(before)
    left = [letter for place, letter in enumerate(whole) if place not in hidden]
    # A secret may stand in the text more often than where it was cut out: less may be left, never more.
    assert len(shown.replace(redact.MASK, "")) <= len(left)


@pytest.mark.parametrize("character", ["/", "@", "#", "?", ":", "@x?", "/x#"])
@pytest.mark.parametrize("scheme", ["postgresql", "mysql", "mongodb", "redis", "smtp", "https", "amqp"])
def test_the_pieces_of_a_password_that_nobody_encoded_are_secrets_too(scheme: str, character: str) -> None:
    url = redact.register_url(f"{scheme}://me:canaryhead{character}canarytail@host.example/x")
    for said in (url, "Port could not be cast to integer value as 'canaryhead'", "host canarytail@host.example"):
        assert "canary" not in redact.redact(said)


def test_the_host_of_a_url_that_cannot_be_read_stays_readable() -> None:
    redact.register_url("smtp://me:canary/head@127.0.0.1:587/?from=a@localhost&to=b@localhost")
    shown = redact.redact("canary/head of 127.0.0.1 and localhost")
    assert shown.endswith(" of 127.0.0.1 and localhost")
    assert "canary" not in shown


def test_a_url_that_means_one_thing_only_has_parts() -> None:
    for url in ("redis://:pw@h:6379/0", "smtp://me@example.com:pw@h/?from=a@x&to=b@x", "http://h:1/a:b", "mailto:b@x"):
        assert redact.parts_of(url) is not None
    for url in ("redis://:p/w@h", "http://me:12/34@h", "http://me:1?2@h", "http://me:p#w@h", "http://[h", "http://h:0"):
        assert redact.parts_of(url) is None


@pytest.mark.parametrize(
    "text",
    [
        "https://0123456789abcdef0123@o1.ingest.sentry.io/1",
        "https://hooks.slack.com/services/T0/B0/0123456789abcdef0123",
    ],
)
def test_tokens_in_addresses_are_hidden_though_nobody_registered_them(text: str) -> None:
    assert "0123456789abcdef0123" not in redact.redact(text)


def test_what_is_no_secret_stays_readable() -> None:
    for text in (
        "postgresql://host:5432/db",
        "see https://example.org/a:b",
        "10:22:33",
        "sources.crm.url: is required",
        "add web: {token: {env: OPS_WEB_TOKEN}} to ops.yaml",
    ):
        assert redact.redact(text) == text


@pytest.mark.parametrize(
    "said",
    [
        "Access denied for user 'crm'@'localhost' (using password: YES)",
        "export DATABASE_URL=postgresql://USER:PASSWORD@HOST:5432/DATABASE; ops init",
        "write it like mysql://user:password@host:3306/database",
    ],
)
def test_words_that_only_stand_for_a_secret_are_shown(said: str) -> None:
    assert redact.redact(said) == said
    assert "PASSWORD@canary" not in redact.redact("postgresql://USER:PASSWORD@canary@HOST/db"), "that is a password"


def test_an_error_hides_secrets_in_each_of_its_sentences() -> None:
    redact.register("canary-in-an-error")
    error = OpsError(
        "a canary-in-an-error", why="b canary-in-an-error", safe="canary-in-an-error", next="canary-in-an-error"
    )
    assert "canary" not in f"{error}{error!r}{error.args}{error.as_dict()}"
    assert str(error).count(redact.MASK) == 4


def test_a_refusal_exits_with_three_and_other_errors_with_two() -> None:
    assert (OpsError("x").exit_status, SafetyRefusal("x").exit_status) == (2, 3)


def test_ids_sort_by_time_and_are_in_utc() -> None:
    prague = datetime(2026, 11, 21, 3, 0, tzinfo=timezone(timedelta(hours=1)))
    assert new_id(prague).startswith("20261121T020000Z-")
    assert new_id(prague) < new_id(prague + timedelta(seconds=1))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.44, "0.4s"), (41, "41s"), (59.7, "1m 00s"), (61, "1m 01s"), (7500, "2h 05m"), (273600, "3d 4h")],
)
def test_durations_are_told_in_two_units(seconds: float, text: str) -> None:
    assert human_duration(timedelta(seconds=seconds)) == text


@pytest.mark.parametrize(
    ("size", "text"), [(7, "7 B"), (319488, "312.0 KiB"), (2**40, "1.0 TiB"), (2**50, "1024.0 TiB")]
)
def test_sizes_are_told_in_binary_units(size: int, text: str) -> None:
    assert human_size(size) == text


@given(st.integers(min_value=0, max_value=10**9))
def test_a_duration_survives_being_written_and_read(seconds: int) -> None:
    assert parse_duration(format_duration(timedelta(seconds=seconds))) == timedelta(seconds=seconds)
