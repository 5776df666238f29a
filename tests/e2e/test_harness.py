"""The harness itself, tried on a small program that behaves, or misbehaves, as a daemon would."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest
import yaml

from harness import Daemon, Metrics, ProcessFailed, hash_token, host, merged, signed_parameters

FAKE = r'''#!%s
import http.server, json, os, signal, ssl, sys, threading, yaml
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP, signal.SIGTERM})
path = sys.argv[sys.argv.index("--config") + 1]
mode = os.environ.get("FAKE_MODE", "")
def log(text):
    sys.stderr.write("<6>" + text + "\n"); sys.stderr.flush()
settings = yaml.safe_load(open(path))
hosts_path = os.path.join(os.path.dirname(path), settings["hosts_file"])
if mode == "config":
    log("ddns53d.yaml:1:1: wrong"); sys.exit(78)
class Api(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.path == "/metrics":
            body = (b'# TYPE requests counter\nrequests{dialect="query",result="ok"} 3\n'
                    b'requests{dialect="plain",result="ok"} 4\n')
        elif self.path.startswith("/?mode=get"):
            body = json.dumps({"return_message": self.client_address[0], "return_status": "success"}).encode()
        else:
            body = self.path.encode()
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
def serve(tls):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(settings["server"]["certificate"], settings["server"]["private_key"])
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port
log("event=listening what=api address=127.0.0.1:%%d tls=yes" %% serve(True))
log("event=listening what=admin address=127.0.0.1:%%d tls=no" %% serve(False))
if mode == "mute":
    signal.sigwait({signal.SIGTERM})
log("event=ready")
if mode == "crash":
    sys.exit(3)
number = 0
while signal.sigwait({signal.SIGHUP, signal.SIGTERM}) == signal.SIGHUP:
    number += 1
    try:
        count = len(yaml.safe_load(open(hosts_path))["hosts"])
        log("event=reloaded number=%%d hosts=%%d" %% (number, count))
    except Exception as error:
        log("event=reload_problem number=%%d message=%%s" %% (number, type(error).__name__))
        log("event=reload_failed number=%%d problems=1" %% number)
if mode == "sanitizer":
    log("x.c:1:2: runtime error: signed integer overflow")
if mode != "silent":
    log("event=stopped")
sys.exit(5 if mode == "status" else 0)
'''


@pytest.fixture
def fake(tmp_path: Path) -> Path:
    path = tmp_path / "a fake daemon.py"
    path.write_text(FAKE % sys.executable)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_start_request_reload_stop(daemon, fake):
    d = daemon(binary=fake)
    assert d.url.startswith("https://127.0.0.1:") and d.admin_url.startswith("http://127.0.0.1:")
    assert d.get().body == b'{"return_message": "127.0.0.1", "return_status": "success"}'
    assert d.get(source="127.0.0.9").message == "127.0.0.9"
    with d.client() as client:
        assert [client.request("/?mode=get").status for _ in range(3)] == [200, 200, 200]
    assert d.metrics().value("requests", dialect="plain") == 4
    assert d.metrics().sum("requests") == 7
    d.hosts.append(host("second.example.test."))
    d.write_config()
    assert "hosts=2" in d.reload()
    d.write_hosts_text("hosts: [")
    assert "event=reload_failed" in d.reload_fails()
    with pytest.raises(ProcessFailed):
        d.reload()
    assert d.log_lines("event=ready") == ["event=ready"]
    d.stop()
    assert d.process.returncode == 0
    d.start()
    d.kill()
    assert d.process.returncode == -9


def test_tls_is_verified_against_the_test_ca(daemon, fake, tmp_path):
    from standin import TestCA

    d = daemon(binary=fake)
    other = TestCA(tmp_path / "other")
    d.ca = other
    with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
        d.get()


@pytest.mark.parametrize(
    "mode, complaint",
    [
        ("sanitizer", "runtime error: signed integer overflow"),
        ("status", "exit status 5"),
        ("silent", "event=stopped"),
        ("crash", "status 3"),
    ],
)
def test_bad_ends_are_found_at_clean_up(ca, fake, tmp_path, mode, complaint):
    d = Daemon(tmp_path / "d", ca, binary=fake, environment={"FAKE_MODE": mode})
    d.start()
    if mode == "crash":
        d.process.wait()
    with pytest.raises(ProcessFailed, match=complaint):
        d.close()
    assert not d.process.running


def test_a_start_that_fails_says_why_at_once(ca, fake, tmp_path):
    d = Daemon(tmp_path / "d", ca, binary=fake, environment={"FAKE_MODE": "config"})
    with pytest.raises(ProcessFailed, match="status 78[^$]*ddns53d.yaml:1:1: wrong"):
        d.start()
    assert d.run_to_end() == 78


def test_a_start_that_hangs_is_given_up(ca, fake, tmp_path):
    d = Daemon(tmp_path / "d", ca, binary=fake, environment={"FAKE_MODE": "mute"})
    with pytest.raises(ProcessFailed, match="no line matched"):
        d.start(timeout=0.5)
    d.kill()
    assert not d.process.running


def test_configuration_is_merged_over_the_defaults(daemon, route53):
    r53 = route53("example.com.", "example.org.")
    d = daemon(
        start=False,
        binary=Path("/nonexistent"),
        route53=r53,
        settings={"server": {"threads": 1, "certificate": None}, "update": {"timeout_s": 3}},
        hosts=[host("a.example.com", ["A", "AAAA"], auth=["basic"])],
        environment={"AWS_SECRET_ACCESS_KEY": None},
    )
    settings = yaml.safe_load(d.config_path.read_text())
    assert settings["server"]["threads"] == 1 and "certificate" not in settings["server"]
    assert settings["server"]["listen"] == ["127.0.0.1:0"]
    assert [zone["zone_id"] for zone in settings["zones"]] == [zone.id for zone in r53.zones]
    assert settings["route53"]["endpoint"] == r53.url
    assert yaml.safe_load(d.hosts_path.read_text())["hosts"][0]["record_type"] == ["A", "AAAA"]
    assert d.hosts_path.stat().st_mode & 0o777 == 0o600
    assert "AWS_ACCESS_KEY_ID" in d.environment and "AWS_SECRET_ACCESS_KEY" not in d.environment


def test_tokens():
    # printf '198.18.7.9foo.example.com.secret' | sha256sum
    expected = "67fef851005a1c3e4f10d95d17570148054e82e3d97cab2657f9ccd80452e0d3"
    assert hash_token("198.18.7.9", "foo.example.com", "secret") == expected
    assert hash_token("198.18.7.9", "foo.example.com.", "secret") == expected
    signed = signed_parameters("set", "foo.example.com.", "secret", "198.18.7.9", 1700000000, "n" * 16)
    assert signed["time"] == "1700000000" and signed["nonce"] == "n" * 16
    # printf 'ddns53-1\nset\nfoo.example.com.\n198.18.7.9\n1700000000\nnnnnnnnnnnnnnnnn\n' |
    #   openssl dgst -sha256 -hmac secret
    assert signed["signature"] == "2a5b7f99a40ae0d607f6d865032840fde93d17f0a2ed7d75abde099af5db8063"


@pytest.mark.parametrize(
    "text", ["a{b=c} 1\n", "a 1\na 2\n", "a one\n", "a 1", '# TYPE a counters\n', 'a{b="c" 1\n']
)
def test_metrics_refuses_what_is_not_the_format(text):
    with pytest.raises(ValueError):
        Metrics(text)


def test_merged():
    base = {"a": {"b": 1, "c": 2}, "d": [1]}
    assert merged(base, {"a": {"b": None, "e": 3}, "d": [2]}) == {"a": {"c": 2, "e": 3}, "d": [2]}
    assert base == {"a": {"b": 1, "c": 2}, "d": [1]}
