"""Real processes and a real ``kill -9`` around the moment of a change of tenancy: it is done, or it is not begun."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from process_rig import DISPLAY, ProcessRig, wait_for

from hanctl.base.errors import HanctlError
from hanctl.cli.client import Client, ControlSocket

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

HOUSEHOLD = Path(__file__).parents[2] / "configs" / "household.toml"
AFTER_MS = (0, 3, 6, 10, 15, 25, 60, 300)


@pytest.mark.parametrize("radio", ["ezsp", "znp"])
def test_kill_9(radio: str, tmp_path: Path) -> None:
    rig = ProcessRig(tmp_path, radio)

    def held() -> Any:
        return [(item["name"], item["count"], item["value"]) for item in rig.cli("data", "show", "--values")]

    def order() -> None:
        # A hub that is killed does not answer.
        with suppress(HanctlError):
            Client(ControlSocket(tmp_path / "hub.sock")).post("/changes", {"kind": "tenancy"})

    with rig.dongle():
        hub = rig.hub()
        rig.join_display()
        done = 0
        for after_ms in AFTER_MS:
            rig.cli("data", "load", str(HOUSEHOLD))
            whole = held()
            ordering = threading.Thread(target=order)
            ordering.start()
            time.sleep(after_ms / 1000)
            hub.kill()
            hub.wait()
            ordering.join()
            hub = rig.hub()
            changes = [each["change"] for each in rig.cli("tenancy", "list")]
            assert len(changes) in {done, done + 1}
            assert {change["state"] for change in changes} <= {"done"}
            if len(changes) == done:
                assert held() == whole
            else:
                cleared = held()
                assert len(cleared) < len(whole)
                done += 1
        assert done, "every one was killed before it was begun"
        assert len(rig.events("change.done")) == done
        last = str(max(each["change"]["id"] for each in rig.cli("tenancy", "list")))

        def verdict() -> str:
            (device,) = rig.cli("tenancy", "report", last)["devices"]
            assert device["eui64"] == DISPLAY
            return str(device["verdict"])

        wait_for(lambda: verdict() in {"reported cleared", "acknowledged only"})
        hub.terminate()
        assert hub.wait(20) == 0
