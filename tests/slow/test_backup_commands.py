"""``hanctl backup`` as a person uses it: on processes, with a pseudo-terminal between hub and dongle."""

from __future__ import annotations

import json
import stat
import subprocess
from pathlib import Path

import pytest
from process_rig import DISPLAY, HANCTL, ProcessRig, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def backup(rig: ProcessRig, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*HANCTL, "backup", *arguments, "-c", str(rig.config)],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.parametrize("radio", ["ezsp", "znp"])
def test_a_network_is_saved_shown_and_restored(radio: str, tmp_path: Path) -> None:
    rig = ProcessRig(tmp_path, radio)
    kept = tmp_path / "kept.json"
    with rig.dongle():
        hub = rig.hub()
        rig.join_display()
        made = backup(rig, "create", "-o", str(kept))
        assert made.returncode == 0, made.stderr
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        assert "exists" in backup(rig, "create", "-o", str(kept)).stderr
        key = json.loads(kept.read_text())["network_key"]["key"]
        busy = backup(rig, "restore", str(kept), "--yes")
        assert (busy.returncode, "another hanctl" in busy.stderr) == (7, True)
        hub.terminate()
        assert hub.wait(20) == 0

        listed = json.loads(backup(rig, "list", "--json").stdout)
        assert {row["state"] for row in listed} == {"whole"}
        assert {row["kind"] for row in listed} == {"network", "ledger"}
        assert kept.read_bytes() in [Path(row["path"]).read_bytes() for row in listed]
        ledger = Path(next(row["path"] for row in listed if row["kind"] == "ledger"))
        damaged = Path(listed[0]["path"])
        damaged.write_bytes(damaged.read_bytes()[:200])
        shown = backup(rig, "list")
        assert (shown.returncode, "damaged" in shown.stdout) == (0, True)
        assert key not in shown.stdout + json.dumps(listed) + made.stdout

        unasked = backup(rig, "restore", str(kept))
        assert (unasked.returncode, "nothing was changed" in unasked.stderr) == (7, True)
        restored = backup(rig, "restore", str(kept), "--yes")
        assert restored.returncode == 0, restored.stderr
        assert key not in restored.stdout
        assert "saved first" in restored.stdout
        again = backup(rig, "restore", ledger.name, "--yes")
        assert again.returncode == 0, again.stderr
        hub = rig.hub()
        assert [each["backup"] for each in rig.events("ledger.restored")] == [str(ledger)]
        wait_for(lambda: bool(rig.cli("device", "list")))
        assert [device["eui64"] for device in rig.cli("device", "list")] == [DISPLAY]
        assert len(rig.events("network.formed")) == 1
        hub.terminate()
        assert hub.wait(20) == 0
