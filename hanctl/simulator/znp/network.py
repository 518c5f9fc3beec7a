"""Store the network in NVRAM, and rebuild the stack from it: the chip has no other store.

Link keys: a device's key that is derived from the trust centre's seed is kept as a number of shifts, one from an
install code in the table of provisional keys, one that the host imported in the APS key table.
"""

from __future__ import annotations

import logging
import random
from dataclasses import replace
from typing import Any

from zigpy_znp.types.nvids import ExNvIds, OsalNvIds

from hanctl.base.eui64 import Eui64, from_bytes, to_bytes
from hanctl.simulator.network.addresses import Child
from hanctl.simulator.network.stack import Stack
from hanctl.simulator.network.trust_centre import WELL_KNOWN_KEY, Network
from hanctl.simulator.znp import nvram as nv
from hanctl.simulator.znp.codec import c, pack, t, unpack
from hanctl.simulator.znp.nvram import Nvram

LOGGER = logging.getLogger(__name__)

# The counter in flash is always ahead of the one in use, so that a power cut never repeats one.
COUNTER_SAVED_EVERY = 1000
COUNTER_SKIPPED_AT_START = 1250

_ANY_EPID = b"\xff" * 8
_NO_ADDRESS = 0xFFFE
_DEFAULT_CHANNELS = 0x07FFF800


def stored_network(nvram: Nvram) -> Network | None:
    """Return the network that the chip is on, or None."""
    if nvram.item(OsalNvIds.BDBNODEISONANETWORK) != b"\x01":
        return None
    try:
        nib = unpack(t.NIB, nvram.item(OsalNvIds.NIB))
        key = unpack(t.NwkKeyDesc, nvram.item(OsalNvIds.NWK_ACTIVE_KEY_INFO))
    except ValueError:
        return None
    if not nib.nwkLogicalChannel or not nib.nwkKeyLoaded:
        return None
    epid = nib.extendedPANID.serialize()
    return Network(
        channel=int(nib.nwkLogicalChannel),
        pan_id=int(nib.nwkPanId),
        extended_pan_id=epid,
        key=key.Key.serialize(),
        key_sequence=int(key.KeySeqNum),
        frame_counter=stored_counter(nvram, epid),
        update_id=int(nib.nwkUpdateId),
    )


def new_network(nvram: Nvram, channels: int, rng: random.Random) -> Network:
    """Make a network to form from the items that the host wrote; what it left open is random."""
    pan_id = int.from_bytes(nvram.item(OsalNvIds.PANID), "little")
    epid = nvram.item(OsalNvIds.APS_USE_EXT_PANID)
    key = nvram.item(OsalNvIds.PRECFGKEY)
    mask = channels or int.from_bytes(nvram.item(OsalNvIds.CHANLIST), "little") or _DEFAULT_CHANNELS
    candidates = [n for n in range(11, 27) if mask >> n & 1] or [11]
    return Network(
        channel=rng.choice(candidates),
        pan_id=pan_id if pan_id < _NO_ADDRESS else rng.randrange(1, 0xFFFE),
        extended_pan_id=epid if any(epid) else nvram.item(OsalNvIds.EXTADDR),
        key=key if any(key) else rng.randbytes(16),
    )


def store_new(nvram: Nvram, network: Network, channels: int) -> None:
    """Store a network that was formed."""
    key = t.NwkKeyDesc(KeySeqNum=network.key_sequence, Key=t.KeyData(network.key))
    nvram.put_item(OsalNvIds.NWK_ACTIVE_KEY_INFO, pack(key))
    nvram.put_item(OsalNvIds.NWK_ALTERN_KEY_INFO, pack(key))
    nvram.put_item(OsalNvIds.NWKKEY, pack(t.NwkActiveKeyItems(Active=key, FrameCounter=0)))
    nvram.put_item(OsalNvIds.NIB, pack(_nib(nvram, network, channels)))
    nvram.put_item(OsalNvIds.BDBNODEISONANETWORK, b"\x01")
    # The counter of a network id outlives the network: forming it again must not repeat counters.
    network.frame_counter = stored_counter(nvram, network.extended_pan_id)


def store_channel(nvram: Nvram, network: Network) -> None:
    """Store the channel after a change."""
    nib = unpack(t.NIB, nvram.item(OsalNvIds.NIB))
    nib = nib.replace(
        nwkLogicalChannel=network.channel, channelList=1 << network.channel, nwkUpdateId=network.update_id
    )
    nvram.put_item(OsalNvIds.NIB, pack(nib))


def stored_counter(nvram: Nvram, extended_pan_id: bytes) -> int:
    """Return the frame counter saved for a network, else the global one, else 0."""
    materials = [unpack(t.NwkSecMaterialDesc, e) for e in nvram.entries(ExNvIds.NWK_SEC_MATERIAL_TABLE)]
    for wanted in (extended_pan_id, _ANY_EPID):
        for material in materials:
            if material.ExtendedPanID.serialize() == wanted:
                return int(material.FrameCounter)
    return 0


def store_counter(nvram: Nvram, network: Network) -> None:
    """Save the frame counter in the network's entry, a free one, or else the oldest."""
    entries = nvram.entries(ExNvIds.NWK_SEC_MATERIAL_TABLE)
    owners = [entry[4:12] for entry in entries]
    for wanted in (network.extended_pan_id, bytes(8)):
        if wanted in owners:
            index = owners.index(wanted)
            break
    else:
        index = 0
    epid, _ = t.EUI64.deserialize(network.extended_pan_id)
    material = t.NwkSecMaterialDesc(FrameCounter=network.frame_counter, ExtendedPanID=epid)
    nvram.put(nv.table(ExNvIds.NWK_SEC_MATERIAL_TABLE, index), pack(material))


# --- devices and link keys


def load_devices(nvram: Nvram, stack: Stack) -> None:
    """Rebuild the stack's children, its map and its link key table, and the counters of the keys as last saved."""
    stack.children.clear()
    stack.addresses.clear()
    stack.key_table.clear()
    addresses = [unpack(t.AddrMgrEntry, e) for e in nvram.entries(ExNvIds.ADDRMGR)]
    sleepy = _sleepy_devices(nvram)
    trust_centre = _trust_centre_keys(nvram)
    counters = _trust_centre_counters(nvram)
    for entry in addresses:
        raw = entry.extAddr.serialize()
        if raw in (nv.NO_EUI64, bytes(8)) or entry.nwkAddr >= 0xFFF8:
            continue
        eui64 = from_bytes(raw)
        key = trust_centre.get(eui64, WELL_KNOWN_KEY)
        stack.children[eui64] = Child(eui64, int(entry.nwkAddr), int(entry.nwkAddr) in sleepy, key)
    keys = [unpack(t.APSKeyDataTableEntry, e) for e in nvram.entries(ExNvIds.APS_KEY_DATA_TABLE)]
    for link in _links(nvram):
        if link.AuthenticationState == t.AuthenticationOption.NotAuthenticated:
            continue
        if link.AddressManagerIndex < len(addresses) and link.LinkKeyNvId < len(keys):
            eui64 = from_bytes(addresses[link.AddressManagerIndex].extAddr.serialize())
            stack.key_table[eui64] = keys[link.LinkKeyNvId].Key.serialize()
            stack.addresses.know(eui64)
            counters[eui64] = int(keys[link.LinkKeyNvId].RxFrameCounter)
    stack.counters.boot(counters)


def store_devices(nvram: Nvram, stack: Stack) -> None:
    """Store the stack's children and its link key table."""
    seed = nvram.item(OsalNvIds.TCLK_SEED)
    addresses: list[bytes] = []
    devices: list[bytes] = []
    tc_keys: list[bytes] = []
    ic_keys: list[bytes] = []
    aps_keys: list[bytes] = []
    links: list[Any] = []
    for eui64 in [*stack.children, *(e for e in stack.key_table if e not in stack.children)]:
        child = _where_it_is(stack, eui64)
        counter = stack.counters.saved.get(eui64, 0)
        ext, _ = t.EUI64.deserialize(to_bytes(eui64))
        kind = t.AddrMgrUserType.Default
        if child is not None:
            kind |= t.AddrMgrUserType.Assoc
            devices.append(pack(association(child, len(addresses))))
            tc_keys.append(_tc_key_entry(ext, eui64, child.link_key, seed, ic_keys, counter))
        if eui64 in stack.key_table:
            kind |= t.AddrMgrUserType.Security
            links.append(
                t.APSLinkKeyTableEntry(
                    AddressManagerIndex=len(addresses),
                    LinkKeyNvId=len(aps_keys),
                    AuthenticationState=t.AuthenticationOption.AuthenticatedCBCK,
                )
            )
            key = t.KeyData(stack.key_table[eui64])
            aps_keys.append(pack(t.APSKeyDataTableEntry(Key=key, TxFrameCounter=0, RxFrameCounter=counter)))
        address = child.nwk if child is not None else _NO_ADDRESS
        addresses.append(pack(t.AddrMgrEntry(type=kind, nwkAddr=address, extAddr=ext)))
    lost = nvram.put_entries(ExNvIds.ADDRMGR, addresses, nv.EMPTY_ADDRESS)
    lost += nvram.put_entries(ExNvIds.DEVICE_LIST, devices, nv.EMPTY_DEVICE)
    lost += nvram.put_entries(ExNvIds.TCLK_TABLE, tc_keys, nv.EMPTY_TC_KEY)
    lost += nvram.put_entries(ExNvIds.TCLK_IC_TABLE, ic_keys, nv.EMPTY_IC_KEY)
    lost += nvram.put_entries(ExNvIds.APS_KEY_DATA_TABLE, aps_keys, nv.EMPTY_APS_KEY)
    nvram.put_item(OsalNvIds.APS_LINK_KEY_TABLE, nv.link_key_table(links, stack.key_table_size))
    if lost:
        LOGGER.warning("NVRAM tables are full: %d entries will not survive a reset", lost)


def _where_it_is(stack: Stack, eui64: Eui64) -> Child | None:
    """Return the device's record with the address that the address manager has."""
    child, nwk = stack.children.get(eui64), stack.addresses.nwk_of(eui64)
    return child if child is None or nwk is None else replace(child, nwk=nwk)


def association(child: Child | None, index: int) -> Any:
    """Build the firmware's record of a child; an empty one if ``child`` is None."""
    relation = c.util.NodeRelation
    kind = relation.NOTUSED
    if child is not None:
        kind = relation.CHILD_RFD if child.sleepy else relation.CHILD_FFD_RX_IDLE
    return t.AssociatedDeviceZStack3(
        shortAddr=child.nwk if child else _NO_ADDRESS,
        addrIdx=index,
        nodeRelation=kind,
        devStatus=0x01 if child else 0,
        assocCnt=0,
        age=0,
        linkInfo=t.LinkInfo(txCounter=0, txCost=0, rxLqi=220, inKeySeqNum=0, inFrmCntr=0, txFailure=0),
        endDev=t.AgingEndDevice(endDevCfg=0, deviceTimeout=0),
        timeoutCounter=0,
        keepaliveRcv=False,
        ctrl=0,
    )


def hashed_key(eui64: Eui64, seed: bytes, shift: int) -> bytes:
    """Compute a unique trust centre link key: the seed rotated by ``shift`` bytes, exclusive-or the EUI64 twice."""
    rotated = seed[shift:] + seed[:shift]
    return bytes(a ^ b for a, b in zip(rotated, 2 * to_bytes(eui64), strict=True))


def _tc_key_entry(ext: Any, eui64: Eui64, key: bytes, seed: bytes, ic_keys: list[bytes], counter: int) -> bytes:
    shifts = [s for s in range(16) if hashed_key(eui64, seed, s) == key]
    if key == WELL_KNOWN_KEY:
        attributes, index = t.KeyAttributes.DEFAULT_KEY, 0
    elif shifts:
        attributes, index = t.KeyAttributes.VERIFIED_KEY, shifts[0]
    else:
        attributes, index = t.KeyAttributes.PROVISIONAL_KEY, len(ic_keys)
        ic_keys.append(key)
    entry = t.TCLKDevEntry(
        txFrmCntr=0,
        rxFrmCntr=counter,
        extAddr=ext,
        keyAttributes=attributes,
        keyType=t.KeyType.NONE,
        SeedShift_IcIndex=index,
    )
    return pack(entry)


def _trust_centre_keys(nvram: Nvram) -> dict[Eui64, bytes]:
    seed = nvram.item(OsalNvIds.TCLK_SEED)
    provisional = nvram.entries(ExNvIds.TCLK_IC_TABLE)
    keys: dict[Eui64, bytes] = {}
    for raw in nvram.entries(ExNvIds.TCLK_TABLE):
        entry = unpack(t.TCLKDevEntry, raw)
        if entry.extAddr.serialize() == bytes(8):
            continue
        eui64 = from_bytes(entry.extAddr.serialize())
        index = int(entry.SeedShift_IcIndex)
        if entry.keyAttributes == t.KeyAttributes.DEFAULT_KEY:
            keys[eui64] = WELL_KNOWN_KEY
        elif entry.keyAttributes == t.KeyAttributes.PROVISIONAL_KEY and index < len(provisional):
            keys[eui64] = provisional[index]
        else:
            keys[eui64] = hashed_key(eui64, seed, index % 16)
    return keys


def _trust_centre_counters(nvram: Nvram) -> dict[Eui64, int]:
    entries = [unpack(t.TCLKDevEntry, raw) for raw in nvram.entries(ExNvIds.TCLK_TABLE)]
    return {from_bytes(e.extAddr.serialize()): int(e.rxFrmCntr) for e in entries if any(e.extAddr.serialize())}


def _sleepy_devices(nvram: Nvram) -> set[int]:
    records = [unpack(t.AssociatedDeviceZStack3, e) for e in nvram.entries(ExNvIds.DEVICE_LIST)]
    return {int(r.shortAddr) for r in records if r.nodeRelation == c.util.NodeRelation.CHILD_RFD}


def _links(nvram: Nvram) -> list[Any]:
    """Return the used entries of the APS link key table."""
    try:
        return list(unpack(t.APSLinkKeyTable, nvram.item(OsalNvIds.APS_LINK_KEY_TABLE)))
    except ValueError:
        return []


def _nib(nvram: Nvram, network: Network, channels: int) -> Any:
    own, _ = t.EUI64.deserialize(nvram.item(OsalNvIds.EXTADDR))
    epid, _ = t.EUI64.deserialize(network.extended_pan_id)
    spare = t.NwkKeyDesc(KeySeqNum=0, Key=t.KeyData(bytes(16)))
    return t.NIB(
        SequenceNum=0,
        PassiveAckTimeout=5,
        MaxBroadcastRetries=2,
        MaxChildren=50,
        MaxDepth=20,
        MaxRouters=50,
        dummyNeighborTable=0,
        BroadcastDeliveryTime=30,
        ReportConstantCost=0,
        RouteDiscRetries=0,
        dummyRoutingTable=0,
        SecureAllFrames=1,
        SecurityLevel=5,
        SymLink=1,
        CapabilityFlags=0x8F,
        TransactionPersistenceTime=7,
        nwkProtocolVersion=2,
        RouteDiscoveryTime=5,
        RouteExpiryTime=30,
        nwkDevAddress=0,
        nwkLogicalChannel=network.channel,
        nwkCoordAddress=0,
        nwkCoordExtAddress=own,
        nwkPanId=network.pan_id,
        nwkState=t.NwkState.NWK_ROUTER,
        channelList=channels or 1 << network.channel,
        beaconOrder=15,
        superFrameOrder=15,
        scanDuration=0,
        battLifeExt=0,
        allocatedRouterAddresses=1,
        allocatedEndDeviceAddresses=1,
        nodeDepth=0,
        extendedPANID=epid,
        nwkKeyLoaded=True,
        spare1=spare,
        spare2=spare,
        spare3=0,
        spare4=0,
        nwkLinkStatusPeriod=60,
        nwkRouterAgeLimit=3,
        nwkUseMultiCast=False,
        nwkIsConcentrator=True,
        nwkConcentratorDiscoveryTime=120,
        nwkConcentratorRadius=10,
        nwkAllFresh=1,
        nwkManagerAddr=0,
        nwkTotalTransmissions=0,
        nwkUpdateId=network.update_id,
    )
