"""Flash of an EmberZNet dongle, and its form in the simulated flash file.

The network frame counter is not written at every frame: flash holds a ceiling, and after a reset the dongle goes on
from there, so that no counter value is ever used twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hanctl.base.eui64 import Eui64
from hanctl.simulator.dongle import SimulatorError

KIND = "ezsp"
COUNTER_STEP = 0x1000
BLANK_EUI64 = b"\xff" * 8
BLANK_LENGTHS = {0: 2, 1: 16, 2: 16, 3: 2, 4: 2, 5: 16, 6: 40, 7: 8, 8: 64, 9: 92, 10: 20, 11: 1, 12: 8, 13: 2}


@dataclass(slots=True)
class NetworkToken:
    """Parameters of the network that was formed. ``power_dbm`` is signed."""

    pan_id: int
    extended_pan_id: bytes
    channel: int
    power_dbm: int
    manager: int
    update_id: int
    channel_mask: int
    key: bytes = field(repr=False)
    key_sequence: int
    counter_ceiling: int


@dataclass(slots=True)
class SecurityToken:
    """The trust centre's settings: the bitmask of EmberInitialSecurityState, its link key (or hashing secret)."""

    bitmask: int
    link_key: bytes = field(repr=False)
    trust_centre: bytes


@dataclass(slots=True)
class KeyToken:
    """One entry of the link key table, with its outgoing APS frame counter."""

    index: int
    eui64: Eui64
    key: bytes = field(repr=False)


@dataclass(slots=True)
class ChildToken:
    """A device that joined."""

    eui64: Eui64
    nwk: int
    sleepy: bool
    link_key: bytes = field(repr=False)


@dataclass(slots=True)
class Tokens:
    """All that the dongle keeps in flash."""

    network: NetworkToken | None = None
    security: SecurityToken | None = None
    keys: dict[int, KeyToken] = field(default_factory=dict)
    children: list[ChildToken] = field(default_factory=list)
    aps_counter: int = 0
    nwk_counter: int = 0
    boot_counter: int = 0
    restored_eui64: bytes = BLANK_EUI64
    manufacturing: dict[int, bytes] = field(default_factory=dict)
    user: dict[int, bytes] = field(default_factory=dict)

    def manufacturing_token(self, identifier: int) -> bytes:
        """Return a manufacturing token; unwritten flash reads as 0xFF."""
        return self.manufacturing.get(identifier, b"\xff" * BLANK_LENGTHS.get(identifier, 0))

    def to_json(self) -> dict[str, Any]:
        """Return the content of the flash file."""
        network = self.network
        security = self.security
        return {
            "dongle": KIND,
            "network": network
            and {
                "pan_id": network.pan_id,
                "extended_pan_id": network.extended_pan_id.hex(),
                "channel": network.channel,
                "power_dbm": network.power_dbm,
                "manager": network.manager,
                "update_id": network.update_id,
                "channel_mask": network.channel_mask,
                "key": network.key.hex(),
                "key_sequence": network.key_sequence,
                "counter_ceiling": network.counter_ceiling,
            },
            "security": security
            and {
                "bitmask": security.bitmask,
                "link_key": security.link_key.hex(),
                "trust_centre": security.trust_centre.hex(),
            },
            "keys": [{"index": k.index, "eui64": k.eui64, "key": k.key.hex()} for k in self.keys.values()],
            "children": [
                {"eui64": c.eui64, "nwk": c.nwk, "sleepy": c.sleepy, "link_key": c.link_key.hex()}
                for c in self.children
            ],
            "aps_counter": self.aps_counter,
            "nwk_counter": self.nwk_counter,
            "boot_counter": self.boot_counter,
            "restored_eui64": self.restored_eui64.hex(),
            "manufacturing": {str(i): v.hex() for i, v in self.manufacturing.items()},
            "user": {str(i): v.hex() for i, v in self.user.items()},
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Tokens:
        """Read the flash file; new flash is empty. Raises SimulatorError where it is another dongle's."""
        if not content:
            return cls()
        if content.get("dongle") != KIND:
            raise SimulatorError(
                f"the flash file holds the state of a '{content.get('dongle')}' dongle, not '{KIND}'",
                "name another file, or choose the dongle it was made by",
            )
        try:
            return cls._read(content)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SimulatorError(f"the flash file is damaged: {error!r}", "name another file, or remove it") from error

    @classmethod
    def _read(cls, content: dict[str, Any]) -> Tokens:
        network, security = content["network"], content["security"]
        return cls(
            network=network
            and NetworkToken(
                **{
                    **network,
                    "extended_pan_id": bytes.fromhex(network["extended_pan_id"]),
                    "key": bytes.fromhex(network["key"]),
                }
            ),
            security=security
            and SecurityToken(
                security["bitmask"], bytes.fromhex(security["link_key"]), bytes.fromhex(security["trust_centre"])
            ),
            keys={
                k["index"]: KeyToken(k["index"], Eui64(k["eui64"]), bytes.fromhex(k["key"])) for k in content["keys"]
            },
            children=[
                ChildToken(Eui64(c["eui64"]), c["nwk"], c["sleepy"], bytes.fromhex(c["link_key"]))
                for c in content["children"]
            ],
            aps_counter=content["aps_counter"],
            nwk_counter=content["nwk_counter"],
            boot_counter=content["boot_counter"],
            restored_eui64=bytes.fromhex(content["restored_eui64"]),
            manufacturing={int(i): bytes.fromhex(v) for i, v in content["manufacturing"].items()},
            user={int(i): bytes.fromhex(v) for i, v in content["user"].items()},
        )
