"""A secret in the wrong field: no answer, event or log repeats what a client sent."""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import structlog
from hub_fakes import FakeRadio, configure, running, write_config
from hypothesis import given
from hypothesis import strategies as st
from typer.main import get_command

from hanctl.api.web import make_app
from hanctl.base.clock import SystemClock
from hanctl.base.errors import ConfigError, HanctlError
from hanctl.cli.main import app, main
from hanctl.config.reading import load_config
from hanctl.config.sections import Config
from hanctl.data.errors import BadData
from hanctl.data.files import read_csv, read_household
from hanctl.hub.daemon import Daemon
from hanctl.simulator.device.devices_file import parse_devices

CODE = "83FED3407A939723A5C639B26916D505C3B5"
TOKEN = "c0ffee0123456789c0ffee0123456789c0ffee"
SHORT = "83FED3407A939723"
"""A code of six bytes with its CRC, which has the form of an EUI64."""
DIGITS = "8312345612345678"
SECRETS = (CODE, TOKEN, SHORT, f"{CODE} {CODE}", f"2026-01-01T00:00:00+{TOKEN}", DIGITS)


def repeats(text: str, secret: str) -> bool:
    """Whether the text has the secret, or half of it, in any spelling."""
    plain = "".join(character for character in text.lower() if character.isalnum())
    wanted = "".join(character for character in secret.lower() if character.isalnum())
    half = len(wanted) // 2
    return wanted[:half] in plain or wanted[half:] in plain


def planted(schema: dict[str, Any], models: dict[str, Any], secret: str) -> Iterator[Any]:
    """Bodies with the secret as a value, as a name, and in the place of a whole."""
    yield secret
    yield [secret]
    if "$ref" in schema:
        schema = models[schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        for one in schema["anyOf"]:
            yield from planted(one, models, secret)
        return
    names: dict[str, Any] = schema.get("properties", {})
    good = {name: _good(one) for name, one in names.items() if name in schema.get("required", [])}
    yield good | {secret: 1}
    for name, one in names.items():
        for bad in (
            itertools.islice(planted(one, models, secret), 6) if "$ref" in one else (secret, [secret], {secret: 1})
        ):
            yield good | {name: bad}


def _good(schema: dict[str, Any]) -> Any:
    return schema.get("enum", ["x"])[0] if schema.get("type", "string") == "string" else 1


def requests(spec: dict[str, Any], secret: str) -> Iterator[tuple[str, str, Any]]:
    """A request for every place in every route that a client can fill."""
    models, told = spec["components"]["schemas"], quote(secret)
    for path, methods in spec["paths"].items():
        for method, what in methods.items():
            parameters = what.get("parameters", [])
            here = path
            for one in parameters:
                if one["in"] == "path":
                    yield method, here.replace("{" + one["name"] + "}", told), None
            for one in parameters:
                good = (
                    "1"
                    if one.get("schema", {}).get("type") == "integer"
                    else SHORT
                    if one["name"] == "eui64"
                    else "gas"
                )
                here = here.replace("{" + one["name"] + "}", good)
            for one in [each["name"] for each in parameters if each["in"] == "query"] + [told]:
                if "stream" not in path and path not in {"/frames"}:
                    yield method, f"{here}?{one}={told}", None
            yield method, f"{here}/?x={told}", None
            content = what.get("requestBody", {}).get("content", {})
            if "application/json" in content:
                for body in planted(content["application/json"]["schema"], models, secret):
                    yield method, here, body
            elif content:
                yield method, f"{here}?name={told}", secret
            yield method, f"{here}/{told}", None
    yield told[:4].upper(), f"/{told}", None


@pytest.mark.parametrize("secret", SECRETS, ids=["code", "token", "short code", "two", "in a time", "digits"])
async def test_no_route_repeats_what_was_sent(tmp_path: Path, secret: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    tried = 0
    with structlog.testing.capture_logs() as logs:
        async with running(configure(tmp_path), FakeRadio()) as daemon:
            api = make_app(daemon)
            transport = httpx.ASGITransport(api, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://h") as client:
                for method, path, body in requests(api.openapi(), secret):
                    answer = await client.request(
                        method.upper(),
                        path,
                        content=None if body is None else json.dumps(body),
                        headers={"accept": secret},
                    )
                    if answer.is_error:
                        told = answer.text + "".join(answer.headers.values())
                        assert not repeats(told, secret), (method, path, body, told)
                        assert answer.status_code < 500 or answer.json()["error"]["code"] != "internal", (path, body)
                        tried += 1
            events = [one.as_dict() for one in daemon.ledger.events()]
    refusals = [one for one in events if one["level"] in {"warning", "error"}]
    assert not repeats(json.dumps(refusals), secret)
    assert not any(repeats(str(line), secret) for line in logs if line["log_level"] in {"warning", "error"})
    assert not any(repeats(record.getMessage(), secret) for record in caplog.records if record.name != "httpx")
    assert tried > 200


# --- files


def sections() -> list[tuple[str, str]]:
    """Every key of the configuration by its section."""
    found = []
    for name, field in Config.model_fields.items():
        models = [field.annotation, *getattr(field.annotation, "__args__", ())]
        model = next(one for one in models if hasattr(one, "model_fields"))
        found += [(name, key) for key in model.model_fields]
    return found


KEYS = sections()
GOOD = '[dongle]\npath = "/dev/none"\nradio = "ezsp"\n'


@given(st.sampled_from(KEYS), st.sampled_from(SECRETS), st.sampled_from(['"{}"', '["{}"]', "{{ {} = 1 }}", "0x{}"]))
def test_no_configuration_error_repeats_a_value_or_a_name(
    tmp_path_factory: pytest.TempPathFactory, place: tuple[str, str], secret: str, form: str
) -> None:
    section, key = place
    file = tmp_path_factory.mktemp("configuration") / "hanctl.toml"
    value = form.format(secret)
    name = f'"{secret}"'
    for text in (
        GOOD + f"[{section}]\n{key} = {value}\n"
        if section != "dongle"
        else f'[dongle]\n{key} = {value}\nradio = "ezsp"\n',
        GOOD + (f"{name} = 1\n" if section == "dongle" else f"[{section}]\n{name} = {value}\n"),
        f"{name} = {value}\n" + GOOD,
        GOOD + f"[{name}]\nx = 1\n",
        GOOD + f"[{name}]\n[{name}]\n",
        GOOD + f"x = {{ {name} = 1, {name} = 2 }}\n",
        GOOD + f"{name} = 1\n{name} = 2\n",
        GOOD + f"{secret}\n",
    ):
        file.write_text(text)
        try:
            load_config(file)
        except ConfigError as error:
            assert not repeats(f"{error} {error.hint}", secret), text


@pytest.mark.parametrize("key", ["listener.token_file", "listener.metrics_token_file", "webhook.secret_file"])
@pytest.mark.parametrize("more", ["trust.certificate", "firmware.signature_roots", "firmware.supplier_certificates"])
async def test_a_secret_in_the_place_of_its_file_is_not_repeated(tmp_path: Path, key: str, more: str) -> None:
    for place in (key, more):
        section, _, name = place.partition(".")
        also = {"webhook": 'url = "http://x"\n', "listener": 'token_file = "there"\n' if name != "token_file" else ""}
        (tmp_path / "there").write_text(TOKEN)
        (tmp_path / "there").chmod(0o600)
        file = write_config(tmp_path, f'[{section}]\n{name} = "{CODE}"\n{also.get(section, "")}')
        with pytest.raises(HanctlError) as caught:
            async with running(load_config(file), serve=True):
                pass
        assert not repeats(f"{caught.value} {caught.value.hint}", CODE)


async def test_a_reload_repeats_nothing(tmp_path: Path) -> None:
    config = configure(tmp_path)
    file = tmp_path / "hanctl.toml"
    good = file.read_text()
    daemon = Daemon(config, SystemClock(), lambda _: FakeRadio(), serve=False, reread=lambda: load_config(file))
    await daemon.start()
    for text in (
        f'[webhook]\nurl = "{CODE}"\nsecret_file = "x"\n',
        f'[webhook]\nurl = "http://x"\nsecret_file = "{CODE}"\n',
        f"[{CODE}]\n",
        f"[join]\n{CODE} = 1\n",
        f"[join]\nx = {CODE}\n",
    ):
        file.write_text(good + text)
        with pytest.raises(HanctlError) as caught:
            daemon.reloads.reload()
        assert not repeats(f"{caught.value} {caught.value.hint}", CODE)
    told = [one.as_dict() for one in daemon.ledger.events(type="config.refused")]
    assert len(told) == 5 and not repeats(json.dumps(told), CODE)
    await daemon.stop("the test is over")


TREES: list[Callable[[str], Any]] = [
    lambda secret: {secret: {}},
    lambda secret: {"gas": {secret: {}}},
    lambda secret: {"gas": {"metering": {secret: 1}}},
    lambda secret: {"gas": {"metering": {"site_id": {secret: 1}}}},
    lambda secret: {"gas": {"messages": [{"start_time": 0, secret: 1}]}},
    lambda secret: {"gas": {"messages": [{"start_time": secret}]}},
    lambda secret: {"gas": {"half_hours": {"start": secret, "values": [secret]}}},
    lambda secret: {"esi": {"tariffs": [{"start_time": 0, "tariff_type_charging_scheme": {secret: 1}}]}},
]
TOML = (
    '"{}" = 1',
    '[gas."{}"]',
    '[gas]\nx = {{ "{}" = 1, "{}" = 2 }}',
    '[a."{}"]\n[a."{}"]',
    "{}",
    "x = {}",
    '"{}" = 1\n"{}" = 1',
)


@pytest.mark.parametrize("secret", SECRETS)
def test_no_error_of_a_household_or_devices_file_repeats_a_value_or_a_name(secret: str) -> None:
    whole = [(json.dumps(tree(secret)), "file.json") for tree in TREES]
    broken = [(text + secret, name) for text, name in whole] + [(f'{{"{secret}": {secret}', "file.json")]
    toml = [(text.format(secret, secret), "file.toml") for text in TOML]
    for text, name in whole + broken + toml:
        with pytest.raises(BadData) as caught:
            read_household(text, name, [1, 2], datetime(2026, 1, 1, tzinfo=UTC))
        assert not repeats(f"{caught.value} {caught.value.hint}", secret), text
    for zone in (secret, None):
        with pytest.raises(BadData) as caught:
            read_csv(f"{secret},{secret}\n1{secret},{secret}\n", "file.csv", "half_hours", zone)
        assert not repeats(f"{caught.value} {caught.value.hint}", secret)
    for text, _ in toml:
        with pytest.raises(HanctlError) as wrong:
            parse_devices(text)
        assert not repeats(f"{wrong.value} {wrong.value.hint}", secret), text


# --- the command line

STARTS_SOMETHING = {
    "run",
    "demo",
    "simulate",
    "conformance",
    "console",
    "capture",
    "install-service",
    "uninstall-service",
}


def lines(command: Any, above: tuple[str, ...], secret: str) -> Iterator[list[str]]:
    """Command lines with the secret in each place that a person can fill."""
    yield [*above, secret]
    yield [*above, f"--{secret}"]
    if hasattr(command, "commands"):
        for name, each in command.commands.items():
            if name not in STARTS_SOMETHING:
                yield from lines(each, (*above, name), secret)
        return
    options = [each for each in command.params if each.param_type_name == "option" and each.name != "help"]
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    needed = [word for each in options if each.required for word in (each.opts[0], secret)]
    yield [*above, *needed, *[secret for _ in arguments]]
    yield [*above, *needed, *[secret for _ in arguments], secret, secret]
    for option in options:
        yield [*above, *needed, *["1" for _ in arguments], option.opts[0], secret]
        yield [*above, f"{option.opts[0]}={secret}"]


@pytest.mark.parametrize(
    ("secret", "step"),
    [(CODE, 20), pytest.param(CODE, 1, marks=pytest.mark.slow), pytest.param(SHORT, 1, marks=pytest.mark.slow)],
)
def test_no_command_repeats_what_was_typed(
    secret: str, step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """``step``: one in so many command lines is tried."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HANCTL_SOCKET", str(tmp_path / "none.sock"))
    tried = 0
    for line in itertools.islice(lines(get_command(app), (), secret), 0, None, step):
        with pytest.raises(SystemExit) as ended:
            main(line)
        said = capsys.readouterr()
        if ended.value.code:
            assert not repeats(said.err + said.out, secret), (line, said.err)
            tried += 1
        # What is the name of a file is told as one.
        for made in tmp_path.rglob("*"):
            made.unlink()
    assert tried > 200 / step
