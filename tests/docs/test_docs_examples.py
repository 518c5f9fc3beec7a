"""The documents say what the code does: their example runs, their routes exist, their links and rooms are there."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any, cast

import pytest

from hanctl.api.app import make_app
from hanctl.config.reading import load_config
from hanctl.config.sections import Config, ConsoleSection, HilSection, ListenerSection, TrustSection
from hanctl.hub.daemon import Daemon
from hanctl.webhook.webhook import sign

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PACKAGE = ROOT / "hanctl"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "firmware_store" / "README.md", *sorted(DOCS.glob("*.md"))]

SECRET = b"0123456789abcdef0123456789abcdef"
BODY = b'{"type": "activation.notice"}'


def genuine(*arguments: Any) -> bool:
    (example,) = re.findall(r"```python\n(.*?)```", (DOCS / "api.md").read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(example, "docs/api.md", "exec"), names)
    return bool(names["genuine"](*arguments))


def headers(age_s: int = 0) -> dict[str, str]:
    stamp = int(time.time()) - age_s
    return {
        "webhook-id": "notice_1",
        "webhook-timestamp": str(stamp),
        "webhook-signature": sign(SECRET, "notice_1", stamp, BODY),
    }


def test_the_receivers_example_tells_a_genuine_notice_from_others() -> None:
    assert genuine(SECRET, headers(), BODY)
    assert not genuine(SECRET, headers(), BODY + b" ")
    assert not genuine(b"another secret, of another hub", headers(), BODY)
    assert not genuine(SECRET, headers() | {"webhook-id": "notice_2"}, BODY)
    assert not genuine(SECRET, headers(age_s=3600), BODY)


def test_every_request_in_the_api_document_has_a_route() -> None:
    # A route sees its daemon only when it is called.
    paths = make_app(cast(Daemon, None)).openapi()["paths"]
    routes = [re.compile(re.sub(r"\{\w+\}", "[^/]+", path)) for path in (*paths, "/openapi.json")]
    requests = re.findall(r"http://hanctl(/[\w/.]+)", (DOCS / "api.md").read_text())
    assert requests
    assert [path for path in requests if not any(route.fullmatch(path) for route in routes)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    targets = [link for link in re.findall(r"\]\(([^)#]+)", page.read_text()) if "://" not in link]
    assert [link for link in targets if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("radio", ["ezsp", "znp"])
def test_what_is_commented_out_in_a_bench_configuration_is_the_default(
    radio: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    for name in ("STATE_DIRECTORY", "RUNTIME_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    given = ROOT / "configs" / f"bench-{radio}.toml"
    everything = tmp_path / "bench.toml"
    everything.write_text(re.sub(r"^# (?=\[|\w+ = )", "", given.read_text(), flags=re.MULTILINE))
    full = load_config(everything)
    assert full.webhook is not None
    assert full.trust is not None
    trust = TrustSection.model_validate({"certificate": "hub-certificate.json"}, context={"directory": tmp_path})
    assert full.trust == trust
    hil = {"eui64": "00:0d:6f:00:0b:00:00:01", "install_code_file": "display.code", "device_type": "ppmid"}
    images = {"base_image": "display-1.0.ota", "image": "display-1.1.ota", "next_image": "display-1.2.ota"}
    assert full.hil == HilSection.model_validate(hil | images, context={"directory": tmp_path})
    assert full.console is not None
    assert full.console == ConsoleSection.model_validate({"port": full.console.port})
    assert full.listener is not None
    listener = {"token_file": "token", "metrics_token_file": "metrics-token"}
    assert full.listener == ListenerSection.model_validate(
        listener, context={"directory": full.listener.token_file.parent}
    )
    without = {"webhook": None, "trust": None, "hil": None, "console": None, "listener": None}
    assert full.model_copy(update=without) == load_config(given)
    assert set(full.model_dump()) == set(Config.model_fields)


def test_every_module_the_architecture_names_is_there() -> None:
    named = re.findall(r"`((?:\w+/)*\w+\.py|\w+/)`", (DOCS / "architecture.md").read_text())
    below = {path.name for path in PACKAGE.rglob("*.py")}
    missing = [name for name in named if not (PACKAGE / name).exists() and name not in below]
    assert len(named) > 20
    assert missing == []
