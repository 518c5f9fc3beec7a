"""Requests of devices to the clusters the hub serves: who answers, and with which frame."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

from hanctl.eui64 import Eui64
from hanctl.han import zcl
from hanctl.han.cluster import ClusterServer, DefaultReply, LaterReply, Reply, Request, Status
from hanctl.han.errors import MalformedZcl
from hanctl.han.security import Fault, refusal
from hanctl.han.zcl import Foundation, ZclFrame
from hanctl.radio.frames import SMART_ENERGY, IncomingFrame, OutgoingFrame

ALL_ENDPOINTS = 0xFF
REPEAT_WINDOW_S = 10.0
REPEATS_KEPT = 1024


@dataclass(frozen=True, slots=True)
class _Answered:
    at: float
    answer: OutgoingFrame | None


_Key = tuple[Eui64, int, int, int, bool, bytes]


class Dispatcher:
    """Answers requests. A request repeated byte for byte is answered again with the same frame, and not run again.

    ``on_refused`` is told of each request that was not served for want of encryption, or of an established key.
    """

    def __init__(self, on_refused: Callable[[Eui64, int, Fault], None] = lambda *_: None) -> None:
        self._on_refused = on_refused
        self._servers: dict[tuple[int, int], ClusterServer] = {}
        self._both_sides: set[tuple[int, int]] = set()
        self._answered: OrderedDict[_Key, _Answered] = OrderedDict()

    def register(self, server: ClusterServer, *, both_sides: bool = False) -> None:
        """Route this cluster of this endpoint to ``server``; ``both_sides``: commands for the hub's client side too.

        Raises ValueError where it is taken.
        """
        key = (server.endpoint, server.cluster)
        if key in self._servers:
            raise ValueError(f"cluster 0x{server.cluster:04x} of endpoint {server.endpoint} is served already")
        self._servers[key] = server
        if both_sides:
            self._both_sides.add(key)

    def served(self) -> frozenset[tuple[int, int]]:
        """(endpoint, cluster) of every registered server."""
        return frozenset(self._servers)

    def forget(self, device: Eui64) -> None:
        """Forget what this device asked: it started again, and so did its sequence numbers."""
        for key in [key for key in self._answered if key[0] == device]:
            del self._answered[key]

    def handle(
        self, frame: IncomingFrame, zcl_frame: ZclFrame, device: Eui64, now: float, *, keyed: bool = True
    ) -> OutgoingFrame | None:
        """The frame to send back, or None. ``zcl_frame`` is what ``frame`` carries and is not a response.

        ``keyed``: the device has the key that Smart Energy clusters need.

        Source of the rules: comms_hub.md §1.5 (sequence numbers, status codes) and §6 (an answer copies the request's
        APS encryption; what may not be served is not run).
        """
        ends = (frame.source_endpoint, frame.destination_endpoint)
        key = (device, *ends, frame.cluster, frame.aps_encrypted, frame.payload)
        before = self._answered.get(key)
        if before is not None and now - before.at < REPEAT_WINDOW_S:
            return before.answer
        answer = self._run(frame, zcl_frame, device, keyed)
        if isinstance(answer, LaterReply):
            return None
        if answer is None or answer.bulk is None:
            self._remember(key, _Answered(now, answer))
        return answer

    def _remember(self, key: _Key, answered: _Answered) -> None:
        self._answered[key] = answered
        self._answered.move_to_end(key)
        oldest = next(iter(self._answered.values()))
        while len(self._answered) > REPEATS_KEPT or answered.at - oldest.at >= REPEAT_WINDOW_S:
            self._answered.popitem(last=False)
            oldest = next(iter(self._answered.values()))

    def _run(
        self, frame: IncomingFrame, request: ZclFrame, device: Eui64, keyed: bool
    ) -> OutgoingFrame | LaterReply | None:
        endpoint, server = self._find(frame)
        if endpoint is None:
            return None
        answer = self._answer(frame, request, device, endpoint, server, keyed)
        if answer is None or isinstance(answer, LaterReply):
            return answer
        bulk, outcome = None, None
        if isinstance(answer, Reply):
            bulk, outcome = answer.bulk, answer.outcome
            answer = request.answer(answer.command, answer.payload, cluster_specific=True)
        return OutgoingFrame(
            destination_nwk=frame.source_nwk,
            destination_endpoint=frame.source_endpoint,
            source_endpoint=endpoint,
            profile=SMART_ENERGY,
            cluster=frame.cluster,
            payload=answer.serialize(),
            aps_encrypted=frame.aps_encrypted,
            bulk=bulk,
            outcome=outcome,
        )

    def _find(self, frame: IncomingFrame) -> tuple[int | None, ClusterServer | None]:
        """The endpoint that answers (None: none of ours was meant) and its server, where it has one."""
        if frame.destination_endpoint != ALL_ENDPOINTS:
            endpoint = frame.destination_endpoint
            ours = any(served == endpoint for served, _ in self._servers)
            return (endpoint if ours else None), self._servers.get((endpoint, frame.cluster))
        for (endpoint, cluster), server in sorted(self._servers.items(), key=lambda item: item[0]):
            if cluster == frame.cluster:
                return endpoint, server
        return None, None

    def _answer(
        self,
        frame: IncomingFrame,
        request: ZclFrame,
        device: Eui64,
        endpoint: int,
        server: ClusterServer | None,
        keyed: bool,
    ) -> ZclFrame | Reply | LaterReply | None:
        def default(status: Status) -> ZclFrame | None:
            wanted = status is not Status.SUCCESS or not request.no_default_response
            if frame.broadcast or not wanted:
                return None
            return request.answer(Foundation.DEFAULT_RESPONSE, zcl.default_response(request.command, status))

        refused = refusal(frame.cluster, encrypted=frame.aps_encrypted, keyed=keyed)
        if refused is not None:
            self._on_refused(device, frame.cluster, refused.fault)
            return default(refused.status)
        if server is None:
            return default(Status.UNSUPPORTED_CLUSTER)
        if not request.cluster_specific:
            try:
                result = _foundation(server, request)
            except MalformedZcl:
                return default(Status.MALFORMED_COMMAND)
            return default(result) if isinstance(result, Status) else result
        # The hub has no manufacturer's extensions, and a client side to command of few clusters.
        ours = not request.from_server or (endpoint, frame.cluster) in self._both_sides
        if not ours or request.manufacturer is not None:
            return default(Status.UNSUP_COMMAND)
        reply = server.handle(
            Request(
                device=device,
                source_endpoint=frame.source_endpoint,
                destination_endpoint=endpoint,
                cluster=frame.cluster,
                command=request.command,
                tsn=request.tsn,
                payload=request.payload,
                aps_encrypted=frame.aps_encrypted,
                broadcast=frame.broadcast,
                from_server=request.from_server,
            )
        )
        return default(reply.status) if isinstance(reply, DefaultReply) else reply


def _foundation(server: ClusterServer, request: ZclFrame) -> ZclFrame | Status | None:
    """Answer a foundation command; a Status asks for a Default Response, None for silence. Raises MalformedZcl."""
    # Attributes of manufacturers, and of the client side, are none of the hub's.
    attributes = {} if request.manufacturer is not None or request.from_server else server.attributes()
    match request.command:
        case Foundation.READ_ATTRIBUTES:
            answers = bytearray()
            room = zcl.MAX_RESPONSE - 5
            for attribute in zcl.parse_read_attributes(request.payload):
                found = attributes.get(attribute)
                if found is None:
                    record = zcl.AttributeAnswer(attribute, Status.UNSUPPORTED_ATTRIBUTE).serialize()
                else:
                    record = zcl.AttributeAnswer(attribute, Status.SUCCESS, found.data_type, found.value).serialize()
                    if len(answers) + len(record) > room:
                        record = zcl.AttributeAnswer(attribute, Status.INSUFFICIENT_SPACE).serialize()
                if len(answers) + len(record) > room:
                    break
                answers += record
            return request.answer(Foundation.READ_ATTRIBUTES_RESPONSE, bytes(answers))
        case (
            Foundation.WRITE_ATTRIBUTES
            | Foundation.WRITE_ATTRIBUTES_UNDIVIDED
            | Foundation.WRITE_ATTRIBUTES_NO_RESPONSE
        ):
            records = zcl.parse_write_attributes(request.payload)
            if request.command == Foundation.WRITE_ATTRIBUTES_NO_RESPONSE:
                return None
            failures = [
                (item.attribute, Status.READ_ONLY if item.attribute in attributes else Status.UNSUPPORTED_ATTRIBUTE)
                for item in records
            ]
            return request.answer(Foundation.WRITE_ATTRIBUTES_RESPONSE, zcl.write_attributes_response(failures))
        case Foundation.DISCOVER_ATTRIBUTES:
            first, count = zcl.parse_discover_attributes(request.payload)
            wanted = sorted(attribute for attribute in attributes if attribute >= first)
            told = list(islice(wanted, min(count, (zcl.MAX_RESPONSE - 6) // 3)))
            return request.answer(
                Foundation.DISCOVER_ATTRIBUTES_RESPONSE,
                zcl.discover_attributes_response(
                    complete=len(told) == len(wanted),
                    attributes=[(attribute, attributes[attribute].data_type) for attribute in told],
                ),
            )
        case _:
            return Status.UNSUP_COMMAND
