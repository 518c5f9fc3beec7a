"""Changes that the hub makes to zigpy's applications, the same for bellows and zigpy-znp.

zigpy keeps what it is good at (the serial protocols, forming and resuming a network) and loses what it would get wrong
for Smart Energy: no device objects, no interviews, no answers to other nodes, no joining with a well-known key, no
backups restored by themselves. Source: zigpy.md §1–§5 and §10.
"""

from __future__ import annotations

import secrets
from typing import Any, Protocol, cast

import zigpy.application
import zigpy.backups
import zigpy.state
import zigpy.types as t
import zigpy.zdo.types as zdo_t

from hanctl.base.eui64 import Eui64, from_bytes
from hanctl.radio.errors import BlankDongle, ForeignNetwork, KeyTableFull, OtherNetwork, UnexpectedDongle
from hanctl.radio.frames import IncomingFrame, OutgoingFrame
from hanctl.radio.sending.sender import Confirmed
from hanctl.radio.settings import DongleSettings

z: Any = t
"""zigpy's types as constructors: half of them carry no annotations."""

SAFE_TX_POWER_DBM = 8

LAST_RANDOM_PAN_ID = 0xFFF0
"""Above it PAN ids are reserved, or too easily taken for reserved ones."""


GIVE_NETWORK = "give it their network: hanctl backup restore"


class Sink(Protocol):
    """Interface to which the application passes what it receives."""

    def frame_received(self, frame: IncomingFrame) -> None: ...

    def node_joined(self, ieee: t.EUI64, nwk: int) -> None: ...

    def node_left(self, ieee: t.EUI64, nwk: int) -> None: ...

    def node_denied(self, ieee: t.EUI64, how: str) -> None: ...

    def address_conflict(self, nwk: int) -> None:
        """Take note that two nodes were heard with this network address."""

    def partner_key_asked(self, ieee: t.EUI64, given: bool, detail: str) -> None:
        """Take note that a device asked for a link key with another; the dongle's firmware answered it by itself."""

    def line_lost(self, reason: str) -> None:
        """Take note that the serial line or the dongle's stack is gone; may be called more than once."""


class Deaf:
    """Sink that ignores everything, for a dongle that is only read or written."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


def base_config(settings: DongleSettings) -> dict[str, Any]:
    """Return the configuration common to both radio libraries: no database, no internet, no background work."""
    return {
        "device": {
            "path": settings.path,
            "baudrate": settings.baudrate,
            "flow_control": None if settings.flow_control == "none" else settings.flow_control,
        },
        "database_path": None,
        "ota": {"enabled": False},
        "backup_enabled": False,
        "topology_scan_enabled": False,
        # The hub asks for itself whether the dongle answers: heartbeat.py.
        "watchdog_enabled": False,
    }


class HubApplication(zigpy.application.ControllerApplication):
    """The mixin: comes before a radio library's ControllerApplication in the bases of a class."""

    def __init__(self, config: dict[str, Any], *, sink: Sink, settings: DongleSettings) -> None:
        super().__init__(config)
        self._sink = sink
        self._channel = settings.channel
        self._expected = settings.eui64
        self._network = settings.network
        self._endpoints = settings.endpoints
        self.formed = False
        self.line_is_gone = False

    # --- starting

    async def register_endpoints(self) -> None:
        """Register the hub's own endpoints in place of zigpy's."""
        for record in self._endpoints:
            await self.add_endpoint(
                zdo_t.SimpleDescriptor(
                    endpoint=record.endpoint,
                    profile=record.profile,
                    device_type=record.device_id,
                    device_version=0,
                    input_clusters=list(record.input_clusters),
                    output_clusters=list(record.output_clusters),
                )
            )

    async def form_network(self, *, fast: bool = False) -> None:
        """Form a network on the configured channel with a random identity and key.

        Raises ForeignNetwork, and BlankDongle if the hub's devices belong to a network already.

        zigpy calls this if loading the network failed, which alone does not prove that there is none.
        """
        await self.ensure_blank()
        self._check_address(await self.own_address())
        if self._network is not None:
            raise BlankDongle(
                f"the dongle holds no network, but this hub's devices belong to the network {self._network}",
                f"{GIVE_NETWORK}, or begin anew with another state directory ([hub] state_dir)",
            )
        await self.write_network_info(
            network_info=zigpy.state.NetworkInfo(
                extended_pan_id=z.ExtendedPanId(secrets.token_bytes(8)),
                pan_id=z.PanId(1 + secrets.randbelow(LAST_RANDOM_PAN_ID)),
                nwk_update_id=z.uint8_t(0),
                nwk_manager_id=z.NWK(0),
                channel=z.uint8_t(self._channel),
                channel_mask=z.Channels.from_channel_list([self._channel]),
                security_level=z.uint8_t(5),
                tx_power=SAFE_TX_POWER_DBM,
                network_key=zigpy.state.Key(key=z.KeyData(secrets.token_bytes(16))),
                tc_link_key=zigpy.state.Key(
                    # The only value bellows takes; it makes the dongle hash a random one and never gives it out.
                    key=z.KeyData(b"ZigBeeAlliance09"),
                    partner_ieee=z.EUI64.UNKNOWN,
                ),
            ),
            node_info=zigpy.state.NodeInfo(
                nwk=z.NWK(0), ieee=z.EUI64.UNKNOWN, logical_type=zdo_t.LogicalType.Coordinator
            ),
        )
        await self.load_network_info(load_devices=False)
        self.formed = True

    async def start_network(self) -> None:
        """Start the network, unless the dongle is a router or end device of another network."""
        if self.state.node_info.logical_type != zdo_t.LogicalType.Coordinator:
            raise foreign_network(f"as a {self.state.node_info.logical_type.name}")
        self._check_address(self.state.node_info.ieee)
        self._check_network(self.state.network_info.extended_pan_id)
        await super().start_network()  # type: ignore[no-untyped-call,safe-super]

    def _check_address(self, own: t.EUI64) -> None:
        address: Eui64 = from_bytes(own.serialize())
        if self._expected not in (None, address):
            raise UnexpectedDongle(
                f"the dongle is {address}, but the hub's certificate is that of {self._expected}",
                "devices refuse a certificate that does not name the dongle: use the dongle it was made for, "
                f"or a certificate for {address} ([trust] certificate)",
            )

    def _check_network(self, extended_pan_id: t.EUI64) -> None:
        found: Eui64 = from_bytes(extended_pan_id.serialize())
        if self._network not in (None, found):
            raise OtherNetwork(
                f"the dongle holds the network {found}, but this hub's devices belong to {self._network}",
                f"plug in the dongle that they know; or, if this one is to take its place, {GIVE_NETWORK}",
            )

    async def permit(self, time_s: int = 60, node: t.EUI64 | str | None = None) -> None:
        """Close the network: zigpy calls this once at start; it is never used to open it."""
        await self.close_network()

    # --- what other nodes send

    def packet_received(self, packet: t.ZigbeePacket) -> None:
        """Pass frames of other nodes to the hub; zigpy sees only the coordinator's own."""
        assert packet.src is not None
        assert packet.dst is not None
        source = int(cast(int, packet.src.address))
        if source == self.state.node_info.nwk:
            super().packet_received(packet)
            return
        self._sink.frame_received(
            IncomingFrame(
                source_nwk=source,
                source_endpoint=int(packet.src_ep or 0),
                destination_endpoint=int(packet.dst_ep or 0),
                profile=self.profile_of(packet),
                cluster=int(packet.cluster_id),
                payload=packet.data.serialize(),
                aps_counter=int(packet.tsn),
                aps_encrypted=t.TransmitOptions.APS_Encryption in packet.tx_options,
                broadcast=packet.dst.addr_mode is not t.AddrMode.NWK,
                lqi=None if packet.lqi is None else int(packet.lqi),
                rssi=None if packet.rssi is None else int(packet.rssi),
            )
        )

    def profile_of(self, packet: t.ZigbeePacket) -> int:
        """Return the profile of a received packet."""
        return int(packet.profile_id)

    def handle_join(self, nwk: t.NWK, ieee: t.EUI64, parent_nwk: t.NWK | None, *, handle_rejoin: bool = True) -> None:
        """Take a join reported by the trust centre."""
        self._sink.node_joined(t.EUI64(ieee), int(nwk))

    def handle_leave(self, nwk: t.NWK, ieee: t.EUI64) -> None:
        """Take a leave reported by the trust centre."""
        self._sink.node_left(t.EUI64(ieee), int(nwk))

    def handle_relays(self, nwk: t.NWK, relays: list[t.NWK]) -> None:
        """Ignore source routes, which the stack handles."""

    def gp_packet_received(self, packet: t.ZigbeeGpPacket) -> None:
        """Ignore Green Power, which a Smart Energy HAN does not use."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Take the loss of the serial line, or a reset of the dongle."""
        self.line_is_gone = True
        self._sink.line_lost("the serial line was closed" if exc is None else f"{type(exc).__name__}: {exc}")

    # --- what each radio does in its own way

    async def alive(self) -> None:
        """Make the dongle answer a cheap request. Raises what the library raises if it is silent."""
        raise NotImplementedError

    async def ensure_blank(self) -> None:
        """Raise ForeignNetwork if the dongle holds a network after all."""
        raise NotImplementedError

    async def open_network(self, ieee: t.EUI64, link_key: bytes, seconds: int) -> None:
        """Let this device join with this key, through the hub itself."""
        raise NotImplementedError

    async def close_network(self) -> None:
        """Let nobody join. Harmless if nobody may already."""
        raise NotImplementedError

    async def own_address(self) -> t.EUI64:
        """Return the dongle's EUI64, even if it runs no network."""
        raise NotImplementedError

    async def address_is_rewritable(self) -> bool:
        """Tell whether its EUI64 can be written repeatedly; else only once, or never."""
        raise NotImplementedError

    async def key_capacity(self) -> int:
        """Return how many link keys its table holds."""
        raise NotImplementedError

    async def install_link_key(self, ieee: t.EUI64, nwk: int, key: bytes) -> None:
        """Put the device's link key in the table, in place of its last. Raises KeyTableFull, DeliveryFailed."""
        raise NotImplementedError

    async def remove_link_key(self, ieee: t.EUI64) -> None:
        """Remove the device's link key from the table, if there is one."""
        raise NotImplementedError

    async def address_of(self, ieee: t.EUI64) -> int | None:
        """Return the dongle's address of the device; None if it has none."""
        raise NotImplementedError

    async def repair_address(self, ieee: t.EUI64, nwk: int) -> None:
        """Set the dongle's address of the device again."""
        raise NotImplementedError

    async def key_counter(self, ieee: t.EUI64) -> int | None:
        """Return the counter of the last frame under the device's link key; None if the dongle does not tell."""
        raise NotImplementedError

    MOST_ON_THE_WAY = 16
    """As many unicasts are in the dongle at most, however many it takes."""

    def takes(self, frame: OutgoingFrame) -> bool:
        """Tell whether this unicast can go by ``transmit``; others go by ``send_packet``."""
        raise NotImplementedError

    async def transmit(self, frame: OutgoingFrame, number: int, confirmed: Confirmed) -> str | None:
        """Give the dongle a unicast; see ``Transmitter``."""
        raise NotImplementedError

    async def prepare_sleepy(self, nwk: int) -> None:
        """Tell the stack that this destination sleeps, if it needs that."""

    async def recover(self, nwk: int, status: str) -> bool:
        """Repair the route after a failed delivery. Returns True if sending again makes sense."""
        return False

    def firmware(self) -> str:
        """Return the dongle's firmware in words."""
        raise NotImplementedError

    async def ask_firmware(self) -> str:
        """Ask a connected dongle, whose network was not loaded, for its firmware in words."""
        raise NotImplementedError


def key_table_full() -> KeyTableFull:
    """Make the error for a link key that has no room."""
    return KeyTableFull("the dongle's table of link keys is full", "remove a device that is no longer needed")


def foreign_network(how: str) -> ForeignNetwork:
    """Make the error for a dongle in use elsewhere."""
    return ForeignNetwork(
        f"the dongle belongs to another network ({how}), and was left as it is",
        "use another dongle, or erase this one's network with its own tool first",
    )
