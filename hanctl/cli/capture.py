"""``hanctl capture``."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from hanctl.base.errors import ExitCode, HanctlError, InvalidInput
from hanctl.cli.options import ConfigFile, Socket, connect, duration, eui64, examples

if TYPE_CHECKING:
    from hanctl.wireshark.capture_file import CaptureFile
    from hanctl.wireshark.hub_frames import Encoder

EPILOG = examples(
    "hanctl capture -o han.pcapng",
    "hanctl capture -o display.pcapng --device 00:0d:6f:00:0a:90:69:e7 --duration 10m",
    "mkfifo air && hanctl capture -o air     # and in another terminal: wireshark -k -i air",
)


class CaptureUnwritable(HanctlError):
    """A file of the capture cannot be written."""

    code = "capture-unwritable"
    exit_code = ExitCode.STATE


def capture(
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="Write the capture to this file; - is standard output.", metavar="FILE"),
    ],
    keys: Annotated[
        Path | None,
        typer.Option(
            "--keys",
            help="Write the keys that decrypt the capture to this file. Default: FILE.keys.",
            show_default=False,
            metavar="FILE",
        ),
    ] = None,
    device: Annotated[
        str | None, typer.Option("--device", help="Record only frames to and from this device.", metavar="EUI64")
    ] = None,
    length: Annotated[
        str | None,
        typer.Option(
            "--duration", help="Stop after this DURATION, e.g. 90s or 10m. Default: at Ctrl-C.", metavar="TIME"
        ),
    ] = None,
    socket: Socket = None,
    config: ConfigFile = None,
) -> None:
    """Record the frames that the hub sends and receives, for Wireshark, until Ctrl-C or for a DURATION.

    The frames are encrypted with keys made for this capture alone, which are in
    FILE.keys; headers below the application are made up, as a dongle does not
    tell them (docs/wireshark.md). What devices say is household data.
    """
    from hanctl.wireshark.capture_file import CaptureFile
    from hanctl.wireshark.hub_frames import Encoder

    piped = str(output) == "-"
    if keys is None and piped:
        raise InvalidInput("standard output has no file of keys beside it", "name one: --keys FILE")
    keys = keys or output.with_name(output.name + ".keys")
    if keys == output:
        raise InvalidInput(f"{output} cannot hold both frames and keys", "name another file for the keys")
    seconds = None if length is None else duration(length)
    only = None if device is None else eui64(device)
    records = connect(socket, config).stream("/frames", device=only, seconds=seconds)
    network = next(records)
    encoder = Encoder(network["dongle_eui64"], network["pan_id"])
    with ExitStack() as stack:
        _write_keys(keys, encoder)
        out = sys.stdout.buffer if piped else stack.enter_context(_create(output))
        file = CaptureFile(out, network, encoder)
        interrupted = _record(records, file, out)
    print(_sum(file, output, keys), file=sys.stderr if piped else sys.stdout)
    if interrupted:
        raise typer.Exit(ExitCode.INTERRUPTED)


def _record(records: Iterator[dict[str, Any]], file: CaptureFile, out: IO[bytes]) -> bool:
    """Write the records to the file, and close it whatever happens. Return True if Ctrl-C ended the capture."""
    with _counter() as show:
        try:
            for record in records:
                file.take(record)
                out.flush()
                show(file)
        except KeyboardInterrupt:
            return True
        except BrokenPipeError:
            # Whoever reads has seen enough; at its end Python would complain of what it cannot flush.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return False
        except OSError as error:
            raise _cut_short(error) from error
        finally:
            _end(file, out)
    return False


def _end(file: CaptureFile, out: IO[bytes]) -> None:
    try:
        file.close()
        out.flush()
    except BrokenPipeError:
        # Whoever reads has seen enough.
        pass
    except OSError as error:
        raise _cut_short(error) from error


def _cut_short(error: OSError) -> CaptureUnwritable:
    return CaptureUnwritable(f"the capture ends here: {error.strerror}", "is there room on the disk?")


@contextmanager
def _counter() -> Iterator[Any]:
    """Show on a terminal how many frames have been recorded."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        print("capturing; Ctrl-C ends", file=sys.stderr, flush=True)
        yield lambda file: None
        return
    with console.status("waiting for frames; Ctrl-C ends") as status:
        yield lambda file: status.update(f"{_count(file)}; Ctrl-C ends")


def _sum(file: CaptureFile, output: Path, keys: Path) -> str:
    where = "on standard output" if str(output) == "-" else f"in {output}"
    return f"{_count(file)} {where}, keys in {keys}"


def _count(file: CaptureFile) -> str:
    lost = f", {file.lost} lost, as they were not written fast enough" if file.lost else ""
    return f"{file.frames} frame{'' if file.frames == 1 else 's'}{lost}"


def _write_keys(path: Path, encoder: Encoder) -> None:
    from hanctl.wireshark.files import key_line

    with _create(path) as file:
        file.write(b"".join(key_line(key, name) for key, name in encoder.keys))


def _create(path: Path) -> IO[bytes]:
    from hanctl.wireshark.files import create_private

    try:
        return create_private(path)
    except OSError as error:
        raise CaptureUnwritable(f"{path} cannot be written: {error.strerror}", "name another file") from error
