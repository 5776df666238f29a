"""Hosted zones and their record sets, with Route 53's rules about what may stand beside what."""

from __future__ import annotations

import bisect
from dataclasses import dataclass, field, replace
from typing import Any, Iterator

from . import names
from .values import problem_of

ROUTING_FIELDS = (
    "Weight",
    "Region",
    "GeoLocation",
    "Failover",
    "MultiValueAnswer",
    "CidrRoutingConfig",
)


@dataclass(frozen=True)
class RecordSet:
    """One record set. `name` is in stored form; `values` is empty for an alias."""

    name: str
    type: str
    ttl: int | None = None
    values: tuple[str, ...] = ()
    set_identifier: str | None = None
    routing: tuple[tuple[str, Any], ...] = ()
    alias: tuple[str, str, bool] | None = None  # zone id, DNS name, evaluate target health
    health_check_id: str | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        return (names.order_key(self.name), self.type, self.set_identifier or "")


@dataclass(frozen=True)
class Change:
    """One change of a batch, as it was asked for."""

    action: str
    record: RecordSet


class Refusals(Exception):
    """Messages of an InvalidChangeBatch."""

    def __init__(self, messages: list[str]):
        super().__init__("; ".join(messages))
        self.messages = messages


@dataclass
class Zone:
    name: str
    id: str
    private: bool = False
    comment: str = ""
    caller_reference: str = ""
    hidden: bool = False  # vanished: every call about it is NoSuchHostedZone
    busy: bool = False  # a change is in flight
    _sets: dict[tuple[str, str, str], RecordSet] = field(default_factory=dict)
    _order: list[tuple[str, str, str]] = field(default_factory=list)
    _at_name: dict[str, dict[tuple[str, str, str], RecordSet]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        servers = tuple(f"{server}." for server in self.name_servers)
        self.put(RecordSet(self.name, "NS", 172800, servers))
        self.put(
            RecordSet(
                self.name,
                "SOA",
                900,
                ("ns-0.awsdns-00.com. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400",),
            )
        )

    @property
    def name_servers(self) -> tuple[str, ...]:
        return ("ns-0.awsdns-00.com", "ns-512.awsdns-00.net", "ns-1024.awsdns-00.org", "ns-1536.awsdns-00.co.uk")

    def __len__(self) -> int:
        return len(self._sets)

    def __iter__(self) -> Iterator[RecordSet]:
        return (self._sets[key] for key in self._order)

    def get(self, name: str, record_type: str, set_identifier: str | None = None) -> RecordSet | None:
        return self._sets.get((names.order_key(name), record_type, set_identifier or ""))

    def at(self, name: str) -> list[RecordSet]:
        return list(self._at_name.get(name, {}).values())

    def put(self, record: RecordSet) -> None:
        key = record.key
        if key not in self._sets:
            bisect.insort(self._order, key)
        self._sets[key] = record
        self._at_name.setdefault(record.name, {})[key] = record

    def remove(self, record: RecordSet) -> None:
        key = record.key
        del self._sets[key]
        del self._order[bisect.bisect_left(self._order, key)]
        beside = self._at_name[record.name]
        del beside[key]
        if not beside:
            del self._at_name[record.name]

    def page(self, start: tuple[str, str, str], limit: int) -> tuple[list[RecordSet], RecordSet | None]:
        """Up to `limit` sets from `start` on, and the one after them."""
        first = bisect.bisect_left(self._order, start)
        keys = self._order[first : first + limit + 1]
        sets = [self._sets[key] for key in keys]
        return sets[:limit], (sets[limit] if len(sets) > limit else None)

    def apply(self, changes: list[Change]) -> None:
        """All of them or, raising Refusals, none."""
        undo: list[tuple[RecordSet, RecordSet | None]] = []
        messages = list(_repeated(changes))
        for change in changes:
            problems = list(_own_problems(change, self.name)) or list(self._conflicts(change))
            if problems:
                messages += problems
                continue
            record = change.record
            before = self._sets.get(record.key)
            undo.append((record, before))
            if change.action == "DELETE":
                self.remove(record)
            else:
                self.put(record)
        if messages:
            for record, before in reversed(undo):
                if before is not None:
                    self.put(before)
                elif record.key in self._sets:
                    self.remove(record)
            raise Refusals(messages)

    def _conflicts(self, change: Change) -> Iterator[str]:
        """What of the zone as it is stands against the change."""
        record = change.record
        present = self._sets.get(record.key)
        label = f"[name='{record.name}', type='{record.type}'"
        label += f", set-identifier='{record.set_identifier}']" if record.set_identifier else "]"
        if change.action == "DELETE":
            if present is None:
                yield f"Tried to delete resource record set {label} but it was not found"
            elif replace(present, values=tuple(sorted(present.values))) != replace(
                record, values=tuple(sorted(record.values))
            ):
                yield (
                    f"Tried to delete resource record set {label} but the values provided do not "
                    "match the current values"
                )
            elif record.name == self.name and record.type in ("NS", "SOA"):
                yield (
                    "A HostedZone must contain at least one NS record for the zone itself."
                    if record.type == "NS"
                    else "A HostedZone must contain exactly one SOA record."
                )
            return
        if change.action == "CREATE" and present is not None:
            yield f"Tried to create resource record set {label} but it already exists"
            return
        for other in self._at_name.get(record.name, {}).values():
            if other.key == record.key:
                continue
            if (other.type == "CNAME") != (record.type == "CNAME"):
                yield (
                    f"RRSet of type {record.type} with DNS name {record.name} is not permitted as it "
                    f"conflicts with other records with the same DNS name in zone {self.name}"
                )
                return
            if other.type == record.type and _policy(other) != _policy(record):
                yield (
                    f"RRSet with DNS name {record.name}, type {record.type}, SetIdentifier "
                    f"{record.set_identifier or 'null'} cannot be created as other RRSets exist with "
                    "the same name and type and a different routing policy."
                )
                return


def _policy(record: RecordSet) -> str:
    return record.routing[0][0] if record.routing else "simple"


def _repeated(changes: list[Change]) -> Iterator[str]:
    """A set may come once in a batch, or as a DELETE that a CREATE follows."""
    seen: dict[tuple[str, str, str], str] = {}
    for change in changes:
        key = change.record.key
        before = seen.get(key)
        if before is not None and (before, change.action) != ("DELETE", "CREATE"):
            yield (
                "The request contains an invalid set of changes for a resource record set "
                f"'{change.record.type} {change.record.name}'"
            )
        seen[key] = change.action if before is None else "twice"


def _own_problems(change: Change, zone_name: str) -> Iterator[str]:
    """What is wrong with the change whatever else stands in the zone."""
    record = change.record
    if not names.is_within(record.name, zone_name):
        yield f"RRSet with DNS name {record.name} is not permitted in zone {zone_name}"
        return
    if record.type == "CNAME" and record.name == zone_name:
        yield f"RRSet of type CNAME with DNS name {record.name} is not permitted at apex in zone {zone_name}"
        return
    for value in record.values:
        problem = problem_of(record.type, value)
        if problem:
            yield problem
    if len(record.values) > 1:
        if record.type in ("CNAME", "SOA"):
            yield f"RRSet with DNS name {record.name}, type {record.type} must have exactly one value"
        for value in sorted({value for value in record.values if record.values.count(value) > 1}):
            yield f"Duplicate Resource Record: '{value}'"


def record_from_request(parsed: dict[str, Any]) -> RecordSet:
    """A ResourceRecordSet as botocore parsed it; raises names.BadName or ValueError with a message."""
    name = names.canonical(parsed["Name"])
    identifier = parsed.get("SetIdentifier")
    routing = tuple(
        (key, tuple(sorted(value.items())) if isinstance(value, dict) else value)
        for key in ROUTING_FIELDS
        if (value := parsed.get(key)) is not None
    )
    where = f"[Name={name}, Type={parsed['Type']}, SetIdentifier={identifier or 'null'}]"
    alias = parsed.get("AliasTarget")
    values = tuple(item["Value"] for item in parsed.get("ResourceRecords", ()))
    simple = "TTL" in parsed and "ResourceRecords" in parsed
    if bool(alias) == simple or (alias and ("TTL" in parsed or values)):
        found = "more than one" if alias else "none"
        raise ValueError(
            "Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and "
            f"ResourceRecords], or TrafficPolicyInstanceId], but found {found} in Change with {where}"
        )
    if bool(routing) != bool(identifier):
        missing = "SetIdentifier" if routing else "any of [Weight, Region, Failover, GeoLocation, MultiValueAnswer]"
        raise ValueError(f"Invalid request: Missing field {missing} in Change with {where}")
    return RecordSet(
        name,
        parsed["Type"],
        parsed.get("TTL"),
        values,
        identifier,
        routing,
        (alias["HostedZoneId"], names.canonical(alias["DNSName"]), alias["EvaluateTargetHealth"]) if alias else None,
        parsed.get("HealthCheckId"),
    )
