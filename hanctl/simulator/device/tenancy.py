"""A simulated device's clients of Device Management and Messaging at work: their timer, and their frames."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from hanctl.simulator import zcl, zdo
from hanctl.simulator.device.ota.runner import FrameSender
from hanctl.simulator.device.spec import DEVICE_MANAGEMENT, EVENTS, TIME
from hanctl.simulator.device.tenancy_client import TenancyClient, Unsolicited
from hanctl.simulator.device.timers import Timers
from hanctl.simulator.network.medium import COORDINATOR
from hanctl.simulator.zcl import ZclFrame


class TenancyRunner:
    """Runner of the client's outputs, for a device with a Device Management client; for others it does nothing."""

    def __init__(
        self, client: TenancyClient, endpoints: Iterable[zdo.Endpoint], timers: Timers, sender: FrameSender
    ) -> None:
        self.client = client
        self._endpoint = next((each for each in endpoints if DEVICE_MANAGEMENT in each.output_clusters), None)
        self._timers = timers
        self._sender = sender

    def start(self) -> None:
        """Start the client, as the device is on the network and may speak Smart Energy."""
        if self._endpoint is not None:
            self._do(self.client.started(self._now()))

    def stop(self) -> None:
        """Stop the client, as the device may no longer speak Smart Energy, or has no power."""
        self._timers.cancel("tenancy")
        self.client.stopped()

    def receive(self, cluster: int, command: ZclFrame, endpoint: int) -> int:
        """Handle a command from the hub's ``endpoint``; return the status of the answer. The client speaks after it."""
        answer = self.client.receive(cluster, command.command, command.payload, endpoint, self._now())
        asyncio.get_running_loop().call_soon(self._do, answer.says)
        return answer.status

    def response(self, cluster: int, frame: ZclFrame) -> None:
        """Handle a response to what the client asked: the time, or that there is no change."""
        if cluster == TIME and frame.command == zcl.READ_ATTRIBUTES_RESPONSE:
            self.client.time_read(frame.payload, self._now())
        elif cluster == DEVICE_MANAGEMENT and frame.command == zcl.DEFAULT_RESPONSE and len(frame.payload) >= 2:
            self.client.refused(*frame.payload[:2])
        self._do(())

    def _timer(self) -> None:
        self._do(self.client.timer(self._now()))

    def _do(self, says: Iterable[Unsolicited]) -> None:
        for said in says:
            self._say(said)
        if self.client.deadline is None or self._endpoint is None:
            self._timers.cancel("tenancy")
        else:
            self._timers.set("tenancy", self.client.deadline - self._now(), self._timer)

    def _say(self, said: Unsolicited) -> None:
        endpoint = self._endpoint
        if endpoint is None or (said.cluster == EVENTS and EVENTS not in endpoint.input_clusters):
            return
        frame = ZclFrame(
            self._sender.next_tsn(),
            said.command,
            said.payload,
            cluster_specific=said.cluster_specific,
            to_client=said.to_client,
            no_default_response=said.cluster == EVENTS,
        )
        self._sender.send_zcl(COORDINATOR, said.cluster, (endpoint.endpoint, said.endpoint), frame)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
