"""The rows that a conformance report has, in the words of the Smart Energy Code's modifications."""

from __future__ import annotations

ROWS = {
    "J1": "The device joins with its install code, and establishes a key where it has a certificate",
    "J2": "With another install code the device is not let in",
    "J3": "The device comes back to the HAN after a power cut",
    "F1": "The hub delivers images to PPMID, IHD and HCALCS with the Zigbee OTA Upgrade cluster",
    "F2": "The hub manages activation of the firmware and notifies the service user upon activation",
    "F3": "One service request carries distribution and activation together",
    "F4": "Distribution and activation are separate; activation is hash-checked",
    "F5": "A battery device is asked to be plugged into the mains before its image is transferred and activated",
    "F6": "The service user can see where each device's image is, between acceptance and activation",
    "F7": "An update whose activation answer is lost is reconciled by reading the version",
    "F8": "Images are applied in order: a prerequisite version is enforced",
    "T1": "Attributes and commands of changes of tenancy and supplier are available on the HAN",
    "T2": "The device is told of a change, and answered where it asks, also after having been off or asleep",
    "T3": "The hub clears the consumer data it holds, and serves nothing that is dated before a change's cut-off",
    "T4": "There is evidence: what was cleared, when, who acknowledged, who has not, and what a device still shows",
}
"""J: what comes before all else. F: SECMP0007. T: SECMP0056."""
