"""Certificates by themselves: from nothing to a router's request that verifies, with pebble and real name servers."""

from __future__ import annotations

import json
import re
import shutil
import socket
import ssl
import subprocess
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from harness import REPOSITORY, SECRET, Daemon, ctl_path, free_port, host, merged, receive, run_binary
from harness.authority import Apart, Pebble, Refusing, certificate_of, trusting
from harness.nameserver import Knot
from test_name_servers import Server

NAME = "ddns.example.com"
HOME = "home.example.com."
CHALLENGE = f"_acme-challenge.{NAME}."


def wait_until(condition: Callable[[], bool], what: str, timeout: float = 30.0) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)  # between two looks


@pytest.fixture
def knot(tmp_path: Path) -> Iterator[Knot]:
    server = Knot(tmp_path / "knot")
    yield server.start()
    server.close()


@pytest.fixture
def authority(tmp_path: Path, ca) -> Iterator[Callable[..., Pebble]]:
    made: list[Pebble] = []

    def make(dns_port: int, **more: Any) -> Pebble:
        made.append(Pebble(tmp_path / f"pebble{len(made)}", ca, dns_port, **more))
        return made[-1].start()

    yield make
    for one in made:
        one.stop()


@pytest.fixture
def refusing(ca) -> Iterator[Refusing]:
    authority = Refusing(ca)
    yield authority
    authority.close()


def settings_for(directory: str, zone: dict[str, Any], **acme: Any) -> dict[str, Any]:
    return {
        "server": {
            "certificate": None,
            "private_key": None,
            "public_url": f"https://{NAME}",
            "acme": {"email": "me@example.com", "directory": directory, **acme},
        },
        "zones": [zone],
    }


@pytest.fixture
def machine(daemon, ca, tmp_path: Path) -> Callable[..., Daemon]:
    """A daemon that trusts the test's CA where it is uacme that asks."""

    def make(settings: dict[str, Any], **more: Any) -> Daemon:
        return daemon(
            settings=settings, hosts=[host(HOME, auth=["basic"], allow_internal=True)], wrapper=trusting(tmp_path, ca), start=False, **more
        )

    return make


def port_of(d: Daemon) -> int:
    return int(d.url.rsplit(":", 1)[1])


def router(d: Daemon, root: Path, name: str = NAME, address: str = "203.0.113.7") -> subprocess.CompletedProcess:
    """A router's update, by curl: it trusts that root and nothing else, and wants that name."""
    site = f"{name}:{port_of(d)}"
    return subprocess.run(
        ["curl", "-sS", "--cacert", root, "--resolve", f"{site}:127.0.0.1", "-u", f"{HOME}:{SECRET}",
         f"https://{site}/nic/update?hostname={HOME}&myip={address}"],
        capture_output=True, text=True, timeout=30,
    )


def verifies(d: Daemon, root: Path, name: str = NAME) -> bool:
    return router(d, root, name).stdout.startswith(("good ", "nochg "))


def wait_issued(d: Daemon, since: int = 0) -> None:
    d.wait_log(r"event=acme_issued ", 60.0, since)
    d.wait_log(r"event=certificate .*self_signed=no", 30.0, since)


# -- from nothing ---------------------------------------------------------------


def test_from_nothing_to_a_routers_request(machine, knot, authority):
    pebble = authority(knot.port)
    d = machine(settings_for(pebble.url, knot.zone_settings()))
    d.start()
    d.wait_log(r"event=acme_waiting ")
    d.wait_log(rf"event=acme_started names={NAME} ")
    wait_issued(d)
    pebble.check_issued(1)
    assert verifies(d, pebble.root)
    assert not verifies(d, pebble.root, "other.example.com")
    wait_until(lambda: knot.values(CHALLENGE, "TXT") == [], "the challenge is still there")
    d.wait_metric("ddns53_acme_next_attempt_timestamp_seconds", time.time() + 86400)
    metrics = d.metrics()
    assert metrics.value("ddns53_acme_attempts_total", result="issued") == 1
    assert metrics.value("ddns53_acme_failures") == 0
    assert d.healthz().status == 200
    key = next((d.state_dir / "acme").rglob(f"private/{NAME}/key.pem"))
    assert key.stat().st_mode & 0o077 == 0
    # A restart serves it from the first moment on, and obtains no other.
    d.stop()
    mark = d.log_mark()
    d.start()
    assert verifies(d, pebble.root)
    d.wait_metric("ddns53_acme_next_attempt_timestamp_seconds", 1)  # it has looked
    d.stop()
    pebble.check_issued(1)
    assert not [line for line in d.log_lines()[mark:] if "event=acme_started" in line]


@pytest.mark.parametrize("name", ["knot", "nsd", "named"])
def test_a_wildcard_by_a_zone_file(machine, authority, tmp_path, name):
    """The name server reads the file anew after each change; a name and its wildcard have their values together."""
    if not shutil.which({"knot": "knotd"}.get(name, name), path="/usr/sbin:/usr/bin"):
        pytest.skip(f"{name} is not installed; tests/run --ci and tests/run in a container install it")
    (tmp_path / name).mkdir()
    zones = tmp_path / "zones"
    server = Server(name, tmp_path / name, zones)
    try:
        pebble = authority(server.port)
        settings = settings_for(
            pebble.url,
            {"name": "example.com.", "provider": "zonefile"},
            names=["dyn.example.com", "*.dyn.example.com"],
            ask=[f"127.0.0.1:{server.port}"],
        )
        d = machine(merged(settings, {"zonefile": {"directory": str(zones), "on_change": server.command}}))
        d.start()
        d.wait_log("event=zone_file_made")
        server.process.spawn()
        wait_issued(d)
        for host_name in (NAME, "dyn.example.com", "router.dyn.example.com"):
            assert verifies(d, pebble.root, host_name), host_name
        wait_until(lambda: "_acme-challenge" not in d.zone_file("example.com.").read_text(), "a challenge is left")
        both = [line for line in d.log_lines() if "_acme-challenge.dyn.example.com" in line]
        assert not both  # challenges are no clients' updates, which the log tells one by one
        d.stop()
    finally:
        server.process.kill()


def test_the_name_servers_of_the_zone_are_found_and_asked(daemon, ca, tmp_path, authority):
    """A zone file's provider cannot tell whether the name servers have it, and the settings name none."""
    if not shutil.which("nsd", path="/usr/sbin:/usr/bin"):
        pytest.skip("nsd is not installed; tests/run --ci and tests/run in a container install it")
    apart = Apart(tmp_path, ca)
    (tmp_path / "nsd").mkdir()
    zones = tmp_path / "zones"
    zones.mkdir()
    (zones / "example.com.zone").write_text(
        "$ORIGIN example.com.\n$TTL 60\n@ SOA ns hostmaster (\n  1 ; serial\n  3600 600 86400 60 )\n@ NS ns\n@ NS ns2\n"
        "ns A 127.0.0.1\nns2 A 127.0.0.2\n"
    )
    server = Server("nsd", tmp_path / "nsd", zones)
    text = server.config.read_text().replace(f"127.0.0.1@{server.port}", "127.0.0.1@53\n    ip-address: 127.0.0.2@53")
    server.config.write_text(text)
    server.process.command[:0] = apart.wrapper
    try:
        server.process.spawn()
        server.process.wait_log("nsd started")
        pebble = authority(53, wrapper=apart.wrapper)
        settings = settings_for(pebble.url, {"name": "example.com.", "provider": "zonefile"})
        d = daemon(
            settings=merged(settings, {"zonefile": {"directory": str(zones), "on_change": server.command}}),
            hosts=[host(HOME)], wrapper=apart.wrapper,
        )
        wait_issued(d)
        d.stop()
    finally:
        server.process.kill()
        apart.close()


def test_route_53_is_asked_until_all_its_servers_have_it(machine, r53, authority):
    """Pebble cannot ask the stand-in, so that it takes any challenge for valid; what counts is when it is told."""
    r53.pending_polls = 4
    pebble = authority(free_port())
    pebble.stop()
    pebble.process._environment["PEBBLE_VA_ALWAYS_VALID"] = "1"
    pebble.start()
    zone = {"name": "example.com.", "provider": "route53", "zone_id": r53.zone("example.com.").id}
    d = machine(settings_for(pebble.url, zone), route53=r53)
    d.start()
    wait_issued(d)
    assert verifies(d, pebble.root)
    polls = r53.calls_of("GetChange")
    assert len(polls) == 5
    wait_until(lambda: r53.zone("example.com.").get(CHALLENGE, "TXT") is None, "the challenge is still there")
    d.stop()


# -- renewal --------------------------------------------------------------------


class Kept:
    """A connection that is kept, over TLS with whatever certificate there was when it began."""

    def __init__(self, d: Daemon, root: Path):
        context = ssl.create_default_context(cafile=str(root))
        plain = socket.create_connection(("127.0.0.1", port_of(d)), timeout=30)
        self.socket = context.wrap_socket(plain, server_hostname=NAME)
        self.certificate = self.socket.getpeercert(binary_form=True)

    def ask(self) -> bool:
        self.socket.sendall(f"GET /checkip HTTP/1.1\r\nHost: {NAME}\r\n\r\n".encode())
        return receive(self.socket).status == 200


def test_it_is_renewed_and_no_connection_is_dropped(machine, knot, authority):
    pebble = authority(knot.port, validity_s=12)
    d = machine(settings_for(pebble.url, knot.zone_settings()))
    d.start()
    wait_issued(d)
    mark = d.log_mark()
    kept = Kept(d, pebble.root)
    before = ssl.DER_cert_to_PEM_cert(kept.certificate)
    wait_until(lambda: kept.ask() and certificate_of(port_of(d), NAME).strip() != before.strip(), "it is not renewed")
    wait_issued(d, mark)
    assert verifies(d, pebble.root)
    assert kept.ask()
    kept.socket.close()
    # The authority forgets the account, and gets another one. It is asked at once: whoever has tried while it was away
    # waits for ten minutes.
    pebble.stop()
    pebble.start()
    mark = d.log_mark()
    d.ctl("certificate", "renew")
    wait_issued(d, mark)
    assert verifies(d, pebble.root)
    d.stop()


def test_other_names_are_another_certificate(machine, knot, authority):
    pebble = authority(knot.port)
    d = machine(settings_for(pebble.url, knot.zone_settings()))
    d.start()
    wait_issued(d)
    d.settings["server"]["acme"]["names"] = ["*.dyn.example.com"]
    d.write_config()
    mark = d.log_mark()
    d.reload()
    wait_issued(d, mark)
    assert verifies(d, pebble.root, "a.dyn.example.com")
    pebble.check_issued(2)
    d.stop()


# -- failures -------------------------------------------------------------------


def trouble(d: Daemon) -> str:
    answer = d.healthz()
    assert answer.status == 503
    return answer.text


@pytest.mark.waits
def test_an_authority_that_is_down(machine, knot, authority):
    pebble = authority(knot.port)
    pebble.stop()
    d = machine(settings_for(pebble.url, knot.zone_settings()))
    d.start()
    d.wait_log(r"event=acme_failed next=\S+ message=.*(connect|Connect)", 60.0)
    assert "no certificate has been obtained yet" in trouble(d)
    d.wait_metric("ddns53_acme_next_attempt_timestamp_seconds", time.time())
    shown = d.ctl_json("certificate", "show", status=1)
    assert shown["served"]["self_signed"] and shown["acme"]["failures"] == 1
    assert 400 < shown["acme"]["next_s"] - time.time() <= 600
    # Routers are served meanwhile, and a restart does not make us hasty.
    assert subprocess.run(["curl", "-sSk", f"{d.url}/checkip"], capture_output=True, timeout=30).returncode == 0
    d.stop()
    mark = d.log_mark()
    d.start()
    wait_until(lambda: d.ctl_json("certificate", "show", status=None)["acme"]["next_s"] > 0, "it has not looked")
    assert not [line for line in d.log_lines()[mark:] if "event=acme_started" in line]
    # An operator need not wait.
    pebble.start()
    assert d.ctl("certificate", "renew").stdout.startswith("obtained")
    d.wait_log(r"event=certificate .*self_signed=no", 30.0, mark)
    assert verifies(d, pebble.root)
    assert d.healthz().status == 200
    assert d.ctl_json("certificate", "show")["acme"]["failures"] == 0
    d.stop()


def test_an_authority_that_refuses(machine, knot, refusing):
    refusing.refuse("rejectedIdentifier", "ddns.example.com is on a list", 400)
    d = machine(settings_for(refusing.url, knot.zone_settings()))
    d.start()
    d.wait_log(r'event=acme_failed next=\S+ message="the authority says rejectedIdentifier: ddns.example.com is on a list"')
    assert "rejectedIdentifier" in trouble(d)
    assert refusing.orders == 1
    assert d.metrics().value("ddns53_acme_attempts_total", result="failed") == 1
    for _ in range(4):
        assert "rejectedIdentifier" in d.ctl("certificate", "renew", status=1).stderr
    refused = d.ctl("certificate", "renew", status=1).stderr  # five failures in an hour are what authorities allow
    assert "not before" in refused
    assert refusing.orders == 5
    d.stop()


def test_an_authority_that_limits(machine, knot, refusing):
    until = time.gmtime(time.time() + 3 * 86400)
    detail = time.strftime("too many certificates, retry after %Y-%m-%d %H:%M:%S UTC: see https://ca.test", until)
    refusing.refuse("rateLimited", detail, 429)
    d = machine(settings_for(refusing.url, knot.zone_settings()))
    d.start()
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", until)
    d.wait_log(rf'event=acme_failed next={stamp} message="the authority says rateLimited: ')
    assert d.metrics().value("ddns53_acme_attempts_total", result="limited") == 1
    assert stamp in d.ctl("certificate", "renew", status=1).stderr
    d.stop()
    d.start()
    assert stamp in d.ctl("certificate", "renew", status=1).stderr
    assert refusing.orders == 1
    d.stop()


def test_without_uacme(machine, knot, authority, tmp_path):
    pebble = authority(knot.port)
    path = tmp_path / "bin"
    path.mkdir()
    for program in ("sh", "mount", "unshare"):
        (path / program).symlink_to(shutil.which(program))
    d = machine(settings_for(pebble.url, knot.zone_settings()), environment={"PATH": str(path)})
    d.start()
    d.wait_log(r'event=acme_failed message="uacme is not installed, .*apt install uacme')
    assert "uacme is not installed" in trouble(d)
    assert "uacme is not installed" in d.ctl("certificate", "renew", status=1).stderr
    (path / "uacme").symlink_to(shutil.which("uacme"))
    d.ctl("certificate", "renew")
    d.wait_log(r"event=certificate .*self_signed=no", 30.0)
    d.stop()


def test_a_zone_that_cannot_be_written(machine, knot, authority):
    """What goes wrong with the challenge is told in our words, not in the client's."""
    pebble = authority(knot.port)
    knot.update(lambda update: update.add(CHALLENGE, 60, "CNAME", "elsewhere.example.com."))
    d = machine(settings_for(pebble.url, knot.zone_settings()))
    d.start()
    d.wait_log(rf'event=acme_failed next=\S+ message="{re.escape(CHALLENGE)} TXT: cannot be set: .*CNAME')
    assert knot.values(CHALLENGE, "CNAME") == ["elsewhere.example.com."]
    d.stop()


def test_a_stop_does_not_wait_for_the_authority(machine, knot, authority):
    """A server that is asked for the challenge and never has it would hold it up for minutes."""
    pebble = authority(knot.port)
    d = machine(settings_for(pebble.url, knot.zone_settings(), ask=[f"127.0.0.1:{free_port()}"]))
    d.start()
    wait_until(lambda: knot.values(CHALLENGE, "TXT") != [], "no challenge was set")
    begun = time.monotonic()
    d.stop()
    assert time.monotonic() - begun < 25
    assert knot.values(CHALLENGE, "TXT") != []
    # The next start takes away what was left.
    d.settings["server"]["acme"]["directory"] = "https://localhost:1/dir"
    d.write_config()
    d.start()
    wait_until(lambda: knot.values(CHALLENGE, "TXT") == [], "the challenge is still there")
    d.stop()


def test_an_obtained_pair_that_is_broken_does_not_keep_it_from_starting(machine, knot, authority):
    pebble = authority(knot.port)
    d = machine(settings_for(pebble.url, knot.zone_settings()))
    d.start()
    wait_issued(d)
    d.stop()
    (file,) = (d.state_dir / "acme").rglob("cert.pem")
    file.chmod(0o600)
    file.write_text("half of")
    mark = d.log_mark()
    d.start()
    d.wait_log(r"event=certificate_failed message=\"the self-signed certificate is served: .*cert.pem", since=mark)
    wait_issued(d, mark)
    assert verifies(d, pebble.root)
    d.stop()


def test_a_check_says_what_clients_will_see(machine, knot, authority, tmp_path):
    pebble = authority(knot.port)
    d = machine(settings_for(pebble.url, knot.zone_settings()))
    done = run_binary("--config", d.config_path, "--check")
    assert done.returncode == 0 and "no certificate has been obtained yet" in done.stderr
    d.start()
    wait_issued(d)
    done = run_binary("--config", d.config_path, "--check")
    assert done.returncode == 0 and "server.acme" not in done.stderr
    assert "uacme, which obtains certificates" in d.ctl("check", status=None, PATH="/nonexistent").stdout
    report = d.ctl("check", status=None).stdout
    assert "server.acme" not in report and "cert.pem" in report
    d.stop()


# -- the operator ---------------------------------------------------------------


def test_a_test_leaves_everything_as_it_is(machine, knot, authority):
    pebble, staging = authority(knot.port), authority(knot.port)
    d = machine(settings_for(pebble.url, knot.zone_settings()))
    d.start()
    wait_issued(d)
    d.wait_metric("ddns53_acme_next_attempt_timestamp_seconds", time.time())  # which is shown, too
    served = certificate_of(port_of(d), NAME)
    before = d.ctl_json("certificate", "show")
    assert before["served"]["names"] == NAME and not before["served"]["self_signed"] and before["acme"]["on"]
    assert "is not used" in d.ctl("certificate", "test", "--directory", staging.url).stdout
    pebble.check_issued(1)
    staging.check_issued(1)
    assert d.ctl_json("certificate", "show") == before
    assert certificate_of(port_of(d), NAME) == served
    d.ctl("certificate", "renew")
    wait_until(lambda: certificate_of(port_of(d), NAME) != served, "the old one is served")
    d.stop()


def test_only_names_of_the_settings_have_challenges(machine, knot, authority):
    pebble = authority(knot.port)
    d = machine(settings_for(pebble.url, knot.zone_settings()))
    d.start()
    wait_issued(d)
    rows = [
        ({"hostname": "home.example.com", "value": "abc"}, 400, "none of server.acme"),
        ({"hostname": NAME, "value": 'a"b'}, 400, "no digest"),
        ({"hostname": NAME}, 400, "value is missing"),
        ({"value": "abc"}, 400, "hostname is missing"),
    ]
    for body, status, words in rows:
        got, answer = d.control("/acme/challenge", body)
        assert (got, words in answer["error"]) == (status, True), answer
    d.stop()


def test_without_acme_there_is_nothing_to_renew(daemon):
    d = daemon()
    shown = d.ctl_json("certificate", "show")
    assert not shown["acme"]["on"] and shown["served"]["file"] == str(d.ca.certificate)
    assert "server.acme is off" in d.ctl("certificate", "renew", status=1).stderr
    assert "off" in d.ctl("certificate", "show").stdout
    d.stop()


# -- files that others write ----------------------------------------------------


def test_a_pair_that_others_renew_is_loaded_when_it_is_whole(daemon, ca, tmp_path):
    d = daemon(start=False)
    certificate, key = tmp_path / "pair.pem", tmp_path / "pair.key"
    first, second = ca.issue("first"), ca.issue("second")
    for source, target in zip(first, (certificate, key)):
        shutil.copy(source, target)
    d.settings["server"] |= {"certificate": str(certificate), "private_key": str(key)}
    d.write_config()
    d.start()
    served = certificate_of(port_of(d), "localhost")
    # Half of it, and then a file that is no certificate: what is in force stays.
    mark = d.log_mark()
    shutil.copy(second[0], certificate)
    d.wait_log(r"event=certificate_failed .*is not the key of the first certificate", since=mark)
    assert certificate_of(port_of(d), "localhost") == served
    mark = d.log_mark()
    certificate.write_text("nothing yet")
    d.wait_log(r"event=certificate_failed .*is not a chain of PEM certificates", since=mark)
    assert certificate_of(port_of(d), "localhost") == served
    # The rest of it.
    mark = d.log_mark()
    shutil.copy(second[0], certificate)
    aside = tmp_path / "aside"
    shutil.copy(second[1], aside)
    aside.rename(key)
    d.wait_log(r"event=certificate .*self_signed=no", since=mark)
    assert certificate_of(port_of(d), "localhost") in second[0].read_text()
    assert d.request("/checkip").status == 200
    d.stop()


# -- other clients --------------------------------------------------------------


def client_environment(d: Daemon, folder: Path) -> dict[str, str]:
    """ddns53ctl is found in PATH, and its settings by the variable that the hooks know."""
    programs = folder / "programs"
    programs.mkdir()
    (programs / "ddns53ctl").symlink_to(ctl_path())
    return {"PATH": f"{programs}:/usr/bin:/bin", "DDNS53CTL_CONFIG": str(d.config_path), "HOME": str(folder)}


def certbot(pebble: Pebble, ca, folder: Path) -> tuple[list[str], dict[str, str], str]:
    hook = shutil.copy(REPOSITORY / "contrib" / "acme" / "certbot-hook", folder)  # its path may have no space in it
    command = ["certbot", "certonly", "--non-interactive", "--agree-tos", "--email", "me@example.com", "--server", pebble.url,
               "--manual", "--preferred-challenges", "dns", "--manual-auth-hook", f"{hook} set",
               "--manual-cleanup-hook", f"{hook} remove", "-d", "www.example.com", "-d", "*.www.example.com"]
    for option in ("config", "work", "logs"):
        command += [f"--{option}-dir", str(folder / option)]
    return command, {"REQUESTS_CA_BUNDLE": str(ca.path)}, "config/live/www.example.com/fullchain.pem"


def lego(pebble: Pebble, ca, folder: Path) -> tuple[list[str], dict[str, str], str]:
    hook = REPOSITORY / "contrib" / "acme" / "lego-hook"
    command = ["lego", "--server", pebble.url, "--email", "me@example.com", "--accept-tos", "--path", str(folder / "lego"),
               "--dns", "exec", "--dns.disable-cp", "--dns.resolvers", f"127.0.0.1:{pebble.dns_port}", "--domains", "www.example.com", "--domains", "*.www.example.com", "run"]
    variables = {"LEGO_CA_CERTIFICATES": str(ca.path), "EXEC_PATH": str(hook), "EXEC_SEQUENCE_INTERVAL": "1"}
    return command, variables, "lego/certificates/www.example.com.crt"


@pytest.mark.parametrize("client", [certbot, lego])
def test_another_client_has_its_challenges_set(daemon, ca, knot, authority, tmp_path, client):
    """A name and its wildcard: certbot sets both values before either is looked at."""
    pebble = authority(knot.port)
    challenge = "_acme-challenge.www.example.com."
    d = daemon(
        settings={"zones": [knot.zone_settings()]}, hosts=[host(HOME), host(challenge, "TXT", SECRET + "-of-acme")]
    )
    command, variables, chain = client(pebble, ca, tmp_path)
    done = subprocess.run(
        command, env={**client_environment(d, tmp_path), **variables}, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    names = subprocess.run(
        ["openssl", "x509", "-in", tmp_path / chain, "-noout", "-ext", "subjectAltName"],
        capture_output=True, text=True, check=True, timeout=30,
    ).stdout
    assert "DNS:www.example.com" in names and "DNS:*.www.example.com" in names
    pebble.check_issued(1)
    wait_until(lambda: knot.values(challenge, "TXT") == [], "the challenge is still there")
    history = d.ctl_json("history", challenge)
    texts = json.dumps(history)
    assert "acme" in texts
    # A name that hosts.yaml does not have stays as it is.
    refused = d.ctl("certificate", "challenge", "home.example.com", "abc", status=1).stderr
    assert "add its _acme-challenge to hosts.yaml" in refused
    d.stop()
