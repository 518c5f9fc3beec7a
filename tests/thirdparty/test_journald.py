"""systemd's own journal takes the hub's entries, and journalctl finds them by their fields. Needs root, for a mount
namespace in which a journald of the test's own runs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

JOURNALD = Path("/lib/systemd/systemd-journald")

pytestmark = [
    pytest.mark.thirdparty,
    pytest.mark.skipif(
        os.geteuid() != 0 or not JOURNALD.exists() or shutil.which("unshare") is None,
        reason="needs root, systemd-journald and unshare",
    ),
]

SAY = """
import logging
import os
from datetime import UTC, datetime
from hanctl.model.events import DeviceLeft, DongleReopening
from hanctl.ledger.ledger import Recorded
from hanctl.logs.setup import log_event, set_up_logging

stream = os.fstat(2)
os.environ["JOURNAL_STREAM"] = f"{stream.st_dev}:{stream.st_ino}"
set_up_logging("auto")
noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
log_event(Recorded(7, noon, DeviceLeft(device="00:0d:6f:00:0a:90:69:e7")))
log_event(Recorded(8, noon, DongleReopening(attempt=3, delay_s=2.5, reason="two\\nlines")))
logging.getLogger("hanctl.x").warning("so " * 200_000)
"""

# systemd-cat connects standard error to the journal as systemd does.
SCRIPT = """
mount -t tmpfs none /run && mkdir -p /run/systemd/journal /run/log/journal
"$1" & journald=$!
until [ -S /run/systemd/journal/stdout ]; do sleep 0.1; done
systemd-cat "$2" -c "$3"
journalctl --sync
journalctl -D /run/log/journal -o json --all --no-pager -t hanctl HANCTL_EVENT=device.left
journalctl -D /run/log/journal -o json --all --no-pager -t hanctl HANCTL_ATTEMPT=3
journalctl -D /run/log/journal -o json --all --no-pager -t hanctl LOGGER=hanctl.x
kill $journald
"""


def test_the_journal_has_every_entry_with_its_fields() -> None:
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", SCRIPT, "sh", str(JOURNALD), sys.executable, SAY],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    left, reopening, long = (json.loads(line) for line in done.stdout.splitlines())
    assert (left["HANCTL_DEVICE"], left["PRIORITY"]) == ("00:0d:6f:00:0a:90:69:e7", "4")
    assert left["_TRANSPORT"] == "journal"
    assert reopening["HANCTL_REASON"] == "two\nlines"
    assert long["MESSAGE"] == "so " * 200_000
