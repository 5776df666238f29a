"""Faults that a test injects, each for some calls, some time, or until it is removed."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Callable

from . import answers
from .names import canonical
from .web import Answer

if TYPE_CHECKING:
    from .route53 import Call

Predicate = Callable[["Call"], bool]
GARBAGE = b"<html><body>\xff\xfe not <what> &you; expect </html"


@dataclass(eq=False)
class Fault:
    """One injected fault; `hits` counts the calls it struck. `applied`: after the call did its work, which `held` calls of
    a hold() have done."""

    kind: str
    make: Callable[[Answer], Answer]
    count: int | None
    deadline: float | None
    operation: str | None
    zone: str | None
    when: Predicate | None
    applied: bool
    hits: int = 0
    held: int = 0  # calls that have come to the gate, counted under the stand-in's lock
    gate: threading.Event | None = None  # of hold()
    _owner: "Faults | None" = field(default=None, repr=False)

    def remove(self) -> None:
        assert self._owner is not None
        self._owner.remove(self)

    def release(self) -> None:
        """Ends a hold(): what waits goes on, and no more calls are held."""
        assert self.gate is not None
        self.remove()
        self.gate.set()

    def _strikes(self, call: "Call") -> bool:
        if self.deadline is not None and time.monotonic() >= self.deadline:
            return False
        if self.count is not None and self.hits >= self.count:
            return False
        if self.operation is not None and call.operation != self.operation:
            return False
        if self.zone is not None and call.zone != self.zone:
            return False
        return self.when is None or self.when(call)


class Faults:
    """Every method adds a Fault and returns it. Common keyword arguments:

    count      so many calls, then no more            (default: until removed)
    seconds    so long, then no more                  (default: until removed)
    operation  only this one, such as "ChangeResourceRecordSets"
    zone       only calls about this zone
    when       a predicate over the Call (operation, zone, changes, key_id, ...)
    applied    True: the call does its work, only the answer is the fault
    """

    def __init__(self, batch_error_form: Callable[[], str]) -> None:
        self._batch_error_form = batch_error_form
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def throttle(self, code: str = "Throttling", message: str = "Rate exceeded", **scope) -> Fault:
        return self._add("throttle", lambda _: answers.error(code, message, 400), **scope)

    def error(self, status: int = 500, code: str = "InternalFailure", **scope) -> Fault:
        message = "We encountered an internal error."
        return self._add(f"error {status}", lambda _: answers.error(code, message, status), **scope)

    def unavailable(self, retry_after: int | str | None = 1, **scope) -> Fault:
        def make(_: Answer) -> Answer:
            answer = answers.error("ServiceUnavailable", "Service is unavailable", 503)
            if retry_after is not None:
                answer.headers["Retry-After"] = str(retry_after)
            return answer

        return self._add("unavailable", make, **scope)

    def truncated_xml(self, mid_transfer: bool = False, **scope) -> Fault:
        """Half of the answer; `mid_transfer`: the connection ends before Content-Length is reached."""

        def make(answer: Answer) -> Answer:
            half = answer.body[: max(1, len(answer.body) // 2)] or b"<?xml"
            return Answer(answer.status, half, answer.headers, cut_short=mid_transfer)

        return self._add("truncated_xml", make, **{"applied": True, **scope})

    def garbage_xml(self, body: bytes = GARBAGE, status: int = 200, **scope) -> Fault:
        def make(answer: Answer) -> Answer:
            return Answer(status, body, answer.headers)

        return self._add("garbage_xml", make, **{"applied": True, **scope})

    def endless_body(self, **scope) -> Fault:
        def make(answer: Answer) -> Answer:
            return Answer(headers=answer.headers, endless=True)

        return self._add("endless_body", make, **{"applied": True, **scope})

    def reset_before(self, **scope) -> Fault:
        return self._add("reset_before", lambda _: Answer(reset=True), **scope)

    def reset_after(self, **scope) -> Fault:
        return self._add("reset_after", lambda _: Answer(reset=True), **{"applied": True, **scope})

    def stall(self, seconds_of_silence: float = 3600.0, **scope) -> Fault:
        """Silence, then a reset. With applied=True the work was done before the silence."""
        return self._add("stall", lambda _: Answer(reset=True, stall_s=seconds_of_silence), **scope)

    def hold(self, **scope) -> Fault:
        """The call waits for `release()` and then goes on as if it came only now; with applied=True it does its work
        first, and only the answer waits."""
        return self._add("hold", lambda answer: answer, gate=threading.Event(), **scope)

    def refuse_record(
        self, name: str, record_type: str | None = None, named: bool = True, **scope
    ) -> Fault:
        """Batches that hold this record are InvalidChangeBatch; `named=False`: the message names nothing."""
        wanted = canonical(name)

        def holds(call: "Call") -> bool:
            return any(
                change.record.name == wanted and record_type in (None, change.record.type)
                for change in call.batch
            )

        def make(_: Answer) -> Answer:
            message = (
                f"RRSet with DNS name {wanted} is refused by the test"
                if named
                else "The batch holds a change that is not permitted"
            )
            return answers.invalid_change_batch([message], self._batch_error_form())

        return self._add("refuse_record", make, **{**scope, "when": holds})

    def remove(self, fault: Fault) -> None:
        with self._lock:
            if fault in self._faults:
                self._faults.remove(fault)

    def clear(self) -> None:
        with self._lock:
            ended, self._faults = self._faults, []
        for fault in ended:
            if fault.gate is not None:
                fault.gate.set()

    def _add(
        self,
        kind: str,
        make: Callable[[Answer], Answer],
        count: int | None = None,
        seconds: float | None = None,
        operation: str | None = None,
        zone: str | None = None,
        when: Predicate | None = None,
        applied: bool = False,
        gate: threading.Event | None = None,
    ) -> Fault:
        deadline = time.monotonic() + seconds if seconds is not None else None
        zone = canonical(zone) if zone is not None else None
        fault = Fault(kind, make, count, deadline, operation, zone, when, applied, gate=gate, _owner=self)
        with self._lock:
            self._faults.append(fault)
        return fault

    def strike(self, call: "Call") -> Fault | None:
        """The first fault that strikes the call, counted."""
        with self._lock:
            for fault in self._faults:
                if fault._strikes(call):
                    fault.hits += 1
                    return fault
        return None
