"""What the hub logs at debug level, records and answers holds no key and no install code."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import stat
from pathlib import Path

import httpx
import pytest
from dongle_lab import CODE, VARIANTS, Kind, Lab, address
from logging_journald import JournaldTransport
from secret_search import told
from trust_bench import authority, issued

from hanctl.api.app import make_app
from hanctl.base import virtual
from hanctl.crypto.install_code import parse_install_code
from hanctl.logs import setup as logs


def test_the_search_finds_what_it_looks_for() -> None:
    secrets = {"key": bytes(range(16))}
    for text in (
        "00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F",
        "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]",
    ):
        assert told(secrets, text) == ["key"]
    assert told(secrets, "0001020304050607") == []


@pytest.mark.parametrize("variant", [VARIANTS[0], VARIANTS[2], VARIANTS[3]], ids=["ezsp13", "ezsp18", "znp"])
def test_no_secret_is_told(
    variant: tuple[Kind, int | None],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    secrets, answers = virtual.run(_a_whole_life(tmp_path, *variant))
    printed = capfd.readouterr()
    assert told(secrets, caplog.text + printed.out + printed.err) == []
    assert "key.established" in printed.out
    assert told(secrets, answers) == []
    state = tmp_path / "hub"
    public = [path for path in state.rglob("*") if path.is_file() and path.parent.name != "backups"]
    for path in public:
        content = path.read_bytes()
        assert not [name for name, secret in secrets.items() if secret in content], path
        assert told(secrets, content.decode("latin-1")) == [], path
    # Where they have to be, others cannot read them, and no name tells them.
    backups = list((state / "backups").iterdir())
    assert told({"network": secrets["network key"]}, backups[-1].read_text()) == ["network"]
    assert told(secrets, "\n".join(map(str, backups))) == []
    for path in [*backups, tmp_path / "hub.json", state / "ledger.sqlite"]:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_no_secret_is_in_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    entries: list[bytes] = []
    monkeypatch.setattr(JournaldTransport, "_send", lambda transport, entry: entries.append(entry))
    monkeypatch.setattr(logs, "leads_to_journal", lambda stream: True)
    logs.set_up_logging("auto", io.StringIO())
    root = logging.getLogger()
    root.setLevel(logging.DEBUG)
    (handler,) = root.handlers
    secrets, _ = virtual.run(_a_whole_life(tmp_path, *VARIANTS[0]))
    # What the libraries say beside it goes the same way.
    library = logging.getLogger("bellows.ezsp.protocol")
    for told_of in secrets.items():
        frame = ("Failed to parse frame %s: %s", told_of, None)
        handler.handle(library.makeRecord(library.name, logging.WARNING, __file__, 0, *frame))
    text = b"".join(entries).decode()
    assert told(secrets, text) == []
    assert "HANCTL_EVENT=key.established\n" in text
    assert text.count("MESSAGE=Failed to parse frame") == len(secrets)
    assert capfd.readouterr().err == ""


async def _a_whole_life(directory: Path, kind: Kind, version: int | None) -> tuple[dict[str, bytes], str]:
    silence = {2: {"trust": {"silent_after": "join"}}}
    lab = Lab(directory, kind, version, devices=2, different=silence, trust={"cbke_timeout_s": 60})
    lab.world.plug()
    hub = await lab.start()
    await lab.join(hub)
    await asyncio.sleep(90)
    assert lab.world.stack.network is not None
    code = parse_install_code(CODE)
    secrets = {
        "network key": lab.world.stack.network.key,
        "established key": lab.agreed[address(1)],
        "install code": bytes.fromhex(CODE),
        "install code without CRC": bytes.fromhex(CODE)[:-2],
        "install code's key": code.link_key,
        "hub's private key": issued(lab.world.stack.eui64).private_key.to_bytes(36, "big"),
        "display's private key": issued(address(2)).private_key.to_bytes(36, "big"),
        "authority's private key": authority().private_key.to_bytes(36, "big"),
    }
    answers = []
    async with httpx.AsyncClient(transport=httpx.ASGITransport(make_app(hub)), base_url="http://hub") as client:
        bad = {"eui64": address(2), "install_code": CODE[:-1] + "0"}
        for response in (
            *[await client.get(path) for path in ("/status", "/devices?all=true", "/device-log", "/events?limit=1000")],
            await client.post("/join", json=bad),
            await client.post("/join", json={"install_code": CODE}),
        ):
            answers.append(json.dumps(response.json()))
        answers.append((await client.get("/metrics")).text)
    assert "key.established" in answers[3]
    assert 'hanctl_key_establishments_total{outcome="established"} 1.0' in answers[-1]
    assert not any(str(device.eui64) in answers[-1] for device in lab.world.devices)
    await lab.close()
    return secrets, "\n".join(answers)
