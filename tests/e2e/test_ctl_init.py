"""`ddns53ctl init`: both files, by options and by questions, with the zones that the credentials can see; never over a file
that is there."""

from __future__ import annotations

import grp
import os
import pty
import re
import select
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from harness import REPOSITORY, base_environment, ctl_path, run_binary, run_ctl

URL = "https://ddns.example.com"


class Place:
    def __init__(self, folder: Path):
        self.config = folder / "a folder" / "ddns53d.yaml"
        self.hosts = folder / "a folder" / "hosts.yaml"
        self.variables: dict[str, str] = {}

    def init(self, *arguments: str | Path, stdin: str = "") -> subprocess.CompletedProcess:
        return run_ctl("init", *arguments, config=self.config, stdin=stdin, **self.variables)

    def settings(self) -> dict:
        return yaml.safe_load(self.config.read_text())

    def nothing_is_there(self) -> None:
        assert not self.config.parent.exists() or not list(self.config.parent.iterdir())


@pytest.fixture
def place(tmp_path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def account(place, r53) -> Place:
    """With credentials for the stand-in's account."""
    place.variables = {**r53.keys.default.environment(), "AWS_ENDPOINT_URL_ROUTE_53": r53.url}
    return place


def test_every_option_stands_in_the_file(place, ca, tmp_path):
    (tmp_path / "key").touch(mode=0o600)
    (tmp_path / "key").write_text("dGhlIG93bmVyIG9mIHRoZSB6b25lIGhhcyB0aGlzIG9uZQ==\n")
    done = place.init(
        "--zone", "example.com", "--provider", "rfc2136", "--server", "192.0.2.53", "--tsig-name", "it's.a.key",
        "--tsig-secret-file", tmp_path / "key", "--public-url", URL, "--listen", "127.0.0.1:8443", "--listen", "[::1]:8443",
        "--certificate", ca.certificate, "--private-key", ca.private_key, "--state-dir", "the state's",
    )  # fmt: skip
    assert done.returncode == 78 and "tsig" in done.stderr and "nothing was written" in done.stderr
    place.nothing_is_there()
    done = place.init(
        "--zone", "example.com", "--provider", "rfc2136", "--server", "192.0.2.53", "--tsig-name", "a.key",
        "--tsig-secret-file", tmp_path / "key", "--public-url", URL, "--listen", "127.0.0.1:8443", "--listen", "[::1]:8443",
        "--certificate", ca.certificate, "--private-key", ca.private_key, "--state-dir", "the state's",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert place.settings() == {
        "server": {
            "listen": ["127.0.0.1:8443", "[::1]:8443"],
            "public_url": URL,
            "certificate": str(ca.certificate),
            "private_key": str(ca.private_key),
        },
        "hosts_file": "hosts.yaml",
        "state_dir": "the state's",
        "zones": [
            {
                "name": "example.com",
                "provider": "rfc2136",
                "server": "192.0.2.53",
                "tsig": {"name": "a.key", "secret_file": str(tmp_path / "key")},
            }
        ],
    }
    assert yaml.safe_load(place.hosts.read_text()) == {"hosts": []}
    checked = run_binary("--check", "--config", place.config)
    assert checked.returncode == 0, checked.stderr


def test_a_certificate_by_itself(place, ca):
    arguments = ["--zone", "example.com", "--provider", "zonefile", "--public-url", URL]
    done = place.init(*arguments, "--acme-email", "me@example.com", "--certificate", ca.certificate, "--private-key", ca.private_key)
    assert done.returncode == 64 and "--acme-email" in done.stderr
    done = place.init(*arguments, "--acme-email", "no address")
    assert done.returncode == 78 and "nothing was written" in done.stderr
    place.nothing_is_there()
    done = place.init(*arguments, "--acme-email", "me@example.com")
    assert (done.returncode, done.stderr) == (0, "")
    assert place.settings()["server"]["acme"] == {"email": "me@example.com"}
    assert "makes its own" not in place.config.read_text()


def test_modes(place):
    place.init("--zone", "example.com", "--provider", "zonefile")
    for path in (place.config, place.hosts):
        info = path.stat()
        assert (info.st_mode & 0o777, info.st_uid) == (0o600, os.getuid())
    if os.getuid() == 0:
        for path in (place.config, place.hosts):
            path.unlink()
        done = place.init("--zone", "example.com", "--provider", "zonefile", "--group", "daemon")
        assert done.returncode == 0 and "only this user" not in done.stdout
        for path in (place.config, place.hosts):
            info = path.stat()
            assert (info.st_mode & 0o777, info.st_gid) == (0o640, grp.getgrnam("daemon").gr_gid)
    assert place.init("--zone", "example.com", "--group", "no-such-group").returncode == 66


@pytest.mark.parametrize("which", ["config", "hosts"])
def test_nothing_is_overwritten(place, which):
    path = getattr(place, which)
    path.parent.mkdir()
    for text in ("", "mine\n", "zones: [{name: example.com}]\nhosts: []\n"):
        path.write_text(text)
        done = place.init("--zone", "example.com", "--provider", "zonefile")
        assert done.returncode == 73 and f"{path.name} is there already" in done.stderr
        assert path.read_text() == text and len(list(path.parent.iterdir())) == 1
    path.unlink()
    path.symlink_to("nowhere")
    assert place.init("--zone", "example.com", "--provider", "zonefile").returncode == 73
    assert path.is_symlink()


def test_a_second_time(place):
    assert place.init("--zone", "example.com", "--provider", "zonefile").returncode == 0
    before = {path: path.read_text() for path in (place.config, place.hosts)}
    assert place.init("--zone", "example.org", "--provider", "zonefile").returncode == 73
    assert {path: path.read_text() for path in before} == before


def test_samples_of_an_installation_are_moved_away(place):
    place.config.parent.mkdir()
    for path in (place.config, place.hosts):
        shutil.copy(REPOSITORY / "etc" / path.name, path)
    assert place.init("--zone", "example.org", "--provider", "zonefile").returncode == 0
    assert place.settings()["zones"][0]["name"] == "example.org"
    for path in (place.config, place.hosts):
        assert Path(f"{path}.sample").read_text() == (REPOSITORY / "etc" / path.name).read_text()
    # with a host it is no sample any more
    shutil.copy(REPOSITORY / "etc" / "ddns53d.yaml", place.config)
    place.hosts.write_text("hosts: [{hostname: a.example.com, record_type: A, shared_secret: 0123456789abcdef0123}]\n")
    assert place.init("--zone", "example.org", "--provider", "zonefile").returncode == 73


def test_a_place_that_cannot_be_written(place):
    if os.getuid() == 0:
        place.config = Path("/proc/ddns53/ddns53d.yaml")
    else:
        place.config = Path("/ddns53/ddns53d.yaml")
    done = place.init("--zone", "example.com", "--provider", "zonefile")
    assert done.returncode in (73, 77) and "cannot be made" in done.stderr


@pytest.mark.parametrize(
    "arguments, status, words",
    [
        (["--provider", "zonefile"], 64, "name the zone by --zone"),
        (["--zone", "example.com", "--provider", "powerdns"], 64, "none of route53"),
        (["--zone", "not a zone", "--provider", "zonefile"], 78, "zones"),
        (["--zone", "example.com", "--provider", "zonefile", "--zone-id", "Z1"], 78, "zone_id"),
        (["--zone", "example.com", "--zone-id", "no-id"], 78, "zone_id"),
        (["--zone", "example.com", "--provider", "zonefile", "--public-url", "ddns.example.com"], 78, "public_url"),
        (["--zone", "example.com", "--provider", "zonefile", "--certificate", "/x.pem"], 78, "private_key"),
    ],
)
def test_what_the_daemon_would_refuse_is_not_written(place, arguments, status, words):
    done = place.init(*arguments)
    assert done.returncode == status and words in done.stderr, done.stderr
    place.nothing_is_there()


# ---- the account ----


def test_the_id_is_found(account, r53):
    r53.add_zone("example.org.")
    done = account.init("--zone", "EXAMPLE.org")
    assert (done.returncode, done.stderr) == (0, "")
    assert account.settings()["zones"] == [
        {"name": "example.org.", "provider": "route53", "zone_id": r53.zone("example.org.").id}
    ]


def test_a_zone_that_the_account_has_not(account, r53):
    done = account.init("--zone", "example.org")
    assert done.returncode == 66 and "no public zone named example.org." in done.stderr
    done = account.init("--zone", "example.com", "--private")
    assert done.returncode == 66 and "no private zone named example.com." in done.stderr
    account.nothing_is_there()


def test_two_of_a_name(account, r53):
    second = r53.add_zone("example.com.")
    done = account.init("--zone", "example.com")
    assert done.returncode == 66 and "2 zones" in done.stderr and "--zone-id" in done.stderr
    assert account.init("--zone", "example.com", "--zone-id", second.id).returncode == 0
    assert account.settings()["zones"][0]["zone_id"] == second.id


def test_every_page_is_read(account, r53):
    for number in range(230):
        r53.add_zone(f"zone-{number}.example.")
    assert account.init("--zone", "zone-229.example").returncode == 0
    assert len(r53.calls_of("ListHostedZones")) == 3


def test_an_account_that_may_not_be_listed(account, r53):
    r53.faults.error(403, "AccessDenied", operation="ListHostedZones")
    done = account.init("--zone", "example.com")
    assert done.returncode == 0 and "the zones of the account are not known" in done.stderr
    assert "zone_id" not in account.settings()["zones"][0]


def test_without_credentials(place):
    done = place.init("--zone", "example.com")
    assert done.returncode == 0 and "no AWS credentials" in done.stderr


def test_credentials_beside_the_settings(account, r53):
    """What systemd hands to the daemon with LoadCredential=aws:/etc/ddns53/aws."""
    key = account.variables.pop("AWS_ACCESS_KEY_ID"), account.variables.pop("AWS_SECRET_ACCESS_KEY")
    account.variables.pop("AWS_SESSION_TOKEN", None)
    account.config.parent.mkdir()
    beside = account.config.parent / "aws"
    beside.touch(mode=0o600)
    beside.write_text(f"[default]\naws_access_key_id = {key[0]}\naws_secret_access_key = {key[1]}\n")
    done = account.init("--zone", "example.com")
    assert (done.returncode, done.stderr) == (0, "")
    assert account.settings()["zones"][0]["zone_id"] == r53.zone("example.com.").id


# ---- questions ----


class Conversation:
    """With a program on a terminal."""

    def __init__(self, command: list, environment: dict[str, str]):
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.execvpe(command[0], [str(word) for word in command], environment)
        self.seen = ""

    def expect(self, pattern: str) -> re.Match:
        deadline = time.monotonic() + 60
        while not (match := re.search(pattern, self.seen)):
            ready = select.select([self.terminal], [], [], max(0, deadline - time.monotonic()))[0]
            assert ready, f"no {pattern!r} in {self.seen!r}"
            try:
                data = os.read(self.terminal, 65536)
            except OSError:
                data = b""
            assert data, f"ended without {pattern!r}: {self.seen!r}"
            self.seen += re.sub(r"\x1b\[\d*m|\r", "", data.decode())
        self.seen = self.seen[match.end() :]
        return match

    def answer(self, text: str) -> None:
        os.write(self.terminal, text.encode() + b"\n")

    def end(self) -> int:
        try:
            while os.read(self.terminal, 65536):
                pass
        except OSError:
            pass
        os.close(self.terminal)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def converse(place: Place, *arguments: str) -> Conversation:
    environment = base_environment(TERM="xterm", **place.variables)
    return Conversation([ctl_path(), "-c", place.config, "init", *arguments], environment)


def test_questions(account, r53, ca):
    other = r53.add_zone("example.org.", private=True)
    ids = sorted([other.id, r53.zone("example.com.").id])
    talk = converse(account)
    listed = talk.expect(r"ZONE +ID +RECORDS +KIND\n(.*)\n(.*)\n")
    assert [row.split()[2] for row in listed.groups()] == ids
    choice = ids.index(other.id) + 1
    assert listed[choice].split()[0] == str(choice) and listed[choice].split()[-1] == "private"
    talk.expect(r"Which of these zones \[1\]:")
    talk.answer("3")
    talk.expect("a number from 1 to 2")
    talk.answer(str(choice))
    talk.expect(r"URL .*\[https://ddns\.example\.org\]:")
    talk.answer("")
    talk.expect("certificate chain .*:")
    talk.answer(str(ca.certificate))
    talk.expect("private key:")
    talk.answer(f"  {ca.private_key}  ")
    talk.expect("wrote .*ddns53d.yaml")
    talk.expect("ddns53ctl -c .* add HOST.example.org.")
    assert talk.end() == 0
    settings = account.settings()
    assert settings["server"]["public_url"] == "https://ddns.example.org"
    assert settings["server"]["private_key"] == str(ca.private_key)
    assert settings["zones"] == [{"name": "example.org.", "provider": "route53", "zone_id": other.id, "private": True}]


@pytest.mark.parametrize("email", ["", "me@example.com"])
def test_questions_without_an_account(place, email):
    talk = converse(place, "--provider", "zonefile", "--public-url", "https://ddns.example.net")
    talk.expect("Zone, such as example.com:")
    talk.answer("example.net")
    talk.expect("certificate chain .*:")
    talk.answer("")
    talk.expect(r"e-mail address.*empty: none\):")
    talk.answer(email)
    talk.expect("wrote")
    assert talk.end() == 0
    assert place.settings()["zones"] == [{"name": "example.net", "provider": "zonefile"}]
    assert "certificate" not in place.settings()["server"]
    assert place.settings()["server"].get("acme") == ({"email": email} if email else None)


def test_an_end_in_the_middle_writes_nothing(place):
    talk = converse(place, "--provider", "zonefile")
    talk.expect("Zone, such as example.com:")
    os.write(talk.terminal, b"\x04")
    talk.expect("the input has ended")
    assert talk.end() == 64
    place.nothing_is_there()


def test_a_terminal_where_nothing_is_to_be_asked(place):
    talk = converse(place, "--provider", "zonefile", "--zone", "example.com", "--no-questions")
    talk.expect("wrote")
    assert talk.end() == 0
