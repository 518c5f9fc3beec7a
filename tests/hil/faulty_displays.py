"""Displays with one fault each, as devices files: the good display of the simulation, with a line of it changed.

``FAILS``: the requirements that the conformance suite must find failed, and no other.
"""

from __future__ import annotations

from hanctl.hil.sim import DISPLAY

GOOD = DISPLAY.read_text()
OTA, QUERIES, BOOT = "ota = { think_time_s = 0.1 }", 'queries = "start"', 'type = "ppmid"'


def _with(line: str, changed: str) -> str:
    assert GOOD.count(line) == 1
    return GOOD.replace(line, changed)


def _ota(fault: str) -> str:
    return _with(OTA, f"ota = {{ think_time_s = 0.1, {fault} }}")


DISPLAYS = {
    "activates although told to hold": _ota("ignores_hold = true"),
    "comes back with its old version": _ota("roll_back = true"),
    "begins its download anew after a power cut": _ota("forgets_download = true"),
    "takes a damaged image": _ota("checks_image = false"),
    "ignores changes of tenancy": _with(QUERIES, f'{QUERIES}\nbehaviour = "deaf"'),
    "never asks for changes": _with(QUERIES, 'queries = "never"'),
    "does not start again after a power cut": _with(BOOT, f"{BOOT}\ndies_of_power_cut = true"),
}
FAILS = {
    "activates although told to hold": {"F2", "F4"},
    "comes back with its old version": {"F2", "F3", "F4", "F7", "F8"},
    "begins its download anew after a power cut": {"F1"},
    "takes a damaged image": {"F1"},
    "ignores changes of tenancy": {"T4"},
    "never asks for changes": {"T2"},
    "does not start again after a power cut": {"J3", "F1", "F2", "F7", "T2"},
}
