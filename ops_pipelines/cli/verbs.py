"""The list of commands: what can stand after `ops`, where its code is, and its line of help. Imports none of them."""

from typing import NamedTuple


class Verb(NamedTuple):
    """Where a command is, and its line in `ops --help`."""

    place: str
    """`module:object` in `cli/commands`; the object is a function, or a Typer of several."""
    help: str
    """One line of at most 64 characters: it fits on a terminal of 80."""


VERBS = {
    "init": Verb("init:init", "Look for databases and uploads, make keys, write ops.yaml."),
    "check": Verb("check:check", "Read ops.yaml and say everything that is wrong, with lines."),
    "schema": Verb("schema:schema", "Print the JSON Schema of ops.yaml, or of manifest.json."),
    "backup": Verb("backup:backup", "Back up sources now: dump, copy, restore, compare."),
    "verify": Verb("verify:verify", "Prove backups: restore into a throwaway server and compare."),
    "list": Verb("list:list_", "List restore points: when, how large, where, and if verified."),
    "status": Verb("status:status", "Show every source's recovery point, its age, and what to do."),
    "history": Verb("history:history_", "Show how backups went day by day, with sizes and times."),
    "report": Verb("report:report_", "Write the backup report, as Markdown or HTML with charts."),
    "restore": Verb("restore:restore", "Restore a source beside the original, then prove it."),
    "leftovers": Verb("leftovers:leftovers_", "List what restores made or left behind, with its end."),
    "export": Verb("export:export_", "Write a .sql.gz and its .sha256, for tools that read those."),
    "copy": Verb("copy:copy", "Copy restore points to a store that lacks them, and heal."),
    "adopt": Verb("adopt:adopt_", "Take in existing dumps, and prove them."),
    "plan": Verb("plan:plan", "Show what the schedules will do in the days ahead."),
    "prune": Verb("prune:prune_", "Show what `keep:` keeps and deletes; with --apply, delete it."),
    "sign": Verb("sign:sign_", "Sign restore points that this installation has not signed."),
    "kit": Verb("kit:kit", "Write the recovery kit: settings, sealed keys, a runbook."),
    "drill": Verb("drill:drill", "Rehearse a disaster: recover everything, away from what runs."),
    "evidence": Verb("evidence:evidence", "Write signed evidence of a period for an auditor; check it."),
    "doctor": Verb("doctor:doctor", "Ask everything that the next backup and restore depend on."),
    "serve": Verb("serve:serve", "Serve the status page, Prometheus metrics and a health check."),
    "worker": Verb("worker:worker", "Work for a site: dump, copy and prove what its queue asks for."),
    "up": Verb("up:up", "Run backups by their schedules, with Dagster's web UI."),
    "upgrade": Verb("upgrade:upgrade", "Say what this version will change of an earlier one's files."),
    "alerts": Verb("alerts:alerts", "Open incidents, and who was notified."),
    "key": Verb("key:key", "The key that signs restore points and verdicts."),
}
