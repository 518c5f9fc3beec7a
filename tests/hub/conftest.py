"""The state of a bench whose devices have joined, and scenarios played on copies of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from update_rig import Play, Radio, Rig, Scenario, join_all, make_spec

from hanctl.base import virtual
from hanctl.radio import heartbeat
from hanctl.simulator.device.spec import DeviceSpec
from hanctl.updates.serving import decisions, ota


@pytest.fixture(scope="session", params=["ezsp", "znp"])
def joined(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Radio, Path]:
    """The state of a hub, its dongle and its devices once all have joined: that takes most of a short run's work."""
    radio: Radio = request.param
    directory = tmp_path_factory.mktemp(radio)
    virtual.run(join_all(directory, radio))
    return radio, directory


@pytest.fixture
def seldom_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub asks its dongle every five minutes whether it lives: that is most of the work of days in virtual time."""
    monkeypatch.setattr(heartbeat, "PERIOD_S", 300.0)


@pytest.fixture
def play(joined: tuple[Radio, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Play:
    """Run a scenario on a copy of that state."""
    radio, formed = joined

    def run(scenario: Scenario, *specs: DeviceSpec) -> None:
        directory = tmp_path / "bench"
        shutil.copytree(formed, directory)

        async def whole() -> None:
            rig = Rig(directory, radio, list(specs) or [make_spec("display")])
            answer = decisions.image_block

            def noted(request: ota.ImageBlockRequest, situation: decisions.Situation) -> decisions.Decision:
                decision = answer(request, situation)
                if decision.served_to is not None:
                    offset = int(request.file_offset)
                    rig.served.setdefault(situation.device, []).append((offset, decision.served_to - offset))
                return decision

            monkeypatch.setattr(decisions, "image_block", noted)
            await rig.start()
            await scenario(rig)
            await rig.bench.close()
            assert rig.bench.world.dongle.faults == {}

        virtual.run(whole())

    return run
