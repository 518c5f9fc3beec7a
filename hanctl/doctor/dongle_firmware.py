"""Check whether the hub can use a dongle's firmware, and how old it is."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta

from hanctl.doctor.finding import Finding, fail, ok, warn

OLD = timedelta(days=2 * 365)

OLDEST_TESTED_EZSP = 13
"""The first protocol version (EmberZNet 7.4) that hanctl's tests run with."""

EMBERZNET_RELEASES = {
    (6, 7, 0): date(2019, 12, 13),
    (6, 7, 1): date(2020, 1, 24),
    (6, 7, 2): date(2020, 2, 21),
    (6, 7, 3): date(2020, 3, 20),
    (7, 0, 0): date(2021, 12, 15),
    (7, 0, 1): date(2022, 1, 26),
    (7, 1, 0): date(2022, 6, 8),
    (7, 1, 1): date(2022, 8, 17),
    (7, 1, 2): date(2022, 9, 28),
    (7, 1, 3): date(2022, 10, 19),
    (7, 1, 4): date(2023, 1, 18),
    (7, 1, 5): date(2023, 6, 28),
    (7, 1, 6): date(2023, 9, 13),
    (7, 4, 0): date(2023, 12, 13),
    (7, 4, 1): date(2024, 2, 14),
    (7, 4, 2): date(2024, 4, 10),
    (7, 4, 3): date(2024, 5, 2),
    (7, 4, 4): date(2024, 8, 14),
    (7, 4, 5): date(2024, 10, 23),
    (8, 2, 1): date(2025, 7, 21),
    (9, 0, 0): date(2026, 1, 22),
}
"""When Silicon Labs released what, by its own release notes. Of others the age is not told."""

_EMBERZNET = re.compile(r"EmberZNet (\d+)\.(\d+)\.(\d+)")
_EZSP = re.compile(r"EZSP (\d+)")
_ZSTACK = re.compile(r"Z-Stack(?P<old> Home 1\.2| 3\.0\.x)? (?P<revision>\d+)")

_NEWER = "see what its maker offers, and save the network before you flash it: hanctl backup create -o FILE"


def judge_firmware(firmware: str, now: datetime) -> Finding:
    """Judge ``firmware`` as the radio has it, such as "EmberZNet 7.4.5.0 build 0, EZSP 13" or "Z-Stack 20220219"."""
    zstack = _ZSTACK.search(firmware)
    if zstack is not None and zstack["old"]:
        return fail(
            "firmware",
            f"{firmware} cannot let devices join with install codes",
            "flash Z-Stack 3.30 or later (Z-Stack 3.x.0 coordinator firmware)",
        )
    protocol = _EZSP.search(firmware)
    if protocol is not None and int(protocol[1]) < OLDEST_TESTED_EZSP:
        return warn("firmware", f"{firmware} is older than any that hanctl is tested with", _NEWER)
    released = release_date(firmware)
    if released is None:
        return ok("firmware", f"{firmware}; its age is not known")
    if now.date() - released > OLD:
        return warn("firmware", f"{firmware} is of {released}, more than two years old", _NEWER)
    return ok("firmware", f"{firmware}, of {released}")


def release_date(firmware: str) -> date | None:
    """Return the release date; Z-Stack builds are numbered by their date."""
    ember, zstack = _EMBERZNET.search(firmware), _ZSTACK.search(firmware)
    if ember is not None:
        return EMBERZNET_RELEASES.get((int(ember[1]), int(ember[2]), int(ember[3])))
    if zstack is not None:
        try:
            return datetime.strptime(zstack["revision"], "%Y%m%d").date()  # noqa: DTZ007
        except ValueError:
            return None
    return None
