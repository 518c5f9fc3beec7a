"""Read the daemon's TOML configuration; errors name file, key and remedy."""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from hanctl.base.errors import ConfigError
from hanctl.base.places import line_of, syntax_place
from hanctl.base.shown_path import shown
from hanctl.config.paths import hub_of
from hanctl.config.sections import Config, Section


def load_config(path: Path) -> Config:
    """Read and check a configuration file. Raises ConfigError, in one line that names file and key."""
    try:
        text = path.read_text(encoding="utf-8")
        data = tomllib.loads(text)
    except OSError as error:
        raise ConfigError(
            f"cannot read {shown(path)}: {error.strerror}",
            "give the configuration file with -c FILE; configs/ has examples",
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not a text file in UTF-8", "give a TOML file; configs/ has examples") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: it is not TOML {syntax_place(error)}", "correct the TOML syntax there") from None
    _give_places(data, path)
    try:
        config = Config.model_validate(data, context={"directory": path.absolute().parent.resolve()})
    except ValidationError as error:
        # An unknown key comes first: the "missing" one beside it is most often the same mistake.
        details = sorted(error.errors(), key=lambda detail: detail["type"] != "extra_forbidden")
        first = details[0]
        line = line_of(text, tuple(first["loc"]), "toml")
        where = str(path) if line is None or first["type"] == "missing" else f"{path}, line {line}"
        raise _explain(where, first["type"], first["loc"], is_table=isinstance(first["input"], dict)) from None
    if config.console is not None and _same_port(config.console.port, config.dongle.path):
        raise ConfigError(
            f"{path}: port in [console] is the dongle's",
            "give the port that the display's console is on; 'ls -l /dev/serial/by-id/' shows what is there",
        )
    return config


def _give_places(data: dict[str, Any], path: Path) -> None:
    """Add to the configuration where its hub has state and socket, if its own place says so and it does not."""
    places, hub = hub_of(path), data.setdefault("hub", {})
    if places is not None and isinstance(hub, dict):
        hub.setdefault("state_dir", str(places.state_dir))
        hub.setdefault("socket", str(places.socket))


def _same_port(one: str, other: str) -> bool:
    return one == other or ("://" not in one + other and Path(one).resolve() == Path(other).resolve())


def _explain(where: str, kind: str, loc: tuple[int | str, ...], *, is_table: bool) -> ConfigError:
    # Neither a value nor a name that is not known is repeated: it may be a secret in the wrong place.
    section = str(loc[0])
    if len(loc) == 1:
        return _explain_section(where, kind, section, is_table=is_table)
    key = str(loc[1])
    fields = _sections()[section].model_fields
    if kind == "extra_forbidden":
        homes = [name for name, model in _sections().items() if key in model.model_fields]
        if homes:
            hint = f"'{key}' belongs in [{homes[0]}]"
        else:
            hint = _nearest(key, list(fields), "'{}'") or f"valid keys are: {', '.join(fields)}"
        return ConfigError(f"{where}: unknown key in [{section}]{_tail(hint)}", _as_hint(hint))
    allowed = fields[key].description
    if kind == "missing":
        return ConfigError(f"{where}: '{key}' is missing in [{section}]", f"give {allowed}")
    return ConfigError(f"{where}: {key} in [{section}] is not allowed", f"give {allowed}")


def _explain_section(where: str, kind: str, section: str, *, is_table: bool) -> ConfigError:
    if kind == "extra_forbidden":
        what = "unknown section" if is_table else "unknown key at the top"
        hint = _nearest(section, list(_sections()), "[{}]") or f"valid sections are: {', '.join(_sections())}"
        return ConfigError(f"{where}: {what}{_tail(hint)}", _as_hint(hint))
    if kind == "missing":
        return ConfigError(f"{where}: the section [{section}] is missing", "add it; configs/ has examples")
    return ConfigError(f"{where}: '{section}' must be a section", f"write [{section}] and its keys below it")


def _sections() -> dict[str, type[Section]]:
    """Return the model of every section by its name, optional ones too."""
    found: dict[str, type[Section]] = {}
    for name, field in Config.model_fields.items():
        models = [field.annotation, *get_args(field.annotation)]
        found[name] = next(model for model in models if isinstance(model, type) and issubclass(model, Section))
    return found


def _nearest(name: str, valid: list[str], form: str) -> str:
    found = difflib.get_close_matches(name.lower(), valid, n=1, cutoff=0.6)
    return f"did you mean {form.format(found[0])}?" if found else ""


def _tail(hint: str) -> str:
    return f": {hint}" if hint.startswith("did you mean") else ""


def _as_hint(hint: str) -> str:
    return "correct the name; configs/ has examples" if hint.startswith("did you mean") else hint
