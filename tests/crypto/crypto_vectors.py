"""The published vectors, as bytes and points."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hanctl.crypto.curve import Point
from hanctl.crypto.smac import Party
from hanctl.crypto.suites import SUITE_1, SUITE_2, SUITES, Suite

_DATA: dict[str, Any] = json.loads((Path(__file__).parents[1] / "data" / "cbke_vectors.json").read_text())


@dataclass(frozen=True)
class Handshake:
    """One published exchange. ``u`` initiates, ``v`` responds; everything in bytes."""

    suite: Suite
    values: dict[str, bytes]

    def __getitem__(self, name: str) -> bytes:
        return self.values[name]

    def scalar(self, name: str) -> int:
        return int.from_bytes(self.values[name], "big")

    def point(self, name: str) -> Point:
        return self.suite.curve.decompress(self.values[name])

    def identity(self, side: str) -> bytes:
        start = 22 if self.suite is SUITE_1 else 28
        return self[f"cert{side}"][start : start + 8]

    def reconstruction(self, side: str) -> Point:
        certificate = self[f"cert{side}"]
        return self.suite.curve.decompress(certificate[:22] if self.suite is SUITE_1 else certificate[37:])

    def party(self, side: str) -> Party:
        return Party(self.identity(side), self[f"Qe{side}"])


HANDSHAKES = tuple(
    Handshake(suite, {name: bytes.fromhex(value) for name, value in _DATA[key].items()})
    for suite, key in ((SUITE_1, "se1"), (SUITE_2, "se2"))
)

SELF_MADE = Handshake(
    SUITE_2,
    {
        "ca": bytes.fromhex("03024642d513f3e7b477d8956475fe7101c7ad22950c69804c9ebaa44cd5542c1bb18f2efc"),
        "certU": bytes.fromhex(
            "0000000000000000010d081112131415161718005292a300ffffffff00db12345678000108020023a532413832629389a67ee769bdd2eb"
            "650a521990f0065cf68211f912ca85802151e3"
        ),
        "certV": bytes.fromhex(
            "0000000000000000020d081112131415161718005292a300ffffffff00db1234567800020802003d9001979c99ba33f274e16e121fed7b"
            "c61aa7546deb3a5518c07b88be1f6bb09223fd"
        ),
        "dU": bytes.fromhex("009baf8d6d14db5cc80671dbe955518c626763146aa8189fadccd15d5227d7e5f69890e8"),
        "dV": bytes.fromhex("003e09df0e13a16d220ad398fe9895e0f52c266c6637ad7be1230c20b3adec228c5ff62c"),
        "QU": bytes.fromhex("02052f1663056fa30c231f1e218c23a5a4f34debefde959e498ad9e025ef0f7b7e9e36362e"),
        "QV": bytes.fromhex("0200bf166085b2cfbef902e72c89774e04a4a9f21a0c27676ed913213776f3daf300f36baa"),
        "eU": bytes.fromhex("0160775e55388e3772fb1119dd2571031210c3963dcbba6980f757dae84377ea05abd1db"),
        "eV": bytes.fromhex("01432d8fb92ca6a68047b89c1e51c6c53ea9137481eb704dc42a731df9803c20b9653c22"),
        "QeU": bytes.fromhex("0305fe4ab4d575e99ff497939183d1092c3b818bc06f57752c0e91e23351c3d0311c124c78"),
        "QeV": bytes.fromhex("02058b5b87e8be18fb007b474219b7477842c5ef9b88d3f490c09dce095f05f65f7d7a3b82"),
        "Z": bytes.fromhex("0056cc56715e65f85ddde8f98bc96204ccfc3aeafd9780c52898af47cb963fbaf8ee40a1"),
        "mac_key": bytes.fromhex("02b4687d809cc61f5d3f7775595f0afc"),
        "key_data": bytes.fromhex("63735297d990e61fcf92231454a27622"),
        "macU": bytes.fromhex("943cfba1b90bb6ebfa8aca3448c958ea"),
        "macV": bytes.fromhex("95553c73c41f660c10e0ba8953140856"),
    },
)
"""Suite 2 once more, by another implementation. Source: comms_hub.md §7.4."""


@dataclass(frozen=True)
class PublishedDevice:
    """A device of Certicom's test authority."""

    suite: Suite
    where: str
    ca: bytes
    certificate: bytes
    private_key: bytes
    public_key: bytes | None


DEVICES = tuple(
    PublishedDevice(
        SUITES[each["suite"] - 1],
        each["where"],
        bytes.fromhex(each["ca"]),
        bytes.fromhex(each["cert"]),
        bytes.fromhex(each["private_key"]),
        bytes.fromhex(each["public_key"]) if each["public_key"] else None,
    )
    for each in _DATA["test_devices"]
)
