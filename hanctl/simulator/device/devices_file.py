"""The devices file: a TOML list of simulated devices, read strictly, with errors of one line."""

from __future__ import annotations

import difflib
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hanctl.base.errors import ConfigError
from hanctl.base.places import syntax_place
from hanctl.base.shown_path import shown
from hanctl.simulator.device.spec import DeviceSpec


class DevicesFileError(ConfigError):
    """The devices file cannot be used."""

    code = "devices-file"


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)

    device: tuple[DeviceSpec, ...] = Field((), strict=False)


def load_devices(path: Path) -> tuple[DeviceSpec, ...]:
    """Return the devices in a file. Raises DevicesFileError, which names file, device, key and remedy."""
    try:
        text = path.read_text()
    except OSError as error:
        raise DevicesFileError(
            f"cannot read {shown(path)}: {error.strerror}", "name a devices file; configs/devices.toml is a sample"
        ) from error
    except UnicodeDecodeError as error:
        raise DevicesFileError(f"{path} is not a text file", "a devices file is TOML in UTF-8") from error
    return tuple(_beside(device, path.parent) for device in parse_devices(text, str(path)))


def _beside(device: DeviceSpec, directory: Path) -> DeviceSpec:
    """Look for the device's certificate file in the directory of the devices file."""
    if device.trust.file is None:
        return device
    trust = device.trust.model_copy(update={"file": directory / device.trust.file})
    return device.model_copy(update={"trust": trust})


def parse_devices(text: str, name: str = "devices.toml") -> tuple[DeviceSpec, ...]:
    """Return the devices in the text of a devices file. Raises DevicesFileError."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DevicesFileError(f"{name} is not TOML {syntax_place(error)}", "correct the file there") from None
    try:
        devices = _File.model_validate(content).device
    except ValidationError as error:
        raise _explained(name, content, error.errors()[0]) from None
    for field in ("name", "eui64"):
        twice = [v for v, n in Counter(getattr(d, field) for d in devices).items() if n > 1]
        if twice:
            raise DevicesFileError(f"{name}: two devices have the same {field}", f"give each its own {field}")
    return devices


def _explained(name: str, content: dict[str, Any], error: Any) -> DevicesFileError:
    """Return an error of one line for the first defect, with the nearest valid key where a key is unknown."""
    location: tuple[str | int, ...] = error["loc"]
    where = f"{name}: {_place(content, location)}"
    if error["type"] == "extra_forbidden":
        valid = _valid_keys(location)
        near = difflib.get_close_matches(str(location[-1]), valid, 1, 0.5)
        hint = f"did you mean '{near[0]}'?" if near else f"valid keys: {', '.join(valid)}"
        return DevicesFileError(
            f"{name}: {_place(content, location[:-1]) or 'at the top'}: there is an unknown key", hint
        )
    if error["type"] == "missing":
        return DevicesFileError(f"{where}: is missing", "every device has a name, an eui64 and a type")
    reason = str(error["msg"]).removeprefix("Value error, ")
    return DevicesFileError(f"{where}: {reason}", "correct the value there")


def _place(content: dict[str, Any], location: tuple[str | int, ...]) -> str:
    """Return where a key is, as a person finds it: a device by its name where it has one."""
    parts = [str(p) for p in location]
    if len(location) >= 2 and location[0] == "device" and isinstance(location[1], int):
        try:
            label = content["device"][location[1]].get("name")
        except (AttributeError, KeyError, IndexError, TypeError):
            label = None
        parts[:2] = [f"device {label!r}" if isinstance(label, str) else f"device number {location[1] + 1}"]
    return ", ".join(part for part in (*parts[:1], ".".join(parts[1:])) if part)


def _valid_keys(location: tuple[str | int, ...]) -> list[str]:
    """Return the keys of the table that a location's last part is in."""
    model: type[BaseModel] = _File
    for part in location[:-1]:
        if isinstance(part, int):
            continue
        model = _model_of(model.model_fields[part].annotation)
    return list(model.model_fields)


def _model_of(annotation: Any) -> type[BaseModel]:
    """Return the model that a field holds, by itself or in a tuple."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return _model_of(get_args(annotation)[0])
