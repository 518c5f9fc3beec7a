"""``hanctl simulate``: run a simulated dongle with devices behind it, on a TCP port or a pseudo-terminal."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from hanctl.base.errors import InvalidInput
from hanctl.cli.options import examples

if TYPE_CHECKING:
    from hanctl.simulator.device.event import SimulatedDeviceEvent
    from hanctl.simulator.device.spec import DeviceSpec
    from hanctl.simulator.ports import PtyPort, TcpPort
    from hanctl.simulator.world import World

DEFAULT_TCP = "127.0.0.1:6638"
PROGRESS_STEP = 0.1

EPILOG = examples(
    "hanctl simulate --radio ezsp --tcp 127.0.0.1:6638 --devices configs/devices.toml",
    "hanctl simulate --radio znp --pty /tmp/znp --state .state/simulator",
    "hanctl simulate --devices configs/devices.toml --air real --pcap han.pcap --pcap-keys han.pcap.keys",
)


def simulate(
    radio: Annotated[Literal["ezsp", "znp"], typer.Option(help="Serial protocol of the dongle.")] = "ezsp",
    ezsp_version: Annotated[
        int | None,
        typer.Option(metavar="VERSION", help="EZSP protocol version, such as 13, 14 or 18.", show_default=False),
    ] = None,
    tcp: Annotated[
        str,
        typer.Option(
            metavar="[HOST:]PORT",
            help=f"Listen on [HOST:]PORT; {DEFAULT_TCP} where no --pty is given.",
            show_default=False,
        ),
    ] = "",
    pty: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Offer a pseudo-terminal, linked at this path.", show_default=False),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Directory for the memory that survives a power cut. Default: nothing survives.",
            show_default=False,
        ),
    ] = None,
    devices: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Devices file, e.g. configs/devices.toml.", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(metavar="NUMBER", help="Seed of every random choice, to repeat a run.")] = 0,
    air: Annotated[
        Literal["ideal", "real"],
        typer.Option(
            help="real: frames take their time on air, wait for each other and collide; serial line at 115200 baud."
        ),
    ] = "ideal",
    quirk: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="How the dongle tells senders apart, such as compares_nonce=true or counters=unsupported. Repeatable. "
            "Default: the worst case of each.",
            show_default=False,
        ),
    ] = None,
    pcap: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Record the air to this file as a sniffer would hear it.", show_default=False
        ),
    ] = None,
    pcap_keys: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="File for the keys of --pcap, in the form Wireshark reads. Default: FILE.keys.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Run a simulated dongle with the devices of a devices file behind it, until Ctrl-C."""
    from hanctl.simulator.device.devices_file import load_devices
    from hanctl.simulator.quirks import quirks_of
    from hanctl.simulator.world import World

    logging.getLogger("hanctl").addHandler(logging.StreamHandler())
    specs = load_devices(devices) if devices is not None else ()
    address = _address(tcp) if tcp else None
    if address is None and pty is None:
        address = _address(DEFAULT_TCP)
    if pcap is None and pcap_keys is not None:
        raise InvalidInput("--pcap-keys has keys of no capture", "give --pcap FILE too")
    quirks = quirks_of(quirk or ())
    world = World.build(
        specs, kind=radio, protocol_version=ezsp_version, seed=seed, state=state, air=air, quirks=quirks
    )
    with ExitStack() as stack:
        if pcap is not None:
            stack.callback(world.capture(pcap, pcap_keys).close)
        asyncio.run(_serve(world, radio, address, pty, specs))


async def _serve(
    world: World, radio: str, address: tuple[str, int] | None, pty: Path | None, specs: tuple[DeviceSpec, ...]
) -> None:
    from hanctl.simulator.ports import PtyPort, TcpPort

    ports: list[TcpPort | PtyPort] = []
    if address is not None:
        ports.append(TcpPort(world.dongle, *address))
    if pty is not None:
        ports.append(PtyPort(world.dongle, pty))
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    world.listen(event_printer(loop.time, typer.echo))
    opened: list[TcpPort | PtyPort] = []
    try:
        world.plug()
        for port in ports:
            await port.open()
            opened.append(port)
            typer.echo(f"{radio} dongle {world.stack.eui64} at {port.url}")
        for spec in specs:
            typer.echo(describe(spec))
        world.start()
        await stopped.wait()
    finally:
        for port in opened:
            await port.close()
        world.stop()
    faults = ", ".join(f"{reason}: {count}" for reason, count in world.dongle.faults.items())
    typer.echo(f"stopped; serial faults: {faults or 'none'}")


def describe(spec: DeviceSpec) -> str:
    """Describe a device in one line, without its install code."""
    key = "install code" if spec.install_code else "well-known key"
    if spec.trust.identity is not None:
        key += " and certificate"
    sleepy = ", sleepy" if spec.sleepy else ""
    return (
        f"{spec.name}: {spec.type} {spec.eui64}, profile 0x{spec.profile:04x}, "
        f"manufacturer 0x{spec.manufacturer_code:04x}, image type 0x{spec.image_type:04x}, "
        f"version 0x{spec.running_version:08x}, {key}{sleepy}"
    )


def event_printer(now: Callable[[], float], echo: Callable[[str], None]) -> Callable[[SimulatedDeviceEvent], None]:
    """Return a listener that prints each event as one line, and a download at every tenth of its size."""
    began = now()
    parts: dict[str, int] = {}

    def tell(event: SimulatedDeviceEvent) -> None:
        if event.kind == "block":
            part = int(event.offset / max(1, event.size) / PROGRESS_STEP)
            before, parts[event.device] = parts.get(event.device), part
            if part == before:
                return
        what = "firmware update: " if event.kind in ("ota", "block") else ""
        echo(f"{now() - began:9.2f} s  {event.device}: {what}{event.text}")

    return tell


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.removeprefix("tcp://").rpartition(":")
    if not port.isdigit() or int(port) > 65535:
        raise InvalidInput("what was given is not [HOST:]PORT", f"for example --tcp {DEFAULT_TCP}")
    return host.strip("[]") or "127.0.0.1", int(port)
