"""Handle ZDO frames of a simulated device: answer as every stack does, and take expected answers."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hanctl.base.eui64 import Eui64, from_bytes
from hanctl.simulator import zdo
from hanctl.simulator.device.spec import DeviceSpec
from hanctl.simulator.network.medium import ApsFrame


def described(spec: DeviceSpec, nwk: int | None, endpoints: Mapping[int, zdo.Endpoint]) -> zdo.NodeDescription:
    """Return the node description of the device."""
    return zdo.NodeDescription(
        spec.eui64,
        nwk or 0,
        logical_type=2 if spec.sleepy else 1,
        mac_capability=zdo.MAC_SLEEPY if spec.sleepy else zdo.MAC_MAINS_ROUTER,
        manufacturer_code=spec.manufacturer_code,
        endpoints=tuple(endpoints[number] for number in sorted(endpoints)),
    )


@dataclass(slots=True)
class ZdoAnswers:
    """The device's ZDO. ``found`` is called with each server found: the answer's sequence number, address and endpoint;
    ``address`` with each node's address and EUI64; ``leave`` when the device was told to leave: whether to rejoin."""

    describe: Callable[[], zdo.NodeDescription]
    send: Callable[[int, int, bytes], None]
    found: Callable[[int, int, int], None]
    address: Callable[[int, Eui64], None]
    leave: Callable[[bool], None]

    def receive(self, frame: ApsFrame) -> None:
        """Handle a frame for endpoint 0."""
        payload = frame.payload
        if frame.cluster == zdo.MATCH_DESC_REQ | zdo.RESPONSE:
            if len(payload) >= 6 and payload[1] == zdo.SUCCESS and payload[4] > 0:
                self.found(payload[0], struct.unpack_from("<H", payload, 2)[0], payload[5])
        elif frame.cluster == zdo.IEEE_ADDR_REQ | zdo.RESPONSE:
            if len(payload) >= 12 and payload[1] == zdo.SUCCESS:
                self.address(struct.unpack_from("<H", payload, 10)[0], from_bytes(payload[2:10]))
        elif frame.cluster == zdo.MGMT_LEAVE_REQ:
            status, rejoin = zdo.leave_request(self.describe().eui64, payload)
            self.send(frame.source, frame.cluster | zdo.RESPONSE, payload[:1] + bytes([status]))
            if status == zdo.SUCCESS:
                self.leave(rejoin)
        elif not frame.cluster & zdo.RESPONSE and frame.cluster != zdo.DEVICE_ANNCE:
            answer = zdo.answer(self.describe(), frame.cluster, payload, broadcast=frame.broadcast)
            if answer is not None:
                self.send(frame.source, *answer)
