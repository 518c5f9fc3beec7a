"""``hanctl demo``: the main job on the simulated dongle, for a person to watch."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Coroutine
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from hanctl.cli.options import examples
from hanctl.cli.output import field, version

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as ProgressBar

    from hanctl.ledger.ledger import Recorded
    from hanctl.model.update_events import ActivationNotice
    from hanctl.simulator.device.event import SimulatedDeviceEvent
    from hanctl.updates.desk.outlook import Progress

EPILOG = examples("hanctl demo", "hanctl demo --radio znp", "hanctl demo --pcap demo.pcap")


def demo(
    radio: Annotated[Literal["ezsp", "znp"], typer.Option(help="Serial protocol of the simulated dongle.")] = "ezsp",
    pcap: Annotated[
        Path | None,
        typer.Option(
            help="Record the air as a sniffer would hear it to this file, and the keys to FILE.keys.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Show a whole firmware update on a simulated dongle, from joining to the activation notice. Needs no radio.

    Start a simulated dongle and the hub, let a simulated PPMID join with its
    install code, transfer the demo image, activate it and print the activation
    notice. Exit code 0 only if the new version was read back from the device.
    """
    from rich.console import Console

    from hanctl.hil import demo as demonstration
    from hanctl.logs.setup import set_up_logging

    set_up_logging("pretty")
    logging.getLogger().setLevel(logging.WARNING)
    console = Console(highlight=False)
    console.print(f"A simulated {radio.upper()} dongle with one PPMID, and the hub on its serial line.")
    with _Stage(console) as stage, TemporaryDirectory(prefix="hanctl-demo-") as directory:
        audience = demonstration.DemoAudience(stage.hub, stage.device, stage.progress)
        notice = asyncio.run(_until_terminated(demonstration.run(radio, Path(directory), audience, pcap)))
    _print_notice(notice)


async def _until_terminated(performance: Coroutine[Any, Any, ActivationNotice]) -> ActivationNotice:
    """Return the outcome of the demo; SIGTERM stops it cleanly, as Ctrl-C does."""
    acting = asyncio.ensure_future(performance)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, acting.cancel)
    try:
        return await acting
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


class _Stage:
    """Print one line per event, and a progress bar if there is a terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()
        self._bar: ProgressBar | None = None
        self._tenths = 0
        self._over = False

    def __enter__(self) -> _Stage:
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

        if self._console.is_terminal:
            self._bar = Progress(
                TextColumn("          transfer"),
                BarColumn(),
                DownloadColumn(),
                TextColumn("{task.fields[rate]}"),
                TimeRemainingColumn(),
                console=self._console,
            )
            self._task = self._bar.add_task("transfer", total=None, rate="", visible=False)
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def hub(self, recorded: Recorded) -> None:
        fields = recorded.event.model_dump(exclude={"device", "update"})
        if recorded.event.type == "activation.notice":
            # It is printed whole in the end, and what follows is only the stage being cleared.
            self._over = True
            return
        told = ", ".join(f"{name} {_brief(name, value)}" for name, value in fields.items() if value is not None)
        self._say("hub", "cyan", recorded.event.type, told)

    def device(self, event: SimulatedDeviceEvent) -> None:
        if event.kind != "block":
            self._say(event.device, "green", f"OTA client: {event.text}" if event.kind == "ota" else event.text)

    def progress(self, progress: Progress) -> None:
        if self._bar is not None:
            rate = f"{progress.rate:.0f} bytes/s" if progress.rate else ""
            self._bar.update(
                self._task, completed=progress.offset, total=progress.size, rate=rate, visible=progress.offset > 0
            )
            return
        tenths = 10 * progress.offset // progress.size
        if self._tenths < tenths < 10:  # the end of the transfer is an event
            self._tenths = tenths
            self._say("hub", "cyan", f"transfer  {progress.offset} of {progress.size} bytes")

    def _say(self, who: str, colour: str, text: str, details: str = "") -> None:
        if self._over:
            return
        from rich.table import Table
        from rich.text import Text

        told = Text(text)
        if details:
            told.append(f"  {details}", "dim")
        elapsed = f"{time.monotonic() - self._began:6.2f} s"
        if not self._console.is_terminal:
            print(f"{elapsed}  {who:<{_WHO_WIDTH}}  {told.plain}", flush=True)
            return
        # A grid keeps the columns where a narrow terminal breaks a line.
        line = Table.grid(padding=(0, 2))
        line.add_column(no_wrap=True)
        line.add_column(no_wrap=True, min_width=_WHO_WIDTH)
        line.add_column(overflow="fold")
        line.add_row(elapsed, Text(who, colour), told)
        self._console.print(line)


def _brief(name: str, value: object) -> str:
    return str(value)[:8] if name.endswith("sha256") else field(name, value)


def _print_notice(notice: ActivationNotice) -> None:
    facts = {
        "device": f"{notice.device} ({notice.device_type})",
        "version": f"{version(notice.old_version)} -> {version(notice.new_version)}",
        "file sha256": notice.file_sha256,
        "manufacturer image sha256": notice.manufacturer_image_sha256 or "-",
        "ordered": notice.ordered_at,
        "transferred": notice.transferred_at or "-",
        "activated": notice.activated_at or "-",
        "confirmed": f"{notice.confirmed_at}, by {notice.confirmed_by}",
    }
    print("\nactivation notice")
    for name, value in facts.items():
        separator = " " if len(name) < _NAME_WIDTH else "\n" + " " * (_NAME_WIDTH + 3)
        print(f"  {name:<{_NAME_WIDTH}}{separator}{value}")


_NAME_WIDTH = 12
_WHO_WIDTH = 5
