"""Folders of files that the demo's applications keep beside their databases."""

import random
from datetime import datetime, timedelta, timezone
from pathlib import Path


def make(directory: Path) -> None:
    """Uploads of both applications and Serviskol's logs, the same every time."""
    chance = random.Random(7)
    for application, count in (("crm", 150), ("serviskol", 60)):
        for number in range(count):
            path = directory / application / f"{number % 12:02}" / f"offer-{number}.pdf"
            if not path.exists():
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                path.write_bytes(b"%PDF-1.4\n" + chance.randbytes(chance.randint(2_000, 120_000)))
    logs = directory / "serviskol_logs"
    logs.mkdir(mode=0o700, exist_ok=True)
    now = datetime.now(timezone.utc)
    for day in range(5):
        path = logs / f"app-{now - timedelta(days=day):%Y%m%d}.log"
        if not path.exists():
            lines = (f"{day}:{line:05} INFO request served in {chance.randint(1, 400)} ms" for line in range(2000))
            path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def paths(directory: Path) -> list[tuple[str, int]]:
    """The CRM's uploads as its table of attachments names them, with their sizes."""
    found = sorted((directory / "crm").rglob("*.pdf"))
    return [(str(path.relative_to(directory / "crm")), path.stat().st_size) for path in found]
