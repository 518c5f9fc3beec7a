"""``hanctl device`` and ``hanctl join``."""

from __future__ import annotations

import getpass
import sys
import time
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from hanctl.base.errors import DaemonUnreachable, ExitCode, HanctlError, InvalidInput, NotFound
from hanctl.base.shown_path import shown
from hanctl.cli.client import Client
from hanctl.cli.options import ConfigFile, Json, Socket, connect, duration, eui64, examples
from hanctl.cli.output import ago, hexadecimal, local_time, print_facts, print_json, print_table, version

app = typer.Typer(help="Devices: list, show, rekey and remove them.", no_args_is_help=True)
EUI = Annotated[str, typer.Argument(metavar="EUI64", help="EUI64 of the device.")]
JOIN_EPILOG = examples(
    "hanctl join --eui 00:0d:6f:00:0a:90:69:e7  (asks for the code)",
    "hanctl join --eui 000d6f000a9069e7 --install-code-file code.txt --wait",
    "pass show rig7/ppmid | hanctl join --eui 000d6f000a9069e7 --install-code-file -",
)
CLOSING_GRACE_S = 2
INTERVIEW_GRACE_S = 60
LONGEST_WINDOW_S = 3600


class NotJoined(HanctlError):
    """The device did not join in time."""

    code = "not-joined"
    exit_code = ExitCode.TIMED_OUT


class NoNewKey(HanctlError):
    """Key establishment with the device failed."""

    code = "no-new-key"
    exit_code = ExitCode.REFUSED


@app.command("list", epilog=examples("hanctl device list", "hanctl device list --json"))
def list_(
    all_: Annotated[bool, typer.Option("--all", help="Include removed devices.")] = False,
    socket: Socket = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """List the devices of the HAN."""
    devices = connect(socket, config).get("/devices", all=all_)
    if json:
        print_json(devices)
        return
    rows = [
        (
            device["eui64"],
            device["device_type"],
            device["state"],
            device["model"] or "-",
            version(device["current_version"]),
            ago(device["last_seen"]),
        )
        for device in devices
    ]
    print_table(("EUI64", "type", "state", "model", "version", "heard"), rows, "no devices; add one: hanctl join")


@app.command(epilog=examples("hanctl device show 00:0d:6f:00:0a:90:69:e7"))
def show(address: EUI, socket: Socket = None, config: ConfigFile = None, json: Json = False) -> None:
    """Show everything the hub knows about one device."""
    device = connect(socket, config).get(f"/devices/{eui64(address)}")
    if json:
        print_json(device)
        return
    print_facts(
        [
            ("device", device["eui64"]),
            ("type", device["device_type"]),
            ("state", device["state"]),
            ("network address", hexadecimal(device["nwk"])),
            ("manufacturer", f"{device['manufacturer_name'] or '-'} ({hexadecimal(device['manufacturer_code'])})"),
            ("model", device["model"] or "-"),
            ("power", _power(device)),
            ("activation policy", _policy(device["activation_policy"], "the server may activate", "out of band only")),
            ("timeout policy", _policy(device["timeout_policy"], "activates for want of answers", "goes on waiting")),
            ("image type", hexadecimal(device["image_type"])),
            ("hardware", hexadecimal(device["hardware_version"])),
            ("version", version(device["current_version"])),
            ("joined", local_time(device["joined_at"])),
            ("key", f"established {local_time(device['keyed_at'])}" if device["keyed_at"] else "of its install code"),
            ("heard", ago(device["last_seen"])),
            *[_endpoint(endpoint) for endpoint in device["endpoints"]],
        ]
    )


def _power(device: dict[str, Any]) -> str:
    level = "" if device["battery_percent"] is None else f", {device['battery_percent']:g} %"
    return f"{device['power_source'] or '-'}{level}{', sleepy' if device['sleepy'] else ''}"


def _policy(value: int | None, *meanings: str) -> str:
    if value is None:
        return "-"
    return f"{value} ({meanings[value]})" if value < len(meanings) else str(value)


@app.command(epilog=examples("hanctl device log", "hanctl device log --json"))
def log(socket: Socket = None, config: ConfigFile = None, json: Json = False) -> None:
    """Show the device log: devices of the HAN, devices that may join it, and the last 15 that were removed."""
    found = connect(socket, config).get("/device-log")
    if json:
        print_json(found)
        return
    rows = [
        (
            entry["eui64"],
            entry["device_type"],
            entry["state"],
            "-" if entry["join_seconds"] is None else f"{entry['join_seconds']:.0f} s",
            "established" if entry["keyed_at"] else "-",
            "" if entry["removed_at"] is None else f"{local_time(entry['removed_at'])}, {entry['removed_reason']}",
        )
        for entry in [*found["devices"], *found["removed"]]
    ]
    columns = ("EUI64", "type", "state", "may join for", "key", "removed")
    print_table(columns, rows, "the device log is empty; add a device: hanctl join")


@app.command(epilog=examples("hanctl device remove 00:0d:6f:00:0a:90:69:e7"))
def remove(address: EUI, socket: Socket = None, config: ConfigFile = None) -> None:
    """Ask a device to leave the HAN, and forget its key."""
    device = eui64(address)
    connect(socket, config).delete(f"/devices/{device}")
    print(f"{device} was removed")


@app.command(epilog=examples("hanctl device rekey 00:0d:6f:00:0a:90:69:e7"))
def rekey(address: EUI, socket: Socket = None, config: ConfigFile = None) -> None:
    """Establish a new link key with a device (CBKE). The hub initiates, and the device's server side answers.

    For makers who test the server side of a display. Normally a device initiates it once, after it has joined.
    """
    device, client = eui64(address), connect(socket, config)
    place = client.get("/status")["last_event"]
    client.post(f"/devices/{device}/key")
    for event in client.stream("/events/stream", after=place, device=device):
        if event["type"] == "key.established":
            print(f"{device} has a new key, by suite {event['suite']}")
            return
        if event["type"] == "key.failed":
            raise NoNewKey(
                f"{device} has no new key: {event['reason']}",
                f"the old one stays; see: hanctl events --device {device}",
            )
    raise DaemonUnreachable(f"the hub on {client} stopped meanwhile", f"see: hanctl events --device {device}")


def join(
    eui: Annotated[str, typer.Option("--eui", help="EUI64 of the device.", metavar="EUI64")],
    install_code_file: Annotated[
        str | None,
        typer.Option(
            "--install-code-file",
            help="File with the install code in hex; - is standard input. Default: ask for it.",
            metavar="FILE",
        ),
    ] = None,
    type_: Annotated[
        Literal["ppmid", "ihd", "hcalcs", "esme", "gsme"] | None,
        typer.Option("--type", help="Type of the device, used if the device does not tell its type."),
    ] = None,
    window: Annotated[
        str | None,
        typer.Option(
            "--window",
            help="How long the network stays open, e.g. 10m. Default: join.window_s of the configuration (600 s).",
            metavar="DURATION",
        ),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until the device has joined and has been interviewed.")
    ] = False,
    socket: Socket = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Open the network so that one device can join with its install code.

    The install code is read from a prompt or a file, never from an argument,
    which any process of the machine can see.
    """
    order: dict[str, Any] = {"eui64": eui64(eui), "install_code": _install_code(install_code_file)}
    if type_ is not None:
        order["device_type"] = type_
    if window is not None:
        order["seconds"] = int(duration(window))
        if not 1 <= order["seconds"] <= LONGEST_WINDOW_S:
            raise InvalidInput("this length of --window is not allowed", "give 1s to 1h")
    client = connect(socket, config)
    answer = client.post("/join", order)
    if not wait:
        if json:
            print_json(answer)
        else:
            print(f"the network is open to {answer['eui64']} for {answer['seconds']} s: start joining on the device")
        return
    device = _wait(client, answer, quiet=json)
    if json:
        print_json(device)
    else:
        print(f"{device['eui64']} joined: {device['device_type']}, {device['model'] or 'model unknown'}")


def _wait(client: Client, answer: dict[str, Any], *, quiet: bool) -> dict[str, Any]:
    """Count down until the device has joined, has its key and was interviewed."""
    eui, began = answer["eui64"], time.monotonic()
    closes = began + answer["seconds"]
    deadline = closes + max(INTERVIEW_GRACE_S, answer["key_within"] or 0)
    line = _CountDown(quiet)
    while True:
        device: dict[str, Any] = client.get(f"/devices/{eui}")
        if device["state"] == "interviewed":
            line.end()
            return device
        now = time.monotonic()
        missed = device["state"] == "expected" and now > closes + CLOSING_GRACE_S
        if missed or now > deadline or device["state"] == "removed":
            line.end()
            seconds = answer["seconds"]
            what = f"did not join within {seconds} s" if missed else f"is {device['state']} after {now - began:.0f} s"
            raise NotJoined(f"{eui} {what}", f"see: hanctl events --device {eui}")
        if device["state"] == "expected":
            line.say(f"waiting for {eui}: start joining on the device", closes - now)
        elif device["keyed_at"] is None and answer["key_within"] is not None:
            line.say(f"{eui} joined; it has to establish its key")
        else:
            line.say(f"{eui} joined; it is being interviewed")
        time.sleep(0.5)


class _CountDown:
    """Write a countdown to standard error: one line rewritten on a terminal, else a line for each new state."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._terminal = sys.stderr.isatty()
        self._said = ""

    def say(self, text: str, seconds: float | None = None) -> None:
        if self._quiet:
            return
        if self._terminal:
            left = "" if seconds is None else f" ({max(0, int(seconds)) // 60}:{max(0, int(seconds)) % 60:02d} left)"
            print(f"\r\x1b[K{text}{left}", end="", file=sys.stderr, flush=True)
        elif text != self._said:
            print(text if seconds is None else f"{text} ({seconds:.0f} s left)", file=sys.stderr)
        self._said = text

    def end(self) -> None:
        if self._terminal and self._said:
            print(file=sys.stderr)


def _install_code(file: str | None) -> str:
    if file is None:
        if not sys.stdin.isatty():
            raise InvalidInput(
                "no install code was given", "name a file that holds it, or - for this input: --install-code-file -"
            )
        try:
            return _given(getpass.getpass("Install code (hex, not shown): "))
        except KeyboardInterrupt:
            print(file=sys.stderr)
            raise
    if file == "-":
        return _given(sys.stdin.readline())
    try:
        return _given(Path(file).read_text(encoding="ascii"))
    except FileNotFoundError as error:
        raise NotFound("there is no such file", "check the path of --install-code-file") from error
    except OSError as error:
        raise InvalidInput(f"{shown(Path(file))} cannot be read: {error.strerror}", "give a readable file") from error
    except UnicodeDecodeError as error:
        raise InvalidInput("the file is not text", "give a text file with hex digits") from error


def _given(text: str) -> str:
    if not text.strip():
        raise InvalidInput("the install code is empty", "give it in hex, as it is printed on the device")
    return text.strip()


def _endpoint(endpoint: dict[str, Any]) -> tuple[str, str]:
    def clusters(side: str) -> str:
        return " ".join(f"{cluster:04x}" for cluster in endpoint[side]) or "-"

    return (
        f"endpoint {endpoint['endpoint']}",
        f"profile {endpoint['profile']:04x}, device {endpoint['device_id']:04x}, "
        f"server: {clusters('input_clusters')}, client: {clusters('output_clusters')}",
    )
