"""What the benchmarks share: times and memory of whole processes, and the phases of a verification."""

import json
import os
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

# Ours run in a fresh interpreter each, as a cron job would start them; the argument is an ops.yaml.
VERIFY = """
import sys; from pathlib import Path
from ops_pipelines.config.load import load_config
from ops_pipelines.workspace import open_workspace
from ops_pipelines.recovery.verify import verify
workspace = open_workspace(load_config(Path(sys.argv[1])))
verdict = verify(workspace, workspace.catalogue("bench").newest)
print(verdict.model_dump_json())
sys.exit(verdict.outcome != "verified")
"""
_NOT_CLIENTS = ("postgres", "initdb", "bash", "python", "ops")


@dataclass
class Figures:
    """What one case measured, run by run; memory in MB, at its peak."""

    seconds: list[float] = field(default_factory=list)
    phases: list[dict[str, float]] = field(default_factory=list)
    ours_mb: float = 0.0
    clients_mb: float = 0.0

    @property
    def median(self) -> float:
        """The middle of the times."""
        return statistics.median(self.seconds)

    @property
    def spread(self) -> str:
        """Median, least and most, as two cells of a table."""
        return f"{self.median:.2f} s | {min(self.seconds):.2f}–{max(self.seconds):.2f} s"


def timed(action: Callable[[], object]) -> float:
    """Seconds an action takes."""
    os.sync()
    started = time.monotonic()
    action()
    return time.monotonic() - started


def measure(name: str, argv: Sequence[str], figures: Figures, environ: Mapping[str, str] | None = None) -> None:
    """Run a program once and add what it took; a verdict that it prints tells its phases, and what each check cost.

    Raises:
        SystemExit: it failed; with the end of what it printed.
    """
    with tempfile.TemporaryFile("w+") as printed, tempfile.TemporaryFile("w+") as complained:
        began = time.monotonic()
        process = subprocess.Popen(argv, stdout=printed, stderr=complained, env={**os.environ, **(environ or {})})
        with _watched(process.pid, figures):
            status = process.wait()
            took = time.monotonic() - began
        printed.seek(0)
        output = printed.read()
        if status:
            complained.seek(0)
            raise SystemExit(f"{name} failed:\n{output[-2000:]}\n{complained.read()[-2000:]}")
    figures.seconds.append(round(took, 3))
    if output.startswith("{") and '"seconds"' in output:
        told = json.loads(output)
        checks = {each["name"]: each["seconds"] for each in told.get("checks", []) if each["seconds"] is not None}
        figures.phases.append(told["seconds"] | checks)
    print(f"  {name:<42} {took:7.2f} s  {figures.ours_mb:5.0f} MB", flush=True)


def phase_lines(measured: Mapping[str, Figures]) -> list[str]:
    """A line for each case that told its phases: the median of each."""
    lines = []
    for name, one in measured.items():
        if one.phases:
            middle = {phase: statistics.median(run.get(phase, 0.0) for run in one.phases) for phase in one.phases[0]}
            lines.append(f"- {name}: " + ", ".join(f"{phase} {value:.2f} s" for phase, value in middle.items()))
    return lines


@contextmanager
def _watched(pid: int, figures: Figures) -> Iterator[None]:
    """Peak resident memory of a process and its children, each at its own peak; servers are left out."""
    peaks: dict[str, dict[int, float]] = {"ours": {}, "clients": {}}
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.1):
            try:
                root = psutil.Process(pid)
                family = [root, *root.children(recursive=True)]
            except psutil.Error:
                return
            for each in family:
                try:
                    name, status = each.name(), Path(f"/proc/{each.pid}/status").read_text()
                except (OSError, psutil.Error):
                    continue
                if (line := next((row for row in status.splitlines() if row.startswith("VmHWM")), None)) is None:
                    continue
                # A Python child is one of ours that has not become a client yet: its pages are counted already.
                if each.pid == pid or not name.startswith(_NOT_CLIENTS):
                    peaks["ours" if each.pid == pid else "clients"][each.pid] = int(line.split()[1]) / 1024

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        figures.ours_mb = max(figures.ours_mb, sum(peaks["ours"].values()))
        figures.clients_mb = max(figures.clients_mb, sum(peaks["clients"].values()))
