"""Thirty-two displays at once, on EZSP eight in the fast suite: all get their image, and about as fast."""

from __future__ import annotations

from pathlib import Path

import pytest
from delivery_bench import Radio, Rig, image, join_all, run, spec

from hanctl.base import virtual
from hanctl.updates.serving import ota

IMAGE = image(3000)


@pytest.mark.parametrize(
    ("radio", "displays"),
    [("ezsp", 8), pytest.param("ezsp", 32, marks=pytest.mark.slow), pytest.param("znp", 32, marks=pytest.mark.slow)],
)
def test_the_slowest_is_nearly_as_fast_as_the_fastest(radio: Radio, displays: int, tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.until_confirmed(rig.order(IMAGE), IMAGE)
        took = []
        for device in rig.devices:
            times = [at for at, _ in rig.commands(ota.Command.IMAGE_BLOCK_RESPONSE, to=device)]
            took.append(times[-1] - times[0])
        assert max(took) / min(took) < 1.2
        assert rig.waits() == []
        assert sum(device.counts.retries for device in rig.devices) == 0
        assert len(rig.commands(ota.Command.IMAGE_BLOCK_RESPONSE)) == displays * -(-len(IMAGE) // 56)

    joined = tmp_path / "joined"
    virtual.run(join_all(joined, radio, displays))
    run(joined, tmp_path / "bench", radio, scenario, [spec(n) for n in range(1, displays + 1)], {})
