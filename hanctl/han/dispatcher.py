"""Dispatch requests of devices to the hub's cluster servers, and build the answers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hanctl.base.eui64 import Eui64
from hanctl.han import zcl
from hanctl.han.cluster import (
    AttributeStore,
    ClusterServer,
    DefaultReply,
    LaterReply,
    Proof,
    Reply,
    Request,
    Status,
    Weighs,
)
from hanctl.han.errors import MalformedZcl
from hanctl.han.foundation import answer_foundation
from hanctl.han.identity.gate import Weighed
from hanctl.han.security import Fault, refusal
from hanctl.han.zcl import Foundation, ZclFrame
from hanctl.radio.frames import SMART_ENERGY, IncomingFrame, OutgoingFrame

ALL_ENDPOINTS = 0xFF
REPEAT_WINDOW_S = 10.0
REPEATS_KEPT = 1024
CHANGING = frozenset(
    {
        Foundation.WRITE_ATTRIBUTES,
        Foundation.WRITE_ATTRIBUTES_UNDIVIDED,
        Foundation.WRITE_ATTRIBUTES_NO_RESPONSE,
        Foundation.CONFIGURE_REPORTING,
    }
)
"""Foundation commands by which a device changes what the hub has of it."""


@dataclass(frozen=True, slots=True)
class _Answered:
    at: float
    answer: tuple[OutgoingFrame, ...]


_Key = tuple[Eui64, int, int, int, bool, bytes]


class Dispatcher:
    """Answer requests. A request repeated byte for byte gets the same frame again, and is not run again.

    ``on_refused`` is called for each request refused for lack of encryption or of an established key.
    """

    def __init__(self, on_refused: Callable[[Eui64, int, Fault], None] = lambda *_: None) -> None:
        self._on_refused = on_refused
        self._servers: dict[tuple[int, int], ClusterServer] = {}
        self._endpoints: set[int] = set()
        self._both_sides: set[tuple[int, int]] = set()
        self._weighing: dict[tuple[int, int], Weighs] = {}
        self._answered: OrderedDict[_Key, _Answered] = OrderedDict()

    def register(self, server: ClusterServer, *, both_sides: bool = False) -> None:
        """Route this cluster of this endpoint to ``server``; ``both_sides``: commands for the hub's client side too.

        Raises ValueError if it is taken.
        """
        key = (server.endpoint, server.cluster)
        if key in self._servers:
            raise ValueError(f"cluster 0x{server.cluster:04x} of endpoint {server.endpoint} is served already")
        self._servers[key] = server
        self._endpoints.add(server.endpoint)
        if both_sides:
            self._both_sides.add(key)
        if isinstance(server, Weighs):
            self._weighing[key] = server

    def served(self) -> frozenset[tuple[int, int]]:
        """Return (endpoint, cluster) of every registered server."""
        return frozenset(self._servers)

    def forget(self, device: Eui64 | None = None) -> None:
        """Forget the requests of a device that restarted, and so its sequence numbers; None: those of all devices."""
        for key in [key for key in self._answered if device is None or key[0] == device]:
            del self._answered[key]

    def weigh(
        self, frame: IncomingFrame, zcl_frame: ZclFrame, device: Eui64, now: float, *, keyed: bool, contested: bool
    ) -> Weighed | None:
        """Return what must be known of a request before it is handled; None: handle it at once.

        ``contested``: somebody else speaks in the device's name, so even what only costs it its turn is weighed.
        """
        if not frame.aps_encrypted or refusal(frame.cluster, encrypted=True, keyed=keyed) is not None:
            return None
        endpoint, server = self._find(frame)
        if endpoint is None or server is None:
            return None
        if not zcl_frame.cluster_specific:
            if zcl_frame.command not in CHANGING or not isinstance(server, AttributeStore):
                return None
            weighed = Weighed(frame, zcl_frame, "end")
        else:
            weighing = self._weighing.get((endpoint, frame.cluster))
            if weighing is None:
                return None
            request = _request(frame, zcl_frame, device, endpoint, "address")
            weight = weighing.weight(request)
            if weight == "none" and contested:
                weight = "step"
            if weight == "none":
                return None
            weighed = Weighed(frame, zcl_frame, weight, weighing, request)
        # The same request once more gets the same answer, and changes nothing.
        return weighed if self._before(frame, device, now) is None else None

    def handle(
        self,
        frame: IncomingFrame,
        zcl_frame: ZclFrame,
        device: Eui64,
        now: float,
        *,
        keyed: bool = True,
        proof: Proof = "address",
    ) -> tuple[OutgoingFrame, ...]:
        """Return the frames to send back, in order. ``zcl_frame`` is the content of ``frame``, not a response.

        ``keyed``: the device has the key that Smart Energy clusters need. ``proof``: what shows that it is its own.

        Source of the rules: comms_hub.md §1.5 (sequence numbers, status codes) and §6 (an answer copies the request's
        APS encryption; what may not be served is not run).
        """
        before = self._before(frame, device, now)
        if before is not None:
            return before
        answer = self._run(frame, zcl_frame, device, keyed, proof)
        if isinstance(answer, LaterReply):
            return ()
        if all(one.bulk is None for one in answer):
            self._remember(_key(frame, device), _Answered(now, answer))
        return answer

    def _before(self, frame: IncomingFrame, device: Eui64, now: float) -> tuple[OutgoingFrame, ...] | None:
        """Return the recent answer to the same request."""
        before = self._answered.get(_key(frame, device))
        return before.answer if before is not None and now - before.at < REPEAT_WINDOW_S else None

    def _remember(self, key: _Key, answered: _Answered) -> None:
        self._answered[key] = answered
        self._answered.move_to_end(key)
        oldest = next(iter(self._answered.values()))
        while len(self._answered) > REPEATS_KEPT or answered.at - oldest.at >= REPEAT_WINDOW_S:
            self._answered.popitem(last=False)
            oldest = next(iter(self._answered.values()))

    def _run(
        self, frame: IncomingFrame, request: ZclFrame, device: Eui64, keyed: bool, proof: Proof
    ) -> tuple[OutgoingFrame, ...] | LaterReply:
        endpoint, server = self._find(frame)
        if endpoint is None:
            return ()
        answer = self._answer(frame, request, device, endpoint, server, keyed, proof)
        if isinstance(answer, LaterReply):
            return answer
        if isinstance(answer, Reply):
            return tuple(_outgoing(frame, request, endpoint, one) for one in (answer, *answer.then))
        return tuple(_outgoing(frame, request, endpoint, one) for one in answer)

    def _find(self, frame: IncomingFrame) -> tuple[int | None, ClusterServer | None]:
        """Find the endpoint that answers (None: none of the hub's) and its server, if any."""
        if frame.destination_endpoint != ALL_ENDPOINTS:
            endpoint = frame.destination_endpoint
            return (endpoint if endpoint in self._endpoints else None), self._servers.get((endpoint, frame.cluster))
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
        proof: Proof,
    ) -> Sequence[ZclFrame] | Reply | LaterReply:
        def default(status: Status) -> Sequence[ZclFrame]:
            wanted = status is not Status.SUCCESS or not request.no_default_response
            if frame.broadcast or not wanted:
                return ()
            return (request.answer(Foundation.DEFAULT_RESPONSE, zcl.default_response(request.command, status)),)

        refused = refusal(frame.cluster, encrypted=frame.aps_encrypted, keyed=keyed)
        if refused is not None:
            self._on_refused(device, frame.cluster, refused.fault)
            return default(refused.status)
        if server is None:
            return default(Status.UNSUPPORTED_CLUSTER)
        if not request.cluster_specific:
            try:
                result = answer_foundation(server, request, device, frame.source_endpoint)
            except MalformedZcl:
                return default(Status.MALFORMED_COMMAND)
            if isinstance(result, Status):
                return default(result)
            return () if result is None else (result,)
        # The hub has no manufacturer's extensions, and a client side to command of few clusters.
        ours = not request.from_server or (endpoint, frame.cluster) in self._both_sides
        if not ours or request.manufacturer is not None:
            return default(Status.UNSUP_COMMAND)
        reply = server.handle(_request(frame, request, device, endpoint, proof))
        return default(reply.status) if isinstance(reply, DefaultReply) else reply


def _key(frame: IncomingFrame, device: Eui64) -> _Key:
    ends = (frame.source_endpoint, frame.destination_endpoint)
    return (device, *ends, frame.cluster, frame.aps_encrypted, frame.payload)


def _request(frame: IncomingFrame, request: ZclFrame, device: Eui64, endpoint: int, proof: Proof) -> Request:
    return Request(
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
        proof=proof,
    )


def _outgoing(frame: IncomingFrame, request: ZclFrame, endpoint: int, answer: ZclFrame | Reply) -> OutgoingFrame:
    """Return the frame that carries an answer to ``frame``."""
    bulk, outcome, taken = None, None, None
    if isinstance(answer, Reply):
        bulk, outcome, taken = answer.bulk, answer.outcome, answer.taken
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
        taken=taken,
    )
