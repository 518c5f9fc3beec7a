"""Control the log of the radio libraries, which names keys and frames: only the hub's log shows it, without bytes."""

from __future__ import annotations

import logging

LIBRARIES = ("bellows", "serialx", "zigpy", "zigpy_znp")


def keep_quiet() -> None:
    """Show no log lines of any library, unless a command sets up logging afterwards.

    Those of the radio libraries stay hidden even then, until ``let_through``.
    """
    # Python prints a record with all its arguments where they do not fit its text.
    logging.raiseExceptions = False
    # And without a handler, what is a warning or worse.
    logging.getLogger().addHandler(logging.NullHandler())
    for name in LIBRARIES:
        logging.getLogger(name).propagate = False
        logging.getLogger(name).addHandler(logging.NullHandler())


def let_through() -> None:
    """Pass the log of the radio libraries to the hub's log, which leaves out bytes (``logs/setup.py``)."""
    for name in LIBRARIES:
        logging.getLogger(name).propagate = True


def keep_keys_out() -> None:
    """Limit the radio libraries' log to warnings: at DEBUG they log complete network and link keys."""
    for name in LIBRARIES:
        logger = logging.getLogger(name)
        if logger.getEffectiveLevel() < logging.INFO or logger.level == logging.NOTSET:
            logger.setLevel(logging.WARNING)
