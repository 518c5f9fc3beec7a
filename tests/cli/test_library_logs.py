"""What the radio libraries log is shown by no command, at any level; the hub's log has it, with bytes left out."""

from __future__ import annotations

import io
import logging

import pytest

from hanctl.base import library_logs
from hanctl.cli.main import main
from hanctl.logs.setup import set_up_logging

SEED = bytes(range(0x41, 0x51))
LOGGERS = [*library_logs.LIBRARIES, *(f"{name}.some.part" for name in library_logs.LIBRARIES)]
LEVELS = [logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL]


def say_it_all(level: int = logging.DEBUG) -> None:
    for name in LOGGERS:
        logger = logging.getLogger(name)
        logger.setLevel(level)
        for each in LEVELS:
            logger.log(each, "material %s is not optimal", SEED.hex(":"))
            logger.log(each, "arguments that do not fit", SEED)
        try:
            raise RuntimeError(f"no place for {SEED.hex()}")
        except RuntimeError:
            logger.exception("it failed")


@pytest.mark.parametrize("arguments", [["--version"], ["demo", "--radio", "none"], ["run", "-c", "/no/such/file"]])
def test_a_command_shows_nothing_of_it(arguments: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(arguments)
    capfd.readouterr()
    say_it_all()
    # A task of a library that nobody waited for.
    logging.getLogger("asyncio").error("Task exception was never retrieved: %s", SEED.hex())
    assert capfd.readouterr() == ("", "")


def test_nor_does_one_that_sets_up_logging_for_its_own(capfd: pytest.CaptureFixture[str]) -> None:
    library_logs.keep_quiet()
    set_up_logging("pretty", stream := io.StringIO())
    logging.getLogger().setLevel(logging.DEBUG)
    say_it_all()
    assert (stream.getvalue(), capfd.readouterr()) == ("", ("", ""))


@pytest.mark.parametrize("mode", ["json", "pretty"])
def test_the_log_of_the_hub_has_it_without_bytes(mode: str, capfd: pytest.CaptureFixture[str]) -> None:
    library_logs.keep_quiet()
    set_up_logging(mode, stream := io.StringIO())  # type: ignore[arg-type]
    library_logs.let_through()
    library_logs.keep_keys_out()
    say_it_all(logging.WARNING)
    log = stream.getvalue()
    assert log.count("material (bytes) is not optimal") == 3 * len(LOGGERS)
    assert log.count("no place for (bytes)") >= len(LOGGERS)
    assert SEED.hex() not in log and SEED.hex(":") not in log and SEED.decode() not in log
    assert capfd.readouterr() == ("", "")
