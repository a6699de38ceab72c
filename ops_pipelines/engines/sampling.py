"""Which rows a fingerprint of level `sample` digests. Every row is counted nonetheless.

Rows are chosen by a hash of their key and a seed, so that the source and whatever was restored from it choose the same
ones. The seed is new with every backup: what one sample misses, a later one will have. A table without a key is
digested whole, since nothing else tells its rows apart.
"""

import secrets

ONE_IN = 100
"""One row in so many is digested."""
WHOLE_UP_TO = 10_000
"""Tables of no more rows are digested whole."""


def new_seed() -> int:
    """A seed for the next fingerprint; every server reads it as a positive number of 31 bits."""
    return secrets.randbelow(2**31)
