"""The daemon's parts are wired to each other: a frame on the radio reaches the order, and its answer the radio."""

from __future__ import annotations

import asyncio
import struct
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from hub_fakes import PPMID, FakeRadio, configure, running

from hanctl.images.build import Fields, build
from hanctl.model.records import Device, EndpointRecord
from hanctl.radio.frames import IncomingFrame, OutgoingFrame

NWK = 0x1234
OTA = 0x0019


def query(tsn: int) -> IncomingFrame:
    """Query Next Image Request from a device that runs version 1."""
    return IncomingFrame(
        source_nwk=NWK,
        source_endpoint=1,
        destination_endpoint=1,
        profile=0x0109,
        cluster=OTA,
        payload=struct.pack("<BBBBHHI", 0x01, tsn, 0x01, 0x00, 0x1234, 1, 1),
        aps_counter=tsn,
        aps_encrypted=True,
        broadcast=False,
    )


class Answering(FakeRadio):
    """A device that answers the hub's reads, id by id: it runs version 1, and has no other attribute."""

    async def send(self, frame: OutgoingFrame) -> None:
        await super().send(frame)
        control, tsn, command = frame.payload[:3]
        if (frame.destination_endpoint, control & 0x03, command) != (1, 0, 0):
            return
        told = b""
        for (attribute,) in struct.iter_unpack("<H", frame.payload[3:]):
            told += struct.pack("<HB", attribute, 0x86) if attribute != 2 else struct.pack("<HBBI", 2, 0, 0x23, 1)
        answer = replace(query(tsn), cluster=frame.cluster, payload=bytes((0x18 ^ (control & 0x08), tsn, 1)) + told)
        assert self.listener is not None
        asyncio.get_running_loop().call_soon(self.listener.frame_received, answer)


async def answer_to(radio: FakeRadio, tsn: int) -> OutgoingFrame:
    async with asyncio.timeout(5):
        while True:
            for frame in radio.sent:
                if frame.cluster == OTA and frame.payload[1:3] == bytes([tsn, 0x02]):
                    return frame
            await asyncio.sleep(0.005)


async def test_an_ordered_image_is_offered_to_the_device_that_asks(tmp_path: Path) -> None:
    radio = Answering()
    async with running(configure(tmp_path), radio) as daemon:
        endpoint = EndpointRecord(1, 0x0109, 0x0502, (0x0000,), (OTA,))
        daemon.ledger.devices.put(
            Device(
                PPMID,
                datetime(2026, 1, 1, tzinfo=UTC),
                device_type="ppmid",
                state="interviewed",
                nwk=NWK,
                endpoints=(endpoint,),
            )
        )
        assert radio.listener is not None
        radio.listener.frame_received(query(1))
        assert (await answer_to(radio, 1)).payload[3:] == b"\x98"

        data = build(b"new firmware" * 100, Fields(manufacturer_code=0x1234, image_type=1, file_version=2))
        image = daemon.updates.add_image(data, name="x.ota")
        daemon.updates.start(PPMID, image.file_sha256)
        radio.listener.frame_received(query(2))
        answer = await answer_to(radio, 2)
        assert answer.payload[3:] == struct.pack("<BHHII", 0, 0x1234, 1, 2, len(data))
        assert (answer.destination_nwk, answer.source_endpoint, answer.profile) == (NWK, 1, 0x0109)
        assert answer.aps_encrypted

        device = daemon.ledger.devices.get(PPMID)
        assert device is not None and device.current_version == 1 and device.last_seen is not None
