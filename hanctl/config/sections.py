"""Declare the configuration: its sections and keys, their types, ranges and defaults."""

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
    """Base of all sections. A field's description completes the sentence "give ..." in error messages.

    ``live``, which each section sets: the keys that a reload applies to the running hub (``hanctl/hub/reload.py``);
    True: all keys; False: none, all wait for a restart.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    live: ClassVar[bool | frozenset[str]]

    @classmethod
    def is_live(cls, key: str) -> bool:
        return cls.live if isinstance(cls.live, bool) else key in cls.live


class HubSection(Section):
    """``[hub]``: the daemon itself."""

    live = frozenset({"log"})

    state_dir: FilePath = Field(
        default_factory=default_state_dir, description="a directory for the ledger, backups and other state"
    )
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
    """``[network]``: how a new network is formed. A network that exists keeps its channel."""

    live = False

    channel: int = Field(15, ge=11, le=26, description="a 2.4 GHz Zigbee channel, a number from 11 to 26")


class JoinSection(Section):
    """``[join]``: how devices join."""

    live = True

    window_s: int = Field(
        600, ge=1, le=3600, description="a number of seconds from 1 to 3600 that the network stays open for a join"
    )


class OtaSection(Section):
    """``[ota]``: how images are transferred to devices."""

    live = True

    block_period_ms: int = Field(
        0,
        ge=0,
        le=60_000,
        description="the least time between two blocks to one device, milliseconds from 0 (as it asks) to 60000",
    )
    busy_ms: int = Field(
        1000,
        ge=50,
        le=60_000,
        description="how long a block may wait in the queue before the hub tells devices to ask less often, "
        "in milliseconds from 50 to 60000",
    )


class TrustSection(Section):
    """``[trust]``: key establishment (CBKE) with devices. Without it, devices keep the key from their install code."""

    live = False

    certificate: FilePaths = Field(
        description="a file with the hub's certificate, made by hanctl certificate import or hanctl ca issue; "
        "or a list of two, one for each suite"
    )
    required: bool = Field(
        True, description="true (serve Smart Energy clusters only to devices that established a key) or false"
    )
    cbke_timeout_s: int = Field(
        1200,
        ge=60,
        le=86400,
        description="a number of seconds from 60 to 86400, after which a device that established no key is removed",
    )


class TenancySection(Section):
    """``[tenancy]``: following up changes of tenancy and supplier."""

    live = True

    overdue_h: int = Field(
        24,
        ge=1,
        le=8760,
        description="a number of hours from 1 to 8760, after which a device that shows no sign of clearing is reported",
    )
    places: Annotated[tuple[Path, ...], BeforeValidator(values.places)] = Field(
        (), description="a directory with packet captures and logs of the bench, or a list of directories"
    )


class FirmwareSection(Section):
    """``[firmware]``: whose signatures on images are accepted. Without roots and certificates none can be verified."""

    live = True

    signatures: Literal["require", "warn", "off"] = Field(
        "warn",
        description='"require" (add and serve only verified images), "warn" (warn of others) or "off" (do not check)',
    )
    signature_roots: FilePaths = Field(
        (),
        description="a file of an authority that certifies signers of images, as hanctl ca show --json writes it; "
        "or a list of files",
    )
    signers: Annotated[frozenset[Eui64], BeforeValidator(values.eui64s)] = Field(
        frozenset(), description="a list of EUI64s: of the signers that the roots certify, accept only these"
    )
    supplier_certificates: FilePaths = Field(
        (), description="a file with a supplier's digital signature certificate (PEM or DER), or a list of files"
    )


class UpdatesSection(Section):
    """``[updates]``: how devices are updated."""

    live = True

    battery_percent: int = Field(
        50,
        ge=0,
        le=100,
        description="the least battery level for an update of a device that is not on mains, a number from 0 to 100",
    )


class DataSection(Section):
    """``[data]``: the household data that the hub serves."""

    live = False

    meter_stand_in: bool = Field(
        False,
        description="true (endpoint 3 acts as the electricity meter that the bench lacks) or false",
    )


class ConsoleSection(Section):
    """``[console]``: the serial debug console of a display, which the hub records."""

    live = False

    port: Annotated[str, BeforeValidator(values.port)] = Field(
        description="a serial port such as /dev/serial/by-id/..., other than the dongle's"
    )
    baudrate: int = Field(115200, ge=300, le=3_000_000, description="a number from 300 to 3000000")
    name: str = Field(
        "display", pattern=r"^[A-Za-z0-9_-]{1,32}$", description="a name of letters, digits, - and _, up to 32"
    )
    redact: Annotated[tuple[str, ...], BeforeValidator(values.patterns)] = Field(
        (),
        description="a list of regular expressions; text that matches one is redacted, as long hex strings always are",
    )
    file_mb: int = Field(
        5, ge=1, le=1000, description="the size in megabytes, from 1 to 1000, at which a new log file is begun"
    )
    files: int = Field(4, ge=1, le=100, description="a number of log files to keep, from 1 to 100")


class WebhookSection(Section):
    """``[webhook]``: where notices of updates are sent."""

    live = True

    url: str = Field(pattern=r"^https?://[^/\s]+", description="an http:// or https:// address")
    secret_file: FilePath = Field(description="a file that only the hub may read, with the signing secret")


class HilSection(Section):
    """``[hil]``: the device under test on this rig. Only tests use it; the hub ignores it."""

    live = True

    eui64: Annotated[Eui64, BeforeValidator(values.eui64)] = Field(description="the EUI64 of the device under test")
    install_code_file: FilePath = Field(description="a file with the device's install code in hex")
    device_type: Literal["ppmid", "ihd", "hcalcs"] = Field(description='"ppmid", "ihd" or "hcalcs"')
    base_image: FilePath | None = Field(
        None, description="an image file with the version that each update test starts from"
    )
    image: FilePath | None = Field(
        None, description="an image file with a higher version, which tests update the device to"
    )
    next_image: FilePath | None = Field(None, description="an image file with a version higher than that of image")
    damaged_image: bool = Field(
        False,
        description="true (tests may offer the device a damaged copy of image, which it must refuse and is never told "
        "to activate) or false",
    )
    leaves_and_joins: bool = Field(
        False, description="true (the device looks for a network by itself after it is told to leave) or false"
    )
    power_off: Command = Field(
        (), description="a list: the command and its arguments that switch the device's power off"
    )
    power_on: Command = Field((), description="a list: the command and its arguments that switch the device's power on")
    mains_off: Command = Field(
        (), description="a list: the command and its arguments that disconnect a battery device from the mains"
    )
    mains_on: Command = Field(
        (), description="a list: the command and its arguments that connect a battery device to the mains"
    )
    join_s: int = Field(600, ge=1, description="a number of seconds, 1 or more, that joining may take")
    transfer_s: int = Field(
        3600, ge=1, description="a number of seconds, 1 or more, that the transfer of an image may take"
    )
    answer_s: int = Field(600, ge=1, description="a number of seconds, 1 or more, that anything else may take")
    longest_s: int = Field(
        1800, ge=0, description="a number of seconds, 0 or more; tests that let more time pass than this are skipped"
    )


class RetentionSection(Section):
    """``[retention]``: how long the ledger keeps events."""

    live = False

    days: int = Field(365, ge=1, le=36500, description="a number of days from 1 to 36500 that events are kept")
    events: int = Field(
        250_000,
        ge=1000,
        le=100_000_000,
        description="the largest number of events to keep, from 1000 to 100000000",
    )


class ListenerSection(Section):
    """``[listener]``: the API over TCP, for clients with a token."""

    live = False

    address: Annotated[ListenAddress, BeforeValidator(values.address)] = Field(
        ListenAddress(IPv4Address("127.0.0.1"), 9455),
        description="an IP address of this machine and a port, such as 127.0.0.1:9455 or [::1]:9455",
    )
    token_file: FilePath = Field(description="a file that only the hub may read, with the token for the whole API")
    metrics_token_file: FilePath | None = Field(
        None, description="a file that only the hub may read, with a token for /metrics only"
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
