"""The rest of contrib/clients. Configuration for ddclient and inadyn runs as it is; of what cannot run here (RouterOS,
PowerShell, OpenWrt), the requests are taken out of its text and sent to the daemon."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import subprocess
import time
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest

from harness import SECRET, host, keep_confidential
from harness.dialects import basic, zone_values
from harness.island import Island
from harness.shells import CLIENTS

HOME = "home.example.com."
NAME = "ddns.example.com"
SOURCES = {"A": "203.0.113.9", "AAAA": "2001:db8::9"}
SCHEMES = {"auth": ["basic", "secret", "signed", "hash"], "allow_internal": True}
ZONE = {"zones": [{"name": "example.com.", "provider": "zonefile"}]}


def text_of(name: str) -> str:
    return (CLIENTS / name).read_text()


def dns(d, record_type: str = "A") -> list[str]:
    return zone_values(d.zone_file("example.com."), HOME, record_type)


# ---- ddclient and inadyn ----


@pytest.fixture
def island(ca, tmp_path):
    """ddns.example.com, at port 443 of addresses that are public as far as anybody can tell."""
    keep_confidential(SECRET)
    certificate, key = ca.issue("ready", [NAME])
    server = {"listen": ["0.0.0.0:443", "[::]:443"], "certificate": str(certificate), "private_key": str(key)}
    rows = [host(HOME, ["A", "AAAA"], auth=["basic"])]
    with ExitStack() as stack:
        made = Island(tmp_path / "island", ca, settings={"server": server, **ZONE}, hosts=rows)
        stack.callback(made.close)
        made.start()
        for address in (f"{SOURCES['A']}/32", f"{SOURCES['AAAA']}/128"):
            done = made.run(["ip", "addr", "add", address, "dev", "lo"], {})
            assert done.returncode == 0, done.stderr
        yield made


# What ddns.example.com is to a client that has both families: IPv6 goes first, as RFC 6724 wants it.
DUAL_STACK = (SOURCES["AAAA"], SOURCES["A"])
STACKS = pytest.mark.parametrize("server", [SOURCES["A"], DUAL_STACK], ids=["IPv4", "dual-stack"])


def run_ready(island, name: str, changes: dict[str, str], *command: str, server=SOURCES["A"]):
    """With the secret in the file, and `changes` made, each of which must be possible."""
    text = text_of(name)
    for before, after in {"SECRET": SECRET, **changes}.items():
        assert before in text, f"{name} has no {before!r}"
        text = text.replace(before, after)
    path = island.folder / name
    path.write_text(text)
    path.chmod(0o600)
    # inadyn looks up what its host has now.
    names = {NAME: server, HOME.rstrip("."): "192.0.2.1"}
    return island.run([*command, path], names)


@STACKS
def test_ddclient(island, ca, server):
    changes = {
        "daemon=300": f"ssl_ca_file={ca.path}",
        "syslog=yes": "syslog=no",
        "/run/ddclient.pid": f"{island.folder}/pid",
        "/var/cache/ddclient": str(island.folder),
    }
    command = ("ddclient", "-daemon", "0", "-noquiet", "-verbose", "-file")
    done = run_ready(island, "ddclient-3.10.conf", changes, *command, server=server)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"good: IP address set to {SOURCES['A']}" in done.stdout
    assert (dns(island.daemon), dns(island.daemon, "AAAA")) == ([SOURCES["A"]], [])


@STACKS
def test_ddclient_4_is_understood_by_its_predecessor(island, ca, server):
    """Debian has 3.10: it reads the file, and finds both addresses, but then sends only the first."""
    changes = {
        "daemon=300": f"ssl_ca_file={ca.path}",
        "syslog=yes": "syslog=no",
        "/run/ddclient.pid": f"{island.folder}/pid",
        "/var/cache/ddclient": str(island.folder),
        "ifv6=eth0": "ifv6=lo",
    }
    command = ("ddclient", "-daemon", "0", "-noquiet", "-verbose", "-file")
    done = run_ready(island, "ddclient-4.conf", changes, *command, server=server)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING:  file" not in done.stderr, done.stderr
    assert dns(island.daemon) == [SOURCES["A"]]


@STACKS
def test_inadyn(island, ca, server):
    changes = {
        "period = 300": f'ca-trust-file = "{ca.path}"',
        "/usr/bin/curl -fsS4": f"/usr/bin/curl -fsS4 --cacert {ca.path}",
    }
    command = (
        "inadyn",
        "-1",
        "-n",
        "-l",
        "info",
        "-P",
        f"{island.folder}/pid",
        "--cache-dir",
        str(island.folder),
        "-f",
    )
    done = run_ready(island, "inadyn.conf", changes, *command, server=server)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"=> new IP# {SOURCES['A']}" in done.stderr, done.stderr
    assert (dns(island.daemon), dns(island.daemon, "AAAA")) == ([SOURCES["A"]], [])


def test_inadyn_with_ipv6(island, ca):
    changes = {
        "period = 300": f'ca-trust-file = "{ca.path}"\nallow-ipv6 = true',
        "\n#custom": "\ncustom",
        "\n#    ": "\n    ",
        "\n#}": "\n}",
        "/usr/bin/curl -fsS4": f"/usr/bin/curl -fsS4 --cacert {ca.path}",
        "/usr/bin/curl -fsS6": f"/usr/bin/curl -fsS6 --cacert {ca.path}",
    }
    command = (
        "inadyn",
        "-1",
        "-n",
        "-l",
        "info",
        "-P",
        f"{island.folder}/pid",
        "--cache-dir",
        str(island.folder),
        "-f",
    )
    done = run_ready(island, "inadyn.conf", changes, *command, server=DUAL_STACK)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (dns(island.daemon), dns(island.daemon, "AAAA")) == ([SOURCES["A"]], [SOURCES["AAAA"]])


# ---- OpenWrt ----


def openwrt_sections() -> list[dict[str, str]]:
    parts = text_of("openwrt-ddns").split("config service")[1:]
    return [dict(re.findall(r"option (\w+) '(.*)'", part)) for part in parts]


def openwrt_asks(d, section: dict[str, str], url: str, address: str):
    """As ddns-scripts fill in the URL; wget and curl make Basic of the user and the password in it."""
    assert section["use_https"] == "1" and section["enabled"] == "1" and section["password"] == "SECRET"
    values = {
        "[DOMAIN]": section["domain"],
        "[IP]": address,
        "[USERNAME]": section["username"],
        "[PASSWORD]": SECRET,
    }
    for placeholder, value in values.items():
        assert url.count(placeholder) == 1
        url = url.replace(placeholder, value)
    parts = urlsplit(url)
    assert (parts.scheme, parts.hostname) == ("http", NAME) and parts.username and parts.password
    return d.request(f"{parts.path}?{parts.query}", headers=basic(parts.username, parts.password))


@pytest.fixture
def openwrt(daemon):
    return daemon(settings=ZONE, hosts=[host(HOME, ["A", "AAAA"], **SCHEMES)])


def test_openwrt(openwrt):
    sections = openwrt_sections()
    assert [section["use_ipv6"] for section in sections] == ["0", "1"]
    for section, address in zip(sections, ("198.18.7.9", "2001:db8::9")):
        answer = openwrt_asks(openwrt, section, section["update_url"], address)
        assert re.search("good|nochg", answer.text, re.IGNORECASE), answer.text  # its rule
        assert answer.text == f"good {address}\n"
    assert (dns(openwrt), dns(openwrt, "AAAA")) == (["198.18.7.9"], ["2001:db8::9"])


def test_openwrt_custom_service(openwrt):
    """/usr/share/ddns/custom/NAME.json: the section names it as service_name, and "answer" is a rule for grep -iE."""
    service = json.loads(text_of("ddns53.json"))
    assert set(service) == {"name", "ipv4", "ipv6"} and service["name"] == "ddns53"
    for section, family, address in zip(openwrt_sections(), ("ipv4", "ipv6"), ("198.18.7.9", "2001:db8::9")):
        row = service[family]
        for wanted in ("good", "nochg"):
            answer = openwrt_asks(openwrt, section, row["url"], address)
            assert answer.text == f"{wanted} {address}\n"
            assert re.search(row["answer"], answer.text, re.IGNORECASE)
        keep_confidential("not-the-secret-0001")
        refused = openwrt.request(
            f"/nic/update?hostname={section['domain']}&myip={address}", headers=basic("any", "not-the-secret-0001")
        )
        assert not re.search(row["answer"], refused.text, re.IGNORECASE)
    assert (dns(openwrt), dns(openwrt, "AAAA")) == (["198.18.7.9"], ["2001:db8::9"])


# ---- RouterOS ----

ROUTEROS = text_of("ddns53.rsc")


def routeros_setting(name: str) -> str:
    found = re.search(rf'^:local {name} "?(.*?)"?$', ROUTEROS, re.MULTILINE)
    assert found, name
    return found[1]


def routeros_string(template: str, **values: str) -> str:
    """A string of RouterOS' language with its variables and escapes put in."""
    text = re.sub(r"\$(\w+)", lambda match: values[match[1]], template)
    return re.sub(r"\\([0-9A-F]{2})", lambda match: chr(int(match[1], 16)), text).replace('\\"', '"')


def routeros_fetch(d, scheme: str, address: str, secret: str = SECRET):
    """What /tool fetch sends for the script's command."""
    targets = re.findall(r':set target "(.*)"$', ROUTEROS, re.MULTILINE)
    logins = re.findall(r':set login "(.*)"$', ROUTEROS, re.MULTILINE)
    assert len(targets) == 2 and len(logins) == 1
    template, login = (targets[0], logins[0]) if scheme == "basic" else (targets[1], "")
    values = {"ddnsHost": routeros_setting("ddnsHost"), "ddnsSecret": secret, "address": address}
    command = re.search(r':local command "(.*)"$', ROUTEROS, re.MULTILINE)
    assert command
    whole = routeros_string(
        command[1],
        ddnsServer=routeros_setting("ddnsServer"),
        target=routeros_string(template, **values),
        login=routeros_string(login, **values),
        ddnsCheck=routeros_setting("ddnsCheck"),
    )
    fields = dict(re.findall(r'(\S+?)="?([^" ]*)"?', whole))
    assert fields["check-certificate"] == "yes" and whole.startswith("/tool fetch url=")
    parts = urlsplit(fields["url"])
    assert (parts.scheme, parts.hostname) == ("https", NAME)
    headers = {"User-Agent": "Mikrotik/6.x Fetch", "Accept": "*/*"}
    if "user" in fields:
        headers.update(basic(fields["user"], fields["password"]))
    keep_confidential(secret)
    return d.request(f"{parts.path}?{parts.query}", headers=headers)


@pytest.mark.parametrize("scheme, first, again", [("secret", "OK", "OK"), ("basic", "good", "nochg")])
@pytest.mark.parametrize("record_type, address", [("A", "198.18.7.9"), ("AAAA", "2001:db8::9")])
def test_routeros(daemon, scheme, first, again, record_type, address):
    d = daemon(settings=ZONE, hosts=[host(HOME, ["A", "AAAA"], auth=[scheme])])
    rule = re.search(r'\$data~"(.*?)"', ROUTEROS)
    assert rule
    for word in (first, again):
        answer = routeros_fetch(d, scheme, address)
        assert answer.status == 200 and answer.text.startswith(word) and re.search(rule[1], answer.text)
        assert dns(d, record_type) == [address]
    refused = routeros_fetch(d, scheme, address, "notThatSecret0000000000000000000")
    assert refused.status == 401 and not re.search(rule[1], refused.text)  # fetch takes 4xx for a failure


def tokens(text: str):
    """Strings, comments and brackets of RouterOS' language, with their lines."""
    pattern = re.compile(r'"(?:[^"\\]|\\.)*"|^[ \t]*#.*$|[][(){}"]', re.MULTILINE)
    for match in pattern.finditer(text):
        yield match[0].strip(), text.count("\n", 0, match.start()) + 1


def test_routeros_text_is_well_formed():
    """No more than a look at its form: brackets match, strings end, variables are declared before they are used."""
    closing = {"(": ")", "[": "]", "{": "}"}
    expected: list[str] = []
    code = []
    for token, line in tokens(ROUTEROS):
        if token.startswith("#"):
            continue
        if token in closing:
            expected.append(closing[token])
        elif token in closing.values():
            assert expected and expected.pop() == token, f"line {line}: {token}"
        else:
            assert len(token) > 1 and "\n" not in token, f"line {line}: a string that does not end"
            code.append(token)
    assert expected == []
    program = "\n".join(line for line in ROUTEROS.splitlines() if not line.lstrip().startswith("#"))
    declared = set(re.findall(r":(?:local|global) (\w+)", program))
    declared |= set(re.findall(r":foreach (\w+) in=", program))
    used = set(re.findall(r"\$(\w+)", program))
    assert used and used <= declared, used - declared
    assert not re.search(r"[^\x00-\x7f]", ROUTEROS)
    assert not re.search(r"\?", program), "the console of version 6 takes a ? for a call for help"
    for string in code:
        assert re.fullmatch(r'"(?:[^\\]|\\["$\\nrt]|\\[0-9A-F]{2})*"', string), string


# ---- PowerShell ----

POWERSHELL = text_of("ddns53-client.ps1")


class PowerShell:
    """Its requests, from the templates in its text."""

    def __init__(self, d, hostname: str, secret: str = SECRET):
        self.d, self.hostname, self.secret = d, hostname if hostname.endswith(".") else hostname + ".", secret
        keep_confidential(secret)

    @staticmethod
    def template(pattern: str) -> str:
        found = re.findall(pattern, POWERSHELL, re.MULTILINE)
        assert len(found) == 1, pattern
        return found[0]

    @staticmethod
    def string(template: str, **values: str) -> str:
        text = template.replace("`n", "\n")
        return re.sub(r"\$(\w+)", lambda match: values[match[1].lower()], text)

    def send(self, query: str):
        url = self.string(self.template(r'GetAsync\("(.*?)"\)').replace("`?", "?"), url="/", query=query)
        keep_confidential(query)
        return self.d.request(url)

    def run(self, mode: str, auth: str = "signed", address: str = ""):
        get = self.template(r"^    Invoke-Ddns53 '(.*)'$")
        source = self.send(get).message
        if mode == "get":
            return source
        query = self.string(self.template(r'^\$query = "(.*)"$'), mode=mode, hostname=self.hostname)
        if address and mode == "set":
            query += self.string(self.template(r'\$query \+= "(&internalIp.*)"'), internal=address)
        if auth == "hash":
            text = self.string(
                self.template(r'Get-Sha256 "(.*)"'), source=source, hostname=self.hostname, secret=self.secret
            )
            query += self.string(
                self.template(r'\$query \+= "(&hash.*)"'), hash=hashlib.sha256(text.encode()).hexdigest()
            )
        else:
            fields = {"time": str(int(time.time())), "nonce": secrets.token_hex(16)}
            text = self.string(
                self.template(r'Get-HmacSha256 \$secret "(.*)"'),
                mode=mode,
                hostname=self.hostname,
                signed=address or source,
                **fields,
            )
            signature = hmac.new(self.secret.encode(), text.encode(), hashlib.sha256).hexdigest()
            query += self.string(self.template(r'\$query \+= "(&time.*)"'), signature=signature, **fields)
        return self.send(query)


@pytest.mark.parametrize("auth", ["signed", "hash"])
def test_powershell(daemon, auth):
    row = host(HOME, ["A", "AAAA"], read_privilege=True, mac_address="51:6B:00:A6:F5:77", **{**SCHEMES, "auth": [auth]})
    d = daemon(settings=ZONE, hosts=[row])
    client = PowerShell(d, "home.example.com")
    assert client.run("get") == "127.0.0.1"
    for address in ("", "198.18.7.9", "2001:db8::9"):
        answer = client.run("set", auth, address)
        assert (answer.status, answer.result) == (200, "success"), answer.text
        assert (address or "127.0.0.1") in dns(d) + dns(d, "AAAA")
    listed = client.run("list_hosts", auth)
    assert [row["record_type"] for row in listed.message] == ["A", "AAAA"]
    assert PowerShell(d, "home.example.com", "not-the-secret-of-this-host-0000").run("set", auth).status == 401


def test_powershell_text_is_well_formed():
    """No more than a look at its form, strings and comments left out."""
    code = re.sub(r"<#.*?#>", "", POWERSHELL, flags=re.DOTALL)
    code = re.sub(r"""'[^'\n]*'|"(?:`.|[^"`\n])*"|#.*""", "''", code)
    expected: list[str] = []
    closing = {"(": ")", "[": "]", "{": "}"}
    for number, line in enumerate(code.splitlines(), 1):
        for character in line:
            if character in closing:
                expected.append(closing[character])
            elif character in closing.values():
                assert expected and expected.pop() == character, f"{number}: {line}"
    assert expected == [] and '"' not in code
    parameters = re.findall(r"\.PARAMETER (\w+)", POWERSHELL)
    assert parameters == re.findall(r"\] \$(\w+)", code[: code.index("Set-StrictMode")])


# ---- what is there ----


def test_every_file_is_described():
    described = text_of("README.md")
    for path in CLIENTS.rglob("*"):
        if path.is_file() and path.name != "README.md":
            assert path.name in described, f"README.md does not tell of {path.name}"
            # JSON has no comments.
            assert path.suffix == ".json" or "SPDX-License-Identifier: GPL-3.0-or-later" in path.read_text()


# ---- systemd ----


def test_systemd_service(daemon, tmp_path, ca):
    """Its command line; tests/check-units lints the rest."""
    d = daemon(settings=ZONE, hosts=[host(HOME, ["A", "AAAA"], **SCHEMES)])
    (tmp_path / "secret").write_text(SECRET + "\n")
    found = re.search(
        r"^ExecStart=/usr/bin/ddns53-client (.*)$", text_of("systemd/ddns53-client@.service"), re.MULTILINE
    )
    assert found
    values = {"%i": "home.example.com", "${CREDENTIALS_DIRECTORY}": tmp_path, "${CACHE_DIRECTORY}": tmp_path}
    words = found[1].replace("$OPTIONS", "--address 198.18.7.9")
    for name, value in values.items():
        assert name in words
        words = words.replace(name, str(value))
    done = subprocess.run(
        [CLIENTS / "ddns53-client", *words.split()],
        env={"PATH": "/usr/bin:/bin", "DDNS53_URL": d.url, "DDNS53_CA_FILE": str(ca.path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert dns(d) == ["198.18.7.9"] and "198.18.7.9" in (tmp_path / "addresses").read_text()
