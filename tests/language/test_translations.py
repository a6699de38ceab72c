"""Every text is translated, none is left over, and each has the places for its facts."""

import ast
import re

import pytest
from babel.messages.catalog import Catalog, Message

from ops_pipelines.language.speech import CODES
from tools.messages import PACKAGE, found, translations

TRANSLATED = [code for code in CODES if code != "en"]
_PLACES = re.compile(r"%\(\w+\)s|\{[a-z_]+\}|%%|<[^>]+>")


def forms(message: Message) -> list[str]:
    """A translation, in each of its numbers."""
    return list(message.string) if isinstance(message.string, (list, tuple)) else [message.string]


def key(message: Message) -> tuple[str | None, tuple[str, ...]]:
    """What a text is found by."""
    return message.context, message.id if isinstance(message.id, tuple) else (str(message.id),)


@pytest.fixture(scope="module")
def wanted() -> Catalog:
    return found()


@pytest.mark.parametrize("code", TRANSLATED)
def test_every_text_is_translated_and_none_is_left_over(code: str, wanted: Catalog) -> None:
    catalog = translations(code)
    assert {key(each) for each in catalog} == {key(each) for each in wanted}, "run: make messages"
    assert [each.id for each in catalog if each.id and (each.fuzzy or not all(forms(each)))] == []
    assert not catalog.obsolete


@pytest.mark.parametrize("code", TRANSLATED)
def test_each_translation_takes_the_facts_of_its_text(code: str) -> None:
    catalog = translations(code)
    for message in catalog:
        if not message.id:
            continue
        _context, ids = key(message)
        assert len(forms(message)) == (catalog.num_plurals if len(ids) > 1 else 1), message.id
        places = sorted(_PLACES.findall(ids[-1]))
        for form in forms(message):
            got = sorted(_PLACES.findall(form))
            # "once" needs no number.
            assert got == places or (len(ids) > 1 and got == sorted(_PLACES.findall(ids[0]))), form
            assert form == form.strip() and "'" not in form, form
            assert form[-1:] in ".:;?!" or ids[0][-1] not in ".:;?!", form


def test_each_text_in_code_is_found(wanted: Catalog) -> None:
    """One in an f-string, or made of pieces, would never be translated."""
    lost = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or "ops_pipelines.language.said" not in path.read_text("utf-8"):
                continue
            if isinstance(node.func, ast.Name) and node.func.id in ("said", "counted"):
                text = node.args[0].value if isinstance(node.args[0], ast.Constant) else None
                lost += [f"{path.name}:{node.lineno}"] if text is None or wanted.get(text) is None else []
    assert lost == []


def test_french_puts_a_space_that_does_not_break_before_its_signs() -> None:
    loose = [form for each in translations("fr") if each.id for form in forms(each) if re.search(r" [:;?!»]|« ", form)]
    assert loose == []
