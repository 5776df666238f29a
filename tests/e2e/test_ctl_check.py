"""`ddns53ctl check`, the doctor: each thing that can be wrong is found, with what mends it, and the status says the worst."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
from datetime import timedelta
from pathlib import Path

import dns.message
import dns.rcode
import dns.rrset
import pytest

from harness import free_port, host, run_ctl
from harness.nameserver import SERVERS

NOBODY = 65534


class Resolver:
    """Answers questions for NS records from a table; a name that is not there does not exist."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.servers: dict[str, list[str]] = {}
        self.is_broken = False
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    @property
    def place(self) -> str:
        return "127.0.0.1:%d" % self.socket.getsockname()[1]

    def _serve(self) -> None:
        while True:
            try:
                data, peer = self.socket.recvfrom(65535)
            except OSError:
                return
            if not data:
                return
            question = dns.message.from_wire(data)
            answer = dns.message.make_response(question, recursion_available=True)
            name = question.question[0].name
            found = self.servers.get(name.to_text().lower())
            if self.is_broken:
                answer.set_rcode(dns.rcode.SERVFAIL)
            elif found is None:
                answer.set_rcode(dns.rcode.NXDOMAIN)
            elif found:
                answer.answer.append(dns.rrset.from_text(name, 60, "IN", "NS", *found))
            self.socket.sendto(answer.to_wire(), peer)

    def close(self) -> None:
        self.socket.sendto(b"", self.socket.getsockname())
        self.thread.join(10)
        self.socket.close()


@pytest.fixture
def resolver():
    made = Resolver()
    yield made
    made.close()


class Patient:
    """A daemon and what the doctor says of it."""

    def __init__(self, daemon, ca, resolver: Resolver, r53=None):
        self.port = free_port()
        self.certificate, self.key = ca.issue("check", ["ddns.example.com"])
        self.ca, self.resolver, self.r53 = ca, resolver, r53
        settings = {
            "server": {
                "listen": [f"127.0.0.1:{self.port}"],
                "certificate": str(self.certificate),
                "private_key": str(self.key),
                "public_url": "https://ddns.example.com",
            },
            "admin": {"listen": f"127.0.0.1:{free_port()}"},
        }
        self.d = daemon(start=False, route53=r53, settings=settings, hosts=[host("home.example.com.")] if r53 else None)
        if r53:
            resolver.servers["example.com."] = [f"{name.rstrip('.')}." for name in r53.zone("example.com.").name_servers]
        else:
            resolver.servers["example.test."] = ["ns1.example.test."]
        self.variables = {"SSL_CERT_FILE": str(ca.path), **(r53.keys.default.environment() if r53 else {})}

    def check(self, *arguments: str) -> list[dict]:
        """The findings; the status must be that of the worst."""
        self.d.write_config()
        done = run_ctl(
            "check", "--json", "--resolver", self.resolver.place, *arguments, config=self.d.config_path, **self.variables
        )
        assert done.stderr == ""
        found = json.loads(done.stdout)
        worst = max((entry["verdict"] for entry in found["findings"]), key=["ok", "warn", "fail"].index)
        assert (found["worst"], done.returncode) == (worst, ["ok", "warn", "fail"].index(worst))
        return found["findings"]

    def bad(self, verdict: str, what: str, words: str, mend: str | None = "", *arguments: str) -> dict:
        """The only thing that is not fine."""
        findings = self.check(*arguments)
        wrong = [entry for entry in findings if entry["verdict"] != "ok"]
        assert len(wrong) == 1, wrong
        (entry,) = wrong
        assert (entry["verdict"], entry["what"]) == (verdict, what), findings
        assert words in entry["message"], entry
        assert (mend is None) == (entry["mend"] is None) and (mend or "") in (entry["mend"] or ""), entry
        return entry

    def good(self, *arguments: str) -> list[dict]:
        findings = self.check(*arguments)
        assert {entry["verdict"] for entry in findings} == {"ok"}, findings
        assert {entry["mend"] for entry in findings} == {None}
        return findings


@pytest.fixture
def patient(daemon, ca, resolver) -> Patient:
    return Patient(daemon, ca, resolver)


@pytest.fixture
def cloud(daemon, ca, resolver, r53) -> Patient:
    return Patient(daemon, ca, resolver, r53)


def messages(findings: list[dict], what: str) -> list[str]:
    return [entry["message"] for entry in findings if entry["what"] == what]


# ---- this machine ----


def test_all_is_fine(patient):
    findings = patient.good()
    assert messages(findings, "port") == [f"127.0.0.1:{patient.port} is free; the daemon does not listen there now"]
    assert not messages(findings, "handshake")
    patient.d.start()
    findings = patient.good()
    assert messages(findings, "port") == [f"127.0.0.1:{patient.port} is held by ddns53d (pid {patient.d.pid})"]
    assert [text.split(", ")[1] for text in messages(findings, "handshake")] == [
        "TLS 1.3: done",
        "TLS 1.2: done",
    ]


def test_for_people(patient):
    patient.d.hosts = []
    patient.d.write_config()
    done = run_ctl("check", "--offline", config=patient.d.config_path, **patient.variables)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("WARN"))
    assert "has no host yet" in lines[at] and lines[at + 1].strip() == "to do: ddns53ctl add HOST"
    assert lines[-1].endswith(" fine, 1 to look at, 0 wrong")
    assert {line[:6] for line in lines[:-1]} <= {"OK    ", "WARN  ", "FAIL  ", "      "}


def test_files_with_errors(patient):
    patient.d.write_config()
    for path, text, what in (
        (patient.d.hosts_path, "hosts: [{hostname: a.example.test}]\n", "hosts"),
        (patient.d.config_path, "zones: []\n", "settings"),
    ):
        path.write_text(text)
        done = run_ctl("check", "--json", "--offline", config=patient.d.config_path, **patient.variables)
        failed = [entry for entry in json.loads(done.stdout)["findings"] if entry["verdict"] == "fail"]
        assert done.returncode == 2 and {entry["what"] for entry in failed} == {what}
        assert f"{path.name}:1" in failed[0]["message"]


@pytest.mark.waits
def test_a_port_that_somebody_else_has(patient):
    with socket.socket(socket.AF_INET6) as other:
        other.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        other.bind(("::", patient.port))
        assert messages(patient.good(), "port")[0].endswith("does not listen there now")  # bound is not listening
        other.listen()
        entry = patient.bad("fail", "port", f"127.0.0.1:{patient.port} is taken by ", "listen elsewhere")
        assert f"(pid {os.getpid()})" in entry["message"]


def test_state_dir(patient):
    shutil.rmtree(patient.d.state_dir)
    patient.d.state_dir.write_text("")
    findings = [entry for entry in patient.check() if entry["verdict"] != "ok"]
    assert {(entry["verdict"], entry["what"]) for entry in findings} == {("fail", "start")}
    assert "is no folder; name another, or remove it" in findings[0]["message"]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can judge as another user")
def test_judged_as_the_owner_of_state_dir(ca):
    with tempfile.TemporaryDirectory(prefix="ddns53 check ") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "state").mkdir(mode=0o700)
        os.chown(folder / "state", NOBODY, NOBODY)
        (folder / "ddns53d.yaml").write_text(
            "server: {public_url: https://x.example}\nstate_dir: state\nzones: [{name: example.test, provider: zonefile}]\n"
        )
        (folder / "hosts.yaml").touch(mode=0o600)
        (folder / "hosts.yaml").write_text("hosts: []\n")
        done = run_ctl("check", "--offline", config=folder / "ddns53d.yaml")
        assert done.returncode == 2 and "FAIL  files        nobody may not read " in done.stdout
        assert "hosts.yaml: Permission denied" in done.stdout
        os.chown(folder / "hosts.yaml", NOBODY, NOBODY)
        done = run_ctl("check", "--offline", config=folder / "ddns53d.yaml")
        assert done.returncode == 1 and "as nobody needs them" in done.stdout


# ---- the certificate ----


def issue(patient: Patient, label: str, **how) -> None:
    certificate, key = patient.ca.issue(label, **{"names": ["ddns.example.com"], **how})
    patient.d.settings["server"].update(certificate=str(certificate), private_key=str(key))


def test_a_certificate_that_nobody_vouches_for(patient):
    del patient.variables["SSL_CERT_FILE"]
    patient.bad("warn", "certificate", "NOT trusted", "public authority")


def test_a_chain_without_what_is_between(patient, tmp_path):
    del patient.variables["SSL_CERT_FILE"]
    whole = patient.certificate.read_text()
    alone = tmp_path / "cert.pem"
    alone.write_text(whole[: whole.index("-----END CERTIFICATE-----")] + "-----END CERTIFICATE-----\n")
    patient.d.settings["server"]["certificate"] = str(alone)
    patient.bad("fail", "certificate", "nothing but the server's own certificate", "fullchain.pem")


def test_a_certificate_of_another_name(patient):
    issue(patient, "other", names=["other.example.com"])
    patient.bad("fail", "certificate", "names other.example.com, but not ddns.example.com", "public_url")


@pytest.mark.parametrize(
    "begin, length, verdict, words",
    [(-9, 8, "fail", "it has expired at"), (-1, 10, "warn", "it expires at"), (1, 9, "fail", "valid only from")],
)
def test_times(patient, begin, length, verdict, words):
    issue(patient, "times", valid_from=timedelta(days=begin), valid_for=timedelta(days=length))
    findings = [entry for entry in patient.check() if entry["verdict"] != "ok"]
    assert words in findings[0]["message"] and findings[0]["verdict"] == verdict
    assert len(findings) <= 2 and {entry["what"] for entry in findings} == {"certificate"}


def test_a_second_certificate(patient):
    certificate, key = patient.ca.issue("check-rsa", ["ddns.example.com"], rsa_bits=2048)
    patient.d.settings["server"].update(second_certificate=str(certificate), second_private_key=str(key))
    patient.d.write_config()
    patient.d.start()
    found = patient.good()
    assert [entry["message"].partition(":")[0] for entry in found if "trust it" in entry["message"]] == [
        str(patient.certificate),
        str(certificate),
    ]
    assert len([entry for entry in found if entry["what"] == "handshake"]) == 2
    # The one that the daemon shows us is either.
    server = patient.d.settings["server"]
    server["certificate"], server["second_certificate"] = server["second_certificate"], server["certificate"]
    server["private_key"], server["second_private_key"] = server["second_private_key"], server["private_key"]
    patient.good()
    shown = patient.d.ctl_json("certificate", "show")
    assert (shown["served"]["file"], shown["second"]["file"]) == (str(patient.certificate), str(certificate))
    assert str(certificate) in patient.d.ctl("certificate", "show").stdout
    more, more_key = patient.ca.issue("check-rsa-more", ["ddns.example.com", "more.example.com"], rsa_bits=2048)
    server.update(certificate=str(more), private_key=str(more_key))
    words = f"names ddns.example.com, but {more} names ddns.example.com,more.example.com; let both name the same"
    patient.bad("warn", "start", f"server.second_certificate: {patient.certificate}: {words}", None)
    other, other_key = patient.ca.issue("check-rsa-other", ["other.example.com"], rsa_bits=2048)
    server.update(certificate=str(other), private_key=str(other_key))
    told = [entry["message"] for entry in patient.check() if entry["verdict"] == "fail"]
    assert told == [f"{other}: it names other.example.com, but not ddns.example.com, the host of server.public_url"]


def test_a_key_of_another(patient):
    _, key = patient.ca.issue("another")
    patient.d.settings["server"]["private_key"] = str(key)
    patient.bad("fail", "start", "is not the key of the first certificate", None)


def test_a_self_signed_one(patient):
    patient.d.settings["server"].update(certificate=None, private_key=None)
    for key in ("certificate", "private_key"):
        del patient.d.settings["server"][key]
    patient.bad("warn", "certificate", "will make a self-signed one", "public authority")
    patient.d.start()
    patient.bad("warn", "certificate", "it is self-signed, which most routers refuse", "every client")


def test_a_certificate_that_the_daemon_has_not_taken_yet(patient):
    patient.d.start()
    issue(patient, "renewed")
    findings = [entry for entry in patient.check() if entry["verdict"] != "ok"]
    assert [entry["what"] for entry in findings] == ["handshake"] * 2
    assert "another certificate than the one in the file" in findings[0]["message"]
    assert findings[0]["mend"] == "systemctl reload ddns53d"
    patient.d.reload()
    patient.good()


def test_no_public_url(patient):
    del patient.d.settings["server"]["public_url"]
    patient.bad("warn", "public_url", "is not set", "set it")


def test_somebody_who_speaks_no_tls(patient):
    """A program of ours by another name: what matters is that no handshake is waited for."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", patient.port))
        other.listen()

        def hang_up():
            while True:
                try:
                    connection, _ = other.accept()
                except OSError:
                    return
                with connection, contextlib.suppress(OSError):  # whoever came may have gone
                    connection.sendall(b"no\n")

        threading.Thread(target=hang_up, daemon=True).start()
        patient.bad("fail", "port", "is taken by", "stop that program")
        other.shutdown(socket.SHUT_RDWR)


# ---- Route 53 ----


def test_route53(cloud):
    findings = cloud.good("--try-change")
    zone_id = cloud.r53.zone("example.com.").id
    assert messages(findings, "credentials") == ["AWS credentials from environment"]
    assert messages(findings, "zone") == [
        f"example.com.: hosted zone {zone_id} with 2 record sets; they may be listed and changed"
    ]
    (change,) = cloud.r53.calls_of("ChangeResourceRecordSets")
    assert change.result == "InvalidChangeBatch"
    assert len(cloud.r53.records("example.com.")) == 2  # nothing was changed


def test_nothing_is_asked_for_by_default(cloud):
    findings = cloud.good()
    assert "--try-change asks" in messages(findings, "zone")[0]
    assert not cloud.r53.calls_of("ChangeResourceRecordSets")
    cloud.r53.reset_calls()
    cloud.good("--offline")
    assert not cloud.r53.calls


@pytest.mark.parametrize(
    "operation, verdict",
    [("GetHostedZone", "warn"), ("ListResourceRecordSets", "fail"), ("ChangeResourceRecordSets", "fail")],
)
def test_a_permission_that_is_missing(cloud, operation, verdict):
    cloud.r53.faults.error(403, "AccessDenied", operation=operation)
    zone_id = cloud.r53.zone("example.com.").id
    cloud.bad(verdict, "zone", "example.com.: ", f"permit route53:{operation} for hosted zone {zone_id}", "--try-change")


def test_a_zone_without_an_id(cloud):
    del cloud.d.settings["zones"][0]["zone_id"]
    cloud.good()
    cloud.r53.faults.error(403, "AccessDenied", operation="ListHostedZonesByName")
    cloud.bad("fail", "zone", "example.com.: ", "permit route53:ListHostedZonesByName")


def test_a_zone_that_is_not_there(cloud):
    del cloud.d.settings["zones"][0]["zone_id"]
    cloud.d.settings["zones"][0]["name"] = "example.net."
    cloud.d.hosts = [host("home.example.net.")]
    cloud.resolver.servers["example.net."] = ["ns.example.net."]
    cloud.bad("fail", "zone", "example.net.: the account has no such zone", "make it")
    cloud.d.settings["zones"][0]["zone_id"] = cloud.r53.zone("example.com.").id
    cloud.bad("fail", "zone", "is example.com.", "correct zone_id")
    cloud.d.settings["zones"][0]["zone_id"] = "ZNONE"
    cloud.bad("fail", "zone", "example.net.: ", "correct zone_id")


def test_no_credentials(cloud):
    for name in list(cloud.variables):
        if name.startswith("AWS_"):
            del cloud.variables[name]
    cloud.bad("fail", "credentials", "no AWS credentials", "README.md")


def test_credentials_that_are_refused(cloud):
    cloud.r53.keys.reject()
    cloud.bad("fail", "zone", "example.com.: ", "credentials")


@pytest.mark.parametrize("offset, verdict", [(100, "warn"), (-100, "warn"), (4000, "fail")])
def test_the_clock(cloud, offset, verdict):
    cloud.r53.clock.offset_s = offset
    entry = cloud.bad(verdict, "clock", "behind" if offset > 0 else "ahead of", "set the clock")
    # the answer's Date is of a while ago when it is looked at
    assert abs(int(entry["message"].split(" is ")[1].split(" s ")[0]) - abs(offset)) <= 20


def test_an_api_that_cannot_be_reached(cloud):
    cloud.d.settings["route53"]["endpoint"] = f"http://127.0.0.1:{free_port()}"
    cloud.bad("fail", "route53", "127.0.0.1", "firewall")


# ---- a name server ----


@pytest.fixture
def bind(tmp_path):
    program = SERVERS["bind"].program
    if not shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin"):
        pytest.skip(f"{program} is not installed; tests/run --ci and tests/run in a container install it")
    server = SERVERS["bind"](tmp_path / "bind")
    yield server
    server.close()


def test_a_zone_at_a_name_server(patient, bind):
    patient.d.settings["zones"] = [bind.zone_settings()]
    patient.d.hosts = [host("home.example.com.")]
    patient.resolver.servers["example.com."] = ["ns.example.com."]
    patient.bad("fail", "zone", "example.com.: ", "reaches the server")
    bind.start()
    assert "found by rfc2136" in messages(patient.good(), "zone")[0]
    patient.d.settings["zones"] = [bind.zone_settings(secret="YW5vdGhlciBzZWNyZXQgdGhhdCBub2JvZHkga25vd3M=")]
    patient.bad("fail", "zone", "example.com.: ", "key")
    patient.d.settings["zones"] = [{**bind.zone_settings(), "name": "example.net."}]
    patient.d.hosts = [host("home.example.net.")]
    patient.resolver.servers["example.net."] = ["ns.example.net."]
    patient.bad("fail", "zone", "example.net.: ", "")


# ---- delegation ----


@pytest.mark.parametrize(
    "servers, verdict, words",
    [
        (None, "fail", "DNS has no name servers for it"),
        ([], "fail", "DNS has no name servers for it"),
        (["ns1.elsewhere.example.", "ns2.elsewhere.example."], "fail", "which know nothing of what is set: ns1.elsewhere"),
        ("mixed", "warn", "some of the name servers in DNS are others"),
    ],
)
def test_delegation(cloud, servers, verdict, words):
    own = cloud.r53.zone("example.com.").name_servers
    if servers is None:
        del cloud.resolver.servers["example.com."]
    else:
        cloud.resolver.servers["example.com."] = [f"{own[0].rstrip('.')}.", "ns1.elsewhere.example."] if servers == "mixed" else servers
    entry = cloud.bad(verdict, "delegation", words, "enter the name servers")
    for name in own:
        assert name.rstrip(".") in entry["mend"]


def test_delegation_that_cannot_be_seen(cloud):
    cloud.resolver.is_broken = True
    cloud.bad("warn", "delegation", "DNS does not answer", "--resolver")


def test_a_private_zone_is_delegated_by_nobody(cloud):
    zone = cloud.r53.add_zone("example.org.", private=True)
    cloud.d.settings["zones"] = [{"name": "example.org.", "provider": "route53", "zone_id": zone.id, "private": True}]
    cloud.d.hosts = [host("home.example.org.")]
    assert not messages(cloud.good(), "delegation")


def test_a_resolver_that_is_none(patient):
    patient.d.write_config()
    for text in ("127.0.0.1", "[::1]:53", "resolver"):
        assert run_ctl("check", "--resolver", text, config=patient.d.config_path).returncode == 64


def test_check_of_the_daemon_is_the_same(patient):
    """ddns53d --check and this share what they judge a start by."""
    shutil.rmtree(patient.d.state_dir)
    patient.d.state_dir.write_text("")
    said = messages(patient.check(), "start")
    binary = subprocess.run(
        [str(word) for word in [patient.d.process.command[0], "--config", patient.d.config_path, "--check"]],
        capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert said and "".join(f"{line}\n" for line in said) == binary.stderr
