"""Servers that tests, drills and benchmarks start: each a context manager, none left running."""
