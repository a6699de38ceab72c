"""Texts keep their facts, and each language writes them as its speakers do."""

import pickle
from datetime import datetime, timedelta, timezone

import pytest
from pydantic import BaseModel, ValidationError

from ops_pipelines.language.said import KEEP_FACTS, Said, Size, Words, counted, said
from ops_pipelines.language.speech import language, preferred

AT = datetime(2026, 11, 3, 2, 5, tzinfo=timezone.utc)
CZECH, FRENCH = language("cs"), language("fr")


class Noted(BaseModel):
    words: Words


def test_a_text_is_english_and_is_told_in_the_language_of_its_reader() -> None:
    text = said("{age} old, {rpo} is allowed", age=timedelta(hours=26, minutes=5), rpo=timedelta(days=1))
    assert text == "1d 2h old, 1d 0h is allowed"
    assert CZECH.tell(text) == "stáří 1\u00a0d 2\u00a0h, povoleno 1\u00a0d 0\u00a0h"
    assert FRENCH.tell("what nobody translates") == "what nobody translates"


@pytest.mark.parametrize(
    ("count", "czech"),
    [
        (1, "otevřený incident"),
        (2, "otevřené incidenty"),
        (5, "otevřených incidentů"),
        (0, "otevřených incidentů"),
    ],
)
def test_czech_has_three_numbers(count: int, czech: str) -> None:
    told = CZECH.translations.ngettext("%(num)s open incident", "%(num)s open incidents", count)
    assert told == f"%(num)s {czech}"


def test_numbers_sizes_and_times_are_written_as_their_readers_do() -> None:
    assert (CZECH.moment(AT), FRENCH.moment(AT)) == ("3. 11. 2026 2:05 UTC", "03/11/2026 02:05 UTC")
    assert (CZECH.size(3 * 2**29), FRENCH.size(3 * 2**29)) == ("1,5\u00a0GiB", "1,5\u00a0Gio")
    assert (CZECH.seconds(0.44), FRENCH.seconds(200_000)) == ("0,4\u00a0s", "2\u00a0j 7\u00a0h")
    assert (CZECH.number(12_345), FRENCH.share(0.99999, 2)) == ("12\u00a0345", "99,99\u00a0%")
    assert (CZECH.weekday(AT), FRENCH.month(AT)) == ("úterý 3. listopadu 2026", "novembre 2026")


def test_what_is_kept_remembers_its_facts_and_json_for_programs_is_english() -> None:
    inner = counted("{count} copy damaged", "{count} copies damaged", 2)
    text = said("{a} {b} {c} {d} {e}", a=inner, b=Size(2048), c=AT, d=timedelta(seconds=61), e=["x", "y"])
    noted = Noted(words=text)
    again = Noted.model_validate_json(noted.model_dump_json(context=KEEP_FACTS)).words
    assert isinstance(again, Said) and again == text == noted.model_dump(mode="json")["words"]
    assert FRENCH.tell(again) == FRENCH.tell(pickle.loads(pickle.dumps(text)))
    assert Noted.model_validate({"words": "plain"}).words == "plain"


@pytest.mark.parametrize(
    "kept",
    [
        {"said": "x"},
        {"said": 1, "many": "", "facts": {}},
        {"facts": {}},
        {"said": "{a}", "many": "", "facts": {"a": {"seconds": "x"}}},
    ],
)
def test_what_nobody_kept_is_no_text(kept: object) -> None:
    with pytest.raises(ValidationError):
        Noted.model_validate({"words": kept})


@pytest.mark.parametrize(
    ("accepted", "code"),
    [
        ("cs-CZ,cs;q=0.9,en;q=0.8", "cs"),
        ("de, fr-CH;q=0.5, en;q=0.4", "fr"),
        ("de", "cs"),
        ("", "cs"),
        ("fr;q=0, en", "en"),
        ("fr;q=x,*", "cs"),
    ],
)
def test_a_browser_is_spoken_to_in_the_first_language_that_it_names_and_we_speak(accepted: str, code: str) -> None:
    assert preferred(accepted, "cs") == code
