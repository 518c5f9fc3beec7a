"""Which frame goes next: pure, in microseconds."""

from __future__ import annotations

from dataclasses import replace

from hanctl.radio.frames import OutgoingFrame
from hanctl.radio.sending.send_queue import FIRST_WINDOW, FRESH_S, HELD_S, LOST_S, RESERVE, Parcel, SendQueue

OWN = OutgoingFrame(1, 1, 1, 0x0109, 0x0700, b"own")


def block(device: int, offset: int = 0, at: float = 0.0) -> Parcel:
    return Parcel(replace(OWN, destination_nwk=device, cluster=0x0019, bulk=offset), at)


def own(at: float = 0.0) -> Parcel:
    return Parcel(OWN, at)


def take_all(queue: SendQueue, now: float = 0.0) -> list[Parcel]:
    taken = []
    while (parcel := queue.take(now)) is not None:
        taken.append(parcel)
    return taken


def test_own_frames_go_first_and_blocks_by_turns() -> None:
    queue = SendQueue(most=32)
    blocks = [block(device) for device in (1, 2, 3)]
    for parcel in blocks:
        queue.put(parcel)
    mine = [own(), own()]
    for parcel in mine:
        queue.put(parcel)
    assert take_all(queue) == mine + blocks


def test_a_device_that_asks_more_often_has_no_more_turns() -> None:
    queue = SendQueue(most=1, window=1)
    served = []
    for device in (1, 2, 3):
        queue.put(block(device, 0))
    for greedy in range(1, 31):
        parcel = queue.take(0.0)
        assert parcel is not None
        served.append(parcel.place[0])
        queue.ended(parcel, delivered=True)
        queue.put(block(1, greedy))
        queue.put(block(parcel.place[0], 1000 + greedy))
    assert [served.count(device) for device in (1, 2, 3)] == [10, 10, 10]


def test_a_newer_block_takes_the_place_of_the_one_that_waits() -> None:
    queue = SendQueue(most=32)
    old, new = block(1, 0), block(1, 56)
    assert queue.put(old) is None
    assert queue.put(new) is old
    assert take_all(queue) == [new]


def test_the_same_block_goes_again_only_where_it_failed() -> None:
    queue = SendQueue(most=32)
    first, retry, third = block(1, 56), block(1, 56), block(1, 56)
    queue.put(first)
    assert queue.take(0.0) is first
    queue.put(retry)
    assert queue.take(1.0) is None
    assert queue.ended(first, delivered=True) is retry
    assert queue.take(1.0) is None
    queue.put(third)
    assert queue.take(1.0) is third
    queue.put(retry)
    assert queue.ended(third, delivered=False) is None
    assert queue.take(2.0) is retry


def test_where_the_confirmation_is_lost_a_retry_goes_after_a_while() -> None:
    queue = SendQueue(most=32)
    queue.put(block(1, 56))
    queue.take(0.0)
    retry = block(1, 56)
    queue.put(retry)
    assert queue.take(HELD_S - 0.1) is None
    assert queue.take(HELD_S) is retry


def test_the_next_block_need_not_wait_for_the_confirmation_of_the_last() -> None:
    queue = SendQueue(most=32)
    queue.put(block(1, 0))
    queue.take(0.0)
    following = block(1, 56)
    queue.put(following)
    assert queue.take(0.0) is following


def test_a_bounded_number_is_on_its_way_and_own_frames_have_room() -> None:
    queue = SendQueue(most=32)
    for device in range(100):
        queue.put(block(device))
    assert len(take_all(queue)) == int(FIRST_WINDOW) - RESERVE
    queue.put(own())
    assert len(take_all(queue)) == 1


def test_the_window_grows_to_its_bound_while_it_is_used_and_only_then() -> None:
    queue = SendQueue(most=16)
    for round_ in range(2000):
        queue.put(block(round_))
        parcel = queue.take(0.0)
        assert parcel is not None
        queue.ended(parcel, delivered=True)
    assert queue.window == FIRST_WINDOW
    for device in range(40):
        queue.put(block(device))
    ways = take_all(queue)
    for device in range(40, 2000):
        queue.ended(ways.pop(0), delivered=True)
        queue.put(block(device))
        ways += take_all(queue)
    assert queue.window == 16
    assert len(ways) == 16 - RESERVE


def test_a_full_dongle_is_left_alone_until_something_is_confirmed() -> None:
    queue = SendQueue(most=32)
    parcels = [block(device) for device in range(4)]
    for parcel in parcels:
        queue.put(parcel)
    first, second, third = (queue.take(0.0) for _ in range(3))
    assert first and second and third
    assert queue.refused(third, 0.0) is None
    assert queue.window == 2
    assert queue.take(0.0) is None
    assert 0 < queue.pause(0.0) < 0.1
    for parcel in (first, second):
        queue.ended(parcel, delivered=True)
    # The refused one goes first again.
    assert queue.take(0.0) is third


def test_pauses_grow_while_the_dongle_stays_full() -> None:
    queue = SendQueue(most=32)
    queue.put(own())
    now, pauses = 0.0, []
    for _ in range(8):
        parcel = queue.take(now)
        assert parcel is not None
        queue.refused(parcel, now)
        pauses.append(queue.pause(now))
        now += queue.pause(now)
    assert pauses == sorted(pauses)
    assert pauses[0] < 0.02
    assert pauses[-1] == pauses[-2] < 0.5


def test_what_waits_too_long_is_given_up() -> None:
    queue = SendQueue(most=32)
    parcels = [own(0.0), block(1, at=0.0), block(2, at=1.0)]
    for parcel in parcels:
        queue.put(parcel)
    assert queue.stale(FRESH_S) == parcels[:2]
    assert take_all(queue, FRESH_S) == parcels[2:]


def test_a_confirmation_that_does_not_come_makes_room_and_narrows_the_window() -> None:
    queue = SendQueue(most=32)
    queue.put(block(1))
    parcel = queue.take(0.0)
    assert parcel is not None
    assert queue.lost(LOST_S - 0.1) == []
    assert queue.lost(LOST_S) == [parcel]
    assert queue.window == FIRST_WINDOW - 1
    assert queue.ended(parcel, delivered=True) is None


def test_the_backlog_is_what_blocks_wait() -> None:
    queue = SendQueue(most=32)
    assert queue.backlog(0.0) == 0.0
    queue.put(block(1, at=0.0))
    assert queue.backlog(2.5) == 2.5
    take_all(queue, 2.5)
    assert 0 < queue.backlog(2.5) < 2.5
    assert queue.backlog(100.0) == 0.0
