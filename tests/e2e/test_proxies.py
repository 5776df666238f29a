"""contrib/proxy, run by the real programs: the address that becomes the record is the client's."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from contextlib import ExitStack

import pytest
import yaml

from harness import REPOSITORY, SECRET, host, keep_confidential
from harness.dialects import zone_values
from harness.island import Island
from harness.process import LoggedProcess, base_environment

NAME = "ddns.example.com"
HOME = "home.example.com."
SOURCES = {"A": "203.0.113.9", "AAAA": "2001:db8::9"}
CERTIFICATE = "/etc/letsencrypt/live/ddns.example.com/"

# Sample -> (what is put in the place of files that this machine has not, and the command).
PROXIES = {
    "nginx.conf": (
        {f"{CERTIFICATE}fullchain.pem": "{chain}", f"{CERTIFICATE}privkey.pem": "{key}"},
        ["nginx", "-p", "{folder}", "-g", "daemon off; error_log stderr notice; pid {folder}/pid;", "-c", "{main}"],
    ),
    "Caddyfile": (
        {"ddns.example.com {": "ddns.example.com {{\n\ttls {chain} {key}"},
        ["caddy", "run", "--adapter", "caddyfile", "--config", "{file}"],
    ),
    "haproxy.cfg": (
        {"/etc/haproxy/ddns.example.com.pem": "{both}"},
        ["haproxy", "-db", "-f", "{file}"],
    ),
}


@pytest.fixture(params=PROXIES)
def proxied(request, ca, tmp_path):
    """The daemon with the settings of the sample's comment, and the proxy before it, in a network of their own."""
    changes, command = PROXIES[request.param]
    if not shutil.which(command[0]):
        pytest.skip(f"{command[0]} is not installed")
    keep_confidential(SECRET)
    text = (REPOSITORY / "contrib" / "proxy" / request.param).read_text()
    comment = [line[1:] for line in text.splitlines() if line.startswith("#   ")]
    settings = yaml.safe_load("\n".join(comment))
    rows = [host(HOME, ["A", "AAAA"], auth=["basic"])]
    chain, key = ca.issue("proxy", [NAME])
    both = tmp_path / "both.pem"
    both.write_text(chain.read_text() + key.read_text())
    main = tmp_path / "main.conf"
    main.write_text(f"events {{}}\nhttp {{ include {tmp_path}/{request.param}; access_log off; }}\n")
    words = {"chain": chain, "key": key, "both": both, "folder": tmp_path, "main": main, "file": tmp_path / request.param}
    for before, after in changes.items():
        assert before in text
        text = text.replace(before, after.format(**words))
    (tmp_path / request.param).write_text(text)
    with ExitStack() as stack:
        settings["server"].update(certificate=None, private_key=None)
        zones = [{"name": "example.com.", "provider": "zonefile"}]
        island = Island(tmp_path / "island", ca, settings={**settings, "zones": zones}, hosts=rows)
        stack.callback(island.close)
        island.start()
        for address in (f"{SOURCES['A']}/32", f"{SOURCES['AAAA']}/128"):
            assert island.run(["ip", "addr", "add", address, "dev", "lo"], {}).returncode == 0
        proxy = LoggedProcess(
            [*island.enter(), *(word.format(**words) for word in command)],
            base_environment(HOME=str(tmp_path), XDG_DATA_HOME=str(tmp_path), XDG_CONFIG_HOME=str(tmp_path)),
            tmp_path,
        )
        proxy.spawn()
        stack.callback(stop, proxy)
        wait_until_it_listens(island, proxy)
        yield island, proxy


def stop(proxy: LoggedProcess) -> None:
    """In good order, so that nginx ends its workers as well."""
    if proxy.running:
        proxy.signal(signal.SIGTERM)
        proxy.wait()


def wait_until_it_listens(island: Island, proxy: LoggedProcess) -> None:
    """It takes connections: that there is a socket says less, for a proxy may bind all of its own before it listens."""
    end = time.monotonic() + 60
    connect = "import socket, sys; [socket.create_connection((address, 443), 5).close() for address in sys.argv[1:]]"
    while island.run(["/usr/bin/python3", "-c", connect, *SOURCES.values()], {}).returncode != 0:
        assert proxy.running and time.monotonic() < end, f"the proxy does not listen{proxy.tail()}"
        time.sleep(0.1)


def ask(island: Island, ca, source: str, *more: str) -> subprocess.CompletedProcess:
    target = f"https://{NAME}/nic/update?hostname={HOME.rstrip('.')}"
    command = ["curl", "-sS", "--cacert", str(ca.path), "--interface", source, "--user", f"any:{SECRET}", *more]
    return island.run([*command, target], {NAME: source})


@pytest.mark.parametrize("record_type", SOURCES)
def test_the_source_is_the_clients(proxied, ca, record_type):
    island, proxy = proxied
    source = SOURCES[record_type]
    done = ask(island, ca, source)
    assert done.stdout == f"good {source}\n", done.stdout + done.stderr + proxy.tail()
    assert zone_values(island.daemon.zone_file("example.com."), HOME, record_type) == [source]
    (line,) = island.daemon.wait_log_lines("event=update", 1)
    assert f" source={source} " in line


@pytest.mark.parametrize("header", ["X-Forwarded-For: 198.51.100.66", "Forwarded: for=198.51.100.66"])
def test_what_a_client_says_of_itself_does_not_count(proxied, ca, header):
    island, proxy = proxied
    done = ask(island, ca, SOURCES["A"], "--header", header)
    assert done.stdout == f"good {SOURCES['A']}\n", done.stdout + done.stderr + proxy.tail()
