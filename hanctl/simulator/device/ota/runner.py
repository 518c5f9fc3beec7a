"""Run the OTA client of a simulated device: its timer, frames and events."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from typing import Protocol

from hanctl.simulator import zdo
from hanctl.simulator.device.ota.client import OtaClient
from hanctl.simulator.device.ota.types import Activate, AskServerEui, FindServer, OtaRequest, OtaState, Output
from hanctl.simulator.device.spec import OTA, DeviceSpec
from hanctl.simulator.device.timers import Timers
from hanctl.simulator.network.medium import BROADCAST_RX_ON
from hanctl.simulator.zcl import ZclFrame


class FrameSender(Protocol):
    """The part of a device by which its clients send frames."""

    def next_tsn(self) -> int: ...

    def send_zdo(self, destination: int, cluster: int, payload: bytes) -> None: ...

    def send_zcl(self, destination: int, cluster: int, ends: tuple[int, int], frame: ZclFrame) -> None:
        """Send a frame of the device's profile to a node, from and to these endpoints, under the device's security."""


class OtaRunner:
    """Runner of the OTA client's outputs. ``reboot`` activates the image; ``tell`` takes an event's kind and text."""

    def __init__(
        self,
        spec: DeviceSpec,
        client: OtaClient,
        endpoint: zdo.Endpoint | None,
        timers: Timers,
        sender: FrameSender,
        reboot: Callable[[], None],
        tell: Callable[[str, str], None],
    ) -> None:
        self._spec = spec
        self._client = client
        self._endpoint = endpoint
        self._timers = timers
        self._sender = sender
        self._reboot = reboot
        self._tell = tell
        self._told = (OtaState.OFF, client.storage.offset)

    def start(self) -> None:
        """Start the client, as the device is on the network and may speak Smart Energy."""
        if self._endpoint is not None:
            self.drive(self._client.start(self._now()))

    def stop(self) -> None:
        """Stop the client, as the device may no longer speak Smart Energy, or has no power."""
        self._timers.cancel("ota")
        self._client.stop()

    def drive(self, outputs: list[Output]) -> None:
        """Do what the client asked for, set its timer, and tell of what changed."""
        for output in outputs:
            self._do(output)
        if self._client.deadline is None:
            self._timers.cancel("ota")
        else:
            self._timers.set("ota", self._client.deadline - self._now(), self._timer)
        self._tell_progress()

    def _timer(self) -> None:
        self.drive(self._client.timer(self._now()))

    def _do(self, output: Output) -> None:
        endpoint, server = self._endpoint, self._client.server_nwk
        if endpoint is None:
            return
        if isinstance(output, FindServer):
            wanted = struct.pack("<HHBHB", BROADCAST_RX_ON, endpoint.profile, 1, OTA, 0)
            self._sender.send_zdo(BROADCAST_RX_ON, zdo.MATCH_DESC_REQ, bytes([self._sender.next_tsn()]) + wanted)
        elif isinstance(output, AskServerEui):
            wanted = struct.pack("<HBB", output.nwk, 0, 0)
            self._sender.send_zdo(output.nwk, zdo.IEEE_ADDR_REQ, bytes([self._sender.next_tsn()]) + wanted)
        elif isinstance(output, OtaRequest) and server is not None:
            request = ZclFrame(self._sender.next_tsn(), output.command, output.payload, cluster_specific=True)
            self._sender.send_zcl(server, OTA, (endpoint.endpoint, self._client.server_endpoint), request)
        elif isinstance(output, Activate):
            self._reboot()

    def _tell_progress(self) -> None:
        storage = self._client.storage
        told, self._told = self._told, (self._client.state, storage.offset)
        if self._client.state not in (told[0], OtaState.OFF):
            self._tell("ota", self._client.state.value)
        if told[1] != storage.offset and storage.offset:
            self._tell("block", f"{storage.offset} of {storage.image_size} bytes")

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
