"""The daemon's life: it starts wholly or not at all, outlives its dongle, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from pathlib import Path

import pytest
from hub_fakes import PPMID, FakeRadio, configure, running

from hanctl.base.clock import SystemClock
from hanctl.base.errors import ConfigError, DongleError, Refused
from hanctl.config.sections import Config
from hanctl.hub.daemon import Daemon
from hanctl.hub.supervisor import Supervisor
from hanctl.ledger.errors import LedgerError
from hanctl.ledger.ledger import Ledger
from hanctl.model.records import Device


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return configure(tmp_path)


def types(config: Config) -> list[str]:
    ledger = Ledger.open(config.hub.state_dir / "ledger.sqlite", SystemClock())
    found = [type(recorded.event).type for recorded in ledger.events()]
    ledger.close()
    return found


async def test_a_whole_life_is_in_the_ledger(config: Config) -> None:
    before = asyncio.all_tasks()
    async with running(config, FakeRadio(formed=True), serve=True):
        assert stat.S_IMODE(config.hub.socket.stat().st_mode) == 0o660
        assert stat.S_IMODE(config.hub.state_dir.stat().st_mode) == 0o700
    assert not config.hub.socket.exists()
    assert asyncio.all_tasks() == before
    assert types(config) == ["hub.started", "dongle.opened", "network.formed", "hub.stopped"]


async def test_a_first_start_without_a_dongle_changes_nothing(config: Config, tmp_path: Path) -> None:
    before, tasks = set(tmp_path.rglob("*")), asyncio.all_tasks()
    radio = FakeRadio(fails=DongleError("no dongle", "plug it in"))
    daemon = Daemon(config, SystemClock(), lambda _: radio)
    with pytest.raises(DongleError, match="no dongle"):
        await daemon.run()
    assert set(tmp_path.rglob("*")) == before
    assert asyncio.all_tasks() == tasks
    assert radio.stopped >= 1


async def test_a_later_start_without_a_dongle_keeps_the_ledger_as_it_was(config: Config) -> None:
    async with running(config):
        pass
    before = types(config)
    with pytest.raises(DongleError):
        async with running(config, FakeRadio(fails=DongleError("no dongle"))):
            pass
    assert types(config) == before


async def test_a_second_daemon_on_the_same_state_names_the_first(config: Config, tmp_path: Path) -> None:
    async with running(config, serve=True):
        rival = FakeRadio()
        with pytest.raises(Refused, match=f"process {os.getpid()}"):
            await Daemon(config, SystemClock(), lambda _: rival).start()
        assert rival.listener is None
        assert config.hub.socket.exists()


async def test_a_living_daemons_socket_is_not_taken_and_a_dead_ones_is(config: Config, tmp_path: Path) -> None:
    other_dir = tmp_path / "other"
    other_dir.mkdir()
    other = configure(other_dir)
    other = other.model_copy(update={"hub": other.hub.model_copy(update={"socket": config.hub.socket})})
    async with running(config, serve=True):
        with pytest.raises(Refused, match="another daemon answers"):
            await Daemon(other, SystemClock(), lambda _: FakeRadio()).start()
        assert not other.hub.state_dir.exists()
        assert config.hub.socket.exists()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(config.hub.socket))
    async with running(other, serve=True):
        reader, writer = await asyncio.open_unix_connection(str(config.hub.socket))
        writer.close()
        del reader


async def test_a_file_in_the_sockets_place_is_left_alone(config: Config) -> None:
    config.hub.socket.write_text("mine")
    with pytest.raises(Refused, match="not a socket"):
        await Daemon(config, SystemClock(), lambda _: FakeRadio()).start()
    assert config.hub.socket.read_text() == "mine"


async def test_a_state_directory_that_cannot_be_made_is_a_config_error(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(ConfigError, match="state directory"):
        await Daemon(configure(tmp_path), SystemClock(), lambda _: FakeRadio()).start()


async def test_a_corrupt_ledger_stops_the_start_before_the_dongle_is_touched(config: Config) -> None:
    config.hub.state_dir.mkdir()
    (config.hub.state_dir / "ledger.sqlite").write_bytes(b"nonsense" * 500)
    radio = FakeRadio()
    with pytest.raises(LedgerError):
        await Daemon(config, SystemClock(), lambda _: radio).start()
    assert radio.listener is None
    assert (config.hub.state_dir / "ledger.sqlite").read_bytes() == b"nonsense" * 500


async def test_a_lost_dongle_is_reopened_with_a_new_radio(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hanctl.hub.supervisor.DELAYS_S", (0.0, 0.0))
    radios = [FakeRadio(), FakeRadio(fails=DongleError("still gone")), FakeRadio()]
    left = iter(radios)
    daemon = Daemon(config, SystemClock(), lambda _: next(left), serve=False)
    await daemon.start()
    reopened = asyncio.Event()
    daemon.ledger.subscribe(lambda recorded: reopened.set() if type(recorded.event).type == "network.resumed" else None)
    assert radios[0].listener is not None
    radios[0].listener.dongle_lost("unplugged")
    assert daemon.network is None
    await asyncio.wait_for(reopened.wait(), 5)
    assert daemon.network is not None
    assert radios[0].stopped == 1 and radios[2].stopped == 0
    await daemon.stop("done")
    assert radios[2].stopped == 1
    assert types(config)[3:] == ["dongle.lost", "dongle.reopening", "dongle.opened", "network.resumed", "hub.stopped"]


async def test_being_told_to_stop_while_the_dongle_opens_leaves_nothing(config: Config, tmp_path: Path) -> None:
    before, tasks = set(tmp_path.rglob("*")), asyncio.all_tasks()
    daemon = Daemon(config, SystemClock(), lambda _: FakeRadio(hangs=True))
    life = asyncio.create_task(daemon.run())
    await asyncio.sleep(0.01)
    daemon.request_stop("SIGTERM")
    await life
    assert set(tmp_path.rglob("*")) == before
    assert asyncio.all_tasks() == tasks


async def test_a_part_that_fails_takes_the_daemon_down_in_order(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(self: Supervisor) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Supervisor, "run", fail)
    with pytest.raises(ZeroDivisionError):
        await Daemon(config, SystemClock(), lambda _: FakeRadio()).run()
    assert types(config)[-1] == "hub.stopped"
    assert not config.hub.socket.exists()


@pytest.mark.parametrize("where", ["frame", "dongle"])
async def test_a_ledger_that_fails_ends_the_daemon_and_leaves_nothing_open(config: Config, where: str) -> None:
    before = asyncio.all_tasks()
    radio = FakeRadio()
    daemon = Daemon(config, SystemClock(), lambda _: radio)
    life = asyncio.create_task(daemon.run())
    while daemon.started_at is None:
        await asyncio.sleep(0.01)
    daemon.ledger.devices.put(Device(PPMID, daemon.clock.now()))
    daemon.ledger._connection.execute("PRAGMA query_only = ON")
    assert radio.listener is not None
    if where == "frame":
        radio.listener.device_joined(PPMID, 0x1234)
    else:
        radio.listener.dongle_lost("unplugged")
    with pytest.raises(LedgerError, match="readonly"):
        await asyncio.wait_for(life, 10)
    assert radio.stopped == 1
    assert not config.hub.socket.exists()
    assert asyncio.all_tasks() == before
    async with running(config):
        pass


async def test_join_puts_the_key_of_the_code_in_the_dongle_and_nowhere_else(config: Config) -> None:
    radio = FakeRadio()
    code = "83FED3407A939723A5C639B26916D505C3B5"
    async with running(config, radio) as daemon:
        assert await daemon.join(PPMID, code, seconds=30, device_type="ppmid") == 30
        device = daemon.ledger.devices.get(PPMID)
        assert device is not None and (device.state, device.device_type) == ("expected", "ppmid")
        assert [(eui64, key.hex(), seconds) for eui64, key, seconds in radio.joins] == [
            (PPMID, "66b6900981e1ee3ca4206b6b861c02bb", 30)
        ]
    everything = b"".join(file.read_bytes() for file in config.hub.state_dir.iterdir())
    for secret in (code.encode(), code.lower().encode(), bytes.fromhex(code), radio.joins[0][1]):
        assert secret not in everything
