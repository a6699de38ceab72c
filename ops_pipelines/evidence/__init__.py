"""What was done in a period, for an auditor: signed statements, what was reached, gaps named as gaps, and a check."""
