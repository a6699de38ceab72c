"""How often a random experiment is tried, and its seed: a few times daily, as often as asked in `make faults N=…`."""

import os
import random

_TRIES, _SEED = "OPS_FAULTS", "OPS_FAULTS_SEED"


def tries(daily: int) -> int:
    """How many times: `daily`, unless the long run says how often."""
    return int(os.environ.get(_TRIES) or daily)


def long_run() -> bool:
    """Whether this is `make faults`."""
    return bool(os.environ.get(_TRIES))


def chance(name: str) -> random.Random:
    """Chance with a seed of its own for each name; the seed is shown when the test fails, and can be given again."""
    seed = os.environ.get(_SEED) or "1"
    print(f"to repeat it: {_SEED}={seed}, for {name!r}")
    return random.Random(f"{seed}/{name}")
