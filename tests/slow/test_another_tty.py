"""A stick on a real terminal that comes back under another name, while a stranger has taken its old one."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from hanctl.base.clock import SystemClock
from hanctl.config.sections import Config
from hanctl.hub import daemon
from hanctl.hub.daemon import Daemon
from hanctl.radio.finding.port import Port
from hanctl.simulator.ports import PtyPort
from hanctl.simulator.world import Kind, World

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("kind", ["ezsp", "znp"])
async def test_it_is_found_and_the_stranger_is_left_alone(
    kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_id = tmp_path / "by-id"
    monkeypatch.setattr(daemon, "Port", partial(Port, by_id=by_id))
    world = World.build([], kind=kind)
    port = PtyPort(world.dongle, by_id / "usb-Maker_Stick_0001-if00-port0")
    world.plug()
    await port.open()
    first = port.path
    config = {
        "hub": {"state_dir": str(tmp_path / "hub"), "socket": str(tmp_path / "socket")},
        "dongle": {"path": first, "radio": kind},
    }
    hub = Daemon(Config.model_validate(config), SystemClock(), serve=False)
    await hub.start()
    try:
        await port.close()
        world.unplug()
        await until(lambda: hub.network is None)
        strangers = [os.openpty() for _ in range(3)]
        assert first in {os.ttyname(slave) for _, slave in strangers}
        await until(lambda: bool(hub.ledger.events(type="dongle.reopening")))
        world.plug()
        await port.open()
        assert port.path != first
        await until(lambda: hub.network is not None)
        assert hub.ledger.events(type="dongle.opened")[-1].as_dict()["path"] == str(port.link)
        assert len(hub.ledger.events(type="network.formed")) == 1
        for master, _ in strangers:
            os.set_blocking(master, False)
            with pytest.raises(BlockingIOError):
                os.read(master, 1)
    finally:
        await hub.stop("enough")
        await port.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.05)
