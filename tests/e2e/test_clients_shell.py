"""contrib/clients/ddns53-client against the daemon, under each shell that it is for."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import shutil
import socket
import stat
import time
from pathlib import Path

import pytest

from harness import SECRET, free_port, host, keep_confidential
from harness.middle import Middle
from harness.shells import CLIENTS, DIGESTS, POSIX_TOOLS, SHELLS, ShellClient, Tools

HOME = "home.example.test."
BUSY = '{"return_message": "try again later", "return_status": "fail"}'
API_KEY = 'key with "quotes" and \\ 0123456789'


def home(*more_types: str, **more):
    return host(HOME, more_types or ("A",), allow_internal=True, **more)


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    return Tools(tmp_path, ("curl", "sha256sum", *POSIX_TOOLS))


@pytest.fixture(params=sorted(SHELLS))
def client(request, tools: Tools, ca) -> ShellClient:
    variables = {"DDNS53_CA_FILE": str(ca.path), "DDNS53_HOSTNAME": "home.example.test", "DDNS53_SECRET": SECRET}
    return ShellClient(request.param, tools, variables)


@pytest.fixture
def one_client(tools: Tools, ca) -> ShellClient:
    """For what is not about the shell."""
    variables = {"DDNS53_CA_FILE": str(ca.path), "DDNS53_HOSTNAME": "home.example.test", "DDNS53_SECRET": SECRET}
    return ShellClient("dash", tools, variables)


@pytest.fixture
def middle(ca):
    made: list[Middle] = []

    def make(d, *interfere) -> Middle:
        made.append(Middle(ca, d.url, *interfere))
        return made[-1]

    yield make
    for one in made:
        one.close()


def zone_of(d) -> str:
    return d.zone_file().read_text() if d.zone_file().exists() else ""


def test_sets_the_public_address_signed(daemon, middle, client):
    d = daemon(hosts=[home(auth=["signed"])])
    m = middle(d)
    done = client.run("--url", m.url)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 1 and HOME in done.stdout and "127.0.0.1" in done.stdout
    assert "127.0.0.1" in zone_of(d)
    assert m.modes() == ["get", "set"]
    assert "signature" in m.queries[1] and "hash" not in m.queries[1] and "internalIp" not in m.queries[1]
    again = client.run("--url", m.url, "--quiet")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert m.queries[3]["nonce"] != m.queries[1]["nonce"]


def test_sets_with_hash(daemon, middle, client):
    d = daemon(hosts=[home(auth=["hash"])])
    m = middle(d)
    done = client.run("--url", m.url, "--auth", "hash")
    assert done.returncode == 0, done.stderr
    assert "hash" in m.queries[1] and "127.0.0.1" in zone_of(d)
    refused = client.run("--url", m.url, "--auth", "signed")
    assert refused.returncode == 3 and "secret" in refused.stderr and refused.stdout == ""
    assert [("hash" in query) for query in m.queries[2:]] == [False, False]


def test_falls_back_to_hash_at_a_host_that_is_not_for_signed(daemon, middle, client, tmp_path):
    d = daemon(hosts=[home(auth=["hash"])])
    m = middle(d)
    cache = str(tmp_path / "cache")
    done = client.run("--url", m.url, "--cache", cache)
    assert (done.returncode, done.stderr) == (0, "")
    assert m.modes() == ["get", "set", "set"]
    assert "signature" in m.queries[1] and "hash" in m.queries[2]
    # Known from now on, so that the daemon does not count failed logins.
    other = client.run("--url", m.url, "--cache", cache, "--address", "10.1.1.1")
    assert other.returncode == 0, other.stderr
    assert m.modes()[3:] == ["get", "set"] and "hash" in m.queries[4]


OLD_ANSWERS = [
    (200, '{"return_status": "fail", "return_message": "You have to pass a valid hash"}', 1),
    (400, '{"return_message":"no hash","return_status":"fail"}', 1),
    (502, '{"message": "Internal server error"}', 5),
]


def test_falls_back_to_hash_at_an_old_server(daemon, middle, client):
    d = daemon(hosts=[home()])
    for status, body, exit_status in OLD_ANSWERS:
        m = middle(d, lambda query, number: (status, {}, body) if "signature" in query else None)
        done = client.run("--url", m.url)
        assert (done.returncode, done.stderr) == (0, "")
        assert m.modes() == ["get", "set", "set"] and "127.0.0.1" in zone_of(d)
        strict = client.run("--url", m.url, "--auth", "signed", "--retries", "0")
        assert strict.returncode == exit_status, strict.stderr


def test_signature_is_an_hmac_whatever_the_secret(daemon, middle, client):
    """Neither the daemon nor the client's text took part in computing what is expected here."""
    d = daemon(hosts=[home()])
    m = middle(d, lambda query, number: (403, {}, BUSY))
    arguments = ("--url", m.url, "--address", "192.0.2.1", "--auth", "signed")
    awkward = "%s \\n\"'$`\\101*;&"
    for secret in ("a", "é\u20ac" * 12, *((awkward * 20)[:length] for length in (63, 64, 65, 200))):
        assert client.run(*arguments, DDNS53_SECRET=secret).returncode == 1
        query = m.queries[-1]
        text = f"ddns53-1\nset\n{HOME}\n192.0.2.1\n{query['time']}\n{query['nonce']}\n"
        assert query["signature"] == hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest(), secret
        assert abs(int(query["time"]) - time.time()) < 60


@pytest.mark.parametrize("digest", DIGESTS)
def test_any_digest_program_will_do(daemon, client, tools, digest):
    d = daemon(hosts=[home(auth=["signed", "hash"])])
    tools.remove("sha256sum")
    missing = client.run("--url", d.url)
    assert missing.returncode == 7 and "sha256sum" in missing.stderr
    tools.add(digest)
    for scheme in ("signed", "hash"):
        done = client.run("--url", d.url, "--auth", scheme)
        assert done.returncode == 0, done.stderr


def test_hexdump_in_place_of_od(daemon, client, tools):
    d = daemon(hosts=[home(auth=["signed"])])
    tools.remove("od")
    tools.script("hexdump", f'exec {shutil.which("busybox")} hexdump "$@"')
    done = client.run("--url", d.url)
    assert done.returncode == 0, done.stderr


def test_busybox_tools_will_do(daemon, client, tools):
    """A router's: everything but curl is an applet."""
    d = daemon(hosts=[home("A", "AAAA", auth=["signed", "hash"])])
    for name in ("sha256sum", *POSIX_TOOLS):
        if name != "od":  # which Debian's busybox has not got
            tools.script(name, f'exec {shutil.which("busybox")} {name} "$@"')
    for scheme in ("signed", "hash"):
        done = client.run("--url", d.url, "--auth", scheme, "--address", "2001:db8::5")
        assert done.returncode == 0, done.stderr
    assert "2001:db8::5" in zone_of(d)


def test_both_families(daemon, client):
    port = free_port()
    settings = {"server": {"listen": [f"127.0.0.1:{port}", f"[::1]:{port}"]}}
    d = daemon(settings=settings, hosts=[home("A", "AAAA")])
    done = client.run("--url", f"https://localhost:{port}/", "--both")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 2
    assert "127.0.0.1" in zone_of(d) and "::1" in zone_of(d)
    six = client.run("--url", f"https://[::1]:{port}", "-6", "--auth", "hash")
    assert six.returncode == 0, six.stderr
    wrong = client.run("--url", f"https://[::1]:{port}", "-4", "--retries", "0")
    assert wrong.returncode == 4


def test_one_family_fails_the_other_is_set(daemon, client):
    port = free_port()
    settings = {"server": {"listen": [f"127.0.0.1:{port}", f"[::1]:{port}"]}}
    d = daemon(settings=settings, hosts=[home("AAAA")])
    done = client.run("--url", f"https://localhost:{port}/", "--both")
    assert done.returncode == 1 and "record_type" in done.stderr
    assert "::1" in zone_of(d) and "127.0.0.1" not in zone_of(d)


def test_literal_address_takes_one_request(daemon, middle, client):
    d = daemon(hosts=[home("A", "AAAA", auth=["signed"])])
    m = middle(d)
    for address in ("198.18.7.9", "2001:db8::9"):
        done = client.run("--url", m.url, "--address", address)
        assert done.returncode == 0, done.stderr
        assert address in zone_of(d)
    assert m.modes() == ["set", "set"]


IP_OUTPUT = """\
2: wan0    inet 192.168.1.2/24 brd 192.168.1.255 scope global wan0\\       valid_lft forever preferred_lft forever
2: wan0    inet 198.18.7.9 peer 198.18.7.1/32 scope global wan0\\       valid_lft forever preferred_lft forever
2: wan0    inet6 fe80::1/64 scope link \\       valid_lft forever preferred_lft forever
2: wan0    inet6 fd00::1/64 scope global \\       valid_lft forever preferred_lft forever
2: wan0    inet6 2001:db8::dead/64 scope global deprecated dynamic \\       valid_lft 60sec preferred_lft 0sec
2: wan0    inet6 2001:db8::7e47/64 scope global temporary dynamic \\       valid_lft 60sec preferred_lft 60sec
2: wan0    inet6 2001:db8::1/64 scope global dynamic mngtmpaddr \\       valid_lft 60sec preferred_lft 60sec
"""
BSD_OUTPUT = """\
wan0: flags=8843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST> mtu 1500
\tether 00:0d:b9:00:00:01
\tinet 198.18.7.9 netmask 0xffffff00 broadcast 198.18.7.255
\tinet6 fe80::1%wan0 prefixlen 64 scopeid 0x2
\tinet6 2001:db8::7e47 prefixlen 64 autoconf temporary
\tinet6 2001:db8::1 prefixlen 64 autoconf
"""
OLD_BUSYBOX_OUTPUT = """\
wan0      Link encap:Ethernet  HWaddr 00:0D:B9:00:00:01
          inet addr:198.18.7.9  Bcast:198.18.7.255  Mask:255.255.255.0
          inet6 addr: fe80::1/64 Scope:Link
          inet6 addr: 2001:db8::1/64 Scope:Global
          UP BROADCAST RUNNING MULTICAST  MTU:1500  Metric:1
"""


@pytest.mark.parametrize(
    "program, output", [("ip", IP_OUTPUT), ("ifconfig", BSD_OUTPUT), ("ifconfig", OLD_BUSYBOX_OUTPUT)]
)
def test_address_of_an_interface(daemon, middle, client, tools, tmp_path, program, output):
    d = daemon(hosts=[home("A", "AAAA", auth=["signed"])])
    m = middle(d)
    (tmp_path / "output").write_text(output)
    tools.remove("ip")
    tools.script(program, f'case "$*" in *wan0*) exec /bin/cat "{tmp_path}/output" ;; esac; exit 1')
    if program == "ip":  # which itself prints only the family that is asked for
        tools.script(
            "ip",
            f'case "$*" in *"-4 "*wan0*) exec /bin/grep "inet " "{tmp_path}/output" ;; '
            f'*wan0*) exec /bin/grep "inet6 " "{tmp_path}/output" ;; esac; exit 1',
        )
    done = client.run("--url", m.url, "--interface", "wan0", "--both")
    assert done.returncode == 0, done.stderr
    assert [query["internalIp"] for query in m.queries] == ["198.18.7.9", "2001:db8::1"]
    none = client.run("--url", m.url, "--interface", "wan9")
    assert none.returncode == 6 and "wan9" in none.stderr and len(m.queries) == 2


def test_cache(daemon, middle, client, tmp_path):
    d = daemon(hosts=[home("A", "AAAA")])
    m = middle(d)
    cache = tmp_path / "the cache"
    literal = ("--url", m.url, "--cache", str(cache), "--address", "198.18.7.9")
    assert client.run(*literal).returncode == 0
    assert m.modes() == ["set"]
    assert stat.S_IMODE(cache.stat().st_mode) == 0o600
    assert SECRET not in cache.read_text()
    done = client.run(*literal)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "") and m.modes() == ["set"]
    # The other family, another host and another server have lines of their own.
    assert client.run("--url", m.url, "--cache", str(cache), "--address", "2001:db8::9").returncode == 0
    assert client.run("--url", d.url, *literal[2:]).returncode == 0
    assert client.run(*literal).returncode == 0
    assert m.modes() == ["set", "set"] and len(cache.read_text().splitlines()) == 3
    # Another address, then an entry that is too old, or of a time to come.
    assert client.run(*literal[:-1], "198.18.7.10").returncode == 0
    assert m.modes() == ["set"] * 3 and len(cache.read_text().splitlines()) == 3
    assert client.run(*literal[:-1], "198.18.7.10").returncode == 0
    assert m.modes() == ["set"] * 3
    for age_s, sets in ((23 * 3600, 3), (25 * 3600, 4), (-3600, 5)):
        text = re.sub(r"(198\.18\.7\.10) \d+", rf"\g<1> {int(time.time()) - age_s}", cache.read_text())
        cache.write_text(text)
        assert client.run(*literal[:-1], "198.18.7.10").returncode == 0
        assert len(m.queries) == sets
    assert client.run(*literal[:-1], "198.18.7.10", "--cache-hours", "0").returncode == 0
    assert len(m.queries) == 6


def test_cache_with_the_public_address(daemon, middle, client, tmp_path):
    d = daemon(hosts=[home()])
    m = middle(d)
    for _ in range(2):
        assert client.run("--url", m.url, "--cache", str(tmp_path / "cache")).returncode == 0
    assert m.modes() == ["get", "set", "get"]


def test_cache_is_written_only_for_what_was_set(daemon, one_client, tmp_path):
    d = daemon(hosts=[home(lock_record=True)])
    cache = tmp_path / "cache"
    assert one_client.run("--url", d.url, "--cache", str(cache)).returncode == 1
    assert not cache.exists()
    d.hosts = [home()]
    d.write_config()
    d.reload()
    unwritable = one_client.run("--url", d.url, "--cache", str(tmp_path / "no folder" / "cache"))
    assert unwritable.returncode == 0 and "no folder" in unwritable.stderr
    cache.write_text("rubbish\nA\n\nA home.example.test. 127.0.0.1 soon signed x\n")
    assert one_client.run("--url", d.url, "--cache", str(cache)).returncode == 0
    assert len([line for line in cache.read_text().splitlines() if line.startswith(f"A {HOME} 127.0.0.1")]) >= 1


def test_list_hosts(daemon, middle, client):
    rows = [
        host(HOME, ["A", "AAAA"], read_privilege=True, mac_address="51:6B:00:A6:F5:77", allow_internal=True),
        host("nas.example.test.", "A", read_privilege=True),
        host("other.example.test.", "A", secret="another-secret-of-another-host-0002", read_privilege=True),
    ]
    d = daemon(hosts=rows)
    m = middle(d)
    for scheme in ("signed", "hash"):
        done = client.run("--url", m.url, "--list-hosts", "--verbose", "--auth", scheme)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines() == [
            f"A {HOME} 51:6B:00:A6:F5:77",
            f"AAAA {HOME} 51:6B:00:A6:F5:77",
            "A nas.example.test. -",
        ]
    assert m.modes() == ["get", "list_hosts"] * 2
    assert "signature" in m.queries[1] and "hash" in m.queries[3]


def test_list_hosts_without_the_privilege(daemon, client):
    d = daemon(hosts=[home()])
    done = client.run("--url", d.url, "--list-hosts")
    assert done.returncode == 1 and done.stdout == "" and "read_privilege" in done.stderr


def test_wrong_secret(daemon, middle, client):
    d = daemon(hosts=[home()])
    m = middle(d)
    done = client.run("--url", m.url, DDNS53_SECRET="not-the-secret-of-that-host-0000")
    assert done.returncode == 3 and done.stdout == "" and "secret" in done.stderr
    assert m.modes() == ["get", "set", "set"]  # no more than both schemes once
    assert client.run("--url", d.url, "--hostname", "unknown.example.test").returncode == 3


def test_refusals(daemon, client):
    d = daemon(hosts=[home(lock_record=True), host("nas.example.test.", "A")])
    locked = client.run("--url", d.url)
    assert locked.returncode == 1 and "locked" in locked.stderr and locked.stdout == ""
    private = client.run("--url", d.url, "--hostname", "nas.example.test", "--address", "10.0.0.1")
    assert private.returncode == 1 and "allow_internal" in private.stderr
    unusable = client.run("--url", d.url, "--address", "1:2:3")
    assert unusable.returncode == 1 and "internalIp" in unusable.stderr


def test_server_down(daemon, client):
    d = daemon(settings={"server": {"listen": [f"127.0.0.1:{free_port()}"]}}, hosts=[home()])
    url = d.url
    d.stop()
    begin = time.monotonic()
    done = client.run("--url", url, "--retries", "1")
    assert done.returncode == 4 and "onnect" in done.stderr and done.stdout == ""
    assert time.monotonic() - begin >= 2  # it did try again
    assert done.stderr.count("\n") == 1


def test_certificate_that_is_not_trusted(daemon, client, tools):
    d = daemon(hosts=[home()])
    done = client.run("--url", d.url, DDNS53_CA_FILE="")
    assert done.returncode == 4 and "ertificate" in done.stderr
    assert tools.arguments().splitlines().count("curl") == 1  # not tried again
    assert zone_of(d) == "" or "127.0.0.1" not in zone_of(d)


def test_silent_server(one_client):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}/"
        done = one_client.run("--url", url, "--timeout", "1", "--retries", "0")
    assert done.returncode == 4 and re.search("timed out|timeout", done.stderr)


def test_tries_again_after_503(daemon, middle, client):
    d = daemon(hosts=[home(auth=["signed"])])
    m = middle(d, lambda query, number: (503, {"Retry-After": "1"}, BUSY) if number <= 2 else None)
    begin = time.monotonic()
    done = client.run("--url", m.url)
    assert (done.returncode, done.stderr) == (0, "")
    assert time.monotonic() - begin >= 4
    assert m.modes() == ["get"] * 3 + ["set"] * 3
    assert len({query["nonce"] for query in m.queries[3:]}) == 3  # signed anew each time
    assert "127.0.0.1" in zone_of(d)


def test_gives_up_on_503(daemon, middle, client, tools):
    d = daemon(hosts=[home()])
    tools.script("sleep", f'echo "$1" >>"{tools.log}.sleep"')
    waits = Path(f"{tools.log}.sleep")
    m = middle(d, lambda query, number: (503, {"Retry-After": "7"}, BUSY))
    done = client.run("--url", m.url, "--address", "10.1.1.1", "--retries", "2")
    assert done.returncode == 5 and "try again later" in done.stderr and done.stdout == ""
    assert m.modes() == ["set"] * 3 and waits.read_text() == "7\n7\n"
    impatient = client.run("--url", m.url, "--address", "10.1.1.1", "--max-wait", "6")
    assert impatient.returncode == 5 and len(m.queries) == 4
    # Without Retry-After, or with a date in it, it waits longer and longer.
    waits.unlink()
    m = middle(d, lambda query, number: (500, {"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"}, BUSY))
    assert client.run("--url", m.url, "--address", "10.1.1.1").returncode == 5
    assert waits.read_text() == "2\n4\n8\n"
    m = middle(d, lambda query, number: (429, {"Retry-After": "1"}, BUSY) if number == 1 else None)
    assert client.run("--url", m.url).returncode == 0


def test_something_else_answers(daemon, middle, client):
    d = daemon(hosts=[home()])
    m = middle(d, lambda query, number: (200, {"Content-Type": "text/html"}, "<html>\nLog in\n</html>\n"))
    done = client.run("--url", m.url)
    assert done.returncode == 1 and "check --url" in done.stderr and "<html>" not in done.stderr
    m = middle(d, lambda query, number: (502, {}, "<html>Bad Gateway</html>"))
    assert client.run("--url", m.url, "--retries", "0").returncode == 5
    evil = '{"return_message": "a \\"quoted\\" \\u001b \x1b[31mword", "return_status": "fail"}'
    m = middle(d, lambda query, number: (403, {}, evil))
    done = client.run("--url", m.url)
    assert done.returncode == 1 and 'a "quoted"' in done.stderr and "\x1b" not in done.stderr


def test_secrets_are_in_no_argument(daemon, client, tools, tmp_path):
    d = daemon(settings={"server": {"api_keys": [API_KEY]}}, hosts=[home(read_privilege=True)])
    without = client.run("--url", d.url)
    assert without.returncode == 1, without.stderr
    secret_file, key_file = tmp_path / "the secret", tmp_path / "the key"
    secret_file.write_text(SECRET + "\nnot this line\n")
    key_file.write_text(API_KEY)
    files = ("--secret-file", str(secret_file), "--api-key-file", str(key_file))
    for digest in DIGESTS:
        tools.remove(*(name for name in DIGESTS if (tools.folder / name).exists()))
        tools.add(digest)
        for scheme in ("signed", "hash"):
            for more in (("--list-hosts",), ("--address", "10.1.1.1", "--verbose")):
                done = client.run("--url", d.url, "--auth", scheme, *files, *more, DDNS53_SECRET="")
                assert done.returncode == 0, done.stderr
                assert SECRET not in done.stdout + done.stderr
    from_environment = client.run("--url", d.url, DDNS53_API_KEY=API_KEY)
    assert from_environment.returncode == 0, from_environment.stderr
    arguments = tools.arguments()
    words = arguments.split("\n")
    assert words.count("curl") >= 20 and words.count("openssl") >= 6  # it was recorded
    assert SECRET not in arguments and "quotes" not in arguments
    assert "signature=" not in arguments and "hash=" not in arguments
    assert not re.search(r"\b[0-9a-f]{64}\b", arguments), "a token"
    for start in range(len(SECRET) - 8):
        assert SECRET[start : start + 8] not in arguments
        assert SECRET[start : start + 8].encode().hex(" ") not in arguments


def test_secret_is_not_in_the_environment_of_others(daemon, client, tools):
    d = daemon(hosts=[home()])
    tools.script("curl", f'echo "${{DDNS53_SECRET-none}}" >>"{tools.log}.environment"\nexec /usr/bin/curl "$@"')
    assert client.run("--url", d.url).returncode == 0
    assert set(Path(f"{tools.log}.environment").read_text().split()) == {"none"}


def test_where_the_secret_comes_from(daemon, client, tmp_path):
    d = daemon(hosts=[home()])
    path = tmp_path / "secret"
    path.write_text(SECRET)  # no newline at the end
    for done in (
        client.run("--url", d.url, "--secret-file", "-", stdin=SECRET + "\n", DDNS53_SECRET=""),
        client.run("--url", d.url, "--secret-file", "-", stdin=SECRET, DDNS53_SECRET=""),
        client.run(f"--url={d.url}", f"--secret-file={path}", DDNS53_SECRET=""),
        client.run("--url", d.url, DDNS53_SECRET_FILE=str(path), DDNS53_SECRET=""),
    ):
        assert done.returncode == 0, done.stderr
    path.write_text(SECRET + "\r\n")
    assert client.run("--url", d.url, "--secret-file", str(path)).returncode == 7
    path.write_text("")
    assert client.run("--url", d.url, "--secret-file", str(path)).returncode == 7
    assert client.run("--url", d.url, "--secret-file", str(tmp_path)).returncode == 7
    assert client.run("--url", d.url, "--secret-file", str(tmp_path / "none")).returncode == 7


@pytest.mark.parametrize(
    "arguments, status, word",
    [
        (("--url", "https://a.test/", "--secret", "x"), 2, "--secret"),
        (("--url",), 2, "needs a value"),
        (("--url", "http://a.test/"), 2, "https"),
        (("--url", "https://a.test/?x"), 2, "--url"),
        (("--url", 'https://a.test/"'), 2, "--url"),
        ((), 2, "--url"),
        (("--url", "https://a.test/", "--hostname", "a&b"), 2, "not a host name"),
        (("--url", "https://a.test/", "--address", "10.0.0.1/24"), 2, "not an address"),
        (("--url", "https://a.test/", "--address", "host"), 2, "not an address"),
        (("--url", "https://a.test/", "--address", "10.0.0.1", "-6"), 2, "IPv4"),
        (("--url", "https://a.test/", "--retries", "many"), 2, "not a number"),
        (("--url", "https://a.test/", "--retries", "101"), 2, "too large"),
        (("--url", "https://a.test/", "--auth", "basic"), 2, "signed"),
        (("surplus",), 2, "unknown argument"),
    ],
)
def test_wrong_usage(one_client, arguments, status, word):
    done = one_client.run(*arguments)
    assert done.returncode == status and word in done.stderr and done.stdout == ""
    assert done.stderr.count("\n") == 1


def test_missing_programs(one_client, tools):
    tools.remove("curl")
    done = one_client.run("--url", "https://a.test/")
    assert done.returncode == 7 and "curl" in done.stderr


def test_help_and_version(client):
    version = re.search(r"AC_INIT\(\[ddns53\],\[(.*)\]\)", (CLIENTS.parents[1] / "configure.ac").read_text())
    assert version
    for program in ("ddns53-client", "ddns53-discover"):
        done = client.run("--help", program=program, PATH="/usr/bin:/bin")
        assert done.returncode == 0 and done.stdout.startswith(f"usage: {program}") and done.stderr == ""
        text = (CLIENTS / program).read_text()
        for option in set(re.findall(r"^ +(--[a-z-]+)\)", text, re.MULTILINE)):
            assert option in done.stdout, f"{option} is not in --help"
        assert max(map(len, done.stdout.splitlines())) <= 120
        done = client.run("--version", program=program, PATH="/usr/bin:/bin")
        assert done.stdout == f"{program} {version[1]}\n"


def test_no_traces(daemon, one_client, tmp_path):
    """No temporary files, in particular none with something secret."""
    d = daemon(hosts=[home()])
    folder = tmp_path / "empty"
    folder.mkdir()
    assert one_client.run("--url", d.url, TMPDIR=str(folder), HOME=str(folder)).returncode == 0
    assert os.listdir(folder) == []


def test_curlrc_of_the_user_does_not_count(daemon, one_client, tmp_path):
    d = daemon(hosts=[home()])
    (tmp_path / ".curlrc").write_text('proxy = "http://127.0.0.1:1"\n')
    assert one_client.run("--url", d.url, HOME=str(tmp_path)).returncode == 0


def test_confidential_texts_are_known_to_the_harness(daemon, one_client):
    """What the client sends is looked for in the daemon's log: see Middle and keep_confidential."""
    d = daemon(hosts=[home()])
    keep_confidential(SECRET)
    assert one_client.run("--url", d.url, "--auth", "hash").returncode == 0
    d.check_confidential()
