"""Stand-ins for the AWS services that ddns53d talks to, on loopback, in threads or as a program.

    ca = TestCA(folder)                                      # ca.path, ca.issue(), ca.client_context()
    with Route53(["example.com."], ca=ca) as r53:            # HTTP at r53.url, HTTPS at r53.https_url
        environment = r53.environment()                      # key, region, endpoint, CA for a client

Route53(zones, ca=, keys=, clock=, region=, rate_limit=, latency_s=, host=, port=, tls_port=)
    knobs       latency_s, change_latency_s, page_max, pending_polls, clock.offset_s, skew_code,
                batch_error_form ("error" or "messages"), rate_limit (a factory, one limit per account:
                `lambda: TokenBucket(5)`, `lambda: SlidingWindow(5)`; None: no limit)
    zones       add_zone(name, private=False, zone_id=None) -> Zone(.id .name .private), zone(name),
                zones, hide_zone(z), show_zone(z)
    records     records(zone) -> [RecordSet] in Route 53's order, record(name, type), values(name, type),
                put_record(name, type, values, ttl, set_identifier=, weight=, alias=), delete_record(...)
                RecordSet: name, type, ttl, values, set_identifier, routing, alias
                (names are in stored form: `\\052` for `*`; arguments may be in any form)
    calls       calls -> [Call], calls_of(operation, zone), results(operation) -> Counter, reset_calls()
                Call: operation, zone, changes, batch [Change(action, record)], result, status, fault,
                applied, started_at, finished_at, key_id, request (.headers .body .target), source
    waiting     wait_for(predicate, timeout), wait_value(name, value, type), wait_calls(n, operation)
                (on a condition variable; the predicate is looked at after every event)
    faults      r53.faults.throttle(), error(status), unavailable(retry_after), truncated_xml(),
                garbage_xml(), endless_body(), reset_before(), reset_after(), stall(seconds),
                hold() (until .release()), refuse_record(name, type, named=True); each takes count=, seconds=, operation=, zone=,
                when=predicate(Call), applied= and returns a Fault with .hits and .remove(); clear()
    keys        r53.keys.default, add(), issue(lifetime_s), reject(key_id), deny(key_id),
                accept(key_id), expire(key_id)
    connections connections (how many), drop_connections()

Credentials services, which hand out keys of the KeyStore they are given (share it with a Route53):
    Imds(keys, role=, lifetime_s=)               .environment(), .failing, .issued, .calls, forget_tokens()
    EcsCredentials(keys, authorization=)         .environment(relative=, token_file=), .full_uri
    Sts(keys, ca=, lifetime_s=)                  .web_tokens, .roles, .fail(code, status, count), .mend()

`python3 -m standin --zone example.com. --rate 5 --latency-ms 150` is the same as a program.
"""

from .certificates import TestCA
from .faults import Fault, Faults
from .keys import AccessKey, KeyStore
from .metadata import EcsCredentials, Imds
from .pace import Clock, SlidingWindow, TokenBucket
from .route53 import Call, Route53
from .sts import Sts
from .zones import Change, RecordSet, Zone

__all__ = [
    "AccessKey",
    "Call",
    "Change",
    "Clock",
    "EcsCredentials",
    "Fault",
    "Faults",
    "Imds",
    "KeyStore",
    "RecordSet",
    "Route53",
    "SlidingWindow",
    "Sts",
    "TestCA",
    "TokenBucket",
    "Zone",
]
