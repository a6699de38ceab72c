"""Where this process logs is its own affair: a test that has decided it decides it for all that come after."""

import logging


def stop_logging() -> None:
    """Nobody hears events any more."""
    for name in ("ops_pipelines", "uvicorn", "dagster"):
        logger = logging.getLogger(name)
        for handler in [each for each in logger.handlers if getattr(each, "is_ours", False)]:
            logger.removeHandler(handler)
            handler.close()
