"""Unmodified zigpy-znp on the simulated Z-Stack dongle, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import zigpy.types
from zigpy.exceptions import DeliveryError
from znp_bench import DEVICE, DONGLE, NETWORK_KEY, TinyNode, make_dongle, plug_into, start_zigpy

from hanctl.base import virtual
from hanctl.base.eui64 import parse_eui64, to_bytes
from hanctl.crypto.install_code import parse_install_code
from hanctl.simulator.dongle import Flash
from hanctl.simulator.znp import ZnpDongle

CODE = parse_install_code("83FED3407A939723A5C639B26916D505C3B5")
HOME_AUTOMATION = 0x0104
OTHER = parse_eui64("70:b3:d5:00:00:00:00:77")
zt: Any = zigpy.types
Story = Callable[[ZnpDongle, Any], Awaitable[None]]


@pytest.fixture
def formed(monkeypatch: pytest.MonkeyPatch) -> Callable[[Story], None]:
    """Tell a story to a factory-new dongle and zigpy-znp that formed a network on it."""

    def tell(story: Story) -> None:
        async def main() -> None:
            dongle = make_dongle()
            plug_into(monkeypatch, dongle)
            dongle.power_on()
            app = await start_zigpy(form=True)
            await story(dongle, app)
            await app.shutdown()
            dongle.power_off()
            assert not dongle.faults

        virtual.run(main())

    return tell


def packet(nwk: int, data: bytes, *, encrypted: bool = False, ack: bool = True, tsn: int = 50) -> Any:
    options = zt.TransmitOptions.NONE
    if ack:
        options |= zt.TransmitOptions.ACK
    if encrypted:
        options |= zt.TransmitOptions.APS_Encryption
    return zt.ZigbeePacket(
        src=zt.AddrModeAddress(addr_mode=zt.AddrMode.NWK, address=0),
        src_ep=1,
        dst=zt.AddrModeAddress(addr_mode=zt.AddrMode.NWK, address=nwk),
        dst_ep=1,
        tsn=tsn,
        profile_id=HOME_AUTOMATION,
        cluster_id=0x0019,
        data=zt.SerializableBytes(data),
        tx_options=options,
    )


async def joined(dongle: ZnpDongle, app: Any) -> TinyNode:
    await app.permit(60)
    node = TinyNode()
    assert node.join(dongle.stack)
    await asyncio.sleep(1)
    node.heard.clear()
    return node


def test_a_factory_new_dongle_gets_the_network_that_was_asked_for(formed: Callable[[Story], None]) -> None:
    async def story(dongle: ZnpDongle, app: Any) -> None:
        info = app.state.network_info
        assert app.state.node_info.ieee.serialize() == to_bytes(DONGLE)
        assert (info.channel, info.pan_id, info.network_key.key.serialize()) == (20, 0x1234, NETWORK_KEY)
        network = dongle.stack.network
        assert network is not None
        assert dongle.stack.up
        assert (network.channel, network.pan_id, network.key) == (20, 0x1234, NETWORK_KEY)
        assert network.extended_pan_id == bytes.fromhex("8877665544332211")
        assert sorted(dongle.stack.endpoints) == [1, 2, 242]

    formed(story)


def test_the_network_is_resumed_from_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def main() -> None:
        first = make_dongle(Flash(tmp_path / "flash.json"))
        plug_into(monkeypatch, first)
        first.power_on()
        app = await start_zigpy(form=True)
        node = await joined(first, app)
        backup = await app.backups.create_backup(load_devices=True)
        assert [str(k) for k in backup.network_info.nwk_addresses] == [str(zt.EUI64.convert(DEVICE))]
        await app.shutdown()
        first.power_off()

        second = make_dongle(Flash(tmp_path / "flash.json"), seed=9)
        plug_into(monkeypatch, second)
        second.power_on()
        app = await start_zigpy()
        info = app.state.network_info
        assert (info.channel, info.pan_id, info.network_key.key.serialize()) == (20, 0x1234, NETWORK_KEY)
        assert second.stack.children[DEVICE].nwk == node.nwk
        await app.shutdown()
        second.power_off()
        assert not first.faults
        assert not second.faults

    virtual.run(main())


def test_a_backup_moves_to_another_dongle_with_its_link_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        first = make_dongle()
        plug_into(monkeypatch, first)
        first.power_on()
        app = await start_zigpy(form=True)
        node = await joined(first, app)
        other = TinyNode(OTHER)
        assert other.join(first.stack)
        assert first.stack.import_link_key(DEVICE, b"L" * 16)
        assert first.stack.import_link_key(OTHER, b"M" * 16)
        backup = await app.backups.create_backup(load_devices=True)
        await app.shutdown()
        first.power_off()

        second = make_dongle(seed=7)
        plug_into(monkeypatch, second)
        second.power_on()
        app = await start_zigpy(form=True, key=b"\x77" * 16)
        await app.backups.restore_backup(backup, counter_increment=5000)
        await app.shutdown()
        app = await start_zigpy()
        network = second.stack.network
        assert network is not None
        assert network.key == NETWORK_KEY
        assert network.frame_counter >= 5000
        # One of them fits into the table of keys that follow from a seed, for which zigpy-znp chooses the seed.
        assert len(second.stack.key_table) == 1
        assert second.stack.link_key(DEVICE) == b"L" * 16
        assert second.stack.link_key(OTHER) == b"M" * 16
        assert second.stack.children[DEVICE].nwk == node.nwk
        await app.shutdown()
        second.power_off()
        assert not second.faults

    virtual.run(main())


def test_permission_to_join_opens_and_closes(formed: Callable[[Story], None]) -> None:
    async def story(dongle: ZnpDongle, app: Any) -> None:
        assert not TinyNode().join(dongle.stack)
        joins: list[Any] = []

        class Listener:
            def device_joined(self, device: Any) -> None:
                joins.append(device)

        app.add_listener(Listener())
        node = await joined(dongle, app)
        await asyncio.sleep(10)
        assert [(d.nwk, d.ieee.serialize()) for d in joins] == [(node.nwk, to_bytes(DEVICE))]
        await app.permit(0)
        assert not dongle.stack.permitting

    formed(story)


def test_a_device_joins_with_its_install_code_and_no_other_key(formed: Callable[[Story], None]) -> None:
    async def story(dongle: ZnpDongle, app: Any) -> None:
        ieee = zt.EUI64.convert(DEVICE)
        permit = asyncio.create_task(app.permit_with_link_key(ieee, zt.KeyData(CODE.link_key), 60))
        await asyncio.sleep(1)
        node = TinyNode()
        assert not node.join(dongle.stack)
        assert not TinyNode(DONGLE).join(dongle.stack, CODE.link_key)
        assert node.join(dongle.stack, CODE.link_key)
        assert dongle.stack.link_key(DEVICE) == CODE.link_key
        await permit
        assert not dongle.stack.policy.install_codes_only
        assert not dongle.stack.permitting

    formed(story)


def test_frames_go_both_ways_with_their_security(formed: Callable[[Story], None]) -> None:
    async def story(dongle: ZnpDongle, app: Any) -> None:
        node = await joined(dongle, app)
        assert node.nwk is not None
        received: list[Any] = []
        app.packet_received = received.append
        await app.send_packet(packet(node.nwk, b"plain"))
        await app.send_packet(packet(node.nwk, b"secret", encrypted=True, tsn=51))
        assert [(f.payload, f.encrypted, f.profile) for f in node.heard] == [
            (b"plain", False, HOME_AUTOMATION),
            (b"secret", True, HOME_AUTOMATION),
        ]
        node.say(dongle.stack, b"hello", profile=HOME_AUTOMATION, encrypted=True)
        await asyncio.sleep(1)
        (heard,) = received
        assert (heard.src.address, heard.data.serialize(), heard.profile_id) == (node.nwk, b"hello", HOME_AUTOMATION)
        assert zt.TransmitOptions.APS_Encryption in heard.tx_options

    formed(story)


@pytest.mark.parametrize("case", ["silent", "asleep", "gone", "line lost"])
def test_what_is_not_delivered_is_an_error(formed: Callable[[Story], None], case: str) -> None:
    async def story(dongle: ZnpDongle, app: Any) -> None:
        node = await joined(dongle, app)
        assert node.nwk is not None
        target = node.nwk
        if case == "silent":
            node.powered = False
        elif case == "asleep":
            node.sleepy = True
        elif case == "line lost":
            node.link.loss = 1.0
        else:
            target = 0x4444
        with pytest.raises(DeliveryError):
            await app.send_packet(packet(target, b"hello"))
        assert not dongle.dropped_children

    formed(story)


def test_loss_is_made_good_by_retries(formed: Callable[[Story], None]) -> None:
    async def story(dongle: ZnpDongle, app: Any) -> None:
        node = await joined(dongle, app)
        assert node.nwk is not None
        node.link.loss = 0.15
        delivered = 0
        for tsn in range(40):
            try:
                await app.send_packet(packet(node.nwk, bytes([tsn]), tsn=tsn))
                delivered += 1
            except DeliveryError:
                continue
        assert delivered >= 38
        assert len(node.heard) >= delivered

    formed(story)


def test_an_unplugged_dongle_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        dongle = make_dongle()
        plug_into(monkeypatch, dongle)
        dongle.power_on()
        app = await start_zigpy(form=True)
        lost: list[Any] = []

        class Listener:
            def connection_lost(self, error: Any) -> None:
                lost.append(error)

        app.add_listener(Listener())
        dongle.power_off()
        await asyncio.sleep(1)
        assert lost
        await app.shutdown()
        dongle.power_on()
        app = await start_zigpy()
        assert app.state.network_info.channel == 20
        await app.shutdown()
        dongle.power_off()

    virtual.run(main())


def test_energy_scan_and_change_of_channel(formed: Callable[[Story], None]) -> None:
    async def story(dongle: ZnpDongle, app: Any) -> None:
        energies = await app.energy_scan(channels=zt.Channels.ALL_CHANNELS, duration_exp=2, count=1)
        assert sorted(energies) == list(range(11, 27))
        await app.move_network_to_channel(25)
        assert dongle.stack.network is not None
        assert dongle.stack.network.channel == 25

    formed(story)
