"""Describe a simulated device as plain data: its type, radio and faults."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from hanctl.base.errors import InvalidInput
from hanctl.base.eui64 import Eui64, parse_eui64
from hanctl.crypto.install_code import parse_install_code
from hanctl.simulator.device.keys.cbke import Identity
from hanctl.simulator.device.ota.image import Body
from hanctl.simulator.network.trust_centre import WELL_KNOWN_KEY
from hanctl.simulator.zdo import Endpoint

SMART_ENERGY = 0x0109
DeviceType = Literal["ppmid", "ihd", "hcalcs", "esme"]

BASIC, IDENTIFY, TIME, OTA, KEEP_ALIVE = 0x0000, 0x0003, 0x000A, 0x0019, 0x0025
POWER_CONFIGURATION = 0x0001
PRICE, DEMAND_RESPONSE, METERING, MESSAGING, TUNNELING, PREPAYMENT = 0x0700, 0x0701, 0x0702, 0x0703, 0x0704, 0x0705
ENERGY_MANAGEMENT, CALENDAR, DEVICE_MANAGEMENT, EVENTS = 0x0706, 0x0707, 0x0708, 0x0709
KEY_ESTABLISHMENT = 0x0800

_SERVER = (BASIC, KEY_ESTABLISHMENT)
_CLIENT = (TIME, OTA, KEEP_ALIVE, KEY_ESTABLISHMENT)

# Endpoint numbers and which optional clusters a product has are its maker's choice; these are plausible ones. The
# device ids follow comms_hub.md §4.1, the cluster sets its table of mandatory and optional clusters.
_DISPLAY_CLIENT = (*_CLIENT, PRICE, METERING, MESSAGING, CALENDAR, DEVICE_MANAGEMENT, EVENTS)
_ENDPOINTS: dict[str, tuple[Endpoint, ...]] = {
    "ppmid": (Endpoint(1, SMART_ENERGY, 0x0502, 0, (*_SERVER, IDENTIFY, EVENTS), (*_DISPLAY_CLIENT, PREPAYMENT)),),
    "ihd": (Endpoint(1, SMART_ENERGY, 0x0502, 0, (*_SERVER, IDENTIFY), _DISPLAY_CLIENT),),
    "hcalcs": (
        Endpoint(
            1,
            SMART_ENERGY,
            0x0504,
            0,
            (*_SERVER, IDENTIFY, ENERGY_MANAGEMENT, EVENTS),
            (*_CLIENT, PRICE, DEMAND_RESPONSE, CALENDAR, TUNNELING, DEVICE_MANAGEMENT),
        ),
    ),
    "esme": (
        Endpoint(
            1,
            SMART_ENERGY,
            0x0500,
            0,
            (*_SERVER, PRICE, DEMAND_RESPONSE, MESSAGING, TIME, CALENDAR, METERING, PREPAYMENT, TUNNELING),
            (OTA, KEEP_ALIVE, KEY_ESTABLISHMENT, TUNNELING, EVENTS),
        ),
        Endpoint(2, SMART_ENERGY, 0x0501, 0, (*_SERVER, METERING, EVENTS), (TIME, KEY_ESTABLISHMENT)),
    ),
}
_MODELS = {"ppmid": "PPMID-1", "ihd": "IHD-1", "hcalcs": "HCALCS-1", "esme": "ESME-1"}


def _eui64(value: Any) -> Any:
    return _translated(parse_eui64, value)


def _install_code(value: Any) -> Any:
    if value:
        _translated(parse_install_code, value)
    return value


def _translated(parse: Any, value: Any) -> Any:
    """Return ``parse(value)``, with ValueError for what it raises: pydantic gathers no other errors."""
    if not isinstance(value, str):
        raise ValueError("a text is wanted")  # noqa: TRY004
    try:
        return parse(value)
    except InvalidInput as error:
        raise ValueError(f"{error}; {error.hint}") from None


U8 = Annotated[int, Field(ge=0, le=0xFF)]
U16 = Annotated[int, Field(ge=0, le=0xFFFF)]
U32 = Annotated[int, Field(ge=0, le=0xFFFFFFFF)]
Seconds = Annotated[float, Field(ge=0)]
Clusters = Annotated[tuple[U16, ...], Field(strict=False)]


class DevicesTable(BaseModel):
    """One table of the devices file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


class LinkSpec(DevicesTable):
    """Radio conditions: seconds one way (on ideal air), and probability of loss of each transmission."""

    delay_s: Seconds = 0.004
    loss: Annotated[float, Field(ge=0, lt=1)] = 0.0


class PowerCut(DevicesTable):
    """A power cut, once: when the download reaches ``offset`` bytes, or ``after_s`` seconds after power-on."""

    offset: U32 | None = None
    after_s: Seconds | None = None
    off_s: Seconds = 10.0

    @model_validator(mode="after")
    def _one_cause(self) -> PowerCut:
        if (self.offset is None) == (self.after_s is None):
            raise ValueError("give either offset or after_s")
        return self


class BatterySpec(DevicesTable):
    """A battery, and how soon the user confirms what the display asks (None: never)."""

    percent: Annotated[float, Field(ge=0, le=100)] = 100.0
    plugged_in: bool = False
    confirms_after_s: Seconds | None = None


class EndpointSpec(DevicesTable):
    """An endpoint that replaces the ones the type brings."""

    number: Annotated[int, Field(ge=1, le=240)]
    device_id: U16
    input_clusters: Clusters = ()
    output_clusters: Clusters = ()


class OtaTimings(DevicesTable):
    """Constants of the OTA client; defaults are the reference client's. Source: comms_hub.md §1.7."""

    start_delay_s: Annotated[tuple[Seconds, Seconds], Field(strict=False)] = (1.0, 255.0)
    discovery_timeout_s: Seconds = 2.25
    discovery_retry_s: Seconds = 600.0
    message_timeout_s: Seconds = 3.25
    query_period_s: Seconds = 300.0
    query_error_threshold: int = 10
    download_delay_s: Seconds = 0.0
    download_error_threshold: int = 10
    timeout_backoff_s: Seconds = 2.0
    max_wait_s: Seconds = 3600.0
    bad_block_wait_s: Seconds = 300.0
    verify_tick_s: Seconds = 0.01
    verify_bytes_per_tick: Annotated[int, Field(ge=1)] = 4096
    end_poll_s: Seconds = 3600.0
    end_error_threshold: int = 10
    bad_upgrade_wait_s: Seconds = 3600.0
    upgrade_grace_s: Seconds = 3.0
    page_size: U16 = 1024
    page_block: Annotated[int, Field(ge=1, le=63)] = 32
    page_spacing_ms: U16 = 50
    page_timeout_s: Seconds = 5.0
    missed_block_delay_s: Seconds = 0.01


class Behaviour(DevicesTable):
    """How the OTA client is built and what it does wrong."""

    max_data_size: Annotated[int, Field(ge=1, le=63)] = 63
    think_time_s: Seconds = 0.0
    """Pause between a block and the next request."""
    page_mode: bool = False
    send_eui64: bool = False
    min_block_period: Literal["none", "ms", "s"] = "none"
    """The unit in which the client takes the server's minimum block period; "none" does not offer it."""
    image_body: Body = "zigbee"
    max_image_size: U32 = 16 * 1024 * 1024
    allow_downgrade: bool = True
    activation_policy: Literal[0, 1] = 0
    """0 the server may activate, 1 out of band only."""
    timeout_policy: Literal[0, 1] = 0
    """0 apply after ten missed answers, 1 do not."""
    reject_image: bool = False
    roll_back: bool = False
    """After activation the device comes back with its old version."""
    bootload_returns: bool = False
    """Activation does nothing: the boot loader refuses and returns."""
    ignore_notify: bool = False
    ignores_hold: bool = False
    """Told to wait with the activation, it activates."""
    forgets_download: bool = False
    """A download that a power cut interrupts begins anew."""
    checks_image: bool = True
    """Whether it looks at the file that it received, before it says that it is good."""
    write_error_at: U32 | None = None


class TrustSpec(DevicesTable):
    """The device's certificate, and how it establishes keys; by ``file`` (Certicom's text form) or in hex."""

    file: Annotated[Path | None, Field(strict=False)] = None
    certificate: str = ""
    private_key: str = Field(default="", repr=False)
    authority_key: str = ""
    registration_delay_s: Seconds = 4.0
    """From joining to the search for the server. Source, with the next two: comms_hub.md §6."""
    retry_s: Seconds = 32.0
    attempts: Annotated[int, Field(ge=1)] = 3
    """After so many failures it leaves."""
    compute_s: Seconds = 0.4
    """What a step's arithmetic takes it."""
    partners: Annotated[tuple[Annotated[Eui64, BeforeValidator(_eui64)], ...], Field(strict=False)] = ()
    """Devices that it asks the trust centre for a link key with, once it has its own."""
    fault: Literal[
        "", "wrong-suite", "off-curve", "low-order", "bad-confirm", "out-of-order", "terminate", "duplicate", "replay"
    ] = ""
    """What is wrong with its messages."""
    silent_after: Literal["", "join", "initiate", "ephemeral", "confirm"] = ""
    """From when on it says and hears nothing more of key establishment."""

    @model_validator(mode="after")
    def _one_identity(self) -> TrustSpec:
        given = [bool(each) for each in (self.certificate, self.private_key, self.authority_key)]
        if any(given) and not all(given):
            raise ValueError("certificate, private_key and authority_key go together")
        if all(given):
            if self.file is not None:
                raise ValueError("give either file or certificate, private_key and authority_key")
            Identity.of(self.certificate, self.private_key, self.authority_key)
        return self

    @property
    def identity(self) -> Identity | None:
        """Certificate and keys; None where there are none. Raises SimulatorError where the file cannot be used."""
        if self.file is not None:
            return Identity.load(self.file)
        if not self.certificate:
            return None
        return Identity.of(self.certificate, self.private_key, self.authority_key)


class ShownSpec(DevicesTable):
    """Something that the device shows of its consumer (or supplier): an attribute of its server side, and its value."""

    cluster: U16
    attribute: U16
    type: U8 = 0x23
    value: int
    supplier: bool = False


class TenancySpec(DevicesTable):
    """Behaviour of the device when tenancy or supplier change.

    ``behaviour``: "obedient" clears; "deaf" answers SUCCESS and clears nothing; "reference" does as the reference
    stack's client, which refuses a change of tenancy (comms_hub.md §2.5); "caching" clears, and shows it again later.
    """

    behaviour: Literal["obedient", "deaf", "reference", "caching"] = "obedient"
    reports: bool = True
    """Whether it sends the events "received" and "actioned", where it has an Events server."""
    queries: Literal["never", "start", "midnight"] = "never"
    """When it asks the hub for changes by itself."""
    query_after_s: Seconds = 2.0
    servers: Annotated[tuple[U8, ...], Field(strict=False)] = (1,)
    """The hub's endpoints that it asks."""
    action_s: Seconds = 1.0
    """What clearing takes it."""
    restore_after_s: Seconds = 3600.0
    refuses_with: U8 = 0x86
    provider_id: U32 = 0
    customer_id: Annotated[str, Field(max_length=24)] = "C-0001"
    data: Annotated[tuple[ShownSpec, ...], Field(strict=False)] = ()
    serves: bool = False
    """Whether what it shows can also be read of it; most displays serve nothing."""


class DeviceSpec(DevicesTable):
    """One simulated device."""

    name: Annotated[str, Field(min_length=1)]
    eui64: Annotated[Eui64, BeforeValidator(_eui64)]
    type: DeviceType
    profile: U16 = SMART_ENERGY
    """0x0104 for hosts that drop the Smart Energy profile."""
    endpoint: Annotated[tuple[EndpointSpec, ...], Field(strict=False)] = ()
    aps_encryption: bool | None = None
    """Whether Smart Energy clusters are spoken under the link key; None: in the Smart Energy profile only."""
    install_code: Annotated[str, BeforeValidator(_install_code)] = Field("", repr=False)
    """Hex, with or without CRC; empty: the well-known key."""
    manufacturer_code: U16 = 0x1234
    manufacturer_name: Annotated[str, Field(max_length=32)] = "hanctl"
    model: Annotated[str, Field(max_length=32)] = ""
    image_type: U16 = 0x0001
    hardware_version: U16 | None = None
    running_version: U32 = 0x00000001
    stack_version: U16 = 0x0002
    power_source: U8 | None = None
    battery: BatterySpec | None = None
    sleepy: bool = False
    poll_interval_s: Annotated[float, Field(gt=0)] = 7.5
    busy_poll_interval_s: Annotated[float, Field(gt=0)] = 0.25
    boot_time_s: Seconds = 2.0
    start_delay_s: Seconds = 1.0
    join_retry_s: Annotated[float, Field(gt=0)] = 5.0
    announce_delay_s: Seconds = 0.1
    announces: bool = True
    """Whether the others hear it when it says where it is, after joining and after a change of its short address."""
    link: LinkSpec = LinkSpec()
    power_cut: Annotated[tuple[PowerCut, ...], Field(strict=False)] = ()
    dies_of_power_cut: bool = False
    """Once it had power and lost it, it does not start again."""
    tenancy: TenancySpec = TenancySpec()
    trust: TrustSpec = TrustSpec()
    """Without a certificate in it, the device works with the key that it joined with."""
    ota: Behaviour = Behaviour()
    timings: OtaTimings = OtaTimings()

    @property
    def link_key(self) -> bytes:
        """The pre-configured key it joins with, 16 bytes."""
        return parse_install_code(self.install_code).link_key if self.install_code else WELL_KNOWN_KEY

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """Its endpoints in its profile."""
        power = () if self.battery is None else (POWER_CONFIGURATION,)
        if self.endpoint:
            return tuple(
                Endpoint(e.number, self.profile, e.device_id, 0, e.input_clusters, e.output_clusters)
                for e in self.endpoint
            )
        return tuple(
            Endpoint(e.endpoint, self.profile, e.device_id, 0, e.input_clusters + power, e.output_clusters)
            for e in _ENDPOINTS[self.type]
        )

    @property
    def model_name(self) -> str:
        return self.model or _MODELS[self.type]

    @property
    def encrypts(self) -> bool:
        return self.profile == SMART_ENERGY if self.aps_encryption is None else self.aps_encryption
