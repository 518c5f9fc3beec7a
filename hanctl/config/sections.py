"""What the configuration may say: its sections and keys, their forms and defaults."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from hanctl.base.eui64 import Eui64
from hanctl.config import values
from hanctl.config.paths import default_socket, default_state_dir
from hanctl.config.values import MAX_SOCKET_PATH, Command, FilePath, FilePaths, ListenAddress


class Section(BaseModel):
    """One section. A field's description says what it may be; error messages quote it.

    ``live``, which each section sets: the keys that a reload applies to the running hub (``hanctl/hub/reload.py`` does
    it); True: all; False: none, as all wait for a restart.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    live: ClassVar[bool | frozenset[str]]

    @classmethod
    def is_live(cls, key: str) -> bool:
        return cls.live if isinstance(cls.live, bool) else key in cls.live


class HubSection(Section):
    """``[hub]``: the daemon itself."""

    live = frozenset({"log"})

    state_dir: FilePath = Field(default_factory=default_state_dir, description="a directory for the ledger")
    firmware_store: FilePath = Field(
        default_factory=lambda data: data["state_dir"] / "firmware_store",
        description="a directory for firmware images",
    )
    socket: Annotated[Path, BeforeValidator(values.socket_path)] = Field(
        default_factory=default_socket,
        description=f"the path of the control socket, at most {MAX_SOCKET_PATH} bytes long",
    )
    log: Literal["auto", "pretty", "json"] = Field("auto", description='"auto", "pretty" or "json"')


class DongleSection(Section):
    """``[dongle]``: the radio."""

    live = False

    path: Annotated[str, BeforeValidator(values.port)] = Field(
        description="a serial port such as /dev/serial/by-id/..., or tcp://host:port"
    )
    radio: Literal["ezsp", "znp"] = Field(description='"ezsp" (Silicon Labs) or "znp" (Texas Instruments)')
    baudrate: int = Field(115200, ge=1200, le=3_000_000, description="a number from 1200 to 3000000")
    flow_control: Literal["none", "software", "hardware"] = Field(
        "none", description='"none", "software" or "hardware"'
    )


class NetworkSection(Section):
    """``[network]``: used when a network is formed; a formed network keeps what it has."""

    live = False

    channel: int = Field(15, ge=11, le=26, description="a 2.4 GHz Zigbee channel, a number from 11 to 26")


class JoinSection(Section):
    """``[join]``: how devices are let in."""

    live = True

    window_s: int = Field(
        600, ge=1, le=3600, description="how long the network stays open, a number of seconds from 1 to 3600"
    )


class OtaSection(Section):
    """``[ota]``: how images get to devices."""

    live = True

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

    live = False

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

    live = True

    overdue_h: int = Field(
        24,
        ge=1,
        le=8760,
        description="after how many hours a device that did not clear for all one knows is flagged, from 1 to 8760",
    )
    places: Annotated[tuple[Path, ...], BeforeValidator(values.places)] = Field(
        (), description="a directory, or a list of them, where packet captures and logs of the bench lie"
    )


class FirmwareSection(Section):
    """``[firmware]``: whose images are taken. Without roots and certificates, signatures are not verified."""

    live = True

    signatures: Literal["require", "warn", "off"] = Field(
        "warn",
        description='"require" (images are added and served only if verified), "warn" or "off" (nobody looks)',
    )
    signature_roots: FilePaths = Field(
        (),
        description="the file of an authority that certifies who signs images, as hanctl ca show --json writes it; "
        "or a list of files",
    )
    signers: Annotated[frozenset[Eui64], BeforeValidator(values.eui64s)] = Field(
        frozenset(), description="a list of the EUI64s of those who may sign, of all that the roots certify"
    )
    supplier_certificates: FilePaths = Field(
        (), description="the file of a supplier's certificate for digital signatures (PEM or DER); or a list of files"
    )


class UpdatesSection(Section):
    """``[updates]``: how devices are updated."""

    live = True

    battery_percent: int = Field(
        50,
        ge=0,
        le=100,
        description="how full the battery of a device must be, where it is not on mains, a number from 0 to 100",
    )


class DataSection(Section):
    """``[data]``: what the hub serves of the household."""

    live = False

    meter_stand_in: bool = Field(
        False,
        description="true or false: whether endpoint 3 stands in for an electricity meter, where the bench has none",
    )


class ConsoleSection(Section):
    """``[console]``: the debug console of a display, recorded beside the events."""

    live = False

    port: Annotated[str, BeforeValidator(values.port)] = Field(
        description="a serial port such as /dev/serial/by-id/..., which is not the dongle's"
    )
    baudrate: int = Field(115200, ge=300, le=3_000_000, description="a number from 300 to 3000000")
    name: str = Field(
        "display", pattern=r"^[A-Za-z0-9_-]{1,32}$", description="a name of letters, digits, - and _, up to 32"
    )
    redact: Annotated[tuple[str, ...], BeforeValidator(values.patterns)] = Field(
        (), description="a list of regular expressions of what is not kept, beside long hex strings"
    )
    file_mb: int = Field(5, ge=1, le=1000, description="how large a file of lines becomes, megabytes from 1 to 1000")
    files: int = Field(4, ge=1, le=100, description="how many such files are kept, from 1 to 100")


class WebhookSection(Section):
    """``[webhook]``: who is told of activations."""

    live = True

    url: str = Field(pattern=r"^https?://[^/\s]+", description="an http:// or https:// address")
    secret_file: FilePath = Field(description="a file of mode 0600 with the signing secret")


class HilSection(Section):
    """``[hil]``: the device under test, for tests on this rig. The hub itself takes no notice of it."""

    live = True

    eui64: Annotated[Eui64, BeforeValidator(values.eui64)] = Field(description="the EUI64 of the device under test")
    install_code_file: FilePath = Field(description="a file with the device's install code in hex")
    device_type: Literal["ppmid", "ihd", "hcalcs"] = Field(description='"ppmid", "ihd" or "hcalcs"')
    base_image: FilePath | None = Field(
        None, description="the image file of the version that each test of an update begins with"
    )
    image: FilePath | None = Field(
        None, description="the image file of a higher version, that the device is updated to"
    )
    next_image: FilePath | None = Field(None, description="the image file of a version higher than that of image")
    damaged_image: bool = Field(
        False,
        description="true or false: whether a damaged copy of image may be offered to the device, which is to refuse "
        "it and would not be told to activate it",
    )
    leaves_and_joins: bool = Field(
        False, description="true or false: whether the device, told to leave, looks for a network to join by itself"
    )
    power_off: Command = Field((), description="a list: the command, and its arguments, that takes the device's power")
    power_on: Command = Field((), description="a list: the command, and its arguments, that gives the device power")
    mains_off: Command = Field((), description="a list: the command that unplugs a battery device from the mains")
    mains_on: Command = Field((), description="a list: the command that plugs a battery device into the mains")
    join_s: int = Field(600, ge=1, description="how long joining may take, a number of seconds")
    transfer_s: int = Field(3600, ge=1, description="how long the transfer of an image may take, a number of seconds")
    answer_s: int = Field(600, ge=1, description="how long anything else may take, a number of seconds")
    longest_s: int = Field(
        1800, ge=0, description="tests that let more time than this pass are left out, a number of seconds"
    )


class RetentionSection(Section):
    """``[retention]``: how long the ledger keeps events."""

    live = False

    days: int = Field(365, ge=1, le=36500, description="for how many days events are kept, a number from 1 to 36500")
    events: int = Field(
        250_000,
        ge=1000,
        le=100_000_000,
        description="how many events are kept at most, a number from 1000 to 100000000",
    )


class ListenerSection(Section):
    """``[listener]``: the API over the network, for those who have a token."""

    live = False

    address: Annotated[ListenAddress, BeforeValidator(values.address)] = Field(
        ListenAddress(IPv4Address("127.0.0.1"), 9455),
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
    console: ConsoleSection | None = None
    retention: RetentionSection = Field(default_factory=lambda: RetentionSection.model_validate({}))
    webhook: WebhookSection | None = None
    listener: ListenerSection | None = None
    hil: HilSection | None = None
