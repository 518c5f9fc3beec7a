"""What the radio libraries log: it names keys and frames, so the hub's own log alone has it, with bytes left out."""

from __future__ import annotations

import logging

LIBRARIES = ("bellows", "serialx", "zigpy", "zigpy_znp")


def keep_quiet() -> None:
    """Show nothing that is logged, by the radio libraries or by others, unless a command sets up logging afterwards.

    What the radio libraries log stays unseen even then, until ``let_through``.
    """
    # Python prints a record with all its arguments where they do not fit its text.
    logging.raiseExceptions = False
    # And without a handler, what is a warning or worse.
    logging.getLogger().addHandler(logging.NullHandler())
    for name in LIBRARIES:
        logging.getLogger(name).propagate = False
        logging.getLogger(name).addHandler(logging.NullHandler())


def let_through() -> None:
    """Let what the radio libraries log reach the hub's log, which leaves out bytes (``logs/setup.py``)."""
    for name in LIBRARIES:
        logging.getLogger(name).propagate = True


def keep_keys_out() -> None:
    """Have the radio libraries log nothing below a warning: at DEBUG they log network and link keys, whole."""
    for name in LIBRARIES:
        logger = logging.getLogger(name)
        if logger.getEffectiveLevel() < logging.INFO or logger.level == logging.NOTSET:
            logger.setLevel(logging.WARNING)
