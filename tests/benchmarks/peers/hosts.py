"""What all hosts of a peer benchmark do alike: say what happens, one JSON object a line, and how much CPU they took."""

from __future__ import annotations

import json
import signal
import time
from typing import Any


def say(event: str, **fields: Any) -> None:
    print(json.dumps({"event": event, **fields}), flush=True)


def tell_cpu_when_asked() -> None:
    """SIGUSR2: say the CPU seconds of the whole process so far."""
    signal.signal(signal.SIGUSR2, lambda *_: say("cpu", seconds=time.process_time()))
