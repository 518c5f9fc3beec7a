"""Metering (0x0702): profiles, samples and snapshots. Source: comms_hub.md appendix C and §3.1."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from zigpy.zcl.foundation import ZCLCommandDef

from hanctl.data.servers.base import NOT_FOUND, PAGE, Answer, DataServer, Handler, replies
from hanctl.data.snapshots import matching, metering_payload
from hanctl.data.tables import DAYS, HALF_HOURS, INTERVALS
from hanctl.data.values import NEVER, NOW, from_utc_seconds
from hanctl.han.cluster import DefaultReply, Reply, Request, Status
from hanctl.han.clusters.time import zigbee_time
from hanctl.han.smart_energy.clusters import pack
from hanctl.han.smart_energy.enumerations import GetProfileStatus, IntervalChannel, IntervalPeriod, SampleType
from hanctl.han.smart_energy.metering import Metering
from hanctl.ledger.household import Sample

GET = Metering.ServerCommandDefs
PUBLISH = Metering.ClientCommandDefs

SAMPLES = {0x0000: HALF_HOURS, 0x0001: DAYS}
"""By sample id. Source: comms_hub.md §3.1."""
NO_VALUE = 0xFFFFFF
"""An interval for which nothing is held."""
MOST_INTERVALS = (PAGE - 11) // 3
LONGEST_INTERVAL = 0xFFFF
"""The interval's field in seconds is too short for a day."""
FAST_POLL_S = 5
FAST_POLL_MIN = 15
"""What a device that wants to poll fast is granted at most. Source: zigpy's defaults; no meter stands behind this."""


class MeteringServer(DataServer):
    """Serve a meter's history from the store. Only energy delivered is recorded by interval."""

    cluster = Metering.cluster_id

    def commands(self) -> Iterable[tuple[ZCLCommandDef, Handler]]:
        return (
            (GET.get_profile, self._profile),
            (GET.request_fast_poll_mode, self._fast_poll),
            (GET.get_snapshot, self._snapshot),
            (GET.get_sampled_data, self._sampled_data),
        )

    def _profile(self, request: Request, fields: Any) -> Answer:
        """Answer with half-hours that end by a time, latest first."""

        def answer(status: GetProfileStatus, end: int = 0, intervals: tuple[int, ...] = ()) -> Reply:
            return Reply(
                int(PUBLISH.get_profile_response.id),
                pack(
                    PUBLISH.get_profile_response,
                    end_time=end,
                    status=status,
                    profile_interval_period=IntervalPeriod.Minutes30,
                    number_of_periods_delivered=len(intervals),
                    intervals=list(intervals),
                ),
            )

        if fields.interval_channel == IntervalChannel.ConsumptionReceived:
            return answer(GetProfileStatus.IntervalChannelNotSupported)
        if fields.interval_channel != IntervalChannel.ConsumptionDelivered:
            return answer(GetProfileStatus.UndefinedIntervalChannelRequested)
        length = timedelta(seconds=INTERVALS[HALF_HOURS])
        before = None
        if fields.end_time not in (NOW, NEVER):
            # An interval is told only when it has ended by then.
            before = from_utc_seconds(fields.end_time) - length + timedelta(seconds=1)
        newest = self._ledger.household.samples(self.endpoint, HALF_HOURS, before=before, limit=1, newest_first=True)
        if not newest:
            return answer(GetProfileStatus.NoIntervalsAvailableForTheRequestedTime)
        count = min(fields.number_of_periods, MOST_INTERVALS)
        first = newest[0].time - (count - 1) * length
        intervals = self._filled(HALF_HOURS, first, count)
        status = (
            GetProfileStatus.Success
            if count == fields.number_of_periods
            else GetProfileStatus.MorePeriodsRequestedThanCanBeReturned
        )
        return answer(status, zigbee_time(newest[0].time + length), tuple(reversed(intervals)))

    def _sampled_data(self, request: Request, fields: Any) -> Answer:
        """Answer with samples from a time on, earliest first; gaps are NO_VALUE."""
        table = SAMPLES.get(fields.sample_id)
        if table is None or fields.sample_type != SampleType.ConsumptionDelivered:
            return NOT_FOUND
        since = None if fields.earliest_sample_time == NOW else from_utc_seconds(fields.earliest_sample_time)
        count = min(fields.number_of_samples or MOST_INTERVALS, MOST_INTERVALS)
        found = self._ledger.household.samples(self.endpoint, table, since=since, limit=count)
        if not found:
            return NOT_FOUND
        length = INTERVALS[table]
        held = int((found[-1].time - found[0].time).total_seconds()) // length + 1
        samples = self._filled(table, found[0].time, min(count, held))
        return Reply(
            int(PUBLISH.get_sampled_data_response.id),
            pack(
                PUBLISH.get_sampled_data_response,
                sample_id=fields.sample_id,
                sample_start_time=zigbee_time(found[0].time),
                sample_type=SampleType.ConsumptionDelivered,
                sample_request_interval=min(length, LONGEST_INTERVAL),
                number_of_samples=len(samples),
                samples=samples,
            ),
        )

    def _filled(self, table: str, first: Any, count: int) -> list[int]:
        """Return ``count`` intervals from ``first`` on, earliest first."""
        length = timedelta(seconds=INTERVALS[table])
        held = self._ledger.household.samples(self.endpoint, table, since=first, before=first + count * length)
        values = {_place(sample, first, length): sample.value for sample in held}
        return [min(values.get(n, NO_VALUE), NO_VALUE) for n in range(count)]

    def _snapshot(self, request: Request, fields: Any) -> Answer:
        found = matching(self.records("snapshots"), fields)
        if fields.snapshot_offset >= len(found):
            return NOT_FOUND
        record = found[fields.snapshot_offset]
        payload_type, parts = metering_payload(record.body)
        return replies(
            [
                Reply(
                    int(PUBLISH.publish_snapshot.id),
                    pack(
                        PUBLISH.publish_snapshot,
                        snapshot_id=record.id,
                        snapshot_time=record.body["snapshot_time"],
                        total_snapshots_found=min(len(found), 0xFF),
                        command_index=index,
                        total_commands=len(parts),
                        snapshot_cause=record.body["snapshot_cause"],
                        snapshot_payload_type=payload_type,
                        snapshot_payload=list(part),
                    ),
                )
                for index, part in enumerate(parts)
            ]
        )

    def _fast_poll(self, request: Request, fields: Any) -> Answer:
        minutes = min(fields.duration, FAST_POLL_MIN)
        if not minutes:
            return DefaultReply(Status.INVALID_VALUE)
        return Reply(
            int(PUBLISH.request_fast_poll_mode_response.id),
            pack(
                PUBLISH.request_fast_poll_mode_response,
                applied_update_period=max(fields.fast_poll_update_period, FAST_POLL_S),
                fast_poll_mode_endtime=self.now() + 60 * minutes,
            ),
        )


def _place(sample: Sample, first: Any, length: timedelta) -> int:
    return int((sample.time - first) // length)
