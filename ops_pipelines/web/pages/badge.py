"""A small picture for other pages: is this source restorable, and how old is its recovery point?"""

from markupsafe import Markup

from ops_pipelines.language.said import said
from ops_pipelines.language.speech import language
from ops_pipelines.watch.html import tone
from ops_pipelines.watch.snapshots import Seen, snapshots
from ops_pipelines.web.pages.lines import line_of
from ops_pipelines.workspace import Workspace

_COLOURS = {"good": "#1a7f37", "warn": "#8a5a00", "bad": "#c4162a", "none": "#545d68"}
_LETTER, _SPACE = 7, 12


def badge(workspace: Workspace, name: str) -> str:
    """An SVG as repositories show them, in the language of the file. Raises LedgerError."""
    with workspace.ledger.session() as session:
        [snapshot] = snapshots(session, [name], Seen)
    line = line_of(workspace.config, snapshot, workspace.clock.now())
    spoken = language(workspace.config.language)
    told = spoken.word(line.state).lower()
    if line.age is not None:
        told = spoken.tell(said("{state}, {age} old", state=told, age=line.age))
    left, right = len(name) * _LETTER + _SPACE, len(told) * _LETTER + _SPACE
    return Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" width="{0}" height="20" role="img" aria-label="{3}: {4}">'
        '<rect width="{0}" height="20" rx="3" fill="#444c56"/>'
        '<rect x="{1}" width="{2}" height="20" rx="3" fill="{5}"/>'
        '<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle">'
        '<text x="{6}" y="14">{3}</text><text x="{7}" y="14">{4}</text></g></svg>'
    ).format(left + right, left, right, name, told, _COLOURS[tone(line.state)], left / 2, left + right / 2)
