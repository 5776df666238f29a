"""Clients of the API that ddns53 took over, as they are deployed: they must work against us unchanged."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from urllib.parse import quote

import pytest

from harness import BEHIND_PROXY, SECRET, hash_token, host, keep_confidential, receive, signed_parameters
from harness.dialects import zone_values

# What such a shell client does, its habits included: the address is the fourth field between double quotes, the hash
# is made of exactly what came back, and the rest is read with jq. No part of it was written with ddns53d in mind.
SHELL_CLIENT = r"""#!/bin/sh
set -eu
url=$1 hostname=$2 secret=$3 internal=${4-}
fetch() { curl --silent --show-error --cacert "$CA" --interface "$FROM" "$url/?$1"; }

my_ip=$(fetch 'mode=get' | cut -d '"' -f 4)
hash=$(printf '%s' "$my_ip$hostname$secret" | sha256sum | cut -d ' ' -f 1)
case ${MODE-set} in
list) reply=$(fetch "mode=list_hosts&hostname=$hostname&hash=$hash") ;;
*) reply=$(fetch "mode=set&hostname=$hostname&hash=$hash${internal:+&internalIp=$internal}") ;;
esac
printf '%s\n' "$my_ip"
printf '%s\n' "$reply" | jq -r '.return_status'
printf '%s\n' "$reply" | jq -r '.return_message'
[ "$(printf '%s\n' "$reply" | jq -r '.return_status')" = success ]
"""
SHELLS = {
    "dash": ["dash"],
    "bash": ["bash", "--posix"],
    "busybox": ["busybox", "sh"],
}


@pytest.fixture(params=sorted(SHELLS))
def shell_client(request, tmp_path: Path, ca):
    words = SHELLS[request.param]
    for program in (words[0], "curl", "jq", "sha256sum"):
        assert shutil.which(program), f"{program} is missing; tests/run installs it"
    script = tmp_path / "route53 ddns client.sh"
    script.write_text(SHELL_CLIENT)

    def run(url: str, hostname: str, secret: str = SECRET, internal: str = "", source="127.0.0.5", mode="set"):
        keep_confidential(secret)
        return subprocess.run(
            [*words, str(script), url, hostname, secret, internal],
            env={"PATH": "/usr/bin:/bin", "CA": str(ca.path), "FROM": source, "MODE": mode},
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


def test_shell_client_sets_its_address(daemon, shell_client):
    d = daemon(hosts=[host("home.example.test.", "A", allow_internal=True)])
    done = shell_client(d.url, "home.example.test.")
    assert done.returncode == 0, done.stderr
    address, status, message = done.stdout.splitlines()
    assert (address, status) == ("127.0.0.5", "success")
    assert "home.example.test." in message and "127.0.0.5" in message
    assert "127.0.0.5" in d.zone_file().read_text()
    again = shell_client(d.url, "home.example.test.")
    assert again.returncode == 0 and again.stdout.splitlines()[2] != message


def test_shell_client_over_ipv6(daemon, shell_client):
    settings = {"server": {"listen": ["[::1]:0"]}}
    d = daemon(settings=settings, hosts=[host("home.example.test.", "AAAA", allow_internal=True)])
    done = shell_client(d.url, "home.example.test.", source="::1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[:2] == ["::1", "success"]
    assert "::1" in d.zone_file().read_text()


def test_shell_client_sets_another_address(daemon, shell_client):
    d = daemon(hosts=[host("nas.example.test.", "A", allow_internal=True)])
    done = shell_client(d.url, "nas.example.test.", internal="192.168.1.20")
    assert done.returncode == 0, done.stderr
    assert "192.168.1.20" in done.stdout.splitlines()[2]
    assert "192.168.1.20" in d.zone_file().read_text()


def test_shell_client_lists_its_group(daemon, shell_client):
    rows = [
        host("router.example.test.", "A", read_privilege=True, mac_address="51:6B:00:A6:F5:77"),
        host("nas.example.test.", "A", read_privilege=True),
    ]
    d = daemon(hosts=rows)
    done = shell_client(d.url, "router.example.test.", mode="list")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1] == "success"
    assert json.loads(done.stdout.split("\n", 2)[2]) == [
        {"record_type": "A", "hostname": "router.example.test.", "mac_address": "51:6B:00:A6:F5:77"},
        {"record_type": "A", "hostname": "nas.example.test.", "mac_address": None},
    ]


def test_shell_client_is_told_why_not(daemon, shell_client):
    d = daemon(hosts=[host("home.example.test.", "A", allow_internal=True, lock_record=True)])
    wrong = shell_client(d.url, "home.example.test.", "not-the-secret-of-the-host")
    assert wrong.returncode == 1
    assert wrong.stdout.splitlines()[:2] == ["127.0.0.5", "fail"] and "hash" in wrong.stdout
    locked = shell_client(d.url, "home.example.test.")
    assert locked.returncode == 1
    assert locked.stdout.splitlines()[1] == "fail" and "locked" in locked.stdout


# ---- PowerShell ----

# PowerShell is not in Debian, so what its client does is replayed: the bytes that Invoke-WebRequest of Windows
# PowerShell 5.1 puts on the wire (header order, no Accept, the connection kept and used again), and the way from
# the answer to the next request:
#   $myIP = (Invoke-WebRequest "$url?mode=get").Content.Split('"')[3]
#   $bytes = [Text.Encoding]::UTF8.GetBytes($myIP + $hostname + $secret)
#   $hash = [BitConverter]::ToString([Security.Cryptography.SHA256]::Create().ComputeHash($bytes)).Replace('-', '')
#   $answer = (Invoke-WebRequest "$url?mode=set&hostname=$hostname&hash=$hash").Content | ConvertFrom-Json
#   $answer.return_status; $answer.return_message
# ToString writes upper case; clients that add .ToLower() are the other parameter.
POWERSHELL_REQUEST = (
    "GET /?{query} HTTP/1.1\r\n"
    "User-Agent: Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1.19041.3570\r\n"
    "Host: {host}\r\n"
    "{connection}"
    "\r\n"
)


class PowerShellClient:
    """Invoke-WebRequest sends Connection: Keep-Alive with the first request of a connection only."""

    def __init__(self, d, source: str):
        self.d, self.connection = d, d.connect(source)
        self.first = True

    def invoke(self, query: str):
        keep_confidential(query)
        authority = self.d.url.partition("//")[2]
        connection = "Connection: Keep-Alive\r\n" if self.first else ""
        self.first = False
        request = POWERSHELL_REQUEST.format(query=query, host=authority, connection=connection)
        self.connection.sendall(request.encode())
        return receive(self.connection)

    def update(self, hostname: str, secret: str, spelling, extra: str = ""):
        my_ip = self.invoke("mode=get").text.split('"')[3]
        hash_text = spelling(hashlib.sha256((my_ip + hostname + secret).encode()).hexdigest())
        answer = self.invoke(f"mode=set&hostname={hostname}&hash={hash_text}{extra}")
        content = json.loads(answer.text)
        return answer.status, content["return_status"], content["return_message"]

    def close(self) -> None:
        self.connection.close()


@pytest.mark.parametrize("spelling", [str.upper, str.lower])
def test_powershell_client(daemon, spelling):
    d = daemon(hosts=[host("desktop.example.test.", "A", allow_internal=True)])
    client = PowerShellClient(d, "127.0.0.6")
    status, result, message = client.update("desktop.example.test.", SECRET, spelling)
    assert (status, result) == (200, "success")
    assert "desktop.example.test." in message and "127.0.0.6" in message
    assert "127.0.0.6" in d.zone_file().read_text()
    again = client.update("desktop.example.test.", SECRET, spelling)
    assert again[:2] == (200, "success") and again[2] != message
    internal = client.update("desktop.example.test.", SECRET, spelling, "&internalIp=10.0.0.5")
    assert internal[:2] == (200, "success") and "10.0.0.5" in internal[2]
    assert client.update("desktop.example.test.", "no-secret-of-this-host", spelling)[:2] == (401, "fail")
    client.close()


# The "lite" PowerShell client of route53-dynamic-dns-with-lambda takes two texts out of the answer, wherever they are.
# Which two depends on its age; it then hashes what is left, and sends it as internalIp as well:
#   until 2020-05 (commit be31010), for the order of keys that we have;
#   since 2020-05 (commit 39bed91), for the other order, so that only the end goes, and {"return_message": "ADDRESS",
#   "return_status": "success stays.
# System.Uri, through which the URL goes, escapes braces, quotes and spaces, but neither colons nor commas.
LITE_CUTS = {
    "be31010": ('{"return_message": "', '", "return_status": "success"}'),
    "39bed91": ('{"return_status": "success", "return_message": "', '"}'),
}


class LiteClient(PowerShellClient):
    def __init__(self, d, version: str, source: str | None = None, via: str | None = None):
        super().__init__(d, source)
        self.cuts, self.via = LITE_CUTS[version], via

    def invoke(self, query: str):
        authority = self.d.url.partition("//")[2]
        connection = "Connection: Keep-Alive\r\n" if self.first else ""
        self.first = False
        headers = f"x-api-key: an-api-key-of-no-use\r\n{connection}"
        headers += f"X-Forwarded-For: {self.via}\r\n" if self.via else ""
        query = quote(query, safe="=&?:,/")
        keep_confidential(query)
        self.connection.sendall(POWERSHELL_REQUEST.format(query=query, host=authority, connection=headers).encode())
        return receive(self.connection)

    def run(self, hostname: str, secret: str = SECRET):
        hostname = hostname if hostname.endswith(".") else hostname + "."
        address = self.invoke("mode=get").text
        for text in self.cuts:
            address = address.replace(text, "")
        token = hashlib.sha256((address + hostname + secret).encode()).hexdigest()
        keep_confidential(secret, token)
        return self.invoke(f"mode=set&hostname={hostname}&hash={token}&internalIp={address}")


@pytest.mark.parametrize("via", ["198.18.7.9", "2001:db8::9"])
@pytest.mark.parametrize("version", LITE_CUTS)
def test_lite_powershell_client(daemon, version, via):
    """Without allow_internal: what it names is the source address."""
    d = daemon(settings=BEHIND_PROXY, hosts=[host("desktop.example.test.", ["A", "AAAA"])])
    client = LiteClient(d, version, "127.0.0.6", via)
    for words in ("now has", "already has"):
        answer = client.run("desktop.example.test")
        assert (answer.status, answer.result) == (200, "success"), answer.text
        assert f"{words} the address {via}" in answer.message
    assert via in d.zone_file().read_text()
    wrong = client.run("desktop.example.test", "no-secret-of-this-host")
    assert (wrong.status, wrong.result) == (401, "fail")
    client.close()


def test_only_that_form_is_taken_for_an_address(daemon):
    d = daemon(settings=BEHIND_PROXY, hosts=[host("home.example.test.", ["A", "AAAA"], allow_internal=True)])
    source = "198.18.7.9"
    form = '{"return_message": "%s", "return_status": "success'
    right = form % source

    def send(internal: str, hashed: str, **more) -> int:
        token = hash_token(hashed, "home.example.test.", SECRET)
        parameters = {"mode": "set", "hostname": "home.example.test.", "hash": token, "internalIp": internal, **more}
        return d.query(via=source, **parameters).status

    for wrong in (
        form % "198.18.7.10",  # not the source address
        form % "198.18.07.9",
        right + '"',
        right + '"}',
        right + " ",
        " " + right,
        right.replace(" ", ""),
        right.replace("success", "fail"),
        right[1:],
        '{"return_status": "success", "return_message": "' + source,
        right + right,
    ):
        assert send(wrong, wrong) == 400, wrong
    assert send(right, source) == 401  # its client hashes what it sends
    assert send(source, right) == 401
    assert not zone_values(d.zone_file(), "home.example.test.")
    assert send(right, right) == 200
    assert zone_values(d.zone_file(), "home.example.test.") == [source]
    moment = signed_parameters("set", "home.example.test.", SECRET, right)
    assert d.query(via=source, mode="set", hostname="home.example.test.", internalIp=right, **moment).status == 400


def test_an_address_has_one_spelling_everywhere(daemon):
    """What mode=get prints is what the hash is made of, also where the source was written otherwise."""
    d = daemon(settings=BEHIND_PROXY, hosts=[host("home.example.test.", ["A", "AAAA"])])
    for written, printed in (("2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"), ("::FFFF:198.18.7.9", "198.18.7.9")):
        assert d.get(via=written).text.split('"')[3] == printed
        answer = d.set("home.example.test.", via=written, hash_source=printed)
        assert answer.status == 200 and printed in answer.message
