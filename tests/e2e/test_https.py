"""TLS, listeners, and connections that are slow, many, or kept."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import ssl
import stat
import subprocess
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from harness import Daemon, ProcessFailed, free_port, host, receive
from harness.updates import set_target

GET = b"GET /?mode=get HTTP/1.1\r\nHost: x\r\n\r\n"


def context(d: Daemon, lowest: ssl.TLSVersion, highest: ssl.TLSVersion) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.load_verify_locations(d.ca.path)
    made.set_ciphers("ALL:@SECLEVEL=0")  # or OpenSSL itself would refuse what is old
    made.minimum_version, made.maximum_version = lowest, highest
    return made


def handshake(d: Daemon, tls: ssl.SSLContext, url: str | None = None) -> ssl.SSLSocket:
    name, _, port = (url or d.url).partition("//")[2].rpartition(":")
    plain = socket.create_connection((name.strip("[]"), int(port)), timeout=20)
    try:
        return tls.wrap_socket(plain, server_hostname=name.strip("[]"))
    except BaseException:
        plain.close()
        raise


def fingerprint(d: Daemon, url: str | None = None) -> str:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    with handshake(d, tls, url) as connection:
        return hashlib.sha256(connection.getpeercert(True) or b"").hexdigest()


def is_closed(connection: socket.socket) -> bool:
    """Whether the server ends the connection; raises TimeoutError while it does not."""
    try:
        return connection.recv(1) == b""
    except (ConnectionResetError, BrokenPipeError, ssl.SSLEOFError):
        return True


# ---- protocol versions ----

# What OpenSSL says when the other side ended it, not it itself.
BY_THE_SERVER = "(?i)alert|closed|EOF"
OLD = pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")


@pytest.mark.parametrize("version, name", [(ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")])
def test_tls_1_2_and_1_3(daemon, version, name):
    d = daemon()
    with handshake(d, context(d, version, version)) as connection:
        assert connection.version() == name
        connection.sendall(GET)
        assert receive(connection).message == "127.0.0.1"


@OLD
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_older_tls_is_refused_by_the_server(daemon, version):
    d = daemon()
    with pytest.raises(ssl.SSLError, match=BY_THE_SERVER):
        handshake(d, context(d, version, version))
    assert d.get().status == 200


@pytest.mark.parametrize("cipher", ["RC4-SHA", "DES-CBC3-SHA", "NULL-SHA256", "ADH-AES128-SHA256", "AES128-SHA"])
def test_weak_ciphers_are_refused_by_the_server(daemon, cipher):
    d = daemon()
    tls = context(d, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2)
    try:
        tls.set_ciphers(f"{cipher}:@SECLEVEL=0")
    except ssl.SSLError:
        return  # this OpenSSL does not even have it
    with pytest.raises(ssl.SSLError, match=BY_THE_SERVER):
        handshake(d, tls)


@pytest.mark.parametrize("sent", [GET, GET.replace(b"GET", b"HEAD"), b"POST /nic/update HTTP/1.1\r\nHost: x\r\n\r\n"])
def test_plain_http_on_the_tls_port_is_told(daemon, sent):
    d = daemon()
    mark = d.log_mark()
    with socket.create_connection(("127.0.0.1", int(d.url.rpartition(":")[2])), timeout=20) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4096):
            pass
    assert "https://" in d.wait_log(r"event=plain_http source=127\.0\.0\.1 .*", since=mark)[0]
    with d.connect() as served:  # what is encrypted is never taken for that
        for _ in range(20):
            served.sendall(GET)
            assert receive(served).status == 200
    d.stop()
    assert len(d.log_lines("event=plain_http")) == 1


def test_plain_http_and_garbage_on_the_tls_port(daemon):
    d = daemon()
    for data in (GET, b"\x00" * 64, b"\x16\x03\x01\xff\xff" + os.urandom(2000)):
        with socket.create_connection(("127.0.0.1", int(d.url.rpartition(":")[2])), timeout=20) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(4096):
                assert not part.startswith(b"HTTP/1.1 200")
    assert d.get().status == 200


# ---- certificates ----


def self_signed(daemon, **server) -> Daemon:
    return daemon(settings={"server": {"certificate": None, "private_key": None, **server}})


def test_self_signed_pair_is_made_once(daemon):
    d = self_signed(daemon, public_url="https://ddns.example.org:8443")
    certificate_path, key_path = d.state_dir / "certificate.pem", d.state_dir / "private_key.pem"
    assert stat.S_IMODE(key_path.stat().st_mode) == 0o600
    certificate = x509.load_pem_x509_certificate(certificate_path.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {"localhost", "ddns.example.org"} <= set(names.get_values_for_type(x509.DNSName))
    assert "127.0.0.1" in {str(address) for address in names.get_values_for_type(x509.IPAddress)}
    assert certificate.public_key().curve.name == "secp256r1"
    first = fingerprint(d)
    assert certificate.fingerprint(certificate.signature_hash_algorithm).hex() == first
    assert any(first in line.replace(":", "").lower() for line in d.log_lines())
    key = key_path.read_bytes()
    d.stop()
    d.start()
    assert fingerprint(d) == first and key_path.read_bytes() == key
    assert not any(line in "\n".join(d.log_lines()) for line in key.decode().splitlines()[1:-1])


def test_self_signed_pair_is_verified_by_curl(daemon):
    d = self_signed(daemon)
    command = ["curl", "-sS", "--cacert", d.state_dir / "certificate.pem", f"{d.url}/?mode=get"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout == '{"return_message": "127.0.0.1", "return_status": "success"}'
    distrusting = subprocess.run(["curl", "-sS", f"{d.url}/?mode=get"], capture_output=True, timeout=60)
    assert distrusting.returncode == 60


def test_half_a_self_signed_pair(daemon):
    """A key without its certificate, or a pair that was exchanged by hand: told, or made anew, never served broken."""
    d = self_signed(daemon)
    before = fingerprint(d)
    d.stop()
    (d.state_dir / "certificate.pem").unlink()
    try:
        d.start()
    except ProcessFailed:
        assert d.process.wait() in (69, 78)
        assert any("certificate" in line for line in d.log_lines("event=start_failed"))
    else:
        assert fingerprint(d) != before


def test_sighup_takes_a_new_certificate_and_keeps_connections(daemon, ca):
    certificate, key = ca.issue("before-reload")
    server = {"certificate": str(certificate), "private_key": str(key)}
    d = daemon(settings={"server": server, "limits": {"request_s": 60}})  # kept for so long
    old = fingerprint(d)
    with d.connect() as kept:
        kept.sendall(GET)
        assert receive(kept).status == 200
        new_certificate, new_key = ca.issue("after-reload")
        certificate.write_bytes(new_certificate.read_bytes())
        key.write_bytes(new_key.read_bytes())
        d.reload()
        new = fingerprint(d)
        assert new != old
        kept.sendall(GET)
        assert receive(kept).status == 200
    mark = d.log_mark()
    key.write_text("rubbish")
    d.signal_reload()
    d.wait_log("event=(certificate_failed|reload_failed).*before-reload", since=mark)
    assert fingerprint(d) == new


def put(pair: tuple[Path, Path], issued: tuple[Path, Path]) -> None:
    """What a renewal does: other files under the same names."""
    for path, made in zip(pair, issued):
        path.write_bytes(made.read_bytes())


def test_an_expired_certificate_never_replaces_a_valid_one(daemon, ca):
    pair = ca.issue("in-force")
    expired = ca.issue("expired", valid_from=timedelta(days=-9), valid_for=timedelta(days=8))
    d = daemon(settings={"server": {"certificate": str(pair[0]), "private_key": str(pair[1])}})
    before = fingerprint(d)
    mark = d.log_mark()
    put(pair, expired)
    d.reload()
    d.wait_log(rf"event=certificate_failed .*stays: {re.escape(str(pair[0]))}: has expired at 20", since=mark)
    assert fingerprint(d) == before
    put(pair, ca.issue("renewed"))
    d.reload()
    assert fingerprint(d) != before


DAY = timedelta(days=1)


@pytest.mark.parametrize(
    "names, valid_from, words",
    [
        (["ddns.example.net"], -9 * DAY, r"has expired at 20\d\d-"),
        (["ddns.example.net"], DAY, r"is valid only from 20\d\d-"),
        (["other.example.net", "192.0.2.7"], -DAY, "names other.example.net,192.0.2.7, but not ddns.example.net"),
        (["*.example.net"], -DAY, None),
        (["ddns.example.net"], -DAY, None),
    ],
)
def test_a_start_with_a_certificate_that_clients_refuse_warns(daemon, ca, names, valid_from, words):
    certificate, key = ca.issue("doubtful", names=names, valid_from=valid_from, valid_for=8 * DAY)
    server = {"certificate": str(certificate), "private_key": str(key), "public_url": "https://ddns.example.net:8443"}
    d = daemon(settings={"server": server})
    warnings = d.log_lines("event=certificate_warning")
    assert len(warnings) == (1 if words else 0), warnings
    assert not words or re.search(words, warnings[0])
    expires = x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after
    (line,) = d.log_lines("event=certificate ")
    assert f"names={','.join(names)} " in line and f"expires={expires:%Y-%m-%dT%H:%M:%SZ} " in line


def test_each_change_of_the_certificate_is_told_and_nothing_else(daemon, ca):
    pair = ca.issue("told", names=["localhost", "127.0.0.1", "::1"])
    d = daemon(settings={"server": {"certificate": str(pair[0]), "private_key": str(pair[1])}})
    d.reload()
    assert len(d.log_lines("event=certificate ")) == 1
    put(pair, ca.issue("told-anew", names=["localhost", "*.example.org"]))
    d.reload()
    first, second = d.log_lines("event=certificate ")
    assert "names=localhost,127.0.0.1,::1 " in first and "names=localhost,*.example.org " in second


def test_key_and_certificate_that_do_not_belong_together(daemon, ca):
    certificate, _ = ca.issue("one")
    _, key = ca.issue("another")
    d = daemon(start=False, settings={"server": {"certificate": str(certificate), "private_key": str(key)}})
    assert d.run_to_end() in (69, 78)
    assert any(str(key) in line or str(certificate) in line for line in d.log_lines("event=start_failed"))


# ---- listeners ----


def test_several_listeners(daemon, ca):
    certificate, key = ca.issue("several", ["127.0.0.1", "127.0.0.2", "::1"])
    server = {"listen": ["127.0.0.1:0", "127.0.0.2:0", "[::1]:0"]}
    d = daemon(settings={"server": {**server, "certificate": str(certificate), "private_key": str(key)}})
    assert len(d.listeners["api"]) == 3
    assert [d.request("/?mode=get", url=url).message for url in d.listeners["api"]] == ["127.0.0.1", "127.0.0.1", "::1"]


def test_ipv4_beside_ipv6_at_one_port(daemon):
    """Both wildcards at one port: each takes its own family."""
    port = free_port()
    d = daemon(settings={"server": {"listen": [f"[::]:{port}", f"0.0.0.0:{port}"]}})
    assert d.request("/?mode=get", url=f"https://127.0.0.1:{port}").message == "127.0.0.1"
    assert d.request("/?mode=get", url=f"https://[::1]:{port}").message == "::1"


def test_unix_socket_without_tls(daemon, tmp_path):
    path = tmp_path / "api.sock"
    settings = {"server": {"listen": [f"unix:{path}"], "tls": False, "certificate": None, "private_key": None}}
    d = daemon(settings=settings)
    assert stat.S_ISSOCK(path.stat().st_mode) and stat.S_IMODE(path.stat().st_mode) == 0o660

    def ask(headers: bytes):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(20)
            connection.connect(str(path))
            connection.sendall(GET[:-2] + headers + b"\r\n")
            return receive(connection)

    assert ask(b"X-Forwarded-For: 198.18.7.9\r\n").message == "198.18.7.9"  # who may open it is trusted
    assert ask(b"").status == 400 and "X-Forwarded-For" in ask(b"").message
    d.kill()
    assert path.exists()
    d.start()  # over the socket that the killed one left
    assert ask(b"X-Forwarded-For: 198.18.7.9\r\n").status == 200
    d.stop()
    assert not path.exists()


def test_an_address_in_use(daemon):
    first = daemon(name="first")
    address = first.url.partition("//")[2]
    second = daemon(start=False, name="second", settings={"server": {"listen": [address]}})
    assert second.run_to_end() == 69
    assert address in second.log_lines("event=start_failed")[0]


def test_the_admin_listener_may_be_off_or_a_unix_socket(daemon, tmp_path):
    off = daemon(name="off", settings={"admin": {"listen": ""}})
    assert "admin" not in off.listeners and off.get().status == 200
    path = tmp_path / "admin.sock"
    daemon(name="unix", settings={"admin": {"listen": f"unix:{path}"}})
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert receive(connection).text == "ok\n"


# ---- connections ----


def test_keep_alive_and_many_clients_at_once(daemon):
    d = daemon(settings={"limits": {"reads_per_minute": 100000}})
    failures: list[object] = []

    def ask(number: int) -> None:
        try:
            with d.client(source=f"127.0.1.{number}") as client:
                for _ in range(20):
                    if client.request("/?mode=get").message != f"127.0.1.{number}":
                        failures.append(number)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(1, 21)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_pipelined_requests_are_answered_in_order(daemon):
    d = daemon(hosts=[host("home.example.test.", "A", allow_internal=True)])
    with d.connect() as connection:
        connection.sendall(GET + GET.replace(b"get", b"nothing") + GET.replace(b"HTTP/1.1", b"HTTP/1.0"))
        received = b""
        while part := connection.recv(4096):
            received += part
    assert re.findall(rb"HTTP/1.[01] (\d+)", received) == [b"200", b"400", b"200"]


# By a reload: until then there is time for what a test sends before it falls silent.
HURRY = {"limits": {"request_s": 1}}


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(None, id="no handshake"),
        pytest.param(b"", id="no request"),
        pytest.param(b"GET /?mode=get HTTP/1.1\r\nHost: x\r\n", id="no end of headers"),
        pytest.param(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nmode", id="no end of body"),
    ],
)
def test_a_slow_client_is_reaped(daemon, sent):
    d = daemon(settings={"limits": {"request_s": 60}})
    port = int(d.url.rpartition(":")[2])
    started = time.monotonic()  # before the server's time begins, however long the handshake takes
    connection = socket.create_connection(("127.0.0.1", port), 20) if sent is None else d.connect(timeout=20)
    with connection:
        if sent:
            connection.sendall(sent)
        d.reload_with(HURRY)
        try:
            while connection.recv(4096):  # it may be told (408) or not
                pass
        except (ConnectionResetError, ssl.SSLEOFError):
            pass
        assert time.monotonic() - started > 0.5
    assert d.get().status == 200


def test_a_client_that_drips_is_reaped_all_the_same(daemon):
    d = daemon(settings={"limits": {"request_s": 60}})
    with d.connect() as connection:
        connection.sendall(b"GET /?mode=get HTTP/1.1\r\n")
        d.reload_with(HURRY)
        connection.settimeout(0.1)
        deadline = time.monotonic() + 30
        while True:
            assert time.monotonic() < deadline
            try:
                connection.sendall(b"X: y\r\n")
                if is_closed(connection):
                    break
            except TimeoutError:
                continue
            except OSError:
                break
    assert d.get().status == 200


def test_connections_per_address(daemon):
    d = daemon(settings={"limits": {"connections_per_address": 3, "request_s": 60}})
    kept = [d.connect("127.0.0.5") for _ in range(3)]
    with pytest.raises(OSError):
        with d.connect("127.0.0.5") as refused:
            refused.sendall(GET)
            receive(refused)
            pytest.fail("a fourth connection was served")
    assert d.get(source="127.0.0.6").status == 200
    for connection in kept:
        connection.sendall(GET)
        assert receive(connection).status == 200
    kept.pop().close()
    until_served(d, "127.0.0.5")
    for connection in kept:
        connection.close()


def test_connections_in_all(daemon, r53):
    """Past the limit who came last is refused, as long as all the others are being answered; see also test_flood.py."""
    names = [f"h{number}.example.com." for number in range(4)]
    limits, update = {"connections": 4, "request_s": 60}, {"timeout_s": 60}
    rows = [host(name, "A", allow_internal=True) for name in names]
    d = daemon(settings={"limits": limits, "update": update}, hosts=rows, route53=r53)
    held = r53.faults.hold(operation="ChangeResourceRecordSets")
    kept = [d.connect(f"127.0.{number}.1") for number in range(5, 9)]
    for number, (connection, name) in enumerate(zip(kept, names), 5):
        target = set_target(name, f"127.0.{number}.1")
        connection.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    d.wait_metric("ddns53_queue_depth", len(kept))
    with pytest.raises(OSError):
        with d.connect("127.0.20.1") as refused:
            refused.sendall(GET)
            receive(refused)
            pytest.fail("a fifth connection was served")
    assert d.healthz().status == 200  # the admin listener has its own
    held.release()
    assert [receive(connection).status for connection in kept] == [200] * len(kept)
    kept.pop().close()
    until_served(d, "127.0.20.1")
    for connection in kept:
        connection.close()


def until_served(d: Daemon, source: str) -> None:
    """The server sees a close a moment after the client made it."""
    deadline = time.monotonic() + 45
    while True:
        try:
            assert d.get(source=source).status == 200
            return
        except OSError:
            assert time.monotonic() < deadline, "still refused"
            time.sleep(0.02)
