"""Databases that other people's installers made, protected and brought back through `ops`; and random ones.

Everything of theirs comes from package registries and Debian, below `var/field` where it can; nothing is committed.
`make field` installs it and runs this directory with 1,000 random schemas for each engine; `make test` with a few.
"""
