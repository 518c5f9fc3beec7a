"""What tshark makes of a capture: every frame well formed and, with the keys, all of it readable."""

from __future__ import annotations

import asyncio
import itertools
import random
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
from tshark_peer import Dissection, require_tshark

from hanctl.base import virtual
from hanctl.base.eui64 import Eui64, parse_eui64
from hanctl.han.security import RULES
from hanctl.hil.bench import Bench
from hanctl.hub.daemon import Daemon
from hanctl.images.build import Fields, build
from hanctl.simulator.air.medium import RealMedium
from hanctl.simulator.device.device import SimulatedDevice
from hanctl.simulator.device.spec import DeviceSpec
from hanctl.simulator.network.medium import ApsFrame, Medium
from hanctl.simulator.network.stack import Stack
from hanctl.simulator.network.trust_centre import Network
from hanctl.simulator.sniffer.capture import Capture
from hanctl.simulator.world import DONGLE_EUI64, Air
from hanctl.trust.authority import BenchAuthority
from hanctl.trust.credentials import Credentials, save_credentials

pytestmark = [pytest.mark.thirdparty, pytest.mark.timeout(180)]

DOCUMENT = Path(__file__).parents[2] / "docs" / "wireshark.md"
Radio = Literal["ezsp", "znp"]
CODE = "83FED3407A939723A5C639B26916D505C3B5"
CODES = {"display": CODE, "sleeper": "00112233445566778899AABBCCDDEEFF", "meter": "0011223344556677"}
DISPLAY, SLEEPER, METER = (parse_eui64(f"00:0d:6f:00:0b:00:00:0{n}") for n in (1, 2, 3))
OLD, NEW = 1, 2
IMAGE = build(random.Random(7).randbytes(1500), Fields(manufacturer_code=0x1234, image_type=1, file_version=NEW))

DATA, COMMAND, ACKNOWLEDGEMENT = 0, 1, 2
TRANSPORT_KEY, REQUEST_KEY = "0x05", "0x08"
LINK_KEY, NETWORK_KEY, KEY_TRANSPORT_KEY, KEY_LOAD_KEY = "0x00", "0x01", "0x02", "0x03"
SMART_ENERGY = "zbee_aps.profile == 0x0109 && zbee_aps.type == 0 && zbee_aps.delivery == 0"


def trust(credentials: Credentials, **more: Any) -> dict[str, Any]:
    """A device's certificate, as its specification has it."""
    suite = credentials.suite
    return more | {
        "certificate": credentials.certificate.raw.hex(),
        "private_key": credentials.private_key.to_bytes(suite.private_key_size, "big").hex(),
        "authority_key": suite.curve.compress(credentials.authority_key).hex(),
    }


def keys_beside(pcap: Path) -> dict[str, str]:
    """The name of each key, by its hex digits."""
    lines = [line.split('"') for line in pcap.with_name(pcap.name + ".keys").read_text().splitlines()]
    return {line[1].replace(":", ""): line[5] for line in lines}


def check(pcap: Path) -> Dissection:
    """What holds of every capture."""
    require_tshark()
    seen = Dissection(pcap)
    assert seen.count("wpan") > 100
    assert seen.told("_ws.malformed || _ws.expert || wpan.fcs_ok == 0 || frame.len > 127") == []
    assert seen.told("zbee_sec.encrypted_payload") == []

    # Smart Energy: under a link key, and called by its name.
    clusters = ", ".join(f"0x{cluster:04x}" for cluster in RULES)
    assert seen.told(f"{SMART_ENERGY} && zbee_aps.cluster in {{{clusters}}} && !(zbee_aps.security == 1)") == []
    names = seen.told(f"{SMART_ENERGY} && zbee_aps.cluster in {{{clusters}}}")
    assert names and all(name.startswith(("ZCL OTA: ", "ZCL: ")) and "Unknown" not in name for name in names)

    # The network key: under the key that each device's install code gives.
    transports = seen.rows(
        f"zbee_aps.cmd.id == {TRANSPORT_KEY} && zbee_aps.cmd.key_type == 1",
        "zbee_aps.security", "zbee.sec.key_id", "zbee_nwk.security", "zbee_aps.cmd.key",
    )  # fmt: skip
    table = keys_beside(pcap)
    assert transports and {row[:3] for row in transports} == {("1", KEY_TRANSPORT_KEY, "0")}
    assert {table[key] for *_, key in transports} == {"network key 0"}

    # No frame counter comes twice under a key: the network key is its sender's, a link key that of both ends.
    fields = ("zbee.sec.src64", "zbee_nwk.dst", "zbee.sec.key_id", "zbee.sec.counter")
    counters = [
        (senders.split(",")[0], "" if key == NETWORK_KEY else receiver, counter)
        for senders, receiver, keys, numbers in seen.rows("zbee.sec.counter", *fields)
        for key, counter in zip(keys.split(","), numbers.split(","), strict=True)
    ]
    assert len(counters) == len(set(counters)) > 100

    # Each key in the table serves.
    used = {key for (keys,) in seen.rows("zbee.sec.key", "zbee.sec.key") for key in keys.split(",")}
    assert used == {key for key, name in table.items() if " and " not in name}

    closed = Dissection(pcap, without_keys=True)
    assert closed.count("zbee_zcl || zbee_zdp || zbee_aps.cmd.key || zbee_nwk.cmd.id && zbee_nwk.security == 1") == 0
    assert closed.count("zbee_sec.encrypted_payload") == seen.count("zbee.sec.key")
    return seen


def check_key_establishment(seen: Dissection, devices: int) -> None:
    exchange = "zbee_aps.cluster == 0x0800 && zbee_aps.type == 0"
    assert seen.told(f"{exchange} && zbee_aps.security == 1") == []
    names = {name.split(",")[0] for name in seen.told(exchange)}
    steps = ("Initiate Key Establishment", "Ephemeral Data", "Confirm Key Data")
    assert {f"ZCL Key Establishment: {step} {kind}" for step in steps for kind in ("Request", "Response")} <= names
    # The longest message is one frame.
    lengths = [
        int(length) for (length,) in seen.rows(f"{exchange} && zbee_zcl.cmd.tsn && frame.len > 120", "frame.len")
    ]
    assert len(lengths) >= 2 * devices and set(lengths) == {126}


class Rig:
    """A hub with a certificate, and three devices that have one too."""

    def __init__(self, directory: Path, radio: Radio, air: Air = "ideal") -> None:
        authority = BenchAuthority.create()
        save_credentials(directory / "hub.json", authority.issue(DONGLE_EUI64[radio], valid_from=0))

        def spec(name: str, eui64: Eui64, kind: str, partners: list[Eui64], **more: Any) -> DeviceSpec:
            own = trust(authority.issue(eui64, valid_from=0), partners=partners)
            common = {"name": name, "eui64": eui64, "type": kind, "install_code": CODES[name], "trust": own}
            timings = {"start_delay_s": [1, 1]}
            return DeviceSpec.model_validate(common | {"running_version": OLD, "timings": timings} | more)

        self.bench = Bench(
            directory,
            [
                spec("display", DISPLAY, "ppmid", [METER]),
                spec("sleeper", SLEEPER, "ihd", [], sleepy=True, poll_interval_s=3.0, link={"loss": 0.05}),
                spec("meter", METER, "esme", []),
            ],
            radio=radio,
            sections={"trust": {"certificate": str(directory / "hub.json")}},
            air=air,
        )

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(3600):
            while not condition():
                await asyncio.sleep(1)

    async def play(self) -> None:
        """Everybody gets a key; two are updated; one loses power, and later the network key; two leave."""
        self.bench.world.plug()
        await self.play_on(await self.bench.start())

    async def play_on(self, hub: Daemon) -> None:
        """The same, with a hub that runs."""
        devices = self.bench.world.devices
        for device in devices:
            await hub.join(device.eui64, CODES[device.spec.name])
            device.power_on()
        await self.until(lambda: all(each.state == "interviewed" for each in hub.ledger.devices.all()))
        await self.until(lambda: bool(self.bench.world.device("meter").storage.partner_keys))
        image = hub.updates.add_image(IMAGE, name="new.ota")
        for eui64 in (DISPLAY, SLEEPER):
            hub.updates.start(eui64, image.file_sha256, activation="now")
        await self.until(lambda: all(device.running_version == NEW for device in devices[:2]))
        devices[0].power_cycle(5)
        await asyncio.sleep(30)
        devices[0].lose_network_key()
        await asyncio.sleep(30)
        await hub.remove(SLEEPER)
        devices[2].leave()
        await asyncio.sleep(30)


@pytest.fixture(scope="module", params=["ezsp", "znp"])
def han(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory: Path = tmp_path_factory.mktemp(request.param)

    async def main() -> None:
        rig = Rig(directory, request.param)
        rig.bench.capture(directory / "han.pcap")
        try:
            await rig.play()
        finally:
            await rig.bench.close()

    virtual.run(main())
    return directory / "han.pcap"


def test_a_han_is_readable_with_its_keys_and_only_then(han: Path) -> None:
    seen = check(han)
    check_key_establishment(seen, devices=3)
    told = " ".join(seen.told("wpan"))
    for expected in (
        "Beacon Request", "Association Request, FFD", "Association Request, RFD", "Association Response",
        "Data Request", "Device Announcement", "Rejoin Request", "Rejoin Response", "Leave", "Image Notify",
        "Upgrade End Response",
    ):  # fmt: skip
        assert expected in told
    # Who lost the network key asks in clear, and gets it under the key that it established.
    in_clear = seen.told("zbee_nwk.cmd.id && zbee_nwk.security == 0")
    assert [name.split(",")[0] for name in in_clear] == ["Rejoin Request", "Rejoin Response"]
    transports = seen.rows(f"zbee_aps.cmd.id == {TRANSPORT_KEY} && zbee_aps.cmd.key_type == 1", "zbee.sec.key")
    under = [keys_beside(han)[key] for (key,) in transports]
    assert len({key for (key,) in transports}) == 4 and under[3] == f"link key of {DISPLAY}"
    assert set(under[:3]) == {f"link key of {each}" for each in (DISPLAY, SLEEPER, METER)}


def test_devices_get_a_key_with_each_other(han: Path) -> None:
    seen = Dissection(han)
    what = ("zbee_aps.security", "zbee.sec.key_id", "zbee_aps.cmd.key_type", "zbee_aps.cmd.partner")
    requests = seen.rows(f"zbee_aps.cmd.id == {REQUEST_KEY}", *what)
    assert requests and {(row[0], row[1].split(",")[-1], *row[2:]) for row in requests} == {
        ("1", LINK_KEY, "0x02", METER)
    }
    given = seen.rows(f"zbee_aps.cmd.id == {TRANSPORT_KEY} && zbee_aps.cmd.key_type == 3", *what, "zbee_aps.cmd.key")
    assert {(row[0], row[1].split(",")[-1], row[3]) for row in given} == {
        ("1", KEY_LOAD_KEY, METER),
        ("1", KEY_LOAD_KEY, DISPLAY),
    }
    ((key,),) = {row[4:] for row in given}
    assert keys_beside(han)[key] == f"link key of {DISPLAY} and {METER}"


@pytest.mark.parametrize("radio", ["ezsp", "znp"])
def test_on_real_air_frames_have_their_times(radio: Radio, tmp_path: Path) -> None:
    require_tshark()

    async def main() -> None:
        rig = Rig(tmp_path, radio, air="real")
        rig.bench.capture(tmp_path / "han.pcap")
        try:
            await rig.play()
        finally:
            await rig.bench.close()

    virtual.run(main())
    seen = Dissection(tmp_path / "han.pcap")
    assert seen.told("_ws.malformed || _ws.expert || wpan.fcs_ok == 0 || frame.len > 127") == []
    assert seen.told("zbee_sec.encrypted_payload") == []
    check_key_establishment(seen, devices=3)
    # Every frame of the application is acknowledged 192 us after its last bit, or not at all.
    fields = ("frame.time_epoch", "frame.len", "wpan.frame_type", "wpan.seq_no", "wpan.ack_request", "zbee_aps.profile")
    rows = [
        (round(float(at) * 1e6), int(length), int(kind, 0), number, wanted in ("1", "True"), profile)
        for at, length, kind, number, wanted, profile in seen.rows("wpan", *fields)
    ]
    gaps = [
        (later[0] - earlier[0] - (6 + earlier[1]) * 32, later[3] == earlier[3])
        for earlier, later in itertools.pairwise(rows)
        if earlier[4] and earlier[5] and later[2] == 2
    ]
    assert len(gaps) > 100 and set(gaps) == {(192, True)}


@pytest.mark.parametrize("radio", ["ezsp", "znp"])
def test_the_demo_is_what_a_sniffer_would_see(radio: str, tmp_path: Path) -> None:
    require_tshark()
    pcap = tmp_path / "demo.pcap"
    subprocess.run(
        [sys.executable, "-m", "hanctl", "demo", "--radio", radio, "--pcap", pcap],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    seen = check(pcap)
    check_key_establishment(seen, devices=1)
    assert "ZCL OTA: Upgrade End Response" in " ".join(seen.told("zbee_zcl"))
    # What the document tells people to type.
    (command,) = [
        block for block in re.findall(r"```sh\n(.*?)```", DOCUMENT.read_text(), re.DOTALL) if "tshark" in block
    ]
    done = subprocess.run(["bash", "-ec", command], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert "ZCL Key Establishment: Confirm Key Data Response" in done.stdout
    assert "ZCL OTA: Image Block Request" in done.stdout


@pytest.mark.parametrize("kind", [Medium, RealMedium])
@pytest.mark.parametrize("encrypted", [False, True])
def test_long_messages_are_put_together_again(encrypted: bool, kind: type[Medium], tmp_path: Path) -> None:
    require_tshark()
    payload = b"\x11\x07\x02\x01\x00" + random.Random(5).randbytes(240)

    async def main() -> None:
        medium = kind(random.Random(1))
        stack = Stack(DONGLE_EUI64["znp"], medium)
        stack.power_on()
        stack.form(Network(15, 0x1234, bytes(range(8)), bytes(range(16))))
        stack.fragment(longest=1500)
        device = SimulatedDevice(
            DeviceSpec.model_validate({"name": "meter", "eui64": METER, "type": "esme", "install_code": CODE}),
            medium, stack,
        )  # fmt: skip
        capture = Capture(stack, tmp_path / "long.pcap", tmp_path / "long.pcap.keys", asyncio.get_running_loop().time)
        stack.permit(60)
        stack.add_transient_key(METER, device.link_key)
        device.power_on()
        await asyncio.sleep(10)
        down = ApsFrame(0, device.nwk or 0, 0x0109, 0x0704, 1, 9, 77, payload, encrypted=encrypted)
        assert stack.send(down, lambda _: None) is None
        device._send(0, 0x0109, 0x0704, 1, 9, payload, encrypted=encrypted)
        await asyncio.sleep(10)
        device.power_off()
        capture.close()

    virtual.run(main())
    seen = Dissection(tmp_path / "long.pcap")
    assert seen.told("_ws.malformed || _ws.expert || zbee_sec.encrypted_payload || frame.len > 127") == []
    whole = seen.rows("zbee_aps.reassembled.length", "zbee_nwk.src", "zbee_aps.reassembled.length", "_ws.col.Info")
    assert [(length, info.split(",")[0]) for _, length, info in whole] == [
        (str(len(payload)), "ZCL Tunneling: Transfer Data")
    ] * 2
    assert {source for source, *_ in whole} > {"0x0000"}
    fields = ("zbee_nwk.src", "zbee_nwk.dst", "zbee_aps.counter", "zbee_aps.type", "zbee_aps.security")
    blocks = seen.rows("zbee_aps.fragmentation", *fields, "zbee_aps.fragmentation", "zbee_aps.block")
    # The first has the total in place of its number. Each is acknowledged by its number, under the same security.
    sent = [(source, receiver, *rest) for source, receiver, counter, kind, *rest in blocks if kind == "0x00"]
    acknowledged = [(receiver, source, *rest) for source, receiver, counter, kind, *rest in blocks if kind == "0x02"]
    count = 4
    assert sorted(sent) == sorted(
        (source, receiver, str(int(encrypted)), "0x02" if number else "0x01", str(number or count))
        for source, receiver in {row[:2] for row in sent}
        for number in range(count)
    )
    assert sorted(acknowledged) == sorted((*row[:4], "0" if row[3] == "0x01" else row[4]) for row in sent)
