"""hanctl as host of a peer benchmark: ``host_hanctl.py RADIO URL DIRECTORY IMAGE EUI64,... [ACTIVATION [SECTIONS]]``.

All displays join by their install code, and then all are updated at once. DIRECTORY keeps the hub's state between runs.
SECTIONS is more of the configuration, as JSON. A number on stdin releases what is held, so many seconds later.
"""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hosts import say, tell_cpu_when_asked

from hanctl.base.clock import SystemClock
from hanctl.base.eui64 import Eui64
from hanctl.config.sections import Config
from hanctl.hub.daemon import Daemon
from hanctl.ledger.ledger import Recorded
from hanctl.logs.setup import set_up_logging

CODE = "83FED3407A939723A5C639B26916D505C3B5"


async def main(
    radio: str, url: str, directory: str, image: str, displays: str, activation: str = "now", sections: str = "{}"
) -> None:
    set_up_logging("json")
    config = Config.model_validate(
        {
            "hub": {"state_dir": directory, "socket": f"{directory}.socket"},
            "dongle": {"path": url, "radio": radio},
            **json.loads(sections),
        }
    )
    daemon = Daemon(config, SystemClock(), serve=False)
    await daemon.start()

    def follow(recorded: Recorded) -> None:
        fields = recorded.as_dict()
        if fields["type"].startswith(("update.", "activation.")):
            say("hub", type=fields["type"], device=fields["device"])

    daemon.ledger.subscribe(follow)
    wanted = [Eui64(each) for each in displays.split(",")]
    if all(daemon.ledger.devices.get(each) is None for each in wanted):
        for each in wanted:
            await daemon.join(each, CODE)
        say("open")
    while not all((d := daemon.ledger.devices.get(e)) and d.state == "interviewed" for e in wanted):
        await asyncio.sleep(0.05)
    say("joined")
    await asyncio.sleep(2)
    record = daemon.updates.add_image(Path(image).read_bytes(), name="image")
    for each in wanted:
        if not daemon.ledger.updates.all(device=each):
            daemon.updates.start(each, record.file_sha256, activation=activation)  # type: ignore[arg-type]
    say("ordered")
    ordered: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().add_reader(sys.stdin, lambda: ordered.set_result(sys.stdin.readline()))
    seconds = float(await ordered)
    asyncio.get_running_loop().remove_reader(sys.stdin)
    at = datetime.now(UTC) + timedelta(seconds=seconds) if seconds else None
    for update in daemon.ledger.updates.all(open_only=True):
        await daemon.updates.activate(update.id, at=at)
    await asyncio.Event().wait()


if __name__ == "__main__":
    tell_cpu_when_asked()
    asyncio.run(main(*sys.argv[1:]))
