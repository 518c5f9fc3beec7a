"""USB sticks that are known to carry an EZSP or ZNP radio.

A stick is known by what its chip tells over USB. Bridge chips are sold for all kinds of things, and their vendor and
product number says nothing of what is behind them: the product's name does. Sticks whose bridge has no name of its own
(zzh! and others on a bare CH340) and those whose numbers no source gives are not here: their port is named by hand.

Sources: zigbee-herdsman 11.1 (adapterDiscovery), Home Assistant (manifests of zha, homeassistant_sky_connect,
homeassistant_connect_zbt2).
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal


@dataclass(frozen=True, slots=True)
class Stick:
    """One model of stick. ``product`` and ``manufacturer``: shell patterns for its USB strings as in udev.

    ``radio``: None if it is sold with either. ``baudrate`` and ``flow_control`` are those of the firmware it comes
    with. ``interface``: the USB interface of the radio, of a stick with several ports; None: it has but one.
    """

    name: str
    vendor_id: int
    product_id: int
    product: str
    radio: Literal["ezsp", "znp"] | None
    manufacturer: str = "*"
    baudrate: int = 115200
    flow_control: Literal["none", "software", "hardware"] = "none"
    interface: int | None = None

    def is_it(self, vendor_id: int, product_id: int, manufacturer: str, product: str) -> bool:
        """Tell whether a device with these USB properties is this model."""
        return (
            (vendor_id, product_id) == (self.vendor_id, self.product_id)
            and fnmatchcase(manufacturer, self.manufacturer)
            and fnmatchcase(product, self.product)
        )


CP210X = (0x10C4, 0xEA60)
CH340 = (0x1A86, 0x7523)
CH9102 = (0x1A86, 0x55D4)
FTDI = (0x0403, 0x6015)

# A ? is for a character that sources show as an underscore, which is how udev writes a space in names of links.
STICKS = (
    Stick("sonoff-dongle-e", *CH9102, "S[Oo][Nn][Oo][Ff][Ff]?Zigbee*Plus*", "ezsp"),
    Stick("sonoff-dongle-e", *CP210X, "S[Oo][Nn][Oo][Ff][Ff]?Zigbee*Plus?V2", "ezsp"),
    Stick("sonoff-dongle-max", *CP210X, "SONOFF?Dongle?Max?MG24", "ezsp"),
    Stick("sonoff-dongle-plus-mg24", *CP210X, "SONOFF?Dongle?Plus?MG24", "ezsp"),
    Stick("sonoff-dongle-lite-mg21", *CP210X, "SONOFF?Dongle?Lite?MG21", "ezsp"),
    Stick("skyconnect", *CP210X, "SkyConnect*", "ezsp", manufacturer="Nabu Casa", flow_control="hardware"),
    Stick("zbt-1", *CP210X, "*ZBT-1", "ezsp", manufacturer="Nabu Casa", flow_control="hardware"),
    Stick("zbt-2", 0x303A, 0x4001, "*ZBT-2", "ezsp", "Nabu Casa", baudrate=460800, flow_control="hardware"),
    Stick("zbt-2", 0x303A, 0x831A, "*ZBT-2", "ezsp", "Nabu Casa", baudrate=460800, flow_control="hardware"),
    Stick("slzb-06m", *CP210X, "*SLZB-06[Mm]*", "ezsp", manufacturer="SMLIGHT"),
    Stick("slzb-07", *CP210X, "*SLZB-07", "ezsp", manufacturer="SMLIGHT", flow_control="hardware"),
    Stick("slzb-07mg24", *CP210X, "*SLZB-07[Mm]g24", "ezsp", manufacturer="SMLIGHT", flow_control="hardware"),
    Stick("sonoff-dongle-p", *CP210X, "S[Oo][Nn][Oo][Ff][Ff]?Zigbee*Plus", "znp"),
    Stick("sonoff-dongle-plus-cc2674p10", *CP210X, "SONOFF?Dongle?Plus?CC2674P10", "znp"),
    Stick("slzb-06p7", *CP210X, "*SLZB-06p7", "znp", manufacturer="SMLIGHT"),
    Stick("slzb-06p10", *CP210X, "*SLZB-06p10", "znp", manufacturer="SMLIGHT"),
    Stick("slzb-07p7", *CP210X, "*SLZB-07p7", "znp", manufacturer="SMLIGHT"),
    Stick("slaesh-cc2652rb", *CP210X, "slae.sh?cc2652rb*", "znp"),
    Stick("electrolama", *FTDI, "*", "znp", manufacturer="Electrolama"),
    Stick("tubeszb", *CP210X, "*[Tt]ubes[Zz][Bb]*", None),
    Stick("tubeszb", *CH340, "*[Tt]ubes[Zz][Bb]*", None),
    Stick("zigstar", *CH340, "*[Zz]ig[Ss]tar*", "znp"),
    Stick("cc2531", 0x0451, 0x16A8, "*CC2531*", "znp", manufacturer="Texas Instruments"),
    Stick("cc2538", 0x0451, 0x16C8, "*CC2538*", "znp", manufacturer="Texas Instruments"),
    # The probe of every LaunchPad: of its two ports, the first is the radio's.
    Stick("ti-launchpad", 0x0451, 0xBEF3, "XDS110*", "znp", manufacturer="Texas Instruments", interface=0),
)


def find(vendor_id: int, product_id: int, manufacturer: str, product: str) -> Stick | None:
    """Return the known stick with these USB properties, if any."""
    return next((stick for stick in STICKS if stick.is_it(vendor_id, product_id, manufacturer, product)), None)
