"""The little Markdown that the pages need."""

from collections.abc import Iterable, Sequence

MADE = "<!-- Made by: python -m tools.reference. Change the code that it describes, never this page. -->"


def page(title: str, *blocks: str) -> str:
    """A page: title, the note that it is generated, blocks with an empty line between them."""
    return "\n\n".join([f"# {title}", MADE, *(block.strip("\n") for block in blocks if block)]) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; a cell's pipes are escaped and its lines joined."""
    cells = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(" ".join(cell.replace("|", r"\|").split()) for cell in row) + " |" for row in cells
    )


def code(text: object) -> str:
    """Text as code."""
    return f"`{text}`"


def sentence(text: str) -> str:
    """Docstring text on one line, first letter large."""
    joined = " ".join(text.split())
    return joined[:1].upper() + joined[1:]
