"""Real processes, a real pseudo-terminal, a real ``kill -9``: the transfer goes on, and the notice comes once."""

from __future__ import annotations

from pathlib import Path

import pytest
from process_rig import DISPLAY, ProcessRig, wait_for

from hanctl.images import demo_image

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.mark.parametrize("radio", ["ezsp", "znp"])
def test_kill_9(radio: str, tmp_path: Path) -> None:
    rig = ProcessRig(tmp_path, radio)
    with rig.dongle():
        hub = rig.hub()
        rig.join_display()
        image = rig.cli("firmware", "add", str(rig.image))["file_sha256"]
        update = rig.cli("update", "start", "--device", DISPLAY, "--image", image)["id"]
        wait_for(lambda: rig.cli("update", "show", str(update))["offset"] > 4000)
        before = rig.cli("update", "show", str(update))["offset"]
        hub.kill()
        hub.wait()
        hub = rig.hub()
        rig.cli("update", "wait", str(update), "--until", "confirmed", "--timeout", "2m")
        resumed = [event["offset"] for kind in ("transferring", "resumed") for event in rig.events(f"update.{kind}")]
        notices = rig.events("activation.notice")
        hub.terminate()
        assert hub.wait(20) == 0
    assert resumed[0] == 0
    assert len(resumed) == 2
    assert before <= resumed[1] < len(demo_image.build())
    assert [notice["new_version"] for notice in notices] == [demo_image.FILE_VERSION]
