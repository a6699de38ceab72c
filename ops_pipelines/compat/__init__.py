"""What is kept for scripts, dashboards and runbooks of before: names and files that they know."""
