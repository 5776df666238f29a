"""The Route 53 stand-in itself: listeners, authentication, pace, faults, and a log of every call."""

from __future__ import annotations

import hashlib
import re
import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Callable, Iterable

from . import answers, names, signature
from .certificates import TestCA
from .faults import Fault, Faults
from .keys import DEFAULT_ACCOUNT, KeyStore
from .operations import Operations
from .pace import Clock, Limit
from .web import Answer, Request, WebServer
from .zones import Change, RecordSet, Zone

_ROUTES = (
    ("POST", re.compile(r"/2013-04-01/hostedzone/([A-Z0-9]{1,32})/rrset/?"), "ChangeResourceRecordSets"),
    ("GET", re.compile(r"/2013-04-01/hostedzone/([A-Z0-9]{1,32})/rrset/?"), "ListResourceRecordSets"),
    ("GET", re.compile(r"/2013-04-01/hostedzonesbyname"), "ListHostedZonesByName"),
    ("GET", re.compile(r"/2013-04-01/hostedzone/([A-Z0-9]{1,32})"), "GetHostedZone"),
    ("GET", re.compile(r"/2013-04-01/hostedzone"), "ListHostedZones"),
    ("POST", re.compile(r"/2013-04-01/hostedzone"), "CreateHostedZone"),
    ("GET", re.compile(r"/2013-04-01/change/([A-Z0-9]{1,32})"), "GetChange"),
)


@dataclass
class Call:
    """One request, as it was answered. Times are time.monotonic()."""

    operation: str
    request: Request
    started_at: float
    id: str | None = None  # of the zone or change in the path
    zone: str | None = None
    key_id: str | None = None
    account: str | None = None
    batch: list[Change] = field(default_factory=list)
    parsed: dict[str, Any] = field(default_factory=dict)
    finished_at: float = 0.0
    status: int = 0
    result: str = ""  # "ok", AWS's error code, or the kind of the fault that struck
    fault: str | None = None
    applied: bool = False  # the operation did its work

    @property
    def changes(self) -> int:
        return len(self.batch)

    @property
    def body_bytes(self) -> int:
        return len(self.request.body)

    @property
    def source(self) -> tuple:
        return self.request.peer

    def summary(self) -> dict[str, Any]:
        return {
            "operation": self.operation,
            "zone": self.zone,
            "changes": self.changes,
            "result": self.result,
            "status": self.status,
            "fault": self.fault,
            "started_at": self.started_at,
            "finished_at": self.finished_at,
            "body_bytes": self.body_bytes,
        }


class Route53:
    """See the package's docstring for how tests use it."""

    def __init__(
        self,
        zones: Iterable[str] = (),
        *,
        ca: TestCA | None = None,
        keys: KeyStore | None = None,
        clock: Clock | None = None,
        region: str = "us-east-1",
        rate_limit: Callable[[], Limit] | None = None,
        latency_s: float = 0.0,
        host: str = "127.0.0.1",
        port: int = 0,
        tls_port: int = 0,
    ):
        self.clock = clock or (keys.clock if keys else Clock())
        self.keys = keys or KeyStore(self.clock)
        self.region = region
        self.rate_limit = rate_limit
        self.latency_s = latency_s
        self.change_latency_s: float | None = None  # None: as latency_s
        self.page_max = 300
        self.pending_polls = 1  # GetChange answers PENDING so often before INSYNC
        self.skew_code = "SignatureDoesNotMatch"  # or RequestTimeTooSkewed, RequestExpired
        self.batch_error_form = "error"  # or "messages": the two forms of InvalidChangeBatch
        self.faults = Faults(lambda: self.batch_error_form)
        self.calls: list[Call] = []
        self.calls_started = 0
        self._cond = threading.Condition(threading.RLock())
        self._limits: dict[str, Limit] = {}
        self._zones: dict[str, Zone] = {}
        self._closing = threading.Event()
        self.operations = Operations(self)
        for name in zones:
            self.add_zone(name)
        self._servers = [WebServer(self._handle, None, host, port)]
        self.ca = ca
        if ca is not None:
            self._servers.append(WebServer(self._handle, ca.server_context(), host, tls_port))

    # -- life ---------------------------------------------------------------

    @property
    def url(self) -> str:
        return self._servers[0].url

    @property
    def https_url(self) -> str:
        if self.ca is None:
            raise ValueError("this stand-in has no CA, so it does not serve HTTPS: pass ca=")
        return self._servers[1].url

    def stop(self) -> None:
        self._closing.set()
        self.faults.clear()  # nothing is held any longer
        for server in self._servers:
            server.closing.set()
        for server in self._servers:
            server.stop()

    def __enter__(self) -> "Route53":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def connections(self) -> int:
        """0 once all is done that clients which have gone had asked for."""
        return sum(server.connections for server in self._servers)

    def drop_connections(self) -> None:
        for server in self._servers:
            server.drop_connections()

    def environment(self) -> dict[str, str]:
        """What a client needs: default key, region, endpoint, and the CA to trust."""
        variables = self.keys.default.environment()
        variables["AWS_DEFAULT_REGION"] = self.region
        variables["AWS_EC2_METADATA_DISABLED"] = "true"
        variables["AWS_ENDPOINT_URL_ROUTE_53"] = self.https_url if self.ca else self.url
        if self.ca is not None:
            variables["AWS_CA_BUNDLE"] = str(self.ca.path)
        return variables

    # -- zones and records --------------------------------------------------

    def add_zone(
        self, name: str, private: bool = False, zone_id: str | None = None, comment: str = ""
    ) -> Zone:
        name = names.canonical(name)
        with self._cond:
            if zone_id is None:
                seed = f"{name} {private} {len(self._zones)}"
                zone_id = "Z" + hashlib.sha256(seed.encode()).hexdigest()[:16].upper()
            zone = Zone(name, zone_id, private, comment, str(uuid.uuid4()))
            self._zones[zone_id] = zone
            self._cond.notify_all()
            return zone

    def zone(self, zone: str | Zone, private: bool = False) -> Zone:
        """By object, id or name (the public one, unless `private`)."""
        if isinstance(zone, Zone):
            return zone
        if zone in self._zones:
            return self._zones[zone]
        name = names.canonical(zone)
        for candidate in self._zones.values():
            if candidate.name == name and candidate.private == private:
                return candidate
        raise KeyError(f"no {'private' if private else 'public'} zone {name}")

    @property
    def zones(self) -> list[Zone]:
        with self._cond:
            return list(self._zones.values())

    def zone_by_id(self, zone_id: str) -> Zone | None:
        """As calls see it: a hidden zone is not there."""
        zone = self._zones.get(zone_id)
        return None if zone is None or zone.hidden else zone

    def hide_zone(self, zone: str | Zone) -> None:
        """The zone vanishes: NoSuchHostedZone, until `show_zone`."""
        self._change(self.zone(zone), hidden=True)

    def show_zone(self, zone: str | Zone) -> None:
        self._change(self.zone(zone), hidden=False)

    def _change(self, zone: Zone, hidden: bool) -> None:
        with self._cond:
            zone.hidden = hidden
            self._cond.notify_all()

    def records(self, zone: str | Zone, private: bool = False) -> list[RecordSet]:
        """Every record set of the zone in Route 53's order, with its own NS and SOA."""
        with self._cond:
            return list(self.zone(zone, private))

    def record(
        self,
        name: str,
        record_type: str = "A",
        set_identifier: str | None = None,
        zone: str | Zone | None = None,
    ) -> RecordSet | None:
        """One record set, or None. Without `zone` the public zone with the longest matching name."""
        name = names.canonical(name)
        with self._cond:
            return self._home(name, zone).get(name, record_type, set_identifier)

    def values(self, name: str, record_type: str = "A", zone: str | Zone | None = None) -> list[str]:
        record = self.record(name, record_type, zone=zone)
        return list(record.values) if record else []

    def put_record(
        self,
        name: str,
        record_type: str = "A",
        values: Iterable[str] = (),
        ttl: int | None = 300,
        *,
        zone: str | Zone | None = None,
        set_identifier: str | None = None,
        weight: int | None = None,
        alias: str | None = None,
    ) -> RecordSet:
        """Puts a record there behind the API's back, as the console would; no checks, no call logged."""
        name = names.canonical(name)
        with self._cond:
            home = self._home(name, zone)
            record = RecordSet(
                name,
                record_type,
                None if alias else ttl,
                () if alias else tuple(values),
                set_identifier,
                (("Weight", weight or 0),) if set_identifier else (),
                (home.id, names.canonical(alias), False) if alias else None,
            )
            home.put(record)
            self._cond.notify_all()
            return record

    def delete_record(
        self,
        name: str,
        record_type: str = "A",
        set_identifier: str | None = None,
        zone: str | Zone | None = None,
    ) -> None:
        name = names.canonical(name)
        with self._cond:
            home = self._home(name, zone)
            record = home.get(name, record_type, set_identifier)
            if record is None:
                raise KeyError(f"{name} {record_type}")
            home.remove(record)
            self._cond.notify_all()

    def _home(self, name: str, zone: str | Zone | None) -> Zone:
        if zone is not None:
            return self.zone(zone)
        fitting = [z for z in self._zones.values() if not z.private and names.is_within(name, z.name)]
        if not fitting:
            raise KeyError(f"no zone for {name}")
        return max(fitting, key=lambda candidate: len(candidate.name))

    # -- looking and waiting ------------------------------------------------

    def wait_for(self, predicate: Callable[[], Any], timeout: float = 45.0) -> Any:
        """Waits until `predicate()` is true, looking again after every event; returns what it returned."""
        with self._cond:
            result = self._cond.wait_for(predicate, timeout)
            if not result:
                raise AssertionError(
                    f"not true within {timeout} s; {len(self.calls)} calls: {dict(self.results())}"
                )
            return result

    def wait_value(self, name: str, value: str, record_type: str = "A", timeout: float = 45.0) -> None:
        self.wait_for(lambda: self.values(name, record_type) == [value], timeout)

    def wait_calls(self, count: int, operation: str | None = None, timeout: float = 45.0) -> list[Call]:
        """Waits until so many calls (of one operation) have been answered; returns them."""
        self.wait_for(lambda: len(self.calls_of(operation)) >= count, timeout)
        return self.calls_of(operation)

    def calls_of(self, operation: str | None = None, zone: str | None = None) -> list[Call]:
        zone = names.canonical(zone) if zone else None
        with self._cond:
            return [
                call
                for call in self.calls
                if operation in (None, call.operation) and zone in (None, call.zone)
            ]

    def results(self, operation: str | None = None) -> Counter:
        """How often each result came: `ok`, AWS's codes, kinds of faults."""
        return Counter(call.result for call in self.calls_of(operation))

    def reset_calls(self) -> None:
        with self._cond:
            self.calls = []
            self.calls_started = 0
            self._limits.clear()

    # -- the way of a request -----------------------------------------------

    def _handle(self, request: Request) -> Answer:
        call = self._route(request)
        with self._cond:
            self.calls_started += 1
            self._cond.notify_all()
        try:
            answer = self._answer(call)
        except Exception as error:  # a bug of the stand-in: tell the client and the log
            answer = answers.error("StandinBroken", repr(error), 500)
            self._finish(call, answer)
            raise
        answer.headers.setdefault("Content-Type", "text/xml")
        answer.headers["Date"] = self.clock.http_date()
        answer.headers["x-amzn-RequestId"] = str(uuid.uuid4())
        self._finish(call, answer)
        return answer

    def _finish(self, call: Call, answer: Answer) -> None:
        call.finished_at = time.monotonic()
        call.status = 0 if answer.reset else answer.status
        call.result = answer.code or call.fault or "ok"
        with self._cond:
            self.calls.append(call)
            self._cond.notify_all()

    def _route(self, request: Request) -> Call:
        for method, pattern, operation in _ROUTES:
            match = pattern.fullmatch(request.path) if request.method == method else None
            if match:
                call = Call(operation, request, time.monotonic())
                call.id = match.group(1) if pattern.groups else None
                zone = self._zones.get(call.id or "")
                call.zone = zone.name if zone else None
                return call
        return Call("Unknown", request, time.monotonic())

    def _answer(self, call: Call) -> Answer:
        try:
            key = signature.verify(
                call.request, self.keys, self.clock, "route53", self.region, self.skew_code
            )
        except signature.Refused as refused:
            return answers.error(refused.code, refused.message, refused.status)
        call.key_id, call.account = key.key_id, key.account
        if call.operation == "Unknown":
            return answers.error("UnknownOperationException", "No such operation", 404)
        if not self._admit(key.account):
            return answers.error("Throttling", "Rate exceeded")
        refusal = self.operations.parse(call)
        fault = self.faults.strike(call)
        if fault is not None and fault.gate is not None and not fault.applied:
            self._wait_at(fault, fault.gate)
            fault = self.faults.strike(call)
        if fault is not None and fault.gate is None:
            call.fault = fault.kind
            if not fault.applied:
                return fault.make(Answer())
        answer = refusal or self.operations.run(call)
        call.applied = answer.status < 300
        if fault is not None and fault.gate is not None:
            self._wait_at(fault, fault.gate)
        return fault.make(answer) if fault is not None else answer

    def _wait_at(self, fault: Fault, gate: threading.Event) -> None:
        with self._cond:
            fault.held += 1
            self._cond.notify_all()  # who waits for a call to be held looks at the fault's hits
        gate.wait()

    def _admit(self, account: str = DEFAULT_ACCOUNT) -> bool:
        if self.rate_limit is None:
            return True
        with self._cond:
            limit = self._limits.get(account)
            if limit is None:
                limit = self._limits[account] = self.rate_limit()
        return limit.admit()

    def pause(self, seconds: float) -> None:
        """The latency of a call; ends early when the stand-in stops."""
        if seconds > 0:
            self._closing.wait(seconds)

    @property
    def lock(self) -> threading.Condition:
        return self._cond
