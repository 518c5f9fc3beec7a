"""An hour of whatever others like to send: the ledger hardly grows, and devices are served meanwhile."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest
from dongle_lab import Kind, Lab
from strangers import Noise, Stranger
from test_who_speaks import order, ready, run

from hanctl.hub.daemon import Daemon
from hanctl.ledger.limiting import IN_FULL_TOGETHER

MEGABYTE = 1 << 20
EACH_S = 0.1


def ledger_size(hub: Daemon) -> int:
    pages, size = (hub.ledger._execute(f"PRAGMA {what}").fetchone()[0] for what in ("page_count", "page_size"))
    return int(pages * size)


class Crowd:
    """Frames of all kinds in devices' names, and strangers without any key that want to rejoin, none twice."""

    def __init__(self, lab: Lab) -> None:
        self._noise = Noise(lab, 5, [lab.device(1)], lab.device(2))
        self._lab = lab
        self._random = random.Random(6)

    def one(self) -> None:
        if self._random.random() < 0.2:
            eui64 = ":".join(f"{byte:02x}" for byte in self._random.randbytes(8))
            stranger = Stranger(self._lab, eui64, None)
            self._lab.world.stack.rejoin_trust_centre(stranger, self._random.randbytes(16))
            self._lab.world.medium.nodes.remove(stranger)
        else:
            self._noise.one()
            self._noise.stranger.heard.clear()


async def flooded(lab: Lab, seconds: float) -> None:
    hub = await lab.start()
    await ready(lab, hub, 1, 2, 3)
    before, last = ledger_size(hub), hub.ledger.last_event_id()
    crowd = Crowd(lab)
    order(hub, 3)
    change = hub.tenancy.orders.order("tenancy").id
    for _ in range(round(seconds / EACH_S)):
        crowd.one()
        await asyncio.sleep(EACH_S)
    assert ledger_size(hub) - before < MEGABYTE
    assert lab.device(3).running_version == 2
    assert len(lab.events(hub, "update.confirmed", 3)) == 1
    (told,) = (each for each in hub.tenancy.report(change).devices if each.eui64 == lab.device(3).eui64)
    assert told.verdict == "reported cleared"
    limited = [each for each in hub.ledger.events(after=last) if type(each.event).limited]
    kinds = {type(each.event) for each in limited}
    assert len(limited) <= len(kinds) * IN_FULL_TOGETHER * (1 + seconds / 600)


@pytest.mark.parametrize("kind", ["ezsp", "znp"])
def test_a_minute_of_flood(kind: Kind, tmp_path: Path) -> None:
    run(tmp_path, kind, 3, lambda lab: flooded(lab, 60))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ezsp", "znp"])
def test_an_hour_of_flood(kind: Kind, tmp_path: Path) -> None:
    run(tmp_path, kind, 3, lambda lab: flooded(lab, 3600))
