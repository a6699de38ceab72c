"""What is wrong with an `ops.yaml`: every mistake at once, each with its line."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ops_pipelines.errors import OpsError
from ops_pipelines.redact import redact
from ops_pipelines.text import shell


@dataclass(frozen=True)
class Mistake:
    """One mistake: where it stands, what was expected there and what a right line looks like."""

    line: int
    field: str
    expected: str
    example: str = ""

    def __str__(self) -> str:
        example = f"  (for example: {self.example})" if self.example else ""
        return f"{self.field or 'the file'}: {self.expected}{example}"


class ConfigError(OpsError):
    """The configuration cannot be used; `mistakes` lists every reason."""

    def __init__(self, path: Path, mistakes: Sequence[Mistake]) -> None:
        self.path = path
        shown = (replace(mistake, expected=redact(mistake.expected)) for mistake in mistakes)
        self.mistakes = sorted(shown, key=lambda mistake: mistake.line)
        lines = "\n".join(f"{path}:{mistake.line}: {mistake}" for mistake in self.mistakes)
        count = f"{len(mistakes)} mistake{'s' if len(mistakes) != 1 else ''}"
        super().__init__(
            f"{path} has {count}\n{lines}",
            safe="nothing was run; existing backups are untouched",
            next="correct the file, then: ops check",
        )

    def as_dict(self) -> dict[str, object]:  # type: ignore[override]
        """The four sentences plus the mistakes, each with its line."""
        listed = [
            {"line": m.line, "field": m.field, "expected": m.expected, "example": m.example} for m in self.mistakes
        ]
        return {**super().as_dict(), "file": str(self.path), "mistakes": listed}


def _init_in(folder: Path) -> str:
    return "ops init" if folder == Path.cwd() else f"ops init {shell(str(folder))}"


class NoConfig(ConfigError):
    """There is no configuration yet, or not where it was looked for."""

    def __init__(self, path: Path) -> None:
        self.path, self.mistakes = path, [Mistake(1, "", "there is no such file")]
        OpsError.__init__(
            self,
            f"there is no {path}",
            why="it says what is protected; ops looks for it here and in the folders above, unless OPS_CONFIG names it",
            safe="nothing was run; existing backups are untouched",
            next=f"write one: {_init_in(path.parent)}; or run this in its folder, or name it: --config FILE",
        )
