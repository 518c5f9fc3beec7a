"""Prometheus' own tool finds nothing to complain of in the metrics and the documented alerts. On Debian: apt package
prometheus."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from hanctl.base import virtual
from hanctl.hil.bench import Bench

PROMTOOL = shutil.which("promtool")
DOCUMENT = Path(__file__).parents[2] / "docs" / "metrics.md"

pytestmark = [pytest.mark.thirdparty, pytest.mark.skipif(PROMTOOL is None, reason="needs promtool")]


def promtool(*arguments: str, given: bytes = b"") -> str:
    assert PROMTOOL is not None
    done = subprocess.run([PROMTOOL, *arguments], input=given, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return (done.stdout + done.stderr).decode()


def test_the_metrics(tmp_path: Path) -> None:
    async def scrape() -> bytes:
        bench = Bench(tmp_path, [])
        bench.world.plug()
        hub = await bench.start()
        content, _ = hub.metrics.exposition("text/plain;version=0.0.4")
        await bench.close()
        return content

    content = virtual.run(scrape())
    assert b"hanctl_dongle_open 1.0" in content
    assert promtool("check", "metrics", given=content) == ""


def test_the_alerts_of_the_document(tmp_path: Path) -> None:
    (rules,) = re.findall(r"```yaml\n(groups:.*?)```", DOCUMENT.read_text(), re.DOTALL)
    file = tmp_path / "hanctl.yml"
    file.write_text(rules)
    assert "5 rules found" in promtool("check", "rules", str(file))
