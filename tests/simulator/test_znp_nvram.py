"""NVRAM of the simulated Z-Stack dongle, as a host meets it, and across resets and power cuts."""

from __future__ import annotations

import asyncio
import json
import stat
from pathlib import Path
from typing import Any

from znp_bench import DEVICE, DONGLE, NETWORK_KEY, MtHost, TinyNode, c, make_dongle, t

from hanctl.base import virtual
from hanctl.base.eui64 import to_bytes
from hanctl.crypto.install_code import parse_install_code
from hanctl.simulator.dongle import Flash
from hanctl.simulator.network.trust_centre import WELL_KNOWN_KEY
from hanctl.simulator.znp import ZnpDongle
from hanctl.simulator.znp.network import hashed_key

CODE = parse_install_code("83FED3407A939723A5C639B26916D505C3B5")


def read(host: MtHost, item: int) -> bytes | None:
    answer = host.ask(c.SYS.OSALNVReadExt.Req(Id=item, Offset=0))
    return bytes(answer.Value) if answer.Status == t.Status.SUCCESS else None


def write(host: MtHost, item: int, value: bytes, offset: int = 0) -> Any:
    return host.ask(c.SYS.OSALNVWriteExt.Req(Id=item, Offset=offset, Value=t.LongBytes(value))).Status


def create(host: MtHost, item: int, value: bytes) -> Any:
    return host.ask(c.SYS.OSALNVItemInit.Req(Id=item, ItemLen=len(value), Value=t.ShortBytes(value))).Status


def delete(host: MtHost, item: int, length: int) -> Any:
    return host.ask(c.SYS.OSALNVDelete.Req(Id=item, ItemLen=length)).Status


async def booted(dongle: ZnpDongle) -> MtHost:
    dongle.power_on()
    host = MtHost(dongle)
    await asyncio.sleep(1)
    return host


def test_items_are_created_written_and_deleted() -> None:
    async def main() -> None:
        host = await booted(make_dongle())
        assert read(host, 0x5F) is None
        assert write(host, 0x5F, b"\x01") == t.Status.NV_OPER_FAILED
        assert create(host, 0x5F, b"\x01\x02\x03") == t.Status.NV_ITEM_UNINIT
        assert create(host, 0x5F, b"\x09\x09\x09") == t.Status.SUCCESS
        assert read(host, 0x5F) == b"\x01\x02\x03"
        assert write(host, 0x5F, b"\xaa\xbb", offset=1) == t.Status.SUCCESS
        assert read(host, 0x5F) == b"\x01\xaa\xbb"
        assert write(host, 0x5F, b"\xaa\xbb", offset=2) == t.Status.NV_BAD_ITEM_LEN
        assert delete(host, 0x5F, 2) == t.Status.NV_BAD_ITEM_LEN
        assert delete(host, 0x5F, 3) == t.Status.SUCCESS
        assert delete(host, 0x5F, 3) == t.Status.NV_ITEM_UNINIT

    virtual.run(main())


def test_no_host_writes_beyond_the_stacks_items() -> None:
    async def main() -> None:
        host = await booted(make_dongle())
        assert create(host, 0x0F00, b"\x55") == t.Status.INVALID_PARAMETER
        assert read(host, 0x0F00) is None

    virtual.run(main())


def test_the_firmware_makes_its_own_items_again() -> None:
    async def main() -> None:
        host = await booted(make_dongle())
        for item, length in ((0x01, 8), (0x4C, len(read(host, 0x4C) or b"")), (0x55, 1)):
            assert delete(host, item, length) == t.Status.SUCCESS
            assert read(host, item) is None
        await host.reset()
        assert read(host, 0x01) == to_bytes(DONGLE)
        assert read(host, 0x4C)
        assert read(host, 0x55) == b"\x00"

    virtual.run(main())


def test_startup_option_clears_network_and_settings_but_no_frame_counter() -> None:
    async def main() -> None:
        dongle = make_dongle()
        host = await booted(dongle)
        await host.form()
        assert read(host, 0x21) is not None
        assert write(host, 0x03, b"\x03") == t.Status.SUCCESS
        await host.reset()
        assert read(host, 0x21) is None
        assert read(host, 0x55) == b"\x00"
        assert read(host, 0x62) == bytes(16)
        assert read(host, 0x03) == b"\x00"
        material = host.ask(c.SYS.NVRead.Req(SysId=1, ItemId=7, SubId=0, Offset=4, Length=8))
        assert bytes(material.Value) == bytes.fromhex("8877665544332211")
        host.ask(c.AppConfig.BDBStartCommissioning.Req(Mode=c.app_config.BDBCommissioningMode.NONE))
        await asyncio.sleep(1)
        assert not dongle.stack.up

    virtual.run(main())


def test_table_entries_have_fixed_places() -> None:
    async def main() -> None:
        host = await booted(make_dongle(key_table_size=3))
        lengths = [host.ask(c.SYS.NVLength.Req(SysId=1, ItemId=6, SubId=index)).Length for index in range(4)]
        assert lengths == [24, 24, 24, 0]
        answer = host.ask(c.SYS.NVWrite.Req(SysId=1, ItemId=6, SubId=3, Offset=0, Value=t.ShortBytes(bytes(24))))
        assert answer.Status == t.Status.NV_OPER_FAILED

    virtual.run(main())


def test_a_power_cut_keeps_network_devices_and_keys(tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "dongle.json"
        dongle = make_dongle(Flash(path))
        host = await booted(dongle)
        await host.form()
        stack = dongle.stack
        plain, coded, imported = (TinyNode(f"70:b3:d5:00:00:00:00:0{n}") for n in (1, 2, 3))  # type: ignore[arg-type]
        coded.sleepy = True
        host.permit(60)
        await asyncio.sleep(1)
        stack.add_transient_key(coded.eui64, CODE.link_key)
        assert plain.join(stack)
        assert coded.join(stack, CODE.link_key)
        assert imported.join(stack)
        assert stack.import_link_key(imported.eui64, b"K" * 16)
        before = (dict(stack.children), dict(stack.key_table), stack.network)
        counter = stack.network.frame_counter if stack.network else 0
        dongle.power_off()

        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert json.loads(path.read_text())["radio"] == "znp"
        again = make_dongle(Flash(path), seed=2)
        host = await booted(again)
        assert not again.stack.up
        await host.start()
        after = again.stack
        assert (dict(after.children), dict(after.key_table)) == before[:2]
        assert after.children[coded.eui64].link_key == CODE.link_key
        assert after.children[coded.eui64].sleepy
        assert after.network is not None
        assert (after.network.key, after.network.pan_id, after.network.channel) == (NETWORK_KEY, 0x1234, 20)
        assert after.network.extended_pan_id == bytes.fromhex("8877665544332211")
        assert after.network.frame_counter > counter

    virtual.run(main())


def test_frame_counters_are_never_used_twice(tmp_path: Path) -> None:
    async def main() -> None:
        dongle = make_dongle(Flash(tmp_path / "dongle.json"))
        host = await booted(dongle)
        await host.form()
        host.permit(60)
        await asyncio.sleep(1)
        node = TinyNode()
        assert node.join(dongle.stack)
        assert node.nwk is not None
        highest = 0
        for _ in range(3):
            for number in range(1100):
                assert host.data(node.nwk, b"x", tsn=number & 0xFF) == t.Status.SUCCESS
                await asyncio.sleep(0.02)
            assert dongle.stack.network is not None
            assert dongle.stack.network.frame_counter > highest
            highest = dongle.stack.network.frame_counter
            dongle.power_off()
            host = await booted(dongle)
            await host.start()
            assert dongle.stack.network.frame_counter > highest
            host.register(1, 0x0109)

    virtual.run(main())


def test_a_key_that_a_host_restored_by_seed_is_found_again() -> None:
    async def main() -> None:
        dongle = make_dongle()
        host = await booted(dongle)
        await host.form()
        seed = read(host, 0x0101)
        assert seed is not None
        key = hashed_key(DEVICE, seed, 5)
        address = t.AddrMgrEntry(type=0x02, nwkAddr=0x4321, extAddr=t.EUI64.deserialize(to_bytes(DEVICE))[0])
        entry = t.TCLKDevEntry(
            txFrmCntr=1,
            rxFrmCntr=2,
            extAddr=address.extAddr,
            keyAttributes=t.KeyAttributes.VERIFIED_KEY,
            keyType=t.KeyType.NONE,
            SeedShift_IcIndex=5,
        )
        await host.reset()
        for item, value in ((1, address), (4, entry)):
            host.ask(
                c.SYS.NVWrite.Req(
                    SysId=1, ItemId=item, SubId=0, Offset=0, Value=t.ShortBytes(value.serialize(align=True))
                )
            )
        await host.reset()
        child = dongle.stack.children[DEVICE]
        assert (child.nwk, child.link_key) == (0x4321, key)
        assert child.link_key != WELL_KNOWN_KEY

    virtual.run(main())
