"""What the configuration may say: its sections and keys, their forms and defaults."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo

from hanctl.errors import InvalidInput
from hanctl.eui64 import Eui64, parse_eui64
from hanctl.paths import default_socket, default_state_dir

MAX_SOCKET_PATH = 107
_TCP = re.compile(r"tcp://(?:[^\s:/\[\]]+|\[[0-9a-fA-F:.]+\]):(?P<port>\d{1,5})/?")
_HOST_AND_PORT = re.compile(r"(?:\[(?P<v6>[^\[\]]+)\]|(?P<v4>[\d.]+)):(?P<port>\d{1,5})")


def _from_file(value: Any, info: ValidationInfo) -> Any:
    """A path as written: ~ expanded, relative to the directory of the configuration file."""
    if not isinstance(value, str) or not value:
        raise ValueError
    base: Path = (info.context or {}).get("directory", Path())
    # Without "..": paths are shown, and a socket's must be short.
    return Path(os.path.normpath(base / Path(value).expanduser()))


def _port(value: Any, info: ValidationInfo) -> Any:
    if not isinstance(value, str) or not value:
        raise ValueError
    if "://" not in value:
        return str(_from_file(value, info))
    if value.startswith("tcp://"):
        address = _TCP.fullmatch(value)
        if address is None or not 0 < int(address["port"]) < 65536:
            raise ValueError
    return value


def _socket(value: Any, info: ValidationInfo) -> Any:
    path = _from_file(value, info)
    if len(os.fsencode(path)) > MAX_SOCKET_PATH:
        raise ValueError
    return path


def _files(value: Any, info: ValidationInfo) -> Any:
    """One file or a list of files, as a tuple."""
    given = value if isinstance(value, list) else [value]
    if not given:
        raise ValueError
    return tuple(_from_file(each, info) for each in given)


def _places(value: Any, info: ValidationInfo) -> Any:
    """Like files; there may be none."""
    return () if value == [] else _files(value, info)


def _eui64s(value: Any) -> Any:
    """A list of addresses, as a set."""
    if not isinstance(value, list) or not value or not all(isinstance(each, str) for each in value):
        raise ValueError
    try:
        return frozenset(parse_eui64(each) for each in value)
    except InvalidInput as error:
        raise ValueError from error


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen."""

    host: IPv4Address | IPv6Address
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if self.host.version == 6 else f"{self.host}:{self.port}"


def _address(value: Any) -> Any:
    found = _HOST_AND_PORT.fullmatch(value) if isinstance(value, str) else None
    if found is None or not 0 < int(found["port"]) < 65536:
        raise ValueError
    return Address(IPv6Address(found["v6"]) if found["v6"] else IPv4Address(found["v4"]), int(found["port"]))


FilePath = Annotated[Path, BeforeValidator(_from_file)]
FilePaths = Annotated[tuple[Path, ...], BeforeValidator(_files)]


class Section(BaseModel):
    """One section. A field's description says what it may be; error messages quote it."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class HubSection(Section):
    """``[hub]``: the daemon itself."""

    state_dir: FilePath = Field(default_factory=default_state_dir, description="a directory for the ledger")
    firmware_store: FilePath = Field(
        default_factory=lambda data: data["state_dir"] / "firmware_store",
        description="a directory for firmware images",
    )
    socket: Annotated[Path, BeforeValidator(_socket)] = Field(
        default_factory=default_socket,
        description=f"the path of the control socket, at most {MAX_SOCKET_PATH} bytes long",
    )
    log: Literal["auto", "pretty", "json"] = Field("auto", description='"auto", "pretty" or "json"')


class DongleSection(Section):
    """``[dongle]``: the radio."""

    path: Annotated[str, BeforeValidator(_port)] = Field(
        description="a serial port such as /dev/serial/by-id/..., or tcp://host:port"
    )
    radio: Literal["ezsp", "znp"] = Field(description='"ezsp" (Silicon Labs) or "znp" (Texas Instruments)')
    baudrate: int = Field(115200, ge=1200, le=3_000_000, description="a number from 1200 to 3000000")
    flow_control: Literal["none", "software", "hardware"] = Field(
        "none", description='"none", "software" or "hardware"'
    )


class NetworkSection(Section):
    """``[network]``: used when a network is formed; a formed network keeps what it has."""

    channel: int = Field(15, ge=11, le=26, description="a 2.4 GHz Zigbee channel, a number from 11 to 26")


class JoinSection(Section):
    """``[join]``: how devices are let in."""

    window_s: int = Field(
        600, ge=1, le=3600, description="how long the network stays open, a number of seconds from 1 to 3600"
    )


class OtaSection(Section):
    """``[ota]``: how images get to devices."""

    block_period_ms: int = Field(
        0,
        ge=0,
        le=60_000,
        description="how far apart the blocks of one device are at least, milliseconds from 0 (as it asks) to 60000",
    )
    busy_ms: int = Field(
        1000,
        ge=50,
        le=60_000,
        description="how long blocks may wait for their turn before devices are told to ask less often, "
        "milliseconds from 50 to 60000",
    )


class TrustSection(Section):
    """``[trust]``: the keys that the hub and its devices establish. Without it, there are only install codes."""

    certificate: FilePaths = Field(
        description="the file of the hub's certificate, made by hanctl certificate import or hanctl ca issue; "
        "or a list of two, one for each suite"
    )
    required: bool = Field(
        True, description="true or false: whether Smart Energy clusters are only for devices with an established key"
    )
    cbke_timeout_s: int = Field(
        1200,
        ge=60,
        le=86400,
        description="how long a device has to establish a key before it is removed, seconds from 60 to 86400",
    )


class TenancySection(Section):
    """``[tenancy]``: what follows changes of tenancy and supplier."""

    overdue_h: int = Field(
        24,
        ge=1,
        le=8760,
        description="after how many hours a device that did not clear for all one knows is flagged, from 1 to 8760",
    )
    places: Annotated[tuple[Path, ...], BeforeValidator(_places)] = Field(
        (), description="a directory, or a list of them, where packet captures and logs of the bench lie"
    )


class FirmwareSection(Section):
    """``[firmware]``: whose images are taken. Without roots and certificates, signatures are not verified."""

    signatures: Literal["require", "warn", "off"] = Field(
        "warn",
        description='"require" (images are added and served only if verified), "warn" or "off" (nobody looks)',
    )
    signature_roots: FilePaths = Field(
        (),
        description="the file of an authority that certifies who signs images, as hanctl ca show --json writes it; "
        "or a list of files",
    )
    signers: Annotated[frozenset[Eui64], BeforeValidator(_eui64s)] = Field(
        frozenset(), description="a list of the EUI64s of those who may sign, of all that the roots certify"
    )
    supplier_certificates: FilePaths = Field(
        (), description="the file of a supplier's certificate for digital signatures (PEM or DER); or a list of files"
    )


class UpdatesSection(Section):
    """``[updates]``: how devices are updated."""

    battery_percent: int = Field(
        50,
        ge=0,
        le=100,
        description="how full the battery of a device must be, where it is not on mains, a number from 0 to 100",
    )


class DataSection(Section):
    """``[data]``: what the hub serves of the household."""

    meter_stand_in: bool = Field(
        False,
        description="true or false: whether endpoint 3 stands in for an electricity meter, where the bench has none",
    )


class WebhookSection(Section):
    """``[webhook]``: who is told of activations."""

    url: str = Field(pattern=r"^https?://[^/\s]+", description="an http:// or https:// address")
    secret_file: FilePath = Field(description="a file of mode 0600 with the signing secret")


class RetentionSection(Section):
    """``[retention]``: how long the ledger keeps events."""

    days: int = Field(365, ge=1, le=36500, description="for how many days events are kept, a number from 1 to 36500")
    events: int = Field(
        250_000,
        ge=1000,
        le=100_000_000,
        description="how many events are kept at most, a number from 1000 to 100000000",
    )


class ListenerSection(Section):
    """``[listener]``: the API over the network, for those who have a token."""

    address: Annotated[Address, BeforeValidator(_address)] = Field(
        Address(IPv4Address("127.0.0.1"), 9455),
        description="an IP address of this machine and a port, such as 127.0.0.1:9455 or [::1]:9455",
    )
    token_file: FilePath = Field(description="a file of mode 0600 with the token that opens everything")
    metrics_token_file: FilePath | None = Field(
        None, description="a file of mode 0600 with a token that opens /metrics alone"
    )


class Config(Section):
    """The whole configuration."""

    hub: HubSection = Field(default_factory=lambda: HubSection.model_validate({}))
    dongle: DongleSection
    network: NetworkSection = Field(default_factory=lambda: NetworkSection.model_validate({}))
    join: JoinSection = Field(default_factory=lambda: JoinSection.model_validate({}))
    firmware: FirmwareSection = Field(default_factory=lambda: FirmwareSection.model_validate({}))
    updates: UpdatesSection = Field(default_factory=lambda: UpdatesSection.model_validate({}))
    ota: OtaSection = Field(default_factory=lambda: OtaSection.model_validate({}))
    data: DataSection = Field(default_factory=lambda: DataSection.model_validate({}))
    trust: TrustSection | None = None
    tenancy: TenancySection = Field(default_factory=lambda: TenancySection.model_validate({}))
    retention: RetentionSection = Field(default_factory=lambda: RetentionSection.model_validate({}))
    webhook: WebhookSection | None = None
    listener: ListenerSection | None = None
