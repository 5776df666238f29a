"""What each call of Route 53's API does."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import answers, model, names
from .pace import iso_time
from .web import Answer
from .zones import Change, Refusals, Zone, record_from_request

if TYPE_CHECKING:
    from .route53 import Call, Route53

ELEMENTS_MAX = 1000
CHARACTERS_MAX = 32000
ZONES_PAGE_MAX = 100


@dataclass
class _Submitted:
    submitted_at: str
    comment: str | None
    polls_left: int


class _BadInput(Exception):
    pass


def _page_size(text: str | None, maximum: int) -> int:
    if text is None:
        return maximum
    if not text.isdigit() or int(text) < 1:
        raise _BadInput(f"Invalid value for parameter maxitems: '{text}'")
    return min(int(text), maximum)


class Operations:
    """`parse` looks at the request alone, `run` does the call; both need it authenticated."""

    def __init__(self, service: "Route53"):
        self._service = service
        self._changes: dict[str, _Submitted] = {}

    def parse(self, call: "Call") -> Answer | None:
        """Fills in call.batch and call.parsed; an answer when the body is refused."""
        if call.request.method != "POST":
            return None
        members = {"HostedZoneId": call.id} if call.operation == "ChangeResourceRecordSets" else {}
        try:
            call.parsed = model.parse(call.operation, call.request.body, members)
            if call.operation == "ChangeResourceRecordSets":
                call.batch = [
                    Change(item["Action"], record_from_request(item["ResourceRecordSet"]))
                    for item in call.parsed["ChangeBatch"]["Changes"]
                ]
        except model.BadXml as error:
            return answers.error(error.code, error.message)
        except names.BadName as error:
            return self._invalid([f"Invalid Resource Record: '{error}'"])
        except ValueError as error:
            return answers.error("InvalidInput", str(error))
        return None

    def run(self, call: "Call") -> Answer:
        handler = getattr(self, "_" + call.operation)
        if call.operation != "ChangeResourceRecordSets":
            self._service.pause(self._service.latency_s)
        try:
            return handler(call)
        except _BadInput as error:
            return answers.error("InvalidInput", str(error))
        except names.BadName as error:
            return answers.error("InvalidInput", str(error))

    def _invalid(self, messages: list[str]) -> Answer:
        return answers.invalid_change_batch(messages, self._service.batch_error_form)

    def _no_zone(self, call: "Call") -> Answer:
        return answers.error("NoSuchHostedZone", f"No hosted zone found with ID: {call.id}", 404)

    def _submit(self, comment: str | None) -> str:
        """The ChangeInfo of a change that was accepted just now. Needs the lock."""
        service = self._service
        change_id = "C" + uuid.uuid4().hex[:20].upper()
        submitted_at = iso_time(service.clock.now(), milliseconds=True)
        self._changes[change_id] = _Submitted(submitted_at, comment, service.pending_polls)
        return answers.change_info(change_id, "PENDING", submitted_at, comment)

    # -- ChangeResourceRecordSets ---------------------------------------------

    def _ChangeResourceRecordSets(self, call: "Call") -> Answer:
        service = self._service
        too_many = _over_limit(call.batch)
        if too_many:
            return self._invalid([too_many])
        with service.lock:
            zone = service.zone_by_id(call.id or "")
            if zone is None:
                return self._no_zone(call)
            if zone.busy:
                return answers.error(
                    "PriorRequestNotComplete",
                    "The request was rejected because Route 53 was still processing a prior request.",
                )
            zone.busy = True
            latency_s = service.change_latency_s  # what is set from now on is for others
            service.lock.notify_all()
        try:
            service.pause(service.latency_s if latency_s is None else latency_s)
            return self._apply(zone, call)
        finally:
            with service.lock:
                zone.busy = False

    def _apply(self, zone: Zone, call: "Call") -> Answer:
        with self._service.lock:
            try:
                zone.apply(call.batch)
            except Refusals as refusals:
                return self._invalid(refusals.messages)
            info = self._submit(call.parsed["ChangeBatch"].get("Comment"))
            self._service.lock.notify_all()
        return answers.document("ChangeResourceRecordSetsResponse", info)

    def _GetChange(self, call: "Call") -> Answer:
        with self._service.lock:
            submitted = self._changes.get(call.id or "")
            if submitted is None:
                return answers.error(
                    "NoSuchChange", f"Could not find resource with ID: {call.id}", 404
                )
            status = "PENDING" if submitted.polls_left > 0 else "INSYNC"
            submitted.polls_left -= 1
        info = answers.change_info(
            call.id or "", status, submitted.submitted_at, submitted.comment
        )
        return answers.document("GetChangeResponse", info)

    # -- listings ---------------------------------------------------------------

    def _ListResourceRecordSets(self, call: "Call") -> Answer:
        query = call.request.parameters()
        unknown = set(query) - {"name", "type", "identifier", "maxitems"}
        if unknown:
            raise _BadInput(f"Unknown parameter {sorted(unknown)[0]}")
        name, record_type = query.get("name"), query.get("type")
        if record_type and not name:
            raise _BadInput("Type was specified without a name")
        if query.get("identifier") and not record_type:
            raise _BadInput("Identifier was specified without a type")
        types = model.service_model().shape_for("RRType").enum
        if record_type and record_type not in types:
            raise _BadInput(f"Invalid value for parameter type: '{record_type}'")
        limit = _page_size(query.get("maxitems"), self._service.page_max)
        start = names.order_key(names.canonical(name)) if name else ""
        with self._service.lock:
            zone = self._service.zone_by_id(call.id or "")
            if zone is None:
                return self._no_zone(call)
            page, following = zone.page((start, record_type or "", query.get("identifier", "")), limit)
        return answers.record_sets(page, following, limit)

    def _sorted_zones(self) -> list[tuple[tuple[str, str], Zone]]:
        with self._service.lock:
            zones = [zone for zone in self._service.zones if not zone.hidden]
        return sorted(((names.order_key(zone.name), zone.id), zone) for zone in zones)

    def _ListHostedZonesByName(self, call: "Call") -> Answer:
        query = call.request.parameters()
        name, zone_id = query.get("dnsname"), query.get("hostedzoneid")
        if zone_id and not name:
            raise _BadInput("HostedZoneId was specified without a DNSName")
        limit = _page_size(query.get("maxitems"), ZONES_PAGE_MAX)
        start = (names.order_key(names.canonical(name)) if name else "", zone_id or "")
        zones = [zone for key, zone in self._sorted_zones() if key >= start]
        parts = [answers.wrap("HostedZones", *map(answers.hosted_zone, zones[:limit]))]
        if name:
            parts.append(answers.element("DNSName", name))
        if zone_id:
            parts.append(answers.element("HostedZoneId", zone_id))
        parts.append(answers.element("IsTruncated", len(zones) > limit))
        if len(zones) > limit:
            parts.append(answers.element("NextDNSName", zones[limit].name))
            parts.append(answers.element("NextHostedZoneId", zones[limit].id))
        parts.append(answers.element("MaxItems", limit))
        return answers.document("ListHostedZonesByNameResponse", *parts)

    def _ListHostedZones(self, call: "Call") -> Answer:
        query = call.request.parameters()
        limit = _page_size(query.get("maxitems"), ZONES_PAGE_MAX)
        with self._service.lock:
            zones = sorted(
                (zone for zone in self._service.zones if not zone.hidden), key=lambda zone: zone.id
            )
        marker = query.get("marker", "")
        zones = [zone for zone in zones if zone.id >= marker]
        parts = [
            answers.wrap("HostedZones", *map(answers.hosted_zone, zones[:limit])),
            answers.element("Marker", marker),
            answers.element("IsTruncated", len(zones) > limit),
        ]
        if len(zones) > limit:
            parts.append(answers.element("NextMarker", zones[limit].id))
        parts.append(answers.element("MaxItems", limit))
        return answers.document("ListHostedZonesResponse", *parts)

    # -- zones --------------------------------------------------------------------

    def _GetHostedZone(self, call: "Call") -> Answer:
        with self._service.lock:
            zone = self._service.zone_by_id(call.id or "")
            if zone is None:
                return self._no_zone(call)
            parts = [answers.hosted_zone(zone)]
        if zone.private:
            vpc = answers.element("VPC", VPCRegion="us-east-1", VPCId="vpc-0123456789abcdef0")
            parts.append(answers.wrap("VPCs", vpc))
        else:
            parts.append(answers.delegation_set(zone))
        return answers.document("GetHostedZoneResponse", *parts)

    def _CreateHostedZone(self, call: "Call") -> Answer:
        service, asked = self._service, call.parsed
        config = asked.get("HostedZoneConfig", {})
        private = bool(config.get("PrivateZone")) or "VPC" in asked
        if private and "VPC" not in asked:
            raise _BadInput("When creating private hosted zones, a VPC must be specified.")
        name = names.canonical(asked["Name"])
        with service.lock:
            for zone in service.zones:
                if zone.caller_reference == asked["CallerReference"]:
                    return answers.error(
                        "HostedZoneAlreadyExists",
                        "A hosted zone has already been created with the specified caller reference.",
                        409,
                    )
            zone = service.add_zone(name, private, comment=config.get("Comment", ""))
            zone.caller_reference = asked["CallerReference"]
            parts = [answers.hosted_zone(zone), self._submit(None), answers.delegation_set(zone)]
        call.zone = zone.name
        answer = answers.document("CreateHostedZoneResponse", *parts, status=201)
        answer.headers["Location"] = f"{service.url}/2013-04-01/hostedzone/{zone.id}"
        return answer


def _over_limit(batch: list[Change]) -> str | None:
    elements = characters = 0
    for change in batch:
        times = 2 if change.action == "UPSERT" else 1
        elements += times * max(1, len(change.record.values))
        characters += times * sum(map(len, change.record.values))
    if elements > ELEMENTS_MAX:
        return f"Number of records limit of {ELEMENTS_MAX} exceeded."
    if characters > CHARACTERS_MAX:
        return f"Number of characters limit of {CHARACTERS_MAX} exceeded."
    return None
