"""The supervisor over long absences of the dongle, in virtual time."""

from __future__ import annotations

import asyncio
from pathlib import Path

from hub_fakes import FakeRadio, configure

from hanctl.base import virtual
from hanctl.base.clock import LoopClock, SystemClock
from hanctl.base.errors import DongleError
from hanctl.hub.daemon import Daemon
from hanctl.model.events import DongleReopening


def test_another_reason_is_told_at_once(tmp_path: Path) -> None:
    async def absence() -> None:
        loop = asyncio.get_running_loop()
        fails: list[DongleError | None] = [None]
        radios: list[FakeRadio] = []

        def radio(_: object) -> FakeRadio:
            radios.append(FakeRadio(fails=fails[0]))
            return radios[-1]

        daemon = Daemon(configure(tmp_path), LoopClock(loop, SystemClock().now()), radio, serve=False)
        await daemon.start()
        assert radios[0].listener is not None
        fails[0] = DongleError("the port does not exist")
        radios[0].listener.dongle_lost("unplugged")
        await asyncio.sleep(123)
        fails[0] = DongleError("the port is busy")
        await asyncio.sleep(12)
        told = [item.event for item in daemon.ledger.events(type="dongle.reopening")]
        await daemon.stop("enough")
        assert isinstance(told[-1], DongleReopening)
        assert told[-1].reason == "the port is busy"

    virtual.run(absence())


def test_a_night_without_the_dongle_is_told_briefly_and_ends_when_it_is_back(tmp_path: Path) -> None:
    radios: list[FakeRadio] = []

    async def night() -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()

        def radio(_: object) -> FakeRadio:
            away = bool(radios) and loop.time() - start < 8 * 3600
            radios.append(FakeRadio(fails=DongleError("gone") if away else None))
            return radios[-1]

        daemon = Daemon(configure(tmp_path), LoopClock(loop, SystemClock().now()), radio, serve=False)
        await daemon.start()
        assert radios[0].listener is not None
        radios[0].listener.dongle_lost("unplugged")
        await asyncio.sleep(8 * 3600 - 1)
        assert daemon.network is None
        await asyncio.sleep(20)
        assert daemon.network is not None
        told = [item.event for item in daemon.ledger.events(type="dongle.reopening")]
        await daemon.stop("morning")
        delays = [event.delay_s for event in told if isinstance(event, DongleReopening)]
        assert delays[:5] == [1.0, 2.0, 3.0, 5.0, 5.0]
        assert 5 < len(delays) < 60
        assert len(radios) > 5000

    virtual.run(night())
