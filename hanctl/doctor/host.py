"""Check what hanctl runs on: Python, radio libraries, clock and service."""

from __future__ import annotations

import asyncio
import ctypes
import platform
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from hanctl.doctor.finding import Finding, fail, ok, warn

PYTHONS = ((3, 11), (3, 14))
SYSTEMCTL_S = 3.0
SYSTEMD = Path("/run/systemd/system")

_TIMEX_BYTES = 256
"""More than struct timex has; its first field, modes, 0 asks and changes nothing."""
_TIME_ERROR = 5


def judge_python(version: tuple[int, int]) -> Finding:
    """Judge the Python version, such as (3, 11)."""
    told = f"{version[0]}.{version[1]} on {platform.machine()}"
    lowest, highest = PYTHONS
    if version < lowest:
        return fail("python", f"{told} is too old", f"hanctl needs Python {lowest[0]}.{lowest[1]} or later")
    if version > highest:
        return warn("python", f"{told} is newer than any hanctl is tested with", "use 3.11 to 3.14")
    return ok("python", told)


def judge_libraries(requirements: Sequence[str], installed: Mapping[str, str]) -> Finding:
    """Judge the libraries. ``requirements``: as declared, "bellows>=1.2.1,<1.3"; ``installed``: version by name."""
    wrong = []
    for text in requirements:
        requirement = Requirement(text)
        name, version = requirement.name, installed.get(requirement.name)
        if version is None:
            wrong.append(f"{name} is missing")
        elif not requirement.specifier.contains(version, prereleases=True):
            wrong.append(f"{name} {version} is not {text.removeprefix(name)}")
    if wrong:
        return fail("libraries", "; ".join(wrong), "install hanctl anew, with -c requirements.lock")
    radio = ", ".join(f"{name} {installed[name]}" for name in ("zigpy", "bellows", "zigpy-znp") if name in installed)
    return ok("libraries", radio or "as required")


def requirements_and_installed() -> tuple[list[str], dict[str, str]]:
    """Return required and installed versions; nothing if hanctl runs from a checkout without installation."""
    try:
        required = [each for each in metadata.requires("hanctl") or [] if ";" not in each]
    except metadata.PackageNotFoundError:
        return [], {}
    installed = {}
    for requirement in required:
        name = Requirement(requirement).name
        try:
            installed[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return required, installed


def python_version() -> tuple[int, int]:
    return sys.version_info[:2]


def clock_synchronised() -> bool | None:
    """Tell whether a time service keeps the kernel's clock right; None: it does not say. Source: adjtimex(2)."""
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else state != _TIME_ERROR


def judge_service(service: str, unit: Mapping[str, str], hub: int | None) -> Finding:
    """Judge the service. ``unit``: properties from systemd; ``hub``: process of the hub that answers, if any."""
    log = f"journalctl -u {service} -n 50 says why"
    runs = f"the hub runs (process {hub})" if hub is not None else "no hub runs"
    if unit.get("LoadState", "not-found") == "not-found":
        return ok("service", f"not installed; {runs}")
    active, enabled = unit.get("ActiveState"), unit.get("UnitFileState")
    if active == "failed":
        return fail("service", f"{service} has failed", log)
    if active == "activating":
        return warn("service", f"{service} is starting, or is started again and again", log)
    if enabled != "enabled":
        return warn(
            "service", f"{service} is installed, but does not start with the machine", f"systemctl enable {service}"
        )
    if active != "active":
        return warn("service", f"{service} does not run; {runs}", f"systemctl start {service}")
    return ok("service", f"{service} is enabled and runs")


def systemd_runs() -> bool:
    return SYSTEMD.is_dir()


async def service_unit(service: str) -> dict[str, str] | None:
    """Return what systemd says of the service; None if it does not answer."""
    process = None
    try:
        async with asyncio.timeout(SYSTEMCTL_S):
            process = await asyncio.create_subprocess_exec(
                "systemctl", "show", service, "--property=LoadState,ActiveState,UnitFileState,User",
                stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
            )  # fmt: skip
            out, _ = await process.communicate()
    except (OSError, TimeoutError):
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()
        return None
    return dict(line.split("=", 1) for line in out.decode(errors="replace").splitlines() if "=" in line)
