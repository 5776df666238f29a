"""The XML that Route 53 answers with."""

from __future__ import annotations

import json
import uuid
from typing import Any, Iterable
from xml.sax.saxutils import escape

from .model import NAMESPACE
from .web import Answer
from .zones import RecordSet, Zone

DECLARATION = '<?xml version="1.0"?>\n'


def element(tag: str, content: object = "", **children: object) -> str:
    """`<tag>content</tag>`, text escaped; keyword arguments are simple children, None is left out."""
    inner = escape(_text(content)) if content != "" else ""
    inner += "".join(element(name, value) for name, value in children.items() if value is not None)
    return f"<{tag}>{inner}</{tag}>"


def wrap(tag: str, *inner: str) -> str:
    return f"<{tag}>{''.join(inner)}</{tag}>"


def _text(value: object) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def document(tag: str, *inner: str, status: int = 200, **headers: str) -> Answer:
    text = f'{DECLARATION}<{tag} xmlns="{NAMESPACE}">{"".join(inner)}</{tag}>'
    return Answer(status, text.encode(), dict(headers))


def error(code: str, message: str, status: int = 400) -> Answer:
    kind = "Sender" if status < 500 else "Receiver"
    answer = document(
        "ErrorResponse",
        element("Error", Type=kind, Code=code, Message=message),
        element("RequestId", uuid.uuid4()),
        status=status,
    )
    answer.code = code
    return answer


def invalid_change_batch(messages: list[str], form: str) -> Answer:
    """Both forms are Route 53's: `error` is what it sends today, `messages` what its model documents."""
    if form == "messages":
        inner = wrap("Messages", *(element("Message", message) for message in messages))
        answer = document(
            "InvalidChangeBatch", inner, element("RequestId", uuid.uuid4()), status=400
        )
        answer.code = "InvalidChangeBatch"
        return answer
    return error("InvalidChangeBatch", f"[{', '.join(messages)}]")


def record_set(record: RecordSet) -> str:
    parts = [element("Name", record.name), element("Type", record.type)]
    if record.set_identifier is not None:
        parts.append(element("SetIdentifier", record.set_identifier))
    for name, value in record.routing:
        parts.append(element(name, **dict(value)) if isinstance(value, tuple) else element(name, value))
    if record.ttl is not None:
        parts.append(element("TTL", record.ttl))
    if record.values:
        values = (wrap("ResourceRecord", element("Value", value)) for value in record.values)
        parts.append(wrap("ResourceRecords", *values))
    if record.alias is not None:
        zone_id, name, evaluate = record.alias
        parts.append(
            element("AliasTarget", HostedZoneId=zone_id, DNSName=name, EvaluateTargetHealth=evaluate)
        )
    if record.health_check_id is not None:
        parts.append(element("HealthCheckId", record.health_check_id))
    return wrap("ResourceRecordSet", *parts)


def record_sets(records: Iterable[RecordSet], following: RecordSet | None, limit: int) -> Answer:
    parts = [
        wrap("ResourceRecordSets", *map(record_set, records)),
        element("IsTruncated", following is not None),
    ]
    if following is not None:
        parts.append(element("NextRecordName", following.name))
        parts.append(element("NextRecordType", following.type))
        if following.set_identifier is not None:
            parts.append(element("NextRecordIdentifier", following.set_identifier))
    parts.append(element("MaxItems", limit))
    return document("ListResourceRecordSetsResponse", *parts)


def hosted_zone(zone: Zone) -> str:
    return wrap(
        "HostedZone",
        element("Id", f"/hostedzone/{zone.id}"),
        element("Name", zone.name),
        element("CallerReference", zone.caller_reference),
        element("Config", Comment=zone.comment, PrivateZone=zone.private),
        element("ResourceRecordSetCount", len(zone)),
    )


def delegation_set(zone: Zone) -> str:
    servers = (element("NameServer", server) for server in zone.name_servers)
    return wrap("DelegationSet", wrap("NameServers", *servers))


def change_info(change_id: str, status: str, submitted_at: str, comment: str | None) -> str:
    return element(
        "ChangeInfo",
        Id=f"/change/{change_id}",
        Status=status,
        SubmittedAt=submitted_at,
        Comment=comment,
    )


def json_answer(value: Any, status: int = 200, content_type: str = "application/json") -> Answer:
    return Answer(status, json.dumps(value).encode(), {"Content-Type": content_type})


def text_answer(text: str, status: int = 200) -> Answer:
    return Answer(status, text.encode(), {"Content-Type": "text/plain"})
