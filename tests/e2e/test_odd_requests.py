"""Requests that mean something else than an update, or that are not understood: no record changes unless the request
said so. Each has valid credentials, and a source address that nobody sent before and that a misreading would write."""

from __future__ import annotations

import gzip
import itertools
import json
import zlib
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Iterator
from urllib.parse import quote

import pytest

from harness import BEHIND_PROXY, SECRET, Daemon, Response, hash_token, host, keep_confidential, merged
from harness.dialects import basic, nic_update, zone_values

HOME = "home.example.test."
NAME = "home.example.test"
OPEN = {"auth": ["basic", "secret", "hash", "signed"]}
HOSTS = [
    host(HOME, ["A", "AAAA"], allow_internal=True, **OPEN),
    {"hostname": "nas.example.test.", "record_type": "AAAA", "follows": HOME, "interface_id": "::9", "subnet_id": 1},
]
NAMED = "198.51.100.77"  # what the odd part of a request names
FORM = "application/x-www-form-urlencoded"
UPDATE = f"/nic/update?hostname={NAME}"
DELETE = f"/nic/delete?hostname={NAME}"
PLAIN = f"/?hostname={NAME}&secret={SECRET}"

_numbers = itertools.count(1)


def fresh() -> str:
    number = next(_numbers)
    return f"198.18.{number // 250}.{number % 250 + 1}"


@dataclass
class Odd:
    """{hash} in the target or the body is the token for the source address."""

    target: str
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | str | None = None

    def send(self, d: Daemon) -> Response:
        source = fresh()
        token = hash_token(source, NAME, SECRET)
        target = self.target.replace("{hash}", token)
        body = self.body.replace("{hash}", token) if isinstance(self.body, str) else self.body
        headers = {**self.headers, "X-Forwarded-For": source}
        if "/update" in target or target.startswith(DELETE):
            headers.update(basic("user", SECRET))
        return d.request(target, self.method, headers, body)

    def __str__(self) -> str:
        kind = self.headers.get("Content-Type", "") + self.headers.get("Content-Encoding", "")
        target = self.target.replace(SECRET, "S").replace(f"hostname={NAME}", "H")
        return " ".join(filter(None, [self.method, target, kind]))


# ---- what the requests are made of ----

BODIES = {
    "application/json": json.dumps({"hostname": NAME, "myip": NAMED}),
    "application/json; charset=utf-8": json.dumps([{"hostname": NAME, "myip": NAMED}]),
    "text/json": json.dumps({"myip": NAMED}),
    "application/vnd.api+json": json.dumps({"data": {"myip": NAMED}}),
    "multipart/form-data; boundary=x": f'--x\r\nContent-Disposition: form-data; name="myip"\r\n\r\n{NAMED}\r\n--x--\r\n',
    "multipart/mixed; boundary=x": f"--x\r\n\r\nmyip={NAMED}\r\n--x--\r\n",
    "text/plain": f"myip={NAMED}",
    "text/plain; charset=utf-8": NAMED,
    "text/html": f"<p>{NAMED}</p>",
    "text/xml": f"<myip>{NAMED}</myip>",
    "application/xml": f"<methodCall><param>{NAMED}</param></methodCall>",
    "application/octet-stream": NAMED,
    "application/x-yaml": f"myip: {NAMED}\n",
    "text/csv": f"hostname,myip\n{NAME},{NAMED}\n",
    "application/x-www-form-urlencoded-2": f"myip={NAMED}",
    "x-www-form-urlencoded": f"myip={NAMED}",
}
# Under the name of a form, and under none.
DISGUISED = [
    json.dumps({"hostname": NAME, "myip": NAMED}),
    json.dumps([NAMED]),
    f"<myip>{NAMED}</myip>",
    NAMED,
    f"myip: {NAMED}",
    f"myip {NAMED}",
    f"--x\r\n\r\n{NAMED}\r\n--x--",
]
# NAME=VALUE, or a name alone, that other protocols have and none of our paths: clear and txt as DuckDNS, ...
EVERYWHERE = [
    "clear=true",
    "clear=1",
    "clear=YES",
    "clear",
    "CLEAR=true",
    "delete=1",
    "delete=yes",
    "delete",
    "remove=true",
    "action=delete",
    "action=clear",
    "cmd=delete",
    "op=remove",
    "txt=some-text",
    "txt=",
    "txt",
    "TXT=some-text",
    "type=TXT",
    "record_type=AAAA",
    "cname=other.example.test",
    "domains=home",
    "domain=other.example.test",
    "host=other",
    "hosts=other.example.test",
    "zone=other.example.test",
    "alias=www",
    "subdomain=www",
    "host_id=17",
    "location=office",
    "group=all",
    f"address={NAMED}",
    f"addr={NAMED}",
    f"ip4={NAMED}",
    f"wanip={NAMED}",
    f"a={NAMED}",
    "aaaa=2001:db8::77",
    "ipv6prefix=2001:db8:77::/56",
    "ip6=2001:db8::77",
    f"dnsto={NAMED}",
    "dryrun=1",
    "dry_run=true",
    f"amp;myip={NAMED}",
    f"my%20ip={NAMED}",
    f"myip%20={NAMED}",
    f"%3Fmyip={NAMED}",
    f"hostname%3D{NAME}%26myip%3D{NAMED}",
    f"[myip]={NAMED}",
    NAMED,
    NAME,
    f"={NAMED}",
]
# Of one of our own paths, sent to another, or in other letters.
FOREIGN = {
    UPDATE: [
        f"MYIP={NAMED}",
        f"myIP={NAMED}",
        "HOSTNAME=other.example.test",
        "IP6LANPREFIX=2001:db8:77::/56",
        f"internalIp={NAMED}",
        f"newip={NAMED}",
        "mode=get",
        "mode=clear",
        "mode=delete",
        "offline=true",
        "offline=YES%20",
        "offline=1",
        "offline=on",
        "offline",
        "OFFLINE=YES",
    ],
    PLAIN: [
        f"myip={NAMED}",
        f"NEWIP={NAMED}",
        f"ip={NAMED}",
        f"internalIp={NAMED}",
        "prefix=2001:db8:77::/56",
        "offline=YES",
        "myipv6=2001:db8::77",
    ],
    f"/?mode=set&hostname={NAME}&hash={{hash}}": [
        f"internalip={NAMED}",
        f"internal_ip={NAMED}",
        f"myip={NAMED}",
        f"newip={NAMED}",
        "offline=YES",
        "ip6lanprefix=2001:db8:77::/56",
        "execution_mode",
        "Mode=get",
    ],
}
NOT_ADDRESSES = [
    "<ipaddr>",
    "%3Cipaddr%3E",
    "[IP]",
    "%25IP%25",
    "__MYIP__",
    "{ip}",
    "$address",
    "@IP",
    "null",
    "undefined",
    "None",
    "dynamic",
    "localhost",
    NAME,
    "1",
    "198.51.100",
    "198.51.100.0/24",
    "198.51.100.128/25",
    "198.51.100.4/30",
    "2001:db8:77::/96",
    "2001:db8:77::4/126",
    "198.51.100.7/",
    "198.51.100.7/255.255.255.0",
    "198.51.100.7-198.51.100.9",
    "198.51.100.7;198.51.100.9",
    f"{NAMED}?system=dyndns",
]
SET = {"execution_mode": "set", "ddns_hostname": NAME, "validation_hash": "{hash}"}
JSON_FORMS = [
    {**SET, "internalIp": NAMED},
    {**SET, "internalip": NAMED},
    {**SET, "internal_IP": NAMED},
    {**SET, "myip": NAMED},
    {**SET, "ip": NAMED},
    {**SET, "hostname": "other.example.test"},
    {**SET, "txt": "some-text"},
    {**SET, "txt": None},
    {**SET, "clear": True},
    {**SET, "clear": "true"},
    {**SET, "delete": 1},
    {**SET, "domains": ["home"]},
    {**SET, "mode": "get"},
    {**SET, "action": "delete"},
    {**SET, "offline": True},
    {**SET, "internal_ip": [NAMED]},
    {**SET, "internal_ip": {"v4": NAMED}},
    {**SET, "internal_ip": True},
    {**SET, "internal_ip": ""},
    {**SET, "record_type": "TXT"},
    {**SET, "EXECUTION_MODE": "get"},
    {"body": json.dumps(SET)},
    {"parameters": SET},
]
OTHER_PATHS = [
    f"/update/home/{SECRET}",
    f"/update/home/{SECRET}/{NAMED}",
    f"/nic/update/delete?hostname={NAME}",
    f"/api/update?hostname={NAME}",
    f"/nic/updates?hostname={NAME}",
    f"/dyndns/update?hostname={NAME}",
]
CONTRADICTIONS = [
    f"{UPDATE}&hostname=other.example.test",
    f"{UPDATE}&myip={NAMED}&myip=198.51.100.78",
    f"{UPDATE}&myip={NAMED}&ip=198.51.100.78",
    f"{UPDATE}&myip={NAMED},198.51.100.78",
    f"{UPDATE}&myipv4=2001:db8::77",
    f"{UPDATE}&myipv6={NAMED}",
    f"{UPDATE}&prefix=2001:db8:77::/56&ip6lanprefix=2001:db8:78::/56",
    f"{UPDATE}&myip=2001:db8:77::/56&ip6lanprefix=2001:db8:78::/56",
    f"{UPDATE}&myip=2001:db8:77::/56,2001:db8:78::/56",
    f"{PLAIN}&newip=2001:db8:77::/56",
    f"{UPDATE}&prefix={NAMED}/24",
    f"/nic/update?hostname={NAME};myip={NAMED}",
    f"/nic/update?hostname={NAME}?myip={NAMED}",
    f"/nic/update?{NAME}&",
]


# What withdraws a record, and so must say so without anything beside it.
CLEAR = {"execution_mode": "clear", "ddns_hostname": NAME, "validation_hash": "{hash}"}
CLEAR_TARGET = f"/?mode=clear&hostname={NAME}&hash={{hash}}"
WITHDRAWALS = {
    DELETE: [
        f"myip={NAMED}",
        "myip=",
        "offline=YES",
        "offline=NO",
        "mode=set",
        "mode=update",
        "mode=clear",
        "action=set",
        "delete=no",
        "clear=0",
        "dryrun=0",
        "system=dyndns",
        "wildcard=NOCHG",
        "comment=x",
        "type=",
        "type",
        "type=a",
        "type=ANY",
        "type=*",
        "type=A,AAAA",
        "type=MX",
        "Type=A",
        "TYPE=A",
        f"hostname={NAME}",
        "hostname=",
        "hash={hash}",
    ],
    CLEAR_TARGET: [
        f"internalIp={NAMED}",
        "internalIp=",
        "offline=YES",
        "delete=no",
        "action=set",
        "mode=set",
        "mode=clear",
        "dry_run=false",
        "comment=x",
        "type=",
        "type",
        "type=a",
        "type=ANY",
        "type=A,AAAA",
        "type=A&type=A",
        "TYPE=A",
        "family=4",
        f"secret={SECRET}",
    ],
    f"{UPDATE}&offline=YES": [
        "myip=x",
        f"myip={NAMED}&MYIP={NAMED}",
        "OFFLINE=NO",
        "offline=NO",
        "offline=YES",
        "mode=get",
        "mode=clear",
    ],
}
CLEAR_FORMS = [
    {**CLEAR, "record_type": None},
    {**CLEAR, "record_type": ""},
    {**CLEAR, "record_type": "a"},
    {**CLEAR, "record_type": ["A"]},
    {**CLEAR, "record_type": 1},
    {**CLEAR, "record_type": False},
    {**CLEAR, "RECORD_TYPE": "A"},
    {**CLEAR, "type": "A"},
    {**CLEAR, "internal_ip": NAMED},
    {**CLEAR, "internal_ip": ""},
    {**CLEAR, "comment": "x"},
    {**CLEAR, "dry_run": False},
    {**CLEAR, "execution_mode": "CLEAR"},
    {**CLEAR, "execution_mode": "delete"},
    {**CLEAR, "execution_mode": ["clear"]},
    {**CLEAR, "mode": "set"},
]


def withdrawals() -> Iterator[Odd]:
    for base, own in WITHDRAWALS.items():
        for part in (*(part for part in EVERYWHERE if not (part == "type=TXT" and base != f"{UPDATE}&offline=YES")), *own):
            yield Odd(f"{base}&{part}")
        for method in ("HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"):
            yield Odd(base, method)
        yield Odd(base, "GET", {"Content-Type": FORM}, "type=A")
        yield Odd(base, "POST", {"Content-Type": "application/json"}, json.dumps({"type": "A"}))
        yield Odd(base, "POST", {"Content-Type": "text/plain"}, "type=A")
        yield Odd(base, "POST", {"Content-Type": FORM}, DISGUISED[3])
    for value in CLEAR_FORMS:
        yield Odd("/", "POST", {"Content-Type": "application/json"}, json.dumps(value))
    yield Odd("/?mode=clear&type=A", "POST", {"Content-Type": "application/json"}, json.dumps(CLEAR))
    yield Odd("/", "PUT", {"Content-Type": "application/json"}, json.dumps(CLEAR))
    for target in (
        f"/?mode=Clear&hostname={NAME}&hash={{hash}}",
        f"/?mode=delete&hostname={NAME}&hash={{hash}}",
        f"/?mode=clear&hostname={NAME}&secret={SECRET}",
        f"/?clear=true&hostname={NAME}&secret={SECRET}",
        f"/nic/delete?{NAME}&",
        "/nic/delete",
        "/nic/delete?hostname=YES",
        "/nic/delete?type=A",
        f"/nic/delete/{NAME}",
        f"/v3/delete?hostname={NAME}",
        f"/delete?hostname={NAME}",
    ):
        yield Odd(target)


def with_bodies() -> Iterator[Odd]:
    for kind, body in BODIES.items():
        yield Odd(UPDATE, "POST", {"Content-Type": kind}, body)
        if not body.startswith("{"):
            yield Odd(PLAIN, "POST", {"Content-Type": kind}, body.replace("myip", "newip"))
    for body in DISGUISED:
        yield Odd(UPDATE, "POST", {"Content-Type": FORM}, body)
    yield Odd(UPDATE, "POST", {}, DISGUISED[0].encode())
    for name, pack in (("gzip", gzip.compress), ("deflate", zlib.compress), ("br", bytes)):
        yield Odd(UPDATE, "POST", {"Content-Type": FORM, "Content-Encoding": name}, pack(f"myip={NAMED}".encode()))
    for target in (UPDATE, PLAIN, f"/?mode=set&hostname={NAME}&hash={{hash}}"):
        yield Odd(target, "GET", {"Content-Type": FORM}, f"myip={NAMED}")
        yield Odd(target, "GET", {"Content-Type": "application/json"}, json.dumps({"myip": NAMED}))


def all_requests() -> Iterator[Odd]:
    yield from with_bodies()
    for base, own in FOREIGN.items():
        for part in (*EVERYWHERE, *own):
            yield Odd(f"{base}&{part}")
    for part in ("clear=true", "txt=some-text", "MYIP=" + NAMED, "offline=on", "domains=home"):
        yield Odd(UPDATE, "POST", {"Content-Type": FORM}, part)
    # DuckDNS: the only thing of it that we know is the token
    for part in ("", "&txt=some-text", "&clear=true", f"&ip={NAMED}", "&txt=some-text&clear=true", "&verbose=true"):
        yield Odd(f"/update?domains=home&token={SECRET}{part}")
        yield Odd(f"/nic/update?domains=home&token={SECRET}{part}")
    for value in NOT_ADDRESSES:
        yield Odd(f"{UPDATE}&myip={value}")
        yield Odd(f"{PLAIN}&newip={value}")
    for target in (*OTHER_PATHS, *CONTRADICTIONS):
        yield Odd(target)
    for value in JSON_FORMS:
        yield Odd("/", "POST", {"Content-Type": "application/json"}, json.dumps(value))
    for query in ("mode=get", f"internalIp={NAMED}", "txt=some-text", f"hostname={NAME}"):
        yield Odd(f"/?{query}", "POST", {"Content-Type": "application/json"}, json.dumps(SET))
    for method in ("PUT", "PATCH", "DELETE", "OPTIONS"):
        yield Odd(UPDATE, method)
    yield from withdrawals()


REQUESTS = list(all_requests())


@pytest.fixture(scope="module")
def shared(ca, tmp_path_factory):
    keep_confidential(SECRET, quote(SECRET))
    settings = merged(BEHIND_PROXY, {"limits": {"auth_failures_per_minute": 100000, "reads_per_minute": 100000}})
    with ExitStack() as stack:
        made = Daemon(tmp_path_factory.mktemp("odd"), ca, settings=settings, hosts=HOSTS)
        stack.callback(made.close)
        made.start()
        both = nic_update(made, NAME, myip="198.51.100.1,2001:db8::1", prefix="2001:db8:1::/56")
        assert both.status == 200
        yield made


def contents(d: Daemon) -> dict[str, list[str]]:
    names = {"A": [HOME], "AAAA": [HOME, "nas.example.test."]}
    path = d.zone_file()
    return {f"{name} {kind}": zone_values(path, name, kind) for kind, rows in names.items() for name in rows}


def test_there_are_enough_of_them():
    assert len(REQUESTS) >= 200 and len({str(odd) + str(odd.body) for odd in REQUESTS}) == len(REQUESTS)


def test_the_same_requests_without_what_is_odd_do_change_a_record(shared):
    """Else nothing that follows would be a test."""
    seen = [contents(shared)]
    plain = [
        Odd(UPDATE),
        Odd(UPDATE, "POST", {"Content-Type": FORM}, f"myip={NAMED}"),
        Odd(UPDATE, "POST", {"Content-Type": FORM + "; charset=UTF-8"}, "wildcard=NOCHG"),
        Odd(UPDATE, "POST"),
        Odd(UPDATE + "&clear=false&offline=NO&mode=set&txt6=&domains=&system=dyndns&wildcard=NOCHG&mx=&backmx=NO&ttl=60"),
        Odd(f"/update?token={SECRET}&hostname={NAME}"),
        Odd(PLAIN),
        Odd(PLAIN, "POST", {"Content-Type": FORM}, "newip=198.51.100.3"),
        Odd(f"/?mode=set&hostname={NAME}&hash={{hash}}"),
        Odd("/", "POST", {"Content-Type": "application/json"}, json.dumps(SET)),
        Odd("/", "POST", {"Content-Type": "text/plain"}, json.dumps({**SET, "comment": "x", "internal_ip": None})),
    ]
    for odd in plain:
        answer = odd.send(shared)
        assert answer.status in (200, 201), f"{odd}: {answer.status} {answer.text}"
        now = contents(shared)
        assert now not in seen, odd
        seen.append(now)


def test_the_same_withdrawals_without_what_is_odd_do_change_a_record(shared):
    for odd in (
        Odd(DELETE),
        Odd(f"{DELETE}&type=AAAA"),
        Odd("/nic/delete", "POST", {"Content-Type": FORM}, f"hostname={NAME}&token={SECRET}"),
        Odd(f"{UPDATE}&offline=YES"),
        Odd(f"{UPDATE}&offline=YES&system=dyndns&wildcard=NOCHG&mx=&backmx=NO&myip={NAMED}"),
        Odd(CLEAR_TARGET),
        Odd(f"{CLEAR_TARGET}&type=A"),
        Odd("/", "POST", {"Content-Type": FORM}, CLEAR_TARGET[2:]),
        Odd("/", "POST", {"Content-Type": "application/json"}, json.dumps(CLEAR)),
        Odd("/", "POST", {"Content-Type": "application/json"}, json.dumps({**CLEAR, "record_type": "A"})),
    ):
        assert nic_update(shared, NAME, myip="198.51.100.1,2001:db8::1").status == 200
        before = contents(shared)
        answer = odd.send(shared)
        assert answer.status in (200, 201), f"{odd}: {answer.status} {answer.text}"
        after = contents(shared)
        assert [] in after.values() and [] not in before.values(), odd
        assert after["nas.example.test. AAAA"] == before["nas.example.test. AAAA"]
    assert nic_update(shared, NAME, myip="198.51.100.1,2001:db8::1").status == 200


@pytest.mark.parametrize("odd", REQUESTS, ids=str)
def test_no_record_changes_unless_the_request_said_so(shared, odd):
    before = shared.zone_file().read_bytes()
    answer = odd.send(shared)
    assert shared.zone_file().read_bytes() == before, f"{answer.status} {answer.text}"
    assert 400 <= answer.status < 500, f"{answer.status} {answer.text}"
    words = ("good", "nochg", "success", "OK", "updated", "true")
    assert not any(word in answer.text for word in words), answer.text
    shared.check_confidential()


@pytest.mark.parametrize("kind", [kind for kind in BODIES if "form" not in kind or "multipart" in kind])
def test_a_body_of_another_type_is_415(shared, kind):
    assert Odd(UPDATE, "POST", {"Content-Type": kind}, BODIES[kind]).send(shared).text == "badagent\n"
    for target in (UPDATE, PLAIN, f"/?mode=set&hostname={NAME}&hash={{hash}}"):
        body = BODIES[kind] if target == UPDATE else "x" + BODIES[kind]
        assert Odd(target, "POST", {"Content-Type": kind}, body).send(shared).status == 415


def test_each_dialect_says_why(shared):
    """dyndns2 in the words of its protocol, the others in a sentence."""
    assert Odd(f"{UPDATE}&txt=x").send(shared).text == "badagent\n"
    assert Odd(f"{UPDATE}&offline=true").send(shared).text == "badagent\n"
    assert Odd(f"{DELETE}&txt=x").send(shared).text == "badagent\n"
    plain = Odd(f"{PLAIN}&txt=x").send(shared)
    assert plain.status == 400 and plain.text.startswith("error: ") and "A and AAAA" in plain.text
    query = Odd(f"/?mode=set&hostname={NAME}&hash={{hash}}&myip={NAMED}").send(shared)
    assert query.status == 400 and "names an address" in query.message
    form = Odd("/", "POST", {"Content-Type": "application/json"}, json.dumps({**SET, "clear": True})).send(shared)
    assert form.status == 400 and "does not do" in form.message
