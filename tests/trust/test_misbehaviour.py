"""Each thing a device can do wrong ends in the right Terminate or in its removal, in time, and told; others are served.

The displays here take their own steps (hanctl/simulator/cbke*.py), so that a mistake of the hub's engine has no twin
at the other end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from dongle_lab import Kind, Lab, address, identity, play
from trust_bench import ISSUED_AT, issued, stranger_authority

from hanctl.simulator.device.spec import DeviceSpec

UNKNOWN_ISSUER, BAD_KEY_CONFIRM, BAD_MESSAGE, NO_RESOURCES, UNSUPPORTED_SUITE, INVALID_CERTIFICATE = range(1, 7)
TIMEOUT_S = 240
BAD = 2
"""The number of the device that misbehaves; 1 is as it should be."""

Outcome = Literal["left", "evicted", "keyed"]


def altered(at: int, value: int) -> dict[str, str]:
    """The device's own identity with one byte of its certificate changed."""
    own = identity(issued(address(BAD)))
    certificate = bytearray.fromhex(own["certificate"])
    certificate[at] = value
    return own | {"certificate": certificate.hex()}


def off_the_curve() -> dict[str, str]:
    """The device's own identity with a certificate whose point is none."""
    own = identity(issued(address(BAD)))
    return own | {"certificate": own["certificate"][: 2 * 37] + "02" + "00" * 35 + "06"}


@dataclass(frozen=True)
class Case:
    """What the device does, the Terminates it gets, how the hub's event puts it, and what becomes of it."""

    name: str
    trust: Mapping[str, Any]
    terminate: int | None
    said: str
    outcome: Outcome
    status: str | None = None
    """The status in the event."""
    more: Mapping[str, Any] = field(default_factory=dict)


def stranger(same_name: bool) -> dict[str, str]:
    return identity(stranger_authority(same_name).issue(address(BAD), valid_from=ISSUED_AT))


CASES = [
    Case("another root", stranger(False), UNKNOWN_ISSUER, "issued by", "left", "UNKNOWN_ISSUER"),
    Case("another root of the same name", stranger(True), BAD_KEY_CONFIRM, "code is wrong", "left", "BAD_KEY_CONFIRM"),
    Case(
        "another's certificate",
        identity(issued(address(77))),
        BAD_MESSAGE,
        "that of another device",
        "left",
        "BAD_MESSAGE",
    ),
    Case(
        "a certificate for signing",
        altered(36, 0x80),
        INVALID_CERTIFICATE,
        "key usage 80",
        "left",
        "INVALID_CERTIFICATE",
    ),
    Case(
        "no point in the certificate",
        off_the_curve(),
        INVALID_CERTIFICATE,
        "no proper point",
        "left",
        "INVALID_CERTIFICATE",
    ),
    Case("an altered certificate", altered(5, 0x55), BAD_KEY_CONFIRM, "code is wrong", "left", "BAD_KEY_CONFIRM"),
    Case("a wrong code", {"fault": "bad-confirm"}, BAD_KEY_CONFIRM, "code is wrong", "left", "BAD_KEY_CONFIRM"),
    Case("off the curve", {"fault": "off-curve"}, BAD_MESSAGE, "not on sect283k1", "left", "BAD_MESSAGE"),
    Case("of low order", {"fault": "low-order"}, BAD_MESSAGE, "subgroup", "left", "BAD_MESSAGE"),
    Case("out of order", {"fault": "out-of-order"}, BAD_MESSAGE, "CONFIRM came out of order", "left", "BAD_MESSAGE"),
    Case("no such suite", {"fault": "wrong-suite"}, UNSUPPORTED_SUITE, "0x0004", "left", "UNSUPPORTED_SUITE"),
    Case("its own Terminate", {"fault": "terminate"}, None, "the partner ended it", "evicted", "NO_RESOURCES"),
    Case("silence from the start", {"silent_after": "join"}, None, "never asked", "evicted"),
    Case("silence after Initiate", {"silent_after": "initiate"}, None, "fell silent", "evicted"),
    Case("silence after Ephemeral Data", {"silent_after": "ephemeral"}, None, "fell silent", "evicted"),
    Case("silence after Confirm Key", {"silent_after": "confirm"}, None, "nothing was heard under it", "evicted"),
    Case("everything twice", {"fault": "duplicate"}, None, "", "keyed"),
    Case("all of it once more", {"fault": "replay"}, BAD_KEY_CONFIRM, "code is wrong", "keyed", "BAD_KEY_CONFIRM"),
]
RADIOS: list[tuple[Kind, int | None]] = [("ezsp", 18), ("znp", None)]
IN_TURN = [
    pytest.param(case, radio, id=f"{case.name}-{radio[0]}", marks=[pytest.mark.slow] if number % 2 != turn else [])
    for number, case in enumerate(CASES)
    for turn, radio in enumerate(RADIOS)
]
"""Each case on both radios, the radios by turns fast and slow: the fault is the device's."""


@pytest.mark.parametrize(("case", "radio"), IN_TURN)
def test_it_ends_as_it_should(case: Case, radio: tuple[Kind, int | None], tmp_path: Path) -> None:
    patient = {"attempts": 99} if case.outcome == "evicted" else {}
    different = {BAD: {"trust": dict(case.trust) | patient}}

    async def scene(lab: Lab) -> None:
        hub = await lab.start()
        await lab.join(hub)
        await asyncio.sleep(20)
        assert await lab.is_served(hub, 1), "the other device is served meanwhile"
        await asyncio.sleep(TIMEOUT_S + 30)
        assert await lab.is_served(hub, 1)

        bad, device = lab.device(BAD), hub.ledger.devices.get(address(BAD))
        assert device is not None
        statuses = set(bad.registration.heard.terminates)
        assert statuses == ({case.terminate} if case.terminate is not None else set())
        failures = lab.events(hub, "key.failed", BAD)
        evictions = lab.events(hub, "device.evicted", BAD)
        told = [*(event.reason for event in failures), *(event.reason for event in evictions)]
        assert any(case.said in reason for reason in told) or (case.said == "" and told == [])
        if case.status is not None:
            assert {event.status for event in failures} == {case.status}
        assert bool(evictions) == (case.outcome == "evicted")
        if case.outcome == "keyed":
            assert lab.installed == lab.agreed and len(lab.agreed) == 2
            assert await lab.is_served(hub, BAD)
        else:
            assert bad.nwk is None and device.keyed_at is None
            assert device.state == ("left" if case.outcome == "left" else "removed")
            assert address(BAD) not in lab.installed and address(BAD) not in lab.agreed

    play(scene, tmp_path, radio, 2, different, {"cbke_timeout_s": TIMEOUT_S})


@pytest.mark.parametrize("radio", RADIOS, ids=["ezsp", "znp"])
def test_smart_energy_in_clear_is_refused_and_told(radio: tuple[Kind, int | None], tmp_path: Path) -> None:
    different = {BAD: {"aps_encryption": False, "timings": {"start_delay_s": [1.0, 1.0]}}}

    async def scene(lab: Lab) -> None:
        hub = await lab.start()
        await lab.join(hub)
        await asyncio.sleep(60)
        refused = lab.events(hub, "request.refused", BAD)
        assert [(event.cluster, event.reason) for event in refused] == [(0x0019, "not encrypted")]
        assert lab.device(BAD).client.counts.queries == 1
        assert await lab.is_served(hub, 1)

    play(scene, tmp_path, radio, 2, different, {"cbke_timeout_s": TIMEOUT_S})


def test_a_device_without_its_key_serves_and_asks_nothing_of_smart_energy(tmp_path: Path) -> None:
    different = {1: {"trust": {"silent_after": "join"}, "timings": {"start_delay_s": [1.0, 1.0]}}}

    async def scene(lab: Lab) -> None:
        hub = await lab.start()
        await lab.join(hub)
        await asyncio.sleep(60)
        assert lab.device(1).client.counts.queries == 0
        assert lab.events(hub, "request.refused") == []

    play(scene, tmp_path, RADIOS[0], 1, different, {"cbke_timeout_s": TIMEOUT_S})


def test_a_certificate_is_refused_in_the_devices_file_where_its_keys_are_of_another_suite() -> None:
    own = identity(issued(address(1)))
    with pytest.raises(ValueError, match="not of suite 2"):
        DeviceSpec.model_validate(
            {"name": "d", "eui64": address(1), "type": "ppmid", "trust": own | {"private_key": "00" * 21}}
        )
