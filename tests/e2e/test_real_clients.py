"""The update clients that Debian packages, as they are: over TLS that they verify, IPv4 and IPv6, good and bad password.

Daemon and clients have a network of their own (harness/island.py): the default port, names that only exist there, and
no way for a client to reach the service that it was written for.
"""

from __future__ import annotations

import itertools
import shutil
from contextlib import ExitStack
from subprocess import CompletedProcess

import pytest

from harness import SECRET, host, keep_confidential
from harness.dialects import zone_values
from harness.island import Island

NAME = "ddns.example.net"
DYN_NAME = "members.dyndns.org"  # where inadyn's plugin goes, whatever one tells it
FAMILIES = {"ipv4": "127.0.0.1", "ipv6": "::1"}
CLIENTS = ("curl", "wget", "busybox", "inadyn", "ddclient")
WRONG = "not-the-secret-of-these-hosts"
SCHEMES = {"auth": ["basic", "secret", "signed"], "allow_internal": True}


@pytest.fixture(scope="module")
def shared(ca, tmp_path_factory):
    """A host for each client and family, so that no test sees what another did."""
    for program in (*CLIENTS, "ip", "nsenter", "unshare"):
        assert shutil.which(program), f"{program} is missing; tests/run installs it"
    certificate, key = ca.issue("real", [NAME, DYN_NAME])
    settings = {
        "server": {
            "listen": [f"{FAMILIES['ipv4']}:443", f"[{FAMILIES['ipv6']}]:443"],
            "certificate": str(certificate),
            "private_key": str(key),
        },
        "limits": {"auth_failures_per_minute": 100000},
    }
    names = [f"{client}-{family}" for client in (*CLIENTS, "custom", "second") for family in FAMILIES]
    rows = [host(f"{name}.example.test.", ["A", "AAAA"], **SCHEMES) for name in (*names, "marker")]
    with ExitStack() as stack:
        made = Island(tmp_path_factory.mktemp("island"), ca, settings=settings, hosts=rows)
        stack.callback(made.close)
        yield made.start()


_numbers = itertools.count()


class Case:
    """One client over one family."""

    def __init__(self, island: Island, ca, folder, family: str):
        self.island, self.folder, self.family = island, folder, family
        self.ca = ca.path
        self.address = FAMILIES[family]  # the daemon's, and the source address
        self.named = {"ipv4": "198.18.7.9", "ipv6": "2001:db8::9"}[family]
        self.other = {"ipv4": "198.18.7.10", "ipv6": "2001:db8::10"}[family]
        self.failures_before = self._all_failed_logins()

    def hostname(self, client: str) -> str:
        return f"{client}-{self.family}.example.test"

    def run(self, *command, environment=None) -> CompletedProcess:
        # inadyn looks up what its host has now; ".example.test" must not get out of here.
        hosts = {self.hostname(client): "192.0.2.1" for client in ("inadyn", "custom", "second")}
        return self.island.run(command, {NAME: self.address, DYN_NAME: self.address, **hosts}, environment)

    def dns(self, client: str) -> list[str]:
        """Both records: an update of one family must have left the other alone."""
        path, name = self.island.daemon.zone_file(), self.hostname(client) + "."
        return zone_values(path, name, "A") + zone_values(path, name, "AAAA")

    def failed_logins(self) -> int:
        """Since the test began."""
        return self._all_failed_logins() - self.failures_before

    def _all_failed_logins(self) -> int:
        """An update of a host of its own, which is logged, tells when the log has been read so far."""
        number = next(_numbers)
        address = f"198.19.{number // 250}.{number % 250 + 1}"
        url = f"https://{NAME}/?hostname=marker.example.test&newip={address}&secret={SECRET}"
        done(self.run("curl", "-sS", "--fail", "--cacert", self.ca, url))
        self.island.daemon.wait_log(f"host=marker.example.test. type=A address={address} result=good")
        return len(self.island.daemon.log_lines("event=auth_failure"))


@pytest.fixture(params=FAMILIES)
def case(shared, ca, tmp_path, request):
    keep_confidential(SECRET, WRONG)
    yield Case(shared, ca, tmp_path, request.param)
    shared.daemon.check_confidential()


def done(completed: CompletedProcess, status: int = 0) -> str:
    """What it said; the exit status must be this one."""
    assert completed.returncode == status, completed.stdout + completed.stderr
    return completed.stdout


# ---- curl ----


def test_curl(case):
    update = f"https://{NAME}/nic/update?hostname={case.hostname('curl')}"
    curl = ["curl", "-sS", "--fail-with-body", "--cacert", case.ca]
    assert done(case.run(*curl, "-u", f"user:{SECRET}", update)) == f"good {case.address}\n"
    assert case.dns("curl") == [case.address]
    assert done(case.run(*curl, "-u", f"user:{SECRET}", f"{update}&myip={case.named}")) == f"good {case.named}\n"
    assert (
        done(case.run(*curl, "-0", "--oauth2-bearer", SECRET, f"{update}&myip={case.named}")) == f"nochg {case.named}\n"
    )
    assert done(case.run(*curl, "--data", f"hostname={case.hostname('curl')}&token={SECRET}", f"https://{NAME}/update"))
    assert case.dns("curl") == [case.address]
    assert done(case.run(*curl, "-u", f"user:{WRONG}", f"{update}&myip={case.named}"), 22) == "badauth\n"
    assert done(case.run(*curl, f"{update}&myip={case.named}"), 22) == "badauth\n"
    assert case.failed_logins() == 1
    plain = f"https://{NAME}/?hostname={case.hostname('curl')}&newip={case.named}&secret="
    assert done(case.run(*curl, plain + SECRET)) == "OK"
    assert done(case.run(*curl, plain + WRONG), 22).startswith("error: ")
    assert case.dns("curl") == [case.named]
    assert done(case.run(*curl, f"https://{NAME}/ip")) == case.address + "\n"


def test_curl_trusts_no_other_certificate(case):
    url = f"https://{NAME}/nic/update?hostname={case.hostname('curl')}"
    assert "certificate" in case.run("curl", "-sS", "-u", f"user:{SECRET}", url).stderr


# ---- wget ----


@pytest.mark.parametrize("unasked", [False, True])
def test_wget(case, unasked):
    """It sends Basic only when it was challenged, and no challenge is a failed login."""
    url = f"https://{NAME}/nic/update?hostname={case.hostname('wget')}"
    wget = ["wget", "-nv", "-O-", "--tries=1", f"--ca-certificate={case.ca}", "--user=user"]
    wget += ["--auth-no-challenge"] if unasked else []
    for word, address in (("good", case.address), ("nochg", case.address), ("good", case.named)):
        answer = done(case.run(*wget, f"--password={SECRET}", f"{url}&myip={address}"))
        assert answer == f"{word} {address}\n"
        assert case.dns("wget") == [address]
    assert case.failed_logins() == 0
    refused = case.run(*wget, f"--password={WRONG}", f"{url}&myip={case.address}")
    assert (refused.returncode, refused.stdout) == (6, "")  # 6: authentication failure
    assert case.failed_logins() >= 1
    assert case.dns("wget") == [case.named]


# ---- busybox wget ----


def test_busybox_wget(case):
    """It verifies through openssl, and knows credentials only as a part of the URL."""
    environment = {"SSL_CERT_FILE": str(case.ca)}

    def wget(url: str, **more) -> CompletedProcess:
        return case.run("busybox", "wget", "-q", "-O", "-", url, environment=more or environment)

    update = f"{NAME}/nic/update?hostname={case.hostname('busybox')}"
    assert done(wget(f"https://user:{SECRET}@{update}")) == f"good {case.address}\n"
    assert done(wget(f"https://user:{SECRET}@{update}&myip={case.named}")) == f"good {case.named}\n"
    assert case.dns("busybox") == [case.named]
    refused = wget(f"https://user:{WRONG}@{update}&myip={case.other}")
    assert refused.returncode == 1 and "401" in refused.stderr
    plain = f"https://{NAME}/?hostname={case.hostname('busybox')}&newip={case.other}&secret="
    assert wget(plain + WRONG).returncode == 1
    assert wget(plain + SECRET, SSL_CERT_FILE="/dev/null").returncode == 1
    assert case.dns("busybox") == [case.named]
    assert done(wget(plain + SECRET)) == "OK"
    assert case.dns("busybox") == [case.other]


# ---- inadyn ----

INADYN = {
    "inadyn": "provider default@dyndns.org {",
    # as UniFi, DD-WRT and Asus-Merlin write it
    "custom": f'custom ddns53 {{\n  ddns-server = "{NAME}"\n  ddns-path = "/nic/update?hostname=%h&myip=%i"',
}
INADYN_BODY = """
  username = user
  password = "{password}"
  hostname = {{ {hostnames} }}
  checkip-command = "/bin/echo {address}"
}}
"""


class Inadyn:
    def __init__(self, case: Case, kind: str):
        self.case, self.kind = case, kind
        self.cache = case.folder / "cache"
        self.cache.mkdir()

    def run(self, address: str, password: str = SECRET, more: str = "", forget: bool = True) -> CompletedProcess:
        case, names = self.case, [self.case.hostname(self.kind), *([more] if more else [])]
        if forget:
            for path in self.cache.iterdir():
                path.unlink()
        hostnames = ", ".join(f'"{name}"' for name in names)
        body = INADYN_BODY.format(password=password, hostnames=hostnames, address=address)
        path = case.folder / "inadyn.conf"
        path.write_text(f'allow-ipv6 = true\nca-trust-file = "{case.ca}"\n{INADYN[self.kind]}{body}')
        options = ["-1", "-n", "-l", "info", "-P", case.folder / "pid", "--cache-dir", self.cache]
        return case.run("inadyn", "-f", path, *options)


@pytest.fixture(params=INADYN)
def inadyn(case, request) -> Inadyn:
    return Inadyn(case, request.param)


def test_inadyn(case, inadyn):
    for address in (case.named, case.other, case.other):  # the last is answered nochg
        completed = inadyn.run(address)
        done(completed)
        assert (
            f"Successful alias table update for {case.hostname(inadyn.kind)} => new IP# {address}" in completed.stderr
        )
        assert case.dns(inadyn.kind) == [address]
    assert case.failed_logins() == 0
    refused = inadyn.run(case.named, WRONG)
    assert refused.returncode == 50 and "Authentication failure" in refused.stderr
    assert case.dns(inadyn.kind) == [case.other]


def test_inadyn_with_two_hosts(case, inadyn):
    second = case.hostname("second")
    completed = inadyn.run(case.named, more=second)
    done(completed)
    for name in (case.hostname(inadyn.kind), second):
        assert f"Successful alias table update for {name} => new IP# {case.named}" in completed.stderr
    assert case.dns("second") == [case.named]


# ---- ddclient ----

DDCLIENT = """
syslog=no
ssl=yes
ssl_ca_file={ca}
cache={folder}/ddclient.cache
pid={folder}/ddclient.pid
{use}
protocol=dyndns2, server={NAME}, login=any, password='{password}' {hostnames}
"""


def ddclient(case: Case, use: str, password: str = SECRET, *more: str) -> CompletedProcess:
    path = case.folder / "ddclient.conf"
    (case.folder / "ddclient.cache").unlink(missing_ok=True)
    hostnames = ",".join([case.hostname("ddclient"), *more])
    values = {"ca": case.ca, "folder": case.folder, "NAME": NAME, "use": use}
    path.write_text(DDCLIENT.format(**values, password=password, hostnames=hostnames))
    path.chmod(0o600)
    # `daemon=0` in the file would be taken for a minute, and put it into the background.
    return case.run("ddclient", "-file", path, "-daemon", "0", "-noquiet", "-verbose")


def test_ddclient(case):
    name, second = case.hostname("ddclient"), case.hostname("second")
    first = done(ddclient(case, f"use=ip, ip={case.named}"))
    assert f"SUCCESS:  updating {name}: good: IP address set to {case.named}" in first
    assert case.dns("ddclient") == [case.named]
    both = done(ddclient(case, f"use=ip, ip={case.other}", SECRET, second))
    for hostname in (name, second):
        assert f"SUCCESS:  updating {hostname}: good: IP address set to {case.other}" in both
    assert case.dns("ddclient") == case.dns("second") == [case.other]
    again = ddclient(case, f"use=ip, ip={case.other}")
    assert f"updating {name}: nochg" in again.stdout + again.stderr
    refused = ddclient(case, f"use=ip, ip={case.named}", WRONG)
    assert "401" in refused.stdout + refused.stderr and "SUCCESS" not in refused.stdout
    assert case.dns("ddclient") == [case.other]


@pytest.mark.parametrize("case", ["ipv6"], indirect=True)
def test_ddclient_with_an_empty_myip(case):
    """Asked for IPv6 alone, its dyndns2 sends `myip=` and nothing else: the source address."""
    done(ddclient(case, f"usev6=ipv6, ipv6={case.named}"))
    assert case.dns("ddclient") == [case.address]
