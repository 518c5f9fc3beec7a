from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hanctl.han.clusters.basic import BasicServer
from hanctl.han.clusters.keep_alive import KeepAliveServer
from hanctl.han.clusters.time import TimeServer
from hanctl.han.zcl import take_value


class FixedClock:
    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return 0.0


EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


def since_2000(moment: datetime) -> int:
    return int((moment - EPOCH).total_seconds())


def read(server: BasicServer | KeepAliveServer | TimeServer) -> dict[int, object]:
    values: dict[int, object] = {}
    for attribute, served in server.attributes().items():
        values[attribute], rest = take_value(served.data_type, served.value)
        assert rest == b""
    return values


@pytest.mark.parametrize(
    ("moment", "offset"),
    [(datetime(2026, 1, 15, 12, tzinfo=UTC), 0), (datetime(2026, 7, 15, 12, tzinfo=UTC), 3600)],
)
def test_time_in_winter_and_summer(moment: datetime, offset: int) -> None:
    values = read(TimeServer(FixedClock(moment)))
    assert values == {
        0: since_2000(moment),
        1: 0b101,
        2: 0,
        3: since_2000(datetime(2026, 3, 29, 1, tzinfo=UTC)),
        4: since_2000(datetime(2026, 10, 25, 1, tzinfo=UTC)),
        5: 3600,
        6: since_2000(moment),
        7: since_2000(moment) + offset,
    }


def test_time_goes_on() -> None:
    clock = FixedClock(datetime(2026, 10, 25, 0, 59, 59, tzinfo=UTC))
    server = TimeServer(clock)
    assert read(server)[7] == since_2000(clock.moment) + 3600
    clock.moment += timedelta(seconds=1)
    assert read(server)[7] == since_2000(clock.moment)


def test_the_types_of_time_and_keep_alive() -> None:
    utc, flags, signed, unsigned = 0xE2, 0x18, 0x2B, 0x23
    time = TimeServer(FixedClock(datetime(2026, 1, 15, tzinfo=UTC))).attributes()
    types = [time[number].data_type for number in range(8)]
    assert types == [utc, flags, signed, unsigned, unsigned, signed, unsigned, unsigned]
    assert [served.data_type for _, served in sorted(KeepAliveServer().attributes().items())] == [0x20, 0x21]
    assert not any(served.writable for served in time.values())


def test_basic_and_keep_alive() -> None:
    assert read(BasicServer())[4] == "hanctl"
    assert read(KeepAliveServer()) == {0: 1, 1: 60}
