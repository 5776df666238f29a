"""contrib/clients/ddns53-discover: a router, two machines and a daemon in network namespaces of the test's own."""

from __future__ import annotations

import os
import shutil
import subprocess
from itertools import count
from pathlib import Path

import pytest

from harness import SECRET, host
from harness.shells import CLIENTS, POSIX_TOOLS, SHELLS, ShellClient, Tools, is_root

NAS_MAC, TV_MAC = "02:6b:00:a6:f5:77", "02:00:5e:10:00:01"
NAS_EUI64 = "2001:db8:77:0:6b:ff:fea6:f577"  # RFC 4291, appendix A, of NAS_MAC
HOME, NAS, TV = "home.example.test.", "nas.example.test.", "tv.example.test."
TOOLS = ("curl", "sha256sum", "sh", *POSIX_TOOLS)
numbers = count()


def ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, timeout=30)
    if done.returncode != 0:
        pytest.fail(
            f"ip {' '.join(words)}: {done.stderr.strip()}; these tests need a kernel with network namespaces "
            "and veth, and CAP_SYS_ADMIN (in a container: --privileged)"
        )


class Network:
    """router --lan0-- nas, router --lan1-- tv."""

    def __init__(self) -> None:
        base = f"ddns53-{os.getpid()}-{next(numbers)}"
        self.router, self.nas, self.tv = (f"{base}-{name}" for name in ("router", "nas", "tv"))
        self.made: list[str] = []

    def build(self) -> None:
        for name in (self.router, self.nas, self.tv):
            ip("netns", "add", name)
            self.made.append(name)
            ip("-n", name, "link", "set", "lo", "up")
        self.link("lan0", self.nas, NAS_MAC)
        self.link("lan1", self.tv, TV_MAC)
        self.address(self.router, "lan0", "192.168.77.1/24", "2001:db8:77::1/64", "fd00:77::1/64")
        self.address(self.router, "lan1", "192.168.78.1/24")
        self.address(self.nas, "eth0", "192.168.77.20/24", f"{NAS_EUI64}/64", "2001:db8:77::7e47/64", "fd00:77::20/64")
        self.address(self.tv, "eth0", "192.168.78.30/24")

    def link(self, name: str, other: str, mac: str) -> None:
        ip(
            "-n",
            self.router,
            "link",
            "add",
            name,
            "type",
            "veth",
            "peer",
            "name",
            "eth0",
            "address",
            mac,
            "netns",
            other,
        )
        ip("-n", self.router, "link", "set", name, "up")
        ip("-n", other, "link", "set", "eth0", "up")

    def address(self, namespace: str, device: str, *addresses: str) -> None:
        for address in addresses:
            nodad = ["nodad"] if ":" in address else []
            ip("-n", namespace, "addr", "add", address, "dev", device, *nodad)

    def inside(self) -> list[str]:
        return [shutil.which("ip") or "ip", "netns", "exec", self.router]

    def talk(self, *addresses: str) -> None:
        """So that they get into the router's neighbour table."""
        for address in addresses:
            words = [*self.inside(), "ping", "-c", "1", "-W", "5", address]
            done = subprocess.run(words, capture_output=True, text=True, timeout=30)
            assert done.returncode == 0, done.stdout + done.stderr

    def close(self) -> None:
        for name in self.made:
            subprocess.run(["ip", "netns", "delete", name], check=True, timeout=30)


@pytest.fixture
def network():
    if not is_root():
        pytest.skip("network namespaces need root")
    made = Network()
    try:
        made.build()
        yield made
    finally:
        made.close()


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    return Tools(tmp_path, TOOLS)


def members(**of_nas):
    common = {"read_privilege": True, "allow_internal": True}
    return [
        host(HOME, "A", **common),
        host(NAS, ["A", "AAAA"], **{**common, "mac_address": NAS_MAC.upper().replace(":", "-"), **of_nas}),
        host(TV, ["A", "AAAA"], mac_address=TV_MAC, **common),
        host("printer.example.test.", "A", mac_address="02:00:00:00:00:99", **common),
        host("stranger.example.test.", "A", secret="the-secret-of-somebody-else-0001", mac_address=NAS_MAC, **common),
    ]


@pytest.fixture(params=sorted(SHELLS))
def discover(request, network, daemon, tools, ca):
    return discover_with(request.param, network, daemon, tools, ca)


@pytest.fixture
def one_discover(network, daemon, tools, ca):
    return discover_with("dash", network, daemon, tools, ca)


def discover_with(shell, network, daemon, tools, ca):
    """Runs it in the router's namespace, where the daemon is too."""
    variables = {"DDNS53_CA_FILE": str(ca.path), "DDNS53_HOSTNAME": HOME, "DDNS53_SECRET": SECRET}
    client = ShellClient(shell, tools, variables, prefix=network.inside())

    def start(hosts=None, **options):
        d = daemon(hosts=hosts or members(), wrapper=network.inside(), **options)
        client.variables["DDNS53_URL"] = d.url

        def run(*arguments: str, program: str = "ddns53-discover", **variables: str):
            done = client.run(*arguments, program=program, **variables)
            return done, d.zone_file().read_text() if d.zone_file().exists() else ""

        return run

    return start


def record(zone: str, hostname: str, record_type: str) -> str | None:
    """The address in the zone file's text."""
    for line in zone.splitlines():
        words = line.split()
        if len(words) >= 3 and record_type in words and words[0] in (hostname, hostname.partition(".")[0]):
            return words[-1]
    return None


def test_sets_what_it_finds(network, discover):
    run = discover()
    network.talk("192.168.77.20", "192.168.78.30", "fd00:77::20", "2001:db8:77::7e47", NAS_EUI64)
    done, zone = run("--verbose")
    assert done.returncode == 0, done.stderr
    assert record(zone, NAS, "A") == "192.168.77.20"
    assert record(zone, NAS, "AAAA") == NAS_EUI64
    assert record(zone, TV, "A") == "192.168.78.30"
    assert record(zone, TV, "AAAA") is None
    assert "printer" not in zone and "stranger" not in zone and "home" not in zone
    assert "printer.example.test. A: 02:00:00:00:00:99 is not in the neighbour table" in done.stderr
    assert len(done.stdout.splitlines()) == 3
    quiet, _ = run("--quiet")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")


def test_dry_run(network, discover):
    run = discover()
    network.talk("192.168.77.20", "2001:db8:77::7e47")
    done, zone = run("--dry-run")
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == [
        f"{NAS} A: would be set to 192.168.77.20",
        f"{NAS} AAAA: would be set to 2001:db8:77::7e47",
    ]
    assert "192.168.77.20" not in zone


def test_one_family_and_one_interface(network, one_discover):
    run = one_discover()
    network.talk("192.168.77.20", "192.168.78.30", "fd00:77::20")
    for arguments, lines in (
        (("-6",), [f"{NAS} AAAA: would be set to fd00:77::20"]),
        (("-4", "--interface", "lan1"), [f"{TV} A: would be set to 192.168.78.30"]),
        (("-4", "--interface=lan0"), [f"{NAS} A: would be set to 192.168.77.20"]),
    ):
        done, _ = run("-n", *arguments)
        assert done.returncode == 0 and done.stdout.splitlines() == lines, done.stderr


def test_sweep(network, one_discover, tools):
    run = one_discover()
    tools.add("ping")
    for network_text in ("192.168.77.0/16", "192.168.77.0", "192.168.777.0/24", "192.168.77.0/24/24", "fd00::/24"):
        done, _ = run("-n", "--sweep", network_text)
        assert done.returncode == 2 and "--sweep" in done.stderr
    done, _ = run("-n", "-4")
    assert done.stdout == ""
    done, _ = run("-n", "-4", "--sweep", "192.168.77.16/28")
    assert done.stdout.splitlines() == [f"{NAS} A: would be set to 192.168.77.20"], done.stderr
    pinged = [line for line in tools.arguments().splitlines() if line.startswith("192.168.77.")]
    assert sorted(pinged) == sorted(f"192.168.77.{number}" for number in range(17, 31))


def test_a_machine_that_is_gone(network, one_discover):
    run = one_discover()
    subprocess.run([*network.inside(), "ping", "-c", "1", "-W", "1", "192.168.77.99"], capture_output=True, timeout=30)
    ip("-n", network.router, "neigh", "replace", "192.168.77.20", "lladdr", NAS_MAC, "nud", "failed", "dev", "lan0")
    done, _ = run("-n")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_prefers_the_address_that_answers(network, one_discover):
    run = one_discover()
    network.talk("192.168.77.20")
    ip("-n", network.router, "neigh", "replace", "192.168.77.9", "lladdr", NAS_MAC, "nud", "stale", "dev", "lan0")
    done, _ = run("-n", "-4")
    assert done.stdout.splitlines() == [f"{NAS} A: would be set to 192.168.77.20"]


@pytest.mark.parametrize("provider", ["net-tools", "busybox"])
def test_arp_and_ndp_in_place_of_ip(network, discover, tools, provider):
    run = discover()
    network.talk("192.168.77.20", "192.168.78.30")
    tools.remove("ip")
    missing, _ = run("-n")
    assert missing.returncode == 7 and "arp" in missing.stderr
    if provider == "net-tools":
        tools.add("arp")
    else:
        tools.script("arp", 'exec /usr/bin/busybox arp "$@"')
    done, _ = run("-n")
    expected = [f"{NAS} A: would be set to 192.168.77.20", f"{TV} A: would be set to 192.168.78.30"]
    assert done.returncode == 0 and sorted(done.stdout.splitlines()) == expected, done.stderr
    only, _ = run("-n", "--interface", "lan1")
    assert only.stdout.splitlines() == expected[1:]
    assert run("-n", "-6")[0].returncode == 7
    # What BSD's ndp prints; there is none for Linux. It leaves zeros out.
    tools.script(
        "ndp",
        f"""[ "$*" = -an ] && printf '%s\\n' \
'Neighbor                      Linklayer Address  Netif Expire    S Flags' \
'fe80::6b:ff:fea6:f577%em0     2:6b:0:a6:f5:77    em0   23h59m58s S R' \
'{NAS_EUI64}  2:6b:0:a6:f5:77    em0   23h59m58s S R' \
'2001:db8:77::99               (incomplete)       em0   permanent I'""",
    )
    six, _ = run("-n", "-6")
    assert six.stdout.splitlines() == [f"{NAS} AAAA: would be set to {NAS_EUI64}"], six.stderr
    # arp of BSD
    tools.script(
        "arp",
        """printf '%s\\n' \
'? (192.168.77.20) at 2:6b:0:a6:f5:77 on em0 ifscope [ethernet]' \
'? (192.168.77.21) at (incomplete) on em0 ifscope [ethernet]'""",
    )
    four, _ = run("-n", "-4", "--interface", "em0")
    assert four.stdout.splitlines() == expected[:1], four.stderr


def test_one_that_is_refused_does_not_stop_the_others(network, discover):
    run = discover(hosts=members(lock_record=True))
    network.talk("192.168.77.20", "192.168.78.30")
    done, zone = run("-4")
    assert done.returncode == 1 and "locked" in done.stderr
    assert record(zone, TV, "A") == "192.168.78.30" and record(zone, NAS, "A") is None


def test_failures(network, one_discover, tmp_path):
    run = one_discover()
    assert run(DDNS53_SECRET="not-the-secret-of-this-host-0000")[0].returncode == 3
    assert (
        run("--hostname", "stranger.example.test", DDNS53_SECRET="the-secret-of-somebody-else-0001")[0].returncode == 0
    )
    for arguments in (("--secret-file", "-"), ("--sweep",), ("--public",), ("surplus",)):
        done, _ = run(*arguments)
        assert done.returncode == 2 and done.stderr.count("\n") == 1
    # Standing alone, it finds the client nowhere, or where it is told to.
    copy = tmp_path / "ddns53-discover"
    copy.write_bytes((CLIENTS / "ddns53-discover").read_bytes())
    lost, _ = run(program=str(copy))
    assert lost.returncode == 7 and "DDNS53_CLIENT" in lost.stderr
    found, _ = run(program=str(copy), DDNS53_CLIENT=str(CLIENTS / "ddns53-client"))
    assert found.returncode == 0, found.stderr


def test_client_reads_a_real_interface(network, discover):
    """What `ip` prints here, not what the author of a test believes it prints."""
    run = discover(hosts=[host(HOME, ["A", "AAAA"], allow_internal=True, auth=["signed"])])
    done, zone = run("--interface", "lan0", "--both", program="ddns53-client")
    assert done.returncode == 0, done.stderr
    assert record(zone, HOME, "A") == "192.168.77.1"
    assert record(zone, HOME, "AAAA") == "2001:db8:77::1"
    none, _ = run("--interface", "lan1", "-6", program="ddns53-client")
    assert none.returncode == 6 and "lan1" in none.stderr
