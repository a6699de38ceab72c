"""What there is to translate, found in code and templates: `python -m tools.messages`, or `make messages`, renews the
files of `language/locales`. New texts get an empty translation, those that are used no longer are removed.
"""

import io
from collections.abc import Iterator, Mapping
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po, write_po

import ops_pipelines
from ops_pipelines.language.speech import CODES
from ops_pipelines.language.vocabulary import WORDS

_Keyword = tuple[int | tuple[int, int] | tuple[int, str], ...] | None

PACKAGE = Path(ops_pipelines.__file__).parent
_IN_CODE: Mapping[str, _Keyword] = {"said": None, "counted": (1, 2)}
_IN_TEMPLATES: Mapping[str, _Keyword] = {
    "_": None, "gettext": None, "ngettext": (1, 2), "pgettext": ((1, "c"), 2),
}  # fmt: skip
_PASSING = tuple(
    f'"{name}:'.encode()
    for name in ("POT-Creation-Date", "PO-Revision-Date", "Generated-By", "Project-Id-Version", "Report-Msgid-Bugs-To",
                 "Last-Translator", "Language-Team")
)  # fmt: skip
_OPTIONS = {"trimmed": "true", "trim_blocks": "true", "lstrip_blocks": "true", "silent": "false"}


def file_of(code: str) -> Path:
    """Where the translations into a language are."""
    return PACKAGE / "language" / "locales" / code / "LC_MESSAGES" / "ops.po"


def translations(code: str) -> Catalog:
    """What is translated into a language."""
    with file_of(code).open("rb") as file:
        return read_po(file, locale=code)


def found() -> Catalog:
    """Everything that there is to translate, by the file that it stands in."""
    catalog = Catalog()
    for path in sorted(PACKAGE.rglob("*")):
        if path.suffix in (".py", ".html", ".md"):
            place = path.relative_to(PACKAGE.parent).as_posix()
            for message, comments, context in _messages(path):
                catalog.add(message, locations=[(place, 0)], auto_comments=comments, context=context)
    for word in WORDS:
        catalog.add(word, locations=[("ops_pipelines/language/vocabulary.py", 0)], context="word")
    return catalog


def _messages(path: Path) -> Iterator[tuple[str | tuple[str, ...], list[str], str | None]]:
    if path.suffix == ".py" and "ops_pipelines.language.said" in path.read_text(encoding="utf-8"):
        read = extract_from_file("python", path, keywords=_IN_CODE)
    elif path.parent.name == "templates":
        read = extract_from_file("jinja2", path, keywords=_IN_TEMPLATES, options=_OPTIONS)
    else:
        return
    for _line, message, comments, context in read:
        yield message, comments, context


def _written(catalog: Catalog) -> bytes:
    """The file, without the header's lines that change each time or say nothing."""
    written = io.BytesIO()
    write_po(written, catalog, width=120, include_lineno=False, ignore_obsolete=True)
    lines = written.getvalue().splitlines(keepends=True)
    return b"".join(line for line in lines if not line.startswith(_PASSING))


def main() -> None:
    """Renew the translations' files."""
    for code in CODES:
        if code != "en":
            catalog = translations(code)
            catalog.update(found(), no_fuzzy_matching=True)
            file_of(code).write_bytes(_written(catalog))
            print(f"{code}: {sum(not each.string for each in catalog if each.id)} to translate")


if __name__ == "__main__":
    main()
