"""`ddns53ctl zone`: the account's zones, asked by the tool itself, and how DNS delegates them."""

from __future__ import annotations

import re
import socket
import threading

import dns.message
import dns.rcode
import dns.rrset
import pytest

from harness import host, run_ctl
from harness.aws import boto

SERVERS = ["ns-0.awsdns-00.com.", "ns-512.awsdns-00.net.", "ns-1024.awsdns-00.org.", "ns-1536.awsdns-00.co.uk."]


class Resolver:
    """A resolver of the test's own, by UDP, that knows the NS records it is told."""

    def __init__(self, answers: dict[str, list[str]]):
        self.answers = answers
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.place = "127.0.0.1:%d" % self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                data, peer = self._socket.recvfrom(65535)
            except OSError:
                return
            if not data:
                return
            answer = dns.message.make_response(dns.message.from_wire(data))
            name = answer.question[0].name
            servers = self.answers.get(name.to_text().lower(), [])
            if servers:
                answer.answer.append(dns.rrset.from_text(name, 60, "IN", "NS", *servers))
            else:
                answer.set_rcode(dns.rcode.NXDOMAIN)
            self._socket.sendto(answer.to_wire(), peer)

    def close(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waker:
            waker.sendto(b"", self._socket.getsockname())
        self._thread.join(10)
        self._socket.close()


@pytest.fixture
def resolver():
    made = Resolver({"example.com.": [server.upper() for server in reversed(SERVERS)]})
    yield made
    made.close()


@pytest.fixture
def d(daemon, route53):
    """No daemon runs: the tool asks by itself."""
    r53 = route53("example.com.", "other.example.")
    r53.add_zone("example.com.", private=True)
    made = daemon(start=False, route53=r53, hosts=[host("home.example.com.")])
    made.settings["zones"] = made.settings["zones"][:1]
    made.write_config()
    return made


def test_list(d):
    r53 = d.route53
    zones = {(zone["name"], zone["private"]): zone for zone in d.ctl_json("zone", "list")["zones"]}
    assert set(zones) == {("example.com.", False), ("other.example.", False), ("example.com.", True)}
    public = zones["example.com.", False]
    assert public["id"] == r53.zone("example.com.").id and public["provider"] == "route53"
    assert public["served"] and public["records"] == 2 and not zones["other.example.", False]["served"]
    text = d.ctl("zone", "list").stdout
    assert re.search(rf"example\.com\. +route53 +{public['id']} +public +2 +yes", text)
    assert all(call.result == "ok" for call in r53.calls_of("ListHostedZones"))


def test_list_of_more_zones_than_a_page(d):
    for number in range(230):
        d.route53.add_zone(f"z{number}.example.")
    assert len(d.ctl_json("zone", "list")["zones"]) == 233
    assert len(d.route53.calls_of("ListHostedZones")) == 3


def test_list_says_when_a_zone_of_the_settings_is_gone(d):
    d.route53.hide_zone("example.com.")
    d.settings["zones"] = [{"name": "gone.example."}, *d.settings["zones"]]
    d.write_config()
    assert re.search(r"gone\.example\. +route53 .*the account has no such zone", d.ctl("zone", "list").stdout)


def test_show(d, resolver):
    shown = d.ctl_json("zone", "show", "other.example", "--resolver", resolver.place, status=1)
    assert shown["delegation"] == "none" and shown["delegated_to"] == []
    zone = d.route53.zone("example.com.")
    d.route53.hide_zone(d.route53.zone("example.com.", private=True))
    shown = d.ctl_json("zone", "show", "Example.COM", "--resolver", resolver.place)
    assert shown["id"] == zone.id and shown["name_servers"] == SERVERS and shown["delegation"] == "ok"
    done = d.ctl("zone", "show", "example.com", "--resolver", resolver.place)
    assert f"id {zone.id}, 2 record sets" in done.stdout and "DNS delegates it to them" in done.stdout
    assert all(f"\n  {server}\n" in done.stdout for server in SERVERS)


def test_show_warns_where_dns_delegates_elsewhere(d, resolver):
    resolver.answers["other.example."] = ["ns1.registrar.example.", "ns2.registrar.example."]
    done = d.ctl("zone", "show", "other.example", "--resolver", resolver.place, status=1)
    assert "DNS delegates it to others:\n  ns1.registrar.example.\n" in done.stdout
    assert "warning: what is set may not be found: enter the name servers above at the registrar" in done.stderr
    resolver.answers["other.example."] = SERVERS[:2]
    shown = d.ctl_json("zone", "show", "other.example", "--resolver", resolver.place, status=1)
    assert shown["delegation"] == "differs" and shown["delegated_to"] == sorted(SERVERS[:2])


def test_show_by_id_where_a_name_has_several(d, resolver):
    done = d.ctl("zone", "show", "example.com", status=64)
    assert "2 zones named example.com.; name one by its id" in done.stderr
    private = d.route53.zone("example.com.", private=True)
    shown = d.ctl_json("zone", "show", private.id)
    assert shown["private"] and shown["delegation"] == "private" and shown["name_servers"] == []
    assert "no zone no.example." in d.ctl("zone", "show", "no.example", status=66).stderr
    assert "--resolver" in d.ctl("zone", "show", "other.example", "--resolver", "x", status=64).stderr


def test_create(d, resolver):
    r53 = d.route53
    done = d.ctl("zone", "create", "New.Example.org", "--comment", "of <the> tool & test")
    zone = r53.zone("new.example.org.")
    assert zone.comment == "of <the> tool & test" and not zone.private
    assert f"new.example.org. is made, id {zone.id}" in done.stdout
    assert all(f"\n  {server}\n" in done.stdout for server in SERVERS)
    assert f"  - name: new.example.org.\n    zone_id: {zone.id}\n" in done.stdout
    (call,) = r53.calls_of("CreateHostedZone")
    assert call.result == "ok" and re.fullmatch(r"ddns53ctl-[0-9a-f]{32}", call.parsed["CallerReference"])
    again = d.ctl("zone", "create", "new.example.org", status=73)
    assert f"already (id {zone.id})" in again.stderr and len(r53.calls_of("CreateHostedZone")) == 1
    made = d.ctl_json("zone", "create", "json.example.org")
    assert made["id"] == r53.zone("json.example.org.").id and made["name_servers"] == SERVERS
    assert boto(r53).get_hosted_zone(Id=made["id"])["HostedZone"]["Name"] == "json.example.org."


def test_a_repeated_create_makes_one_zone(d):
    """The answer is lost, and the request is sent again with the same CallerReference."""
    d.route53.faults.error(503, operation="CreateHostedZone", count=1)
    d.ctl("zone", "create", "once.example")
    references = [call.parsed["CallerReference"] for call in d.route53.calls_of("CreateHostedZone")]
    assert len(references) == 2 and len(set(references)) == 1
    assert len([zone for zone in d.route53.zones if zone.name == "once.example."]) == 1


def test_what_the_account_refuses(d):
    d.route53.faults.error(403, "AccessDenied", operation="CreateHostedZone")
    done = d.ctl("zone", "create", "new.example", status=1)
    assert "route53:CreateHostedZone" in done.stderr
    d.route53.faults.error(403, "AccessDenied", operation="ListHostedZones")
    assert d.ctl("zone", "list", status=1).stderr.startswith("ddns53ctl: ")
    done = run_ctl("zone", "list", config=d.config_path, AWS_EC2_METADATA_DISABLED="true")
    assert done.returncode == 1 and "credentials" in done.stderr


def test_zones_of_another_provider(daemon, resolver):
    d = daemon(start=False)
    resolver.answers["example.test."] = ["ns.example.test."]
    assert [zone["provider"] for zone in d.ctl_json("zone", "list")["zones"]] == ["zonefile"]
    assert re.search(r"example\.test\. +zonefile", d.ctl("zone", "list").stdout)
    done = d.ctl("zone", "show", "example.test", "--resolver", resolver.place)
    assert "by zonefile: its name servers are those that you run" in done.stdout and "ns.example.test." in done.stdout
    del resolver.answers["example.test."]
    assert "DNS has no name servers" in d.ctl("zone", "show", "example.test", "--resolver", resolver.place, status=1).stderr
    assert "make it at the name server" in d.ctl("zone", "create", "new.example", status=1).stderr
    assert "is not in the settings" in d.ctl("zone", "show", "new.example", status=66).stderr
