"""Words that machines know as well: states, outcomes, steps, units. Programs read them in English, people in theirs.

`Language.word` looks them up, with the context `word`; one that is not here is shown as it is.
"""

from collections.abc import Sequence

WORDS: Sequence[str] = (
    # states
    "OK", "WEAK", "STALE", "UNKNOWN", "OVERDUE", "FAIL", "NEVER",
    # what a proof is called
    "verified", "verified by sample", "verified by row counts", "restored, not compared", "bad", "inconclusive",
    # how attempts and messages stand
    "running", "succeeded", "failed", "cancelled", "waiting", "delivered", "suppressed",
    "PASSED", "FAILED", "holds", "look", "not known",
    # what was attempted, and steps
    "backup", "dump", "snapshot", "copy", "verify", "restore", "prune", "drill", "adopt", "sign", "export", "retention",
    "find", "fetch", "open", "start", "decrypt", "load", "check", "compare", "assert", "checks",
    "altogether",
    # what is checked of a restored copy
    "checksum", "signature", "manifest", "predecessor", "identity", "isolation", "schema", "rows", "content",
    "assertions", "counters", "integrity", "orphans", "constraints", "sequences", "indexes", "sample", "newest row",
    "events", "selection", "references", "same moment", "not empty",
    # who notices an outage, how a recovery kit is sealed, who dumped
    "probe", "alert", "passphrase", "recipient", "dumped by",
    # what evidence tells of
    "verification", "deletion", "signing", "other", "refused", "killed", "open", "valid",
    "backups", "copies", "verifications", "drills", "restores", "no verified restore point", "too old",
    # severities, and what happened to an incident
    "warn", "error", "critical",
    "opened", "escalated", "repeated", "resolved", "test", "digest", "all_clear", "summary",
    # runs in Dagster, and their steps
    "QUEUED", "NOT_STARTED", "STARTING", "STARTED", "IN_PROGRESS", "SUCCESS", "FAILURE", "CANCELING", "CANCELED",
    "SKIPPED",
    # why a message was kept back
    "no channel is configured", "sent less than 5 minutes ago",
    # units
    "B", "KiB", "MiB", "GiB", "TiB", "d", "h", "min", "s",
)  # fmt: skip
