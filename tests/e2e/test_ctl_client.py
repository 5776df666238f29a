"""What `ddns53ctl client` prints is followed to the letter: by the programs themselves where Debian has them, and for
closed devices by filling in their placeholders as their makers say, and sending that."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml

from harness import REPOSITORY, SECRET, host, keep_confidential, run_ctl
from harness.dialects import zone_values
from harness.island import Island
from harness.shells import CLIENTS

SERVER = "ddns.example.com"
SOURCES = {"A": "203.0.113.9", "AAAA": "2001:db8::9"}
DUAL_STACK = (SOURCES["AAAA"], SOURCES["A"])
OTHER = {"A": "198.18.7.9", "AAAA": "2001:db8:7::9"}
# Whatever needs an escape in a shell, a URL, a file of inadyn or a script.
AWKWARD = """aw'k "w$a\\rd&%+#?=0001"""
EVERY_SCHEME = ["signed", "hash", "basic", "secret"]
FAMILIES = {"a": ["A"], "aaaa": ["AAAA"], "both": ["A", "AAAA"]}


def row(name: str, types: list[str], auth: list[str], secret: str = SECRET) -> dict:
    return host(f"{name}.example.com.", types, secret=secret, auth=auth, allow_internal=True)


def rows() -> list[dict]:
    """A host for each thing that is tried, so that no test sees what another did."""
    made = [row(f"{scheme}-{family}", types, [scheme]) for scheme in EVERY_SCHEME for family, types in FAMILIES.items()]
    made += [row(f"awkward-{scheme}", ["A"], [scheme], AWKWARD) for scheme in EVERY_SCHEME]
    made += [row(name, ["A", "AAAA"], EVERY_SCHEME, SECRET + name) for name in DEVICES]
    made.append(row("router", ["A", "AAAA"], ["basic"], SECRET + "r"))
    made.append(
        {
            "hostname": "nas.example.com.",
            "record_type": "AAAA",
            "follows": "router.example.com.",
            "interface_id": "::9",
            "subnet_id": 1,
        }
    )
    return made


DEVICES = [
    "curl", "sh", "powershell", "cron", "systemd", "routeros6", "routeros7", "inadyn", "ddclient3", "ddclient4",
    "openwrt", "unifi", "fritzbox", "pfsense", "opnsense", "synology", "asuswrt-merlin", "dd-wrt", "draytek",
    "fortigate", "zyxel", "cisco", "generic",
]  # fmt: skip


@pytest.fixture(scope="module")
def island(ca, tmp_path_factory):
    """ddns.example.com at port 443 of addresses that are public as far as anybody can tell."""
    certificate, key = ca.issue("client", [SERVER])
    settings = {
        "server": {
            "listen": ["0.0.0.0:443", "[::]:443"],
            "certificate": str(certificate),
            "private_key": str(key),
            "public_url": f"https://{SERVER}",
        },
        "limits": {"auth_failures_per_minute": 100000, "reads_per_minute": 100000},
        "zones": [{"name": "example.com.", "provider": "zonefile"}],
    }
    with ExitStack() as stack:
        made = Island(tmp_path_factory.mktemp("client island"), ca, settings=settings, hosts=rows())
        stack.callback(made.close)
        made.start()
        for address in (f"{SOURCES['A']}/32", f"{SOURCES['AAAA']}/128"):
            done = made.run(["ip", "addr", "add", address, "dev", "lo"], {})
            assert done.returncode == 0, done.stderr
        made.ca_path = ca.path
        yield made


@pytest.fixture(autouse=True)
def secrets():
    keep_confidential(SECRET, AWKWARD, *(SECRET + name for name in DEVICES))


def recipe(island, hostname: str, device: str, status: int = 0) -> str:
    done = run_ctl("client", f"{hostname}.example.com", "--for", device, config=island.daemon.config_path)
    assert done.returncode == status, done.stderr
    if status == 0:
        assert done.stderr == ""
    return done.stdout


def dns(island, hostname: str) -> dict[str, str]:
    found = {}
    for record_type in ("A", "AAAA"):
        values = zone_values(island.daemon.zone_file("example.com."), f"{hostname}.example.com.", record_type)
        found.update({record_type: value for value in values})
    return found


def expected(types: list[str]) -> dict[str, str]:
    return {record_type: SOURCES[record_type] for record_type in types}


def in_island(island, *command, names=None, **variables) -> subprocess.CompletedProcess:
    known = {SERVER: DUAL_STACK, **(names or {})}
    done = island.run(command, known, {"CURL_CA_BUNDLE": str(island.ca_path), **variables})
    assert done.returncode == 0, done.stdout + done.stderr
    return done


# ---- programs ----


@pytest.mark.parametrize("scheme", EVERY_SCHEME)
@pytest.mark.parametrize("family", FAMILIES)
def test_curl(island, scheme, family):
    name = f"{scheme}-{family}"
    in_island(island, "dash", "-c", recipe(island, name, "curl"))
    assert dns(island, name) == expected(FAMILIES[family])


@pytest.mark.parametrize("scheme", EVERY_SCHEME)
def test_curl_with_a_secret_that_needs_escapes(island, scheme):
    in_island(island, "dash", "-c", recipe(island, f"awkward-{scheme}", "curl"))
    assert dns(island, f"awkward-{scheme}") == expected(["A"])


def place_of_client(folder: Path) -> dict[str, str]:
    """ddns53-client in PATH, and a home."""
    place = folder / "bin"
    place.mkdir()
    shutil.copy(CLIENTS / "ddns53-client", place / "ddns53-client")
    return {"PATH": f"{place}:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(folder)}


@pytest.mark.parametrize("name, types", [("signed-both", ["A", "AAAA"]), ("hash-aaaa", ["AAAA"]), ("awkward-signed", ["A"])])
def test_sh(island, tmp_path, name, types):
    in_island(island, "dash", "-c", recipe(island, name, "sh"), **place_of_client(tmp_path))
    assert dns(island, name) == expected(types)
    (secret,) = (path for path in tmp_path.iterdir() if path.name.startswith(".ddns53-"))
    assert secret.stat().st_mode & 0o777 == 0o600


def test_cron(island, tmp_path):
    text = recipe(island, "cron", "cron")
    once = "\n".join(line[4:] for line in text.splitlines() if line.startswith("#   "))
    (line,) = (line for line in text.splitlines() if not line.startswith("#"))
    minute, *rest = line.split(" ", 5)
    assert (minute, rest[:4]) == ("*/5", ["*", "*", "*", "*"])
    assert "%" not in rest[4], "crontab(5) makes a newline of it"
    variables = place_of_client(tmp_path)
    in_island(island, "sh", "-c", once, **variables)
    for _ in range(2):  # the second one finds it in its cache
        assert in_island(island, "sh", "-c", rest[4], **variables).stdout == ""
    assert dns(island, "cron") == SOURCES


@pytest.mark.parametrize("name", ["systemd", "awkward-hash"])
def test_systemd(island, tmp_path, name):
    """Its commands with another root, and then what the unit that they install would run."""
    text = recipe(island, name, "systemd")
    root = tmp_path / "root"
    (root / "usr" / "bin").mkdir(parents=True)
    script = text.replace("/etc/", f"{root}/etc/").replace("/usr/bin/", f"{root}/usr/bin/")
    started = tmp_path / "started"
    systemctl = f"systemctl() {{ echo \"$@\" >{shlex.quote(str(started))}; }}\n"
    done = subprocess.run(["dash", "-euc", systemctl + script], cwd=CLIENTS, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    hostname = f"{name}.example.com"
    assert started.read_text() == f"enable --now ddns53-client@{hostname}.timer\n"
    unit = (root / "etc/systemd/system/ddns53-client@.service").read_text().replace("%i", hostname)
    variables = dict(re.findall(r"^Environment=(\w+)=(.*)$", unit, re.MULTILINE))
    (file,) = re.findall(r"^EnvironmentFile=(.*)$", unit, re.MULTILINE)
    variables.update(line.split("=", 1) for line in (root / file.lstrip("/")).read_text().splitlines())
    (secret,) = re.findall(r"^LoadCredential=secret:(.*)$", unit, re.MULTILINE)
    (command,) = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
    words = []
    for word in shlex.split(command):
        word = word.replace("${CREDENTIALS_DIRECTORY}/secret", str(root / secret.lstrip("/")))
        word = word.replace("${CACHE_DIRECTORY}", str(tmp_path))
        words += variables["OPTIONS"].split() if word == "$OPTIONS" else [word]
    words[0] = str(root / words[0].lstrip("/"))
    assert (root / secret.lstrip("/")).stat().st_mode & 0o777 == 0o600
    in_island(island, *words, DDNS53_URL=variables["DDNS53_URL"])
    assert dns(island, name) == (SOURCES if name == "systemd" else expected(["A"]))


def run_inadyn(island, tmp_path, text: str, hostname: str) -> None:
    """With the test's authority, which it knows how to be told."""
    path = tmp_path / "inadyn.conf"
    path.write_text(f'ca-trust-file = "{island.ca_path}"\n{text}')
    options = ["-1", "-n", "-l", "info", "-P", tmp_path / "pid", "--cache-dir", tmp_path, "-f", path]
    # inadyn looks up what its host has now.
    in_island(island, "inadyn", *options, names={f"{hostname}.example.com": "192.0.2.1"})


@pytest.mark.parametrize("name, types", [("inadyn", ["A", "AAAA"]), ("basic-a", ["A"]), ("basic-aaaa", ["AAAA"])])
def test_inadyn(island, tmp_path, name, types):
    run_inadyn(island, tmp_path, recipe(island, name, "inadyn"), name)
    assert dns(island, name) == expected(types)


def test_asuswrt_merlin(island, tmp_path):
    text = recipe(island, "asuswrt-merlin", "asuswrt-merlin")
    assert text.count("/usr/sbin/curl") == 1
    run_inadyn(island, tmp_path, text.replace("/usr/sbin/curl", "/usr/bin/curl"), "asuswrt-merlin")
    assert dns(island, "asuswrt-merlin") == expected(["A"])


def fields(text: str) -> dict[str, str]:
    """What stands behind each field's name, where it is first named."""
    found = re.findall(r"^  ([^:\n]+): +(.*)$", text, re.MULTILINE)
    return {name.strip(): value for name, value in reversed(found)}


@pytest.mark.parametrize("device", ["unifi", "dd-wrt"])
def test_routers_that_run_inadyn(island, tmp_path, device):
    """Both write their fields into a section custom {} of inadyn.conf; UniFi divides the server at its first slash."""
    found = fields(recipe(island, device, device))
    if device == "unifi":
        assert found["Service"] == "custom"
        server, _, path = found["Server"].partition("/")
        user, path = found["Username"], f"/{path}"
    else:
        assert found["DDNS Service"] == "Custom" and found["Use HTTPS"] == "yes"
        server, path, user = found["DYNDNS Server"], found["URL"], found["User Name"]
    conf = f'custom ddns53 {{\n ddns-server = "{server}"\n ddns-path = "{path}"\n username = "{user}"\n'
    conf += f' password = "{found["Password"]}"\n hostname = "{found["Hostname"]}"\n'
    conf += f' checkip-command = "/bin/echo {OTHER["A"]}"\n}}\n'
    run_inadyn(island, tmp_path, conf, device)
    assert dns(island, device) == {"A": OTHER["A"]}


@pytest.mark.parametrize("device", ["ddclient3", "ddclient4"])
def test_ddclient(island, tmp_path, device):
    """Debian has 3.10, which reads a file for 4, too, finds both addresses, and sends the first."""
    text = recipe(island, device, device)
    changes = {
        "daemon=300": f"ssl_ca_file={island.ca_path}",
        "syslog=yes": "syslog=no",
        "/run/ddclient.pid": f"{tmp_path}/pid",
        "/var/cache/ddclient": str(tmp_path),
    }
    for before, after in changes.items():
        assert text.count(before) == 1
        text = text.replace(before, after)
    path = tmp_path / "ddclient.conf"
    path.touch(mode=0o600)
    path.write_text(text.replace("ifv6=eth0", "ifv6=lo"))
    done = in_island(island, "ddclient", "-daemon", "0", "-noquiet", "-verbose", "-file", path)
    assert f"good: IP address set to {SOURCES['A']}" in done.stdout
    assert "WARNING:  file" not in done.stderr, done.stderr
    assert dns(island, device) == expected(["A"])


# ---- closed devices ----


def fetch(island, url: str, *options: str, **login: str) -> str:
    """What a device sends; its answer. `--globoff`: the URL goes out as it is."""
    command = ["curl", "-sS", "--globoff", "--fail-with-body", *options]
    if login:
        command += ["-u", f"{login['user']}:{login['password']}"]
    return in_island(island, *command, url).stdout


def test_openwrt(island):
    """As ddns-scripts fill in the URL; wget and curl make Basic of the user and the password in it."""
    sections = [
        dict(re.findall(r"option (\w+) '(.*)'", part))
        for part in recipe(island, "openwrt", "openwrt").split("config service")[1:]
    ]
    assert [section["use_ipv6"] for section in sections] == ["0", "1"]
    for section, (record_type, address) in zip(sections, OTHER.items()):
        url = section["update_url"]
        values = {"DOMAIN": section["domain"], "IP": address, "USERNAME": "any", "PASSWORD": section["password"]}
        for word, value in values.items():
            assert url.count(f"[{word}]") == 1
            url = url.replace(f"[{word}]", value)
        assert section["use_https"] == "1" and url.startswith("http://")
        assert fetch(island, url.replace("http://", "https://", 1)) == f"good {address}\n"
    assert dns(island, "openwrt") == OTHER


def test_fritzbox(island):
    found = fields(recipe(island, "router", "fritzbox"))
    assert found["DynDNS provider"] == "User-defined"
    login = {"user": found["User name"], "password": found["Password"]}
    url = found["Update URL"]
    for word, value in {
        "<domain>": found["Domain name"],
        "<ipaddr>": OTHER["A"],
        "<ip6addr>": OTHER["AAAA"],
        "<ip6lanprefix>": "2001:db8:7::/59",
    }.items():
        assert url.count(word) == 1
        url = url.replace(word, value)
    assert fetch(island, url, **login).startswith(f"good {OTHER['A']},{OTHER['AAAA']}")
    assert dns(island, "router") == OTHER
    assert dns(island, "nas") == {"AAAA": "2001:db8:7:1::9"}
    # what the host does not have is not sent
    assert "<ip6" not in recipe(island, "basic-a", "fritzbox")
    assert "<ipaddr>" not in recipe(island, "basic-aaaa", "fritzbox")
    assert "ip6lanprefix" not in recipe(island, "basic-both", "fritzbox")


def test_pfsense(island):
    found = fields(recipe(island, "pfsense", "pfsense"))
    assert found["Service Type"] == "Custom | Custom (v6)"
    for address in OTHER.values():
        url = found["Update URL"].replace("%IP%", address)
        answer = fetch(island, url, user=found["Username"], password=found["Password"])
        assert answer.strip() in found["Result Match"].replace("%IP%", address).split("|")
    assert dns(island, "pfsense") == OTHER


def test_opnsense(island):
    found = fields(recipe(island, "opnsense", "opnsense"))
    assert (found["Service"], found["Protocol"]) == ("Custom", "DynDns2")
    for address in OTHER.values():
        query = f"hostname={found['Hostname(s)']}&myip={address.replace(':', '%3A')}&system=dyndns&wildcard=NOCHG"
        url = f"https://{found['Server']}/nic/update?{query}"
        answer = fetch(island, url, user=found["Username"], password=found["Password"])
        assert answer.split()[0] == "good"
    assert dns(island, "opnsense") == OTHER


def test_synology(island):
    found = fields(recipe(island, "synology", "synology"))
    url = found["Query URL"]
    for word, value in {
        "__HOSTNAME__": found["Hostname"],
        "__MYIP__": OTHER["A"],
        "__USERNAME__": found["Username/Email"],
        "__PASSWORD__": found["Password/Key"],
    }.items():
        assert url.count(word) == 1
        url = url.replace(word, value)
    assert fetch(island, url) == f"good {OTHER['A']}\n"
    assert dns(island, "synology") == {"A": OTHER["A"]}


def test_draytek(island):
    found = fields(recipe(island, "draytek", "draytek"))
    assert (found["Connection Type"], found["Auth Type"]) == ("Https", "basic")
    url = f"https://{found['Provider Host']}{found['Service API']}".replace("###IP###", OTHER["A"])
    answer = fetch(island, url, user=found["Login Name"], password=found["Password"])
    assert found["Server Response"] in answer
    assert dns(island, "draytek") == {"A": OTHER["A"]}


def test_fortigate(island):
    """A webhook: the address is the one that it comes from."""
    text = recipe(island, "fortigate", "fortigate")
    settings = dict(re.findall(r'^ +set (\S+) "?(.*?)"?$', text, re.MULTILINE))
    assert (settings["action-type"], settings["protocol"], settings["method"]) == ("webhook", "https", "get")
    assert settings["trigger"] == "ddns53" and text.count("config ") == text.count("end\n")
    assert fetch(island, f"https://{settings['uri']}", "-4") == f"good {SOURCES['A']}\n"
    assert dns(island, "fortigate") == expected(["A"])


def test_zyxel(island):
    """inadyn 1's custom@http_svr_basic_auth puts the hostname behind the URL, and speaks HTTP/1.0."""
    found = fields(recipe(island, "zyxel", "zyxel"))
    assert found["DDNS Type"] == "User custom" and "custom@http_svr_basic_auth" in found["Additional DDNS Options"]
    url = f"https://{found['DYNDNS Server']}{found['URL']}{found['Domain Name']}"
    answer = fetch(island, url, "-4", "--http1.0", user=found["Username"], password=found["Password"])
    assert answer == f"good {SOURCES['A']}\n"
    assert dns(island, "zyxel") == expected(["A"])


def test_cisco(island):
    text = recipe(island, "cisco", "cisco")
    (url,) = re.findall(r"^  add (\S+)$", text, re.MULTILINE)
    (hostname,) = re.findall(r"^ ip ddns update hostname (\S+)$", text, re.MULTILINE)
    parts = urlsplit(url.replace("<h>", hostname).replace("<a>", OTHER["A"]))
    login = {"user": parts.username, "password": unquote(parts.password)}
    assert fetch(island, f"https://{parts.hostname}{parts.path}?{parts.query}", **login) == f"good {OTHER['A']}\n"
    assert dns(island, "cisco") == {"A": OTHER["A"]}


def routeros_string(template: str, **values: str) -> str:
    """A string of RouterOS' language with its variables and escapes put in."""
    text = re.sub(r"(?<!\\)\$(\w+)", lambda match: values[match[1]], template)
    text = re.sub(r"\\([0-9A-F]{2})", lambda match: chr(int(match[1], 16)), text)
    return re.sub(r'\\([$"\\])', r"\1", text)


@pytest.mark.parametrize("device", ["routeros6", "routeros7"])
@pytest.mark.parametrize("name, scheme", [(None, "basic"), ("secret-both", "secret"), ("awkward-secret", "secret"), ("awkward-basic", "basic")])
def test_routeros(island, device, name, scheme):
    name = name or device
    text = recipe(island, name, device)
    assert "?" not in text, "the console of version 6 takes a ? for a call for help"
    assert not re.search(r"[^\x00-\x7f]", text) and text.count("{") == text.count("}")
    commands = re.findall(r"^    (/tool fetch .*)$", text, re.MULTILINE)
    variables = re.findall(r"^    :local (ip\d) ", text, re.MULTILINE)
    assert len(commands) == len(variables)
    addresses = {"ip4": OTHER["A"], "ip6": OTHER["AAAA"]}
    for command, variable in zip(commands, variables):
        found = dict(re.findall(r'(\S+?)="((?:[^"\\]|\\.)*)"', command))
        assert "check-certificate=yes" in command
        url = routeros_string(found["url"], ip4=f"{OTHER['A']}/24", ip6=f"{OTHER['AAAA']}/64")
        login = {}
        if scheme == "basic":
            login = {"user": found["user"], "password": routeros_string(found["password"])}
        answer = fetch(island, url, **login)
        assert answer == "OK" if scheme == "secret" else answer.split()[0] in ("good", "nochg")
        assert dns(island, name)["A" if variable == "ip4" else "AAAA"] == addresses[variable]
    assert dns(island, name) == (OTHER if len(variables) == 2 else {"A": OTHER["A"]})


def test_powershell(island):
    """It cannot run here; its options are the program's own, and the secret comes back out of its quotes."""
    keep_confidential(AWKWARD)
    text = recipe(island, "awkward-hash", "powershell")
    program = (CLIENTS / "ddns53-client.ps1").read_text()
    used = set(re.findall(r"-(Url|Hostname|SecretFile|Auth|Quiet)\b", text))
    assert used == {"Url", "Hostname", "SecretFile", "Auth", "Quiet"}
    for option in used:
        assert re.search(rf"\${option}\b", program)
    (value,) = re.findall(r"-Value '((?:[^']|'')*)'", text)
    assert value.replace("''", "'") == AWKWARD
    assert "-Auth" not in recipe(island, "powershell", "powershell")


@pytest.mark.parametrize("name, answer", [("generic", "good"), ("secret-a", "OK"), ("awkward-basic", "good"), ("awkward-secret", "OK")])
def test_generic(island, name, answer):
    text = recipe(island, name, "generic")
    urls = re.findall(rf"^  (https://{SERVER}/\S+)$", text, re.MULTILINE)
    assert len(urls) == 1
    assert fetch(island, urls[0], "-4").split()[0] in (answer, "nochg")
    assert dns(island, name)["A"] == SOURCES["A"]


# ---- what the table and the command promise ----


def test_every_device_has_a_test(island):
    done = run_ctl("client", "--devices", "--json")
    listed = {entry["device"]: entry for entry in json.loads(done.stdout)}
    assert list(listed) == DEVICES
    text = Path(__file__).read_text()
    for name, entry in listed.items():
        assert f'"{name}"' in text.split("@pytest.fixture", 1)[1], f"{name} is not tried"
        assert set(entry["auth"].strip("[]").split(", ")) <= set(EVERY_SCHEME)
        # What is not run names what it rests on, and says so.
        printed = recipe(island, name, name)
        assert (entry["source"] is None) == ("nobody has seen the device do it" not in printed)
    table = run_ctl("client", "--devices").stdout.splitlines()
    assert len(table) == len(DEVICES) + 1 and len({line.index("[") for line in table[1:]}) == 1


@pytest.mark.parametrize("device", DEVICES)
def test_a_host_whose_auth_does_not_fit(island, device):
    """The recipe comes all the same, with the command that mends it and status 1."""
    listed = {entry["device"]: entry for entry in json.loads(run_ctl("client", "--devices", "--json").stdout)}
    able = listed[device]["auth"].strip("[]").split(", ")
    unable = [scheme for scheme in EVERY_SCHEME if scheme not in able]
    if not unable:
        return
    name = f"{unable[0]}-a"
    done = run_ctl("client", f"{name}.example.com", "--for", device, config=island.daemon.config_path)
    assert done.returncode == 1 and done.stdout
    assert f"run: ddns53ctl set {name}.example.com. auth={able[0]}" in done.stderr
    answer = run_ctl("client", f"{name}.example.com", "--for", device, "--json", config=island.daemon.config_path)
    found = json.loads(answer.stdout)
    assert answer.returncode == 1 and found["fits"] is False and found["scheme"] == able[0]
    assert found["recipe"] and done.stdout.startswith(found["recipe"])


def test_what_cannot_be_printed(island):
    config = island.daemon.config_path
    for arguments, status, words in (
        (["nas.example.com", "--for", "curl"], 1, "follows router.example.com"),
        (["nobody.example.com", "--for", "curl"], 66, "is not in"),
        (["not a name", "--for", "curl"], 64, "is no hostname"),
        (["router.example.com", "--for", "toaster"], 66, "--devices"),
        (["router.example.com"], 64, "--for"),
        (["--for", "curl"], 64, "HOST"),
        (["router.example.com", "--for", "fritzbox", "--qr"], 1, "no URL"),
    ):
        done = run_ctl("client", *arguments, config=config)
        assert done.returncode == status and words in done.stderr, (arguments, done.stderr)
        assert done.stderr.startswith("ddns53ctl: ")


def test_without_the_secret_and_without_the_url(tmp_path):
    (tmp_path / "ddns53d.yaml").write_text("zones: [{name: example.com, provider: zonefile}]\n")
    digest = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
    hosts = {"hosts": [{"hostname": "x.example.com", "record_type": "A", "secret_sha256": digest, "auth": ["basic"]}]}
    (tmp_path / "hosts.yaml").touch(mode=0o600)
    (tmp_path / "hosts.yaml").write_text(yaml.safe_dump(hosts))
    done = run_ctl("client", "x.example.com", "--for", "cisco", config=tmp_path / "ddns53d.yaml")
    assert done.returncode == 1 and "any:SECRET@" in done.stdout
    assert "only the SHA-256" in done.stderr and "server.public_url is not set" in done.stderr
    done = run_ctl("token", "x.example.com", "--ip", "198.18.7.9", config=tmp_path / "ddns53d.yaml")
    assert done.returncode == 1 and "only the SHA-256" in done.stderr


def test_the_qr_code_is_the_url(island, tmp_path):
    """Its half blocks, drawn as an image and read by a program that reads such codes."""
    text = recipe(island, "generic", "generic")
    assert "\u2588" not in text, "not where nobody looks at it"
    done = run_ctl("client", "generic.example.com", "--for", "generic", "--qr", config=island.daemon.config_path)
    lines = re.findall(r"\033\[30;107m(.*)\033\[0m", done.stdout)
    rows = []
    for line in lines:
        rows.append([character in "\u2580\u2588" for character in line])
        rows.append([character in "\u2584\u2588" for character in line])
    assert len({len(row) for row in rows}) == 1 and abs(len(rows) - len(rows[0])) <= 1
    pixels = [[0 if dark else 255 for dark in row for _ in range(4)] for row in rows for _ in range(4)]
    picture = tmp_path / "code.pgm"
    picture.write_bytes(b"P5 %d %d 255\n" % (len(pixels[0]), len(pixels)) + bytes(sum(pixels, [])))
    assert shutil.which("zbarimg"), "zbarimg is missing; tests/run installs it"
    read = subprocess.run(["zbarimg", "-q", "--raw", picture], capture_output=True, text=True, timeout=30)
    (url,) = re.findall(rf"^  (https://{SERVER}/\S+)$", text, re.MULTILINE)
    assert read.stdout.strip() == url, read.stderr


# ---- token ----


@pytest.mark.parametrize("name", ["curl", "awkward-hash", "awkward-signed"])
def test_token(island, name):
    """By hand: curl with what it prints. The hash is good again and again, the signed query once."""
    config = island.daemon.config_path
    done = run_ctl("token", f"{name}.example.com", "--ip", SOURCES["A"], config=config)
    assert done.returncode == 0, done.stderr
    lines = dict(line.split(None, 1) for line in done.stdout.splitlines())
    keep_confidential(lines["hash"])
    auth = {"curl": {"hashed", "signed"}, "awkward-hash": {"hashed"}, "awkward-signed": {"signed"}}[name]
    assert (done.stderr == "") == (len(auth) == 2)
    curl = ["curl", "-sS", "-4", "-w", "\n%{http_code}"]
    for kind, again in (("hashed", "200"), ("signed", "409")):
        first = in_island(island, *curl, lines[kind]).stdout.splitlines()[-1]
        second = in_island(island, *curl, lines[kind]).stdout.splitlines()[-1]
        assert (first, second) == (("200", again) if kind in auth else ("401", "401"))
    assert dns(island, name)["A"] == SOURCES["A"]


def test_token_of_another_mode(island):
    config = island.daemon.config_path
    run_ctl("token", "systemd.example.com", "--ip", SOURCES["A"], config=config)
    for mode, words in (("set", "address"), ("clear", "record")):
        done = run_ctl("token", "sh.example.com", "--ip", SOURCES["A"], "--mode", mode, "--json", config=config)
        found = json.loads(done.stdout)
        answer = in_island(island, "curl", "-sS", "-4", f"{found['url']}/?{found['signed_query']}").stdout
        assert '"success"' in answer and words in answer
    assert run_ctl("token", "sh.example.com", config=config).returncode == 64
    assert run_ctl("token", "sh.example.com", "--ip", "1.2.3", config=config).returncode == 64
    assert run_ctl("token", "sh.example.com", "--ip", "1.2.3.4", "--mode", "get", config=config).returncode == 64


def test_the_golden_requests_rest_on_the_same_words(island):
    """What a person types, as golden/routers.yaml has it, is what the recipes say."""
    printed = {name: recipe(island, name, name) for name in DEVICES}
    printed["router"] = recipe(island, "router", "fritzbox")
    printed["plain"] = recipe(island, "secret-both", "routeros6")
    text = "\n".join(re.sub(r" +", " ", value) for value in printed.values())
    text = re.sub(rf"{SECRET}[a-z0-9-]*", "SECRET", text)
    text = re.sub(rf"\b({'|'.join(map(re.escape, [*DEVICES, 'router', 'secret-both']))})\.example\.com", "home.example.com", text)
    count = 0
    routers = yaml.safe_load((REPOSITORY / "tests/e2e/golden/routers.yaml").read_text())
    for entry in routers:
        for part in entry.get("type", "").split("; "):
            assert part in text, f"{entry['router']}: {part}"
            count += 1
    assert count > 20
