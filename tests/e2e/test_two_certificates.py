"""An ECDSA certificate and an RSA one side by side: each client is shown the one that it can check."""

from __future__ import annotations

import hashlib
import re
import ssl
import subprocess
import time
from datetime import timedelta
from pathlib import Path

import pytest

from harness import Daemon, receive, run_binary

GET = b"GET /?mode=get HTTP/1.1\r\nHost: x\r\n\r\n"
RSA, ECDSA = "rsa", "ecdsa"

CLIENTS = {
    "TLS 1.2 with RSA suites only": (["-tls1_2", "-cipher", "aRSA"], RSA),
    "TLS 1.2 with RSA signatures only": (["-tls1_2", "-sigalgs", "RSA+SHA256"], RSA),
    "TLS 1.2 with ECDSA suites only": (["-tls1_2", "-cipher", "aECDSA"], ECDSA),
    "TLS 1.2, RSA preferred": (["-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256"], ECDSA),
    "TLS 1.2": (["-tls1_2"], ECDSA),
    "TLS 1.3 with RSA-PSS only": (["-tls1_3", "-sigalgs", "rsa_pss_rsae_sha256"], RSA),
    "TLS 1.3 with ECDSA only": (["-tls1_3", "-sigalgs", "ecdsa_secp256r1_sha256"], ECDSA),
    "TLS 1.3, RSA-PSS preferred": (["-tls1_3", "-sigalgs", "rsa_pss_rsae_sha256:ecdsa_secp256r1_sha256"], ECDSA),
    "TLS 1.3": (["-tls1_3"], ECDSA),
    "both, RSA signatures only": (["-sigalgs", "RSA-PSS+SHA256:RSA+SHA256"], RSA),
}


def fingerprint_of(certificate: Path) -> str:
    leaf = "".join(certificate.read_text().partition("-----END CERTIFICATE-----")[:2])
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(leaf)).hexdigest()


def shown_to(d: Daemon, *client: str) -> str:
    """The fingerprint of what this client is shown; it must trust the certificate, and the handshake be complete."""
    place = d.url.partition("//")[2]
    done = subprocess.run(
        ["openssl", "s_client", "-connect", place, "-CAfile", d.ca.path, "-verify_return_error", *client],
        input="",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Verify return code: 0 (ok)" in done.stdout
    begin = done.stdout.index("-----BEGIN CERTIFICATE-----")
    end = done.stdout.index("-----END CERTIFICATE-----") + len("-----END CERTIFICATE-----")
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(done.stdout[begin:end])).hexdigest()


class Pairs:
    def __init__(self, ca, label: str):
        self.of = {ECDSA: ca.issue(f"{label}-ecdsa"), RSA: ca.issue(f"{label}-rsa", rsa_bits=2048)}

    def settings(self, first: str = ECDSA, second: str = RSA) -> dict[str, str]:
        certificate, key = self.of[first]
        second_certificate, second_key = self.of[second]
        return {
            "certificate": str(certificate),
            "private_key": str(key),
            "second_certificate": str(second_certificate),
            "second_private_key": str(second_key),
        }

    def fingerprint(self, kind: str) -> str:
        return fingerprint_of(self.of[kind][0])

    def put(self, kind: str, other: Pairs) -> None:
        """What a renewal does: other files under the same names."""
        for path, made in zip(reversed(self.of[kind]), reversed(other.of[kind])):
            path.write_bytes(made.read_bytes())


@pytest.mark.parametrize("first, second", [(ECDSA, RSA), (RSA, ECDSA)])
def test_each_client_is_shown_the_one_that_it_can_check(daemon, ca, first, second):
    pairs = Pairs(ca, f"can-{first}")
    d = daemon(settings={"server": pairs.settings(first, second)})
    for name, (client, kind) in CLIENTS.items():
        assert shown_to(d, *client) == pairs.fingerprint(kind), name
    told = d.log_lines("event=certificate ")
    assert [re.search(r"sha256=(\w+)", line)[1] for line in told] == [pairs.fingerprint(kind) for kind in (first, second)]
    assert d.get().status == 200


@pytest.mark.parametrize("client, kind", [([], ECDSA), (["--tls-max", "1.2", "--ciphers", "ECDHE-RSA-AES128-GCM-SHA256"], RSA)])
def test_curl(daemon, ca, client, kind):
    pairs = Pairs(ca, f"curl-{kind}")
    d = daemon(settings={"server": pairs.settings()})
    command = ["curl", "-sS", "--fail", "--cacert", ca.path, "-o", "/dev/null", "-w", "%{certs}", *client, f"{d.url}/ip"]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    leaf = shown[shown.index("-----BEGIN") : shown.index("-----END")] + "-----END CERTIFICATE-----"
    assert hashlib.sha256(ssl.PEM_cert_to_DER_cert(leaf)).hexdigest() == pairs.fingerprint(kind)


def rsa_only(d: Daemon) -> str:
    return shown_to(d, "-tls1_2", "-cipher", "aRSA")


def test_a_reload_swaps_either_and_keeps_connections(daemon, ca):
    pairs, renewed = Pairs(ca, "first"), Pairs(ca, "renewed")
    d = daemon(settings={"server": pairs.settings(), "limits": {"request_s": 60}})  # kept for so long
    with d.connect() as kept:
        kept.sendall(GET)
        assert receive(kept).status == 200
        for kind in (RSA, ECDSA):
            pairs.put(kind, renewed)
            d.reload()
            assert pairs.fingerprint(kind) == renewed.fingerprint(kind)
            assert (shown_to(d), rsa_only(d)) == (pairs.fingerprint(ECDSA), pairs.fingerprint(RSA))
        assert len(d.log_lines("event=certificate ")) == 4
        kept.sendall(GET)
        assert receive(kept).status == 200
    # What is wrong with one of them leaves both in force.
    before = pairs.fingerprint(ECDSA), pairs.fingerprint(RSA)
    mark = d.log_mark()
    again = Pairs(ca, "again")
    pairs.of[RSA][1].write_text("rubbish")  # first: the files are looked at each second, too
    pairs.put(ECDSA, again)
    d.signal_reload()
    d.wait_log("event=(certificate_failed|reload_failed).*first-rsa.key", since=mark)
    assert (shown_to(d), rsa_only(d)) == before
    # Without the second one, who can only RSA is refused.
    d.settings["server"].update(second_certificate="", second_private_key="")
    d.write_config()
    d.reload()
    with pytest.raises(AssertionError, match="no peer certificate available"):
        rsa_only(d)


def test_the_files_of_the_second_are_watched(daemon, ca):
    pairs, renewed = Pairs(ca, "watched"), Pairs(ca, "watched-anew")
    d = daemon(settings={"server": pairs.settings()})
    mark = d.log_mark()
    pairs.put(RSA, renewed)
    d.wait_log(f"event=certificate .*sha256={renewed.fingerprint(RSA)}", since=mark)
    assert rsa_only(d) == renewed.fingerprint(RSA)
    assert shown_to(d) == pairs.fingerprint(ECDSA)


def test_a_second_that_expires(daemon, ca):
    pairs = Pairs(ca, "expires")
    d = daemon(settings={"server": pairs.settings()})
    before = rsa_only(d)
    assert d.healthz().status == 200
    certificate, key = pairs.of[RSA]
    for valid_days, is_taken in ((-1, False), (3, True)):
        made = ca.issue(f"expires-{valid_days}", valid_from=timedelta(days=-9), valid_for=timedelta(days=9 + valid_days), rsa_bits=2048)
        mark = d.log_mark()  # the files are looked at each second, too
        certificate.write_bytes(made[0].read_bytes())
        key.write_bytes(made[1].read_bytes())
        d.signal_reload()
        if is_taken:
            d.wait_log(f"event=certificate .*sha256={pairs.fingerprint(RSA)}", since=mark)
            assert rsa_only(d) == pairs.fingerprint(RSA)
        else:
            d.wait_log("event=(certificate_failed|reload_failed).*expires-rsa.pem: has expired at", since=mark)
            assert rsa_only(d) == before
    sick = d.healthz()
    assert (sick.status, "the second certificate expires within 7 days" in sick.text) == (503, True), sick
    assert d.metrics().value("ddns53_certificate_expiry_timestamp_seconds") < time.time() + 4 * 86400


@pytest.mark.parametrize("kind, words", [(ECDSA, "has no RSA key"), (RSA, "has an RSA key")])
def test_two_of_one_kind_are_refused(daemon, ca, kind, words):
    d = daemon(start=False, settings={"server": Pairs(ca, f"kind-{kind}").settings(kind, kind)})
    d.write_config()
    done = run_binary("--config", d.config_path, "--check")
    assert done.returncode != 0 and f"server.second_certificate {words}" in done.stdout + done.stderr, done
    assert d.run_to_end() in (69, 78)


def test_check_says_what_is_wrong_with_the_second(daemon, ca):
    pairs = Pairs(ca, "checked")
    d = daemon(start=False, settings={"server": pairs.settings()})
    d.write_config()
    good = run_binary("--config", d.config_path, "--check")
    assert good.returncode == 0, good
    pairs.of[RSA][0].write_text("nothing\n")
    bad = run_binary("--config", d.config_path, "--check")
    assert bad.returncode != 0 and "checked-rsa.pem: is not a chain of PEM certificates" in bad.stdout + bad.stderr


def test_a_short_rsa_key_beside_an_ecdsa_one_is_warned_about(daemon, ca):
    pairs = Pairs(ca, "short")
    pairs.of[RSA] = ca.issue("short-rsa-1024", rsa_bits=1024)
    d = daemon(start=False, settings={"server": pairs.settings()})
    d.write_config()
    done = run_binary("--config", d.config_path, "--check")
    assert "server.second_private_key: an RSA key of 1024 bits" in done.stdout + done.stderr, done


def test_other_names_in_the_second_are_warned_about(daemon, ca):
    """Which of the two a client is shown does not depend on the host that it asks for."""
    pairs = Pairs(ca, "names")
    d = daemon(start=False, settings={"server": pairs.settings()})
    rows = [
        (["localhost", "127.0.0.1", "::1"], ["::1", "LOCALHOST", "127.0.0.1"], False),
        (["localhost", "a.example.com"], ["localhost"], True),
        (["localhost"], ["localhost", "a.example.com"], True),
        (["localhost", "127.0.0.1"], ["localhost", "127.0.0.2"], True),
        ([f"h{number}.example.com" for number in range(12)], [f"h{number}.example.com" for number in range(12)[::-1]], False),
    ]
    for number, (first, second, is_told) in enumerate(rows):
        pairs.of = {ECDSA: ca.issue(f"names-{number}", first), RSA: ca.issue(f"names-rsa-{number}", second, rsa_bits=2048)}
        d.settings["server"].update(pairs.settings())
        d.write_config()
        done = run_binary("--config", d.config_path, "--check")
        assert done.returncode == 0, done
        told = f"{pairs.of[RSA][0]}: names {','.join(second)}, but {pairs.of[ECDSA][0]} names {','.join(first)}; "
        assert (told in done.stdout + done.stderr) == is_told, (first, second, done)
    # The last two that differ, at a start.
    pairs.of = {ECDSA: ca.issue("names-start"), RSA: ca.issue("names-start-rsa", ["localhost"], rsa_bits=2048)}
    d.settings["server"].update(pairs.settings())
    d.write_config()
    d.start()
    assert len(d.log_lines("event=certificate_warning .*names-start-rsa.pem: names localhost, but ")) == 1
