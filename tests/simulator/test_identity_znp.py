"""What a Z-Stack host sees of who speaks: the address manager, counters of keys, and the well-known key."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest
from test_znp_commands import joined, on_network
from znp_bench import DEVICE, MtHost, TinyNode, c, make_dongle, plug_into, start_zigpy, t

from hanctl.base import virtual
from hanctl.base.eui64 import Eui64, to_bytes
from hanctl.simulator import zdo
from hanctl.simulator.dongle import Flash
from hanctl.simulator.network.key_counters import SAVED_EVERY
from hanctl.simulator.network.medium import BROADCAST_RX_ON, ApsFrame
from hanctl.simulator.network.stack import Stack
from hanctl.simulator.network.trust_centre import WELL_KNOWN_KEY
from hanctl.simulator.quirks import Quirks
from hanctl.simulator.znp import ZnpDongle

OTHER = Eui64("70:b3:d5:00:00:00:00:22")
STRANGER = Eui64("70:b3:d5:00:00:00:00:66")
FRESH, NOWHERE = 0x7777, 0xFFFE
KEY = bytes(range(50, 66))


def eui(eui64: Eui64) -> Any:
    return t.EUI64.deserialize(to_bytes(eui64))[0]


async def two(dongle: ZnpDongle, host: MtHost) -> tuple[TinyNode, TinyNode]:
    """Devices on the network, each with a link key that the host wrote."""
    nodes = (await joined(dongle, host), await joined(dongle, host, eui64=OTHER))
    for node in nodes:
        key = t.KeyData(to_bytes(node.eui64) * 2)
        answer = host.ask(c.ZDO.SetLinkKey.Req(NWK=node.nwk, IEEE=eui(node.eui64), LinkKeyData=key))
        assert answer.Status == t.Status.SUCCESS
    return nodes


def say(stack: Stack, node: TinyNode, **fields: Any) -> None:
    basis: dict[str, Any] = {"source": node.nwk, "link_key": stack.link_key(node.eui64)} | fields
    frame = ApsFrame(basis.pop("source"), 0, 0x0109, 0x0019, 1, 1, 1, b"said", encrypted=True, **basis)
    stack.medium.to_coordinator(node, frame, lambda _: None)


def announce(stack: Stack, node: TinyNode, eui64: Eui64, nwk: int) -> None:
    payload = zdo.device_annce(1, eui64, nwk, 0x8E)
    frame = ApsFrame(node.nwk or 0, BROADCAST_RX_ON, 0, zdo.DEVICE_ANNCE, 0, 0, 1, payload)
    stack.medium.to_coordinator(node, frame, lambda _: None)


def answer(stack: Stack, node: TinyNode, eui64: Eui64, nwk: int) -> None:
    payload = b"\x01\x00" + to_bytes(eui64) + nwk.to_bytes(2, "little")
    frame = ApsFrame(node.nwk or 0, 0, 0, zdo.IEEE_ADDR_REQ | zdo.RESPONSE, 0, 0, 1, payload)
    stack.medium.to_coordinator(node, frame, lambda _: None)


def counter(host: MtHost, eui64: Eui64) -> tuple[Any, int]:
    told = host.ask(c.UTIL.APSMELinkKeyDataGet.Req(IEEE=eui(eui64)))
    return told.Status, int(told.RxFrmCntr)


def looked_up(host: MtHost, eui64: Eui64) -> int:
    return int(host.ask(c.UTIL.AddrMgrExtAddrLookup.Req(IEEE=eui(eui64))).NWK)


def send_to(host: MtHost, eui64: Eui64, payload: bytes) -> Any:
    """By its long address, encrypted."""
    return host.ask(
        c.AF.DataRequestExt.Req(
            DstAddrModeAddress=t.AddrModeAddress(mode=t.AddrMode.IEEE, address=eui(eui64)),
            DstEndpoint=1,
            DstPanId=0,
            SrcEndpoint=1,
            ClusterId=0x0019,
            TSN=7,
            Options=c.af.TransmitOptions.ACK_REQUEST | c.af.TransmitOptions.ENABLE_SECURITY,
            Radius=30,
            Data=t.LongBytes(payload),
        )
    ).Status


def test_the_counter_of_each_key_rises_with_its_frames() -> None:
    async def story(dongle: ZnpDongle, host: MtHost) -> None:
        one, other = await two(dongle, host)
        assert counter(host, DEVICE) == counter(host, OTHER) == (t.Status.SUCCESS, 0)
        for _ in range(3):
            say(dongle.stack, one)
        await asyncio.sleep(1)
        assert (counter(host, DEVICE)[1], counter(host, OTHER)[1]) == (3, 0)
        assert counter(host, STRANGER) == (t.Status.FAILURE, 0)
        say(dongle.stack, other, security_counter=2)
        say(dongle.stack, other, security_counter=2)
        await asyncio.sleep(1)
        assert counter(host, OTHER)[1] == 2
        assert len(host.seen(c.AF.IncomingMsg.Callback)) == 4
        # Writing a key, be it the same again, begins anew.
        host.ask(c.ZDO.SetLinkKey.Req(NWK=one.nwk, IEEE=eui(DEVICE), LinkKeyData=t.KeyData(to_bytes(DEVICE) * 2)))
        assert counter(host, DEVICE)[1] == 0

    on_network(story)


@pytest.mark.parametrize("told", ["zero", "unsupported"])
def test_a_build_may_tell_no_counters(told: Any) -> None:
    async def story(dongle: ZnpDongle, host: MtHost) -> None:
        dongle.stack.quirks = Quirks(counters=told)
        one, _ = await two(dongle, host)
        say(dongle.stack, one)
        await asyncio.sleep(1)
        if told == "zero":
            assert counter(host, DEVICE) == (t.Status.SUCCESS, 0)
        else:
            host.send(c.UTIL.APSMELinkKeyDataGet.Req(IEEE=eui(DEVICE)))
            assert (host.frames[-1].cmd0, host.frames[-1].data[:1]) == (0x60, b"\x02")
        assert not dongle.faults

    on_network(story)


def test_a_reset_takes_the_counters_back_to_what_was_saved(tmp_path: Path) -> None:
    async def main() -> None:
        dongle = make_dongle(Flash(tmp_path / "dongle.json"))
        dongle.power_on()
        host = MtHost(dongle)
        await asyncio.sleep(1)
        await host.form()
        one, other = await two(dongle, host)
        for number in (10, SAVED_EVERY + 5, SAVED_EVERY + 50):
            say(dongle.stack, one, security_counter=number)
        say(dongle.stack, other, security_counter=SAVED_EVERY - 1)
        await asyncio.sleep(1)
        assert (counter(host, DEVICE)[1], counter(host, OTHER)[1]) == (SAVED_EVERY + 50, SAVED_EVERY - 1)
        await host.reset()
        await host.start()
        assert (counter(host, DEVICE)[1], counter(host, OTHER)[1]) == (SAVED_EVERY + 5, 0)

    virtual.run(main())


def test_claims_move_the_address_manager_and_an_answer_from_the_old_address_repairs_it() -> None:
    async def story(dongle: ZnpDongle, host: MtHost) -> None:
        stack = dongle.stack
        one, other = await two(dongle, host)
        at = one.nwk or 0
        announce(stack, other, DEVICE, other.nwk or 0)
        await asyncio.sleep(1)
        assert (looked_up(host, DEVICE), looked_up(host, OTHER)) == (at, other.nwk)
        announce(stack, other, DEVICE, FRESH)
        await asyncio.sleep(1)
        assert looked_up(host, DEVICE) == FRESH
        assert not any(host.ask(c.UTIL.AddrMgwNwkAddrLookUp.Req(NWK=at)).IEEE.serialize())
        assert send_to(host, DEVICE, b"lost") == t.Status.SUCCESS
        say(stack, one, extended_nonce=False)
        await asyncio.sleep(1)
        assert not host.seen(c.AF.IncomingMsg.Callback)
        # The host asks who is at the old address, and the device's answer teaches the dongle.
        request = c.ZDO.IEEEAddrReq.Req(NWK=at, RequestType=c.zdo.AddrRequestType.SINGLE, StartIndex=0)
        assert host.ask(request).Status == t.Status.SUCCESS
        await asyncio.sleep(1)
        assert [f.cluster for f in one.heard if not f.profile][-1] == zdo.IEEE_ADDR_REQ
        answer(stack, one, DEVICE, at)
        await asyncio.sleep(1)
        assert looked_up(host, DEVICE) == at
        assert send_to(host, DEVICE, b"found") == t.Status.SUCCESS
        await asyncio.sleep(1)
        assert [(f.payload, f.link_key) for f in one.heard if f.profile] == [(b"found", to_bytes(DEVICE) * 2)]
        answer(stack, other, DEVICE, other.nwk or 0)
        await asyncio.sleep(1)
        assert (looked_up(host, DEVICE), looked_up(host, OTHER)) == (other.nwk, NOWHERE)
        assert send_to(host, OTHER, b"nowhere") == t.Status.NWK_UNKNOWN_DEVICE

    on_network(story)


def test_the_host_can_write_an_association_with_its_address() -> None:
    async def story(dongle: ZnpDongle, host: MtHost) -> None:
        one, other = await two(dongle, host)
        announce(dongle.stack, other, DEVICE, FRESH)
        await asyncio.sleep(1)
        relation = c.util.NodeRelation.CHILD_FFD_RX_IDLE
        host.ask(c.UTIL.AssocAdd.Req(NWK=one.nwk, IEEE=eui(DEVICE), NodeRelation=relation))
        assert looked_up(host, DEVICE) == one.nwk

    on_network(story)


@pytest.mark.parametrize("build_does", [True, False])
def test_while_no_key_exchange_is_required_strangers_are_read_under_the_well_known_key(build_does: bool) -> None:
    async def story(dongle: ZnpDongle, host: MtHost) -> None:
        stack = dongle.stack
        one, _ = await two(dongle, host)
        stack.quirks = Quirks(well_known_for_strangers=build_does)
        stranger = TinyNode(STRANGER, nwk=0x6666)
        stack.medium.attach(stranger)

        async def heard(required: bool) -> list[tuple[int, bool]]:
            host.ask(c.AppConfig.BDBSetTcRequireKeyExchange.Req(BdbTrustCenterRequireKeyExchange=t.Bool(required)))
            before = len(host.seen(c.AF.IncomingMsg.Callback))
            say(stack, stranger, source=one.nwk, link_key=WELL_KNOWN_KEY, extended_nonce=True)
            await asyncio.sleep(10)
            return [(int(x.SrcAddr), bool(x.SecurityUse)) for x in host.seen(c.AF.IncomingMsg.Callback)[before:]]

        assert await heard(False) == ([(one.nwk, True)] if build_does else [])
        assert await heard(True) == []

    on_network(story)


def test_zigpy_znp_reads_the_counters_and_the_map(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        dongle = make_dongle()
        plug_into(monkeypatch, dongle)
        dongle.power_on()
        app = await start_zigpy(form=True)
        await app.permit(60)
        node = TinyNode()
        assert node.join(dongle.stack)
        assert dongle.stack.import_link_key(DEVICE, KEY)
        say(dongle.stack, node, security_counter=41)
        await asyncio.sleep(1)
        znp = app._znp
        told = await znp.request(c.UTIL.APSMELinkKeyDataGet.Req(IEEE=eui(DEVICE)), RspStatus=t.Status.SUCCESS)
        assert (told.SecKey.serialize(), told.RxFrmCntr) == (KEY, 41)
        where = await znp.request(c.UTIL.AddrMgrExtAddrLookup.Req(IEEE=eui(DEVICE)))
        assert node.nwk == where.NWK
        # One that left is nowhere.
        dongle.stack.medium.leave(node)
        assert (await znp.request(c.UTIL.AddrMgrExtAddrLookup.Req(IEEE=eui(DEVICE)))).NWK == NOWHERE
        await app.shutdown()

    virtual.run(main())


def test_random_claims_never_put_two_nodes_at_one_address() -> None:
    async def story(dongle: ZnpDongle, host: MtHost) -> None:
        stack, rng = dongle.stack, random.Random(3)
        nodes = await two(dongle, host)
        places = [0x0000, 0xFFFD, FRESH, *(n.nwk or 0 for n in nodes)]
        for _ in range(300):
            stack.addresses.ember = rng.random() < 0.5
            claim = rng.choice((announce, answer))
            claim(stack, rng.choice(nodes), rng.choice((DEVICE, OTHER, STRANGER)), rng.choice(places))
            await asyncio.sleep(0.1)
            known = [nwk for e in (DEVICE, OTHER, STRANGER) if (nwk := stack.nwk_of(e)) is not None]
            assert len(set(known)) == len(known)
            assert all(0 < nwk < 0xFFF8 for nwk in known)

    on_network(story)
