"""A daemon over a radio that is not there, for tests of what lies above."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from hanctl.base.clock import SystemClock
from hanctl.base.errors import DongleError, HanctlError
from hanctl.base.eui64 import Eui64
from hanctl.config.reading import load_config
from hanctl.config.sections import Config
from hanctl.hub.daemon import Daemon
from hanctl.radio.frames import NetworkState, OutgoingFrame, RadioListener

PPMID = Eui64("00:0d:6f:00:0a:90:69:e7")


class FakeRadio:
    """Opens at once unless told otherwise; acknowledges everything."""

    def __init__(self, *, fails: DongleError | None = None, formed: bool = False, hangs: bool = False) -> None:
        self.fails = fails
        self.formed = formed
        self.hangs = hangs
        self.listener: RadioListener | None = None
        self.sent: list[OutgoingFrame] = []
        self.posts: set[asyncio.Future[None]] = set()
        self.joins: list[tuple[Eui64, bytes, int]] = []
        self.stopped = 0

    async def start(self, listener: RadioListener) -> NetworkState:
        if self.hangs:
            await asyncio.Event().wait()
        if self.fails is not None:
            raise self.fails
        self.listener = listener
        return NetworkState(Eui64("00:12:4b:00:00:00:00:01"), "ezsp", "7.4.1", 15, 0x1A62, "aa" * 8, self.formed)

    async def stop(self) -> None:
        self.stopped += 1

    async def send(self, frame: OutgoingFrame) -> None:
        self.sent.append(frame)

    def post(self, frame: OutgoingFrame) -> None:
        task = asyncio.ensure_future(self._posted(frame))
        self.posts.add(task)
        task.add_done_callback(self.posts.discard)

    async def _posted(self, frame: OutgoingFrame) -> None:
        with suppress(HanctlError):
            await self.send(frame)

    async def address_of(self, eui64: Eui64) -> int | None:
        return None

    async def repair_address(self, eui64: Eui64, nwk: int) -> None: ...

    async def key_counter(self, eui64: Eui64) -> int | None:
        return None

    def backlog(self) -> float:
        return 0.0

    async def open_join(self, eui64: Eui64, link_key: bytes, seconds: int) -> None:
        self.joins.append((eui64, link_key, seconds))

    async def close_join(self) -> None: ...

    async def remove(self, eui64: Eui64, nwk: int) -> None: ...

    async def install_link_key(self, eui64: Eui64, nwk: int, key: bytes) -> None: ...

    async def remove_link_key(self, eui64: Eui64) -> None: ...

    async def backup(self) -> dict[str, Any]:
        return {}


def configure(directory: Path, more: str = "") -> Config:
    return load_config(write_config(directory, more))


def write_config(directory: Path, more: str = "") -> Path:
    file = directory / "hanctl.toml"
    file.write_text(
        '[hub]\nstate_dir = "state"\nsocket = "hub.sock"\n[dongle]\npath = "/dev/none"\nradio = "ezsp"\n' + more
    )
    return file


@asynccontextmanager
async def running(config: Config, radio: FakeRadio | None = None, *, serve: bool = False) -> AsyncIterator[Daemon]:
    given = radio or FakeRadio()
    daemon = Daemon(config, SystemClock(), lambda _: given, serve=serve)
    await daemon.start()
    try:
        yield daemon
    finally:
        await daemon.stop("the test is over")
