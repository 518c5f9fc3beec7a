"""A simulated Smart Energy device: power, radio, and the frames it answers; its OTA client runs on its timers."""

from __future__ import annotations

import asyncio
import struct
from functools import partial
from pathlib import Path

from hanctl.base.eui64 import Eui64
from hanctl.simulator import zdo
from hanctl.simulator.device.display import Display
from hanctl.simulator.device.event import Listener, SimulatedDeviceEvent
from hanctl.simulator.device.keys.cbke import CLUSTER as KEY_ESTABLISHMENT
from hanctl.simulator.device.keys.registration import Registration
from hanctl.simulator.device.membership import Joiner
from hanctl.simulator.device.ota.client import OtaClient
from hanctl.simulator.device.ota.runner import OtaRunner
from hanctl.simulator.device.ota.types import OtaCounts, OtaIdentity, OtaState
from hanctl.simulator.device.spec import OTA, DeviceSpec, PowerCut
from hanctl.simulator.device.storage import DeviceStorage, Phase
from hanctl.simulator.device.tenancy import TenancyRunner
from hanctl.simulator.device.tenancy_client import TenancyClient
from hanctl.simulator.device.timers import Timers
from hanctl.simulator.device.zcl import ZclAnswers
from hanctl.simulator.device.zdo import ZdoAnswers, described
from hanctl.simulator.network.fragmentation import fragmenter_of
from hanctl.simulator.network.medium import BROADCAST_RX_ON, COORDINATOR, ApsFrame, Done, Link, Medium
from hanctl.simulator.network.partner_keys import request_partner_key
from hanctl.simulator.network.stack import Stack
from hanctl.simulator.zcl import ZclFrame

ANY_ENDPOINT = 0xFF
BUSY_S = 3.0
"""How long a sleepy device polls fast after it sent or got something."""


def _ignore(_: bool) -> None:
    """Ignore the outcome: nobody waits for the delivery."""


class SimulatedDevice:
    """One device in range of the dongle. ``powered`` is False without mains or battery and while it boots."""

    def __init__(self, spec: DeviceSpec, medium: Medium, stack: Stack, directory: Path | None = None) -> None:
        self.spec = spec
        self.eui64 = spec.eui64
        self.nwk: int | None = None
        self.powered = False
        self.sleepy = spec.sleepy
        self.announces = spec.announces
        self.link = Link(spec.link.delay_s, spec.link.loss)
        self.medium = medium
        self.storage = DeviceStorage(spec.running_version, spec.eui64, directory)
        self.storage.write_error_at = spec.ota.write_error_at
        identity = OtaIdentity(spec.eui64, spec.manufacturer_code, spec.image_type, spec.hardware_version)
        self.client = OtaClient(identity, self.storage, medium.rng, spec.ota, spec.timings)
        self.endpoints = {e.endpoint: e for e in spec.endpoints}
        self._joining_key = spec.link_key
        self.listeners: list[Listener] = []
        self._ota_endpoint = next((e for e in self.endpoints.values() if OTA in e.output_clusters), None)
        self._timers = Timers()
        self.display = Display(spec.battery)
        self._ota = OtaRunner(
            spec, self.client, self._ota_endpoint, self._timers, self, self._reboot, self._tell_and_cut
        )
        self.registration = Registration(spec.trust, spec.trust.identity, self.storage, self._timers, medium.rng, self)
        self.tenancy = TenancyClient(spec.tenancy)
        self._tenancy = TenancyRunner(self.tenancy, spec.endpoints, self._timers, self)
        parts = (self.registration, self._tenancy)
        self._zcl = ZclAnswers(
            spec, self.client, self.display, self._ota_endpoint, self._answer, self._ota.drive, *parts
        )
        self._joiner = Joiner(
            self, spec, self.storage, stack, medium, self._timers, self._on_network, self._off_network
        )
        self._has_power = self._dead = False
        self._wake: asyncio.TimerHandle | None = None
        self._cuts = list(spec.power_cut)
        self._busy_until = 0.0
        self._zdo = ZdoAnswers(
            self._describe,
            self.send_zdo,
            self._server_found,
            lambda nwk, eui64: self._ota.drive(self.client.server_eui(nwk, eui64, self._now())),
            self._told_to_leave,
        )
        self._key_query: int | None = None
        self._tsn = self._counter = 0
        self._fragmenter = fragmenter_of(self, medium)
        medium.attach(self)

    # --- what a test or a person does with it

    @property
    def online(self) -> bool:
        """Whether it is on a network and its radio is on."""
        return self.powered and self.nwk is not None

    @property
    def running_version(self) -> int:
        return self.storage.running_version

    @property
    def link_key(self) -> bytes:
        """The key of its APS encryption with the trust centre, 16 bytes."""
        return self.storage.link_key or self._joining_key

    @property
    def ota_state(self) -> OtaState:
        return self.client.state

    @property
    def counts(self) -> OtaCounts:
        """What its OTA client has done since the simulation began."""
        return self.client.counts

    def flash_image(self) -> bytes:
        """Return the image slot: the whole file after a download, also once it runs."""
        return self.storage.slot()

    def power_on(self) -> None:
        """Give it power: it boots, and looks for its network."""
        if self._has_power or self._dead:
            return
        self._has_power = True
        self._tell("power", "powered on")
        self._boot(self.spec.start_delay_s)

    def power_off(self) -> None:
        """Take its power: all but its storage is gone, and it stays off."""
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        if not self._has_power:
            return
        self._has_power = False
        self._dead = self.spec.dies_of_power_cut
        self._stop_radio()
        self._tell("power", "power cut")

    def power_cycle(self, off_s: float) -> None:
        """Power off, and on again after ``off_s`` seconds."""
        self.power_off()
        self._wake = asyncio.get_running_loop().call_later(off_s, self.power_on)

    def leave(self, *, rejoin: bool = False, new_address: bool = False) -> None:
        """Leave the network, and forget it unless the device is to rejoin; do nothing while it is on none."""
        if self.online:
            self._joiner.leave(rejoin=rejoin, new_address=new_address)

    def move(self, nwk: int | None = None) -> None:
        """Take another short address, any where ``nwk`` is None, as after a conflict of addresses; and announce it."""
        if self.online:
            self._joiner.move(nwk)
            self._tell("network", f"moved to 0x{self.nwk or 0:04x}")
            self._timers.set("announce", self.spec.announce_delay_s, self._announce)

    def next_security_counter(self) -> int:
        """Return the next outgoing frame counter under its link keys."""
        return self.storage.next_frame_counter()

    def lose_network_key(self) -> None:
        """Forget the network's key, and look for the network with the own link key alone."""
        self._joiner.lose_network_key()

    def activate_out_of_band(self) -> None:
        """Activate the waiting image by other means than the server."""
        self._ota.drive(self.client.activate_out_of_band(self._now()))

    # --- power

    def _boot(self, delay_s: float) -> None:
        self._timers.set("boot", delay_s, self._booted)
        for number, cut in enumerate(self._cuts):
            if cut.after_s is not None:
                self._timers.set(f"cut {number}", cut.after_s, partial(self._cut, cut))

    def _booted(self) -> None:
        self.powered = True
        self.nwk = None
        if self.spec.sleepy:
            self._poll()
        self._joiner.search(0.0)

    def _stop_radio(self) -> None:
        self._stop_talking()
        self._timers.cancel_all()
        self._fragmenter.reset()
        # It keeps its address: to the coordinator it is a device that does not answer.
        self.powered = False

    def _cut(self, cut: PowerCut) -> None:
        """Cut the power as the spec asks; each cut happens once."""
        self._cuts.remove(cut)
        self.power_cycle(cut.off_s)

    def _reboot(self) -> None:
        """Activate the image in the slot: the boot loader runs it, rolls back or refuses, as the spec says."""
        if self.spec.ota.bootload_returns:
            self._ota.drive(self.client.bootload_returned(self._now()))
            return
        before = self.running_version
        self._stop_radio()
        self.storage.apply(runs=not self.spec.ota.roll_back)
        text = f"0x{self.running_version:08x} runs" + (
            " again: rolled back" if self.spec.ota.roll_back else f", before 0x{before:08x}"
        )
        self._tell("version", text)
        self._boot(self.spec.boot_time_s)

    # --- network

    def _on_network(self, how: str) -> None:
        self._tell("network", f"{how} as 0x{self.nwk or 0:04x}")
        self._busy()
        self._timers.set("announce", self.spec.announce_delay_s, self._announce)
        self.registration.begin()
        if self.registration.ready:
            self.registered()

    def _off_network(self, how: str) -> None:
        self._timers.cancel("announce")
        self._stop_talking()
        self._tell("network", how)

    def _stop_talking(self) -> None:
        for talker in (self.registration, self._ota, self._tenancy):
            talker.stop()

    def _announce(self) -> None:
        if self.nwk is not None and self.announces:
            payload = zdo.device_annce(self.next_tsn(), self.eui64, self.nwk, self._describe().mac_capability)
            self.send_zdo(BROADCAST_RX_ON, zdo.DEVICE_ANNCE, payload)

    # --- what registration asks for

    @property
    def trust_centre(self) -> Eui64:
        return self._joiner.stack.eui64

    def find_key_server(self) -> None:
        self._key_query = self.next_tsn()
        wanted = struct.pack("<HHBHB", COORDINATOR, self.spec.profile, 1, KEY_ESTABLISHMENT, 0)
        self.send_zdo(COORDINATOR, zdo.MATCH_DESC_REQ, bytes([self._key_query]) + wanted)

    def say_key_command(self, frame: ZclFrame, endpoint: int, done: Done) -> None:
        own = next((e.endpoint for e in self.endpoints.values() if KEY_ESTABLISHMENT in e.input_clusters), 1)
        payload = frame.encode()
        self._send(
            COORDINATOR, self.spec.profile, KEY_ESTABLISHMENT, own, endpoint, payload, encrypted=False, done=done
        )

    def registered(self) -> None:
        self._ota.start()
        self._tenancy.start()

    def ask_partner_key(self, partner: Eui64) -> None:
        if self.online and self._joiner.check():
            request_partner_key(self._joiner.stack, self, partner)

    def take_partner_key(self, partner: Eui64, key: bytes) -> None:
        if self.online:
            self.storage.set_partner_key(partner, key)
            self._tell("key", f"link key with {partner}")

    def give_up_network(self) -> None:
        self.leave()

    def tell_key(self, text: str) -> None:
        self._tell("key", text)

    def _describe(self) -> zdo.NodeDescription:
        return described(self.spec, self.nwk, self.endpoints)

    def _poll(self) -> None:
        """Poll the parent for frames: often while a sleepy device expects some, else rarely."""
        if self.online and self._joiner.check():
            self.medium.poll(self)
        busy = self._now() < self._busy_until or self.client.awaiting_answer
        interval = self.spec.busy_poll_interval_s if busy else self.spec.poll_interval_s
        self._timers.set("poll", min(interval, self.spec.poll_interval_s), self._poll)

    def _busy(self) -> None:
        self._busy_until = self._now() + BUSY_S
        if self.spec.sleepy and self.powered:
            self._timers.set("poll", min(self.spec.busy_poll_interval_s, self.spec.poll_interval_s), self._poll)

    # --- frames out

    def send_zdo(self, destination: int, cluster: int, payload: bytes) -> None:
        self._send(destination, 0, cluster, 0, 0, payload, encrypted=False)

    def send_zcl(self, destination: int, cluster: int, ends: tuple[int, int], frame: ZclFrame) -> None:
        encrypted = self.spec.encrypts
        self._send(destination, self.spec.profile, cluster, *ends, frame.encode(), encrypted=encrypted)

    def next_tsn(self) -> int:
        self._tsn = (self._tsn + 1) & 0xFF
        return self._tsn

    def _send(
        self,
        destination: int,
        profile: int,
        cluster: int,
        source_endpoint: int,
        destination_endpoint: int,
        payload: bytes,
        *,
        encrypted: bool,
        ack: bool = True,
        done: Done = _ignore,
    ) -> None:
        if not self.powered or self.nwk is None or not self._joiner.check():
            return
        self._busy()
        self._counter = (self._counter + 1) & 0xFF
        frame = ApsFrame(
            self.nwk,
            destination,
            profile,
            cluster,
            source_endpoint,
            destination_endpoint,
            self._counter,
            payload,
            ack_request=ack,
            encrypted=encrypted,
            link_key=self.link_key if encrypted else None,
            extended_nonce=False,
        )
        self._fragmenter.send(frame, done)

    def _answer(self, to: ApsFrame, answer: ZclFrame | None) -> None:
        """Answer a ZCL frame as it came: from the endpoint it was for, under the same security, acknowledged alike."""
        if answer is None or to.broadcast:
            return
        self._send(
            to.source,
            to.profile,
            to.cluster,
            to.destination_endpoint,
            to.source_endpoint,
            answer.encode(),
            encrypted=to.encrypted,
            ack=to.ack_request,
        )

    # --- frames in

    def takes(self, frame: ApsFrame) -> bool:
        """Tell whether the frame is of the device's network, and in clear or under its link key."""
        return self._joiner.parent_is_ours() and frame.readable(self.link_key)

    def receive(self, frame: ApsFrame) -> None:
        """Take a frame from the coordinator."""
        if not self.powered or self.nwk is None or not self._joiner.check():
            return
        self._busy()
        whole = self._fragmenter.receive(frame)
        if whole is None:
            return
        frame = whole
        if frame.destination_endpoint == 0 and frame.profile == 0:
            self._zdo.receive(frame)
            return
        for number, endpoint in self.endpoints.items():
            if frame.destination_endpoint in (number, ANY_ENDPOINT) and frame.profile in (endpoint.profile, 0xFFFF):
                self._zcl.receive(endpoint, frame)

    def _server_found(self, tsn: int, nwk: int, endpoint: int) -> None:
        if tsn == self._key_query:
            self._key_query = None
            self.registration.server_found(endpoint)
        else:
            self._ota.drive(self.client.server_found(nwk, endpoint, self._now()))

    def _told_to_leave(self, rejoin: bool) -> None:
        # The answer must be out before the radio leaves the network.
        self._timers.set("leave", 0.1 + 2 * self.link.delay_s, lambda: self.leave(rejoin=rejoin))

    # --- telling

    def _tell_and_cut(self, kind: str, text: str) -> None:
        """Tell of the OTA client, and cut the power where the spec asks for it at this point of a download."""
        self._tell(kind, text)
        if self.storage.phase in (Phase.PARTIAL, Phase.COMPLETE) and self.powered:
            due = next((c for c in self._cuts if c.offset is not None and self.storage.offset >= c.offset), None)
            if due is not None:
                self._cut(due)

    def _tell(self, kind: str, text: str) -> None:
        event = SimulatedDeviceEvent(self.spec.name, kind, text, self.storage.offset, self.storage.image_size)
        for listener in list(self.listeners):
            listener(event)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
