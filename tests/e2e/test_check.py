"""`--check` finds what would go wrong at a start: as the service's user, and without touching anything."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from harness import REPOSITORY, binary_path, run_binary

NOBODY = 65534
SECRET = "a-secret-of-this-test-only-0001"
HOSTS = f"hosts:\n  - {{hostname: home.example.test, record_type: A, shared_secret: {SECRET}}}\n"
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can judge as another user")


class Place:
    """A folder that every user may look into."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.state = folder / "state"
        self.state.mkdir(mode=0o700)
        self.server: list[str] = []
        self.zones = "  - {name: example.test, provider: zonefile}\n"
        self.more = ""
        self.hosts = HOSTS
        self.reader: int | None = None  # who owns both files; None: whoever owns the state

    def own(self, *paths: Path, user: int = NOBODY) -> None:
        for path in paths:
            os.chown(path, user, user)

    def check(self, *arguments: str) -> subprocess.CompletedProcess:
        server = "".join(f"  {line}\n" for line in self.server)
        (self.folder / "ddns53d.yaml").write_text(
            (f"server:\n{server}" if server else "") + f"state_dir: state\nzones:\n{self.zones}{self.more}"
        )
        (self.folder / "hosts.yaml").touch(mode=0o600)
        (self.folder / "hosts.yaml").write_text(self.hosts)
        reader = self.reader
        if reader is None:
            reader = self.state.stat().st_uid if self.state.exists() else os.getuid()
        self.own(self.folder / "ddns53d.yaml", self.folder / "hosts.yaml", user=reader)
        before = snapshot(self.folder)
        done = run_binary("--config", "ddns53d.yaml", "--check", *arguments, folder=self.folder)
        assert snapshot(self.folder) == before, "it touched something"
        assert SECRET not in done.stderr + done.stdout
        return done

    def good(self, *arguments: str) -> str:
        """Its warnings."""
        done = self.check(*arguments)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("ddns53d.yaml: ok, 1 zones, 1 hosts, 1 records")
        return done.stderr

    def bad(self, words: str, *arguments: str) -> None:
        done = self.check(*arguments)
        assert done.returncode == 78 and done.stdout == "", done.stderr + done.stdout
        assert re.search(words, done.stderr), done.stderr


def snapshot(folder: Path) -> dict[str, tuple]:
    return {
        str(path): (path.lstat().st_mode, path.lstat().st_mtime_ns, path.lstat().st_size, path.lstat().st_ino)
        for path in sorted(folder.rglob("*"))
    }


@pytest.fixture
def place():
    with tempfile.TemporaryDirectory(prefix="ddns53 check ") as folder:
        os.chmod(folder, 0o755)
        yield Place(Path(folder))


# ---- certificate and key ----


def rsa_pair(ca, folder: Path, bits: int) -> tuple[Path, Path]:
    key, certificate = folder / "rsa.key", folder / "rsa.pem"
    made = rsa.generate_private_key(65537, bits)
    key.write_bytes(
        made.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    subprocess.run(
        ["openssl", "req", "-x509", "-key", key, "-subj", "/CN=localhost", "-days", "30", "-out", certificate],
        check=True,
        capture_output=True,
    )
    return certificate, key


def test_a_certificate_is_loaded(place, ca):
    for name, source in (("server.pem", ca.certificate), ("server.key", ca.private_key)):
        (place.folder / name).write_bytes(Path(source).read_bytes())
    place.server = ["certificate: server.pem", "private_key: server.key"]
    (place.folder / "server.key").chmod(0o600)
    assert place.good() == ""
    other, _ = ca.issue("another")
    (place.folder / "server.pem").write_bytes(other.read_bytes())
    place.bad("server.certificate: .*server.key: is not the key of the first certificate in .*server.pem")
    (place.folder / "server.pem").write_text("nothing\n")
    place.bad("server.certificate: .*server.pem: is not a chain of PEM certificates")
    (place.folder / "server.pem").unlink()
    place.bad("server.certificate: .*server.pem: cannot be read: No such file")
    place.server.append("tls: false")
    place.server.append('listen: ["127.0.0.1:0"]')
    assert place.good() == ""


def test_a_pair_that_would_be_made_is_not_made(place):
    assert place.good() == ""
    assert not list(place.state.iterdir())


@pytest.mark.parametrize("bits, warned", [(1024, True), (2048, False)])
def test_a_short_rsa_key_is_warned_about(place, ca, bits, warned):
    certificate, key = rsa_pair(ca, place.folder, bits)
    key.chmod(0o600)
    place.server = [f"certificate: {certificate.name}", f"private_key: {key.name}"]
    assert bool(re.search(rf"^warning: .*private_key: an RSA key of {bits} bits", place.good())) == warned


# ---- folders, as the user of the service ----


def test_no_state_dir_yet(place):
    place.state.rmdir()
    assert place.good() == ""  # whoever runs this can make it


@needs_root
def test_no_state_dir_that_the_user_could_make(place):
    """The unit will make it, and `--check` comes before the first start."""
    place.state.rmdir()
    place.reader = NOBODY
    said = place.good("--user", "nobody").splitlines()
    assert len(said) == 1  # and none for the zone files within
    assert re.match("warning: ddns53d.yaml: state_dir: .*state does not exist, and nobody may not make it", said[0])


@needs_root
def test_judged_as_the_owner_of_state_dir(place):
    place.own(place.state)
    done = place.check()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "ddns53d.yaml: ok, 1 zones, 1 hosts, 1 records, as the user nobody\n"


@needs_root
def test_judged_as_a_named_user(place):
    place.own(place.state)
    assert place.good("--user", "nobody") == ""
    assert place.good("--user", "root") == ""
    place.bad("state_dir: daemon may not write into .*state: Permission denied|hosts.yaml: cannot be read", "--user", "daemon")
    done = place.check("--user", "no-such-user")
    assert done.returncode == 67 and "no-such-user: there is no such user" in done.stderr


@needs_root
def test_what_the_user_cannot_read(place, ca):
    place.own(place.state)
    key = place.folder / "server.key"
    key.touch(mode=0o600)
    key.write_bytes(Path(ca.private_key).read_bytes())
    (place.folder / "server.pem").write_bytes(Path(ca.certificate).read_bytes())
    place.server = ["certificate: server.pem", "private_key: server.key"]
    place.bad("server.certificate: .*server.key: cannot be read: Permission denied; the daemon's user must be able")
    place.own(key)
    assert place.good() == ""
    place.hosts = HOSTS.replace(f"shared_secret: {SECRET}", "shared_secret_file: secret.txt")
    (place.folder / "secret.txt").touch(mode=0o600)
    (place.folder / "secret.txt").write_text(SECRET)
    place.bad("hosts.yaml:2:.*shared_secret_file: cannot read the secret from .*secret.txt: Permission denied")


@needs_root
def test_what_the_user_cannot_write(place):
    place.own(place.state)
    (place.state / "zones").mkdir()
    place.bad("zonefile.directory: nobody may not write into .*state/zones: Permission denied")
    place.own(place.state / "zones")
    zone_file = place.state / "zones" / "example.test.zone"
    zone_file.touch(mode=0o600)
    place.bad("zonefile.directory: nobody may not read .*example.test.zone: Permission denied")
    zone_file.chmod(0o644)
    assert place.good() == ""
    (place.state / "state.db").touch(mode=0o600)
    place.bad("state_dir: nobody may not write .*state/state.db: Permission denied")
    place.own(place.state / "state.db")
    assert place.good() == ""
    place.state.chmod(0o500)
    place.bad("state_dir: nobody may not write into .*state: Permission denied")


@needs_root
def test_zones_elsewhere(place):
    place.own(place.state)
    place.more = "zonefile: {directory: ../zones}\n"
    assert re.search("^warning: .*zonefile.directory: .*zones does not exist, and nobody may not make it", place.good())
    (place.folder / "zones").write_text("")
    place.bad("zonefile.directory: .*zones is no folder")


def test_state_dir_is_no_folder(place):
    place.state.rmdir()
    place.state.touch()
    place.bad("state_dir: .*state is no folder; name another, or remove it")


def test_user_belongs_to_root(place):
    """With --check, and without: test_user.py has that."""
    assert run_binary("--user", "nobody", "--dump-config", folder=place.folder).returncode == 64
    assert run_binary("--user", "nobody", "--health", folder=place.folder).returncode == 64
    place.check()
    if os.getuid() == 0:
        place.own(place.state, place.folder / "ddns53d.yaml", place.folder / "hosts.yaml")
        command = ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"]
    else:
        command = []
    command += [str(binary_path()), "--config", "ddns53d.yaml", "--check"]
    for more, status in ([], 0), (["--user", "nobody"], 64):
        done = subprocess.run([*command, *more], cwd=place.folder, capture_output=True, text=True, timeout=30)
        assert done.returncode == status, done.stderr
    assert "only root" in done.stderr
    done = subprocess.run([*command[:-1], "--user", "nobody"], cwd=place.folder, capture_output=True, text=True, timeout=30)
    assert done.returncode == 64 and "only root" in done.stderr


# ---- warnings ----


@pytest.mark.parametrize("prefix", ["0.0.0.0/0", "::/0", "::ffff:0:0/96"])
def test_trusting_every_proxy_is_warned_about(place, prefix):
    place.server = [f'trusted_proxies: ["10.0.0.0/8", "{prefix}"]']
    warnings = place.good().splitlines()
    assert len(warnings) == 1
    assert re.match(r'warning: ddns53d.yaml:2:35: server.trusted_proxies: "\S+" contains everybody', warnings[0])
    place.server = ['trusted_proxies: ["10.0.0.0/8", "2001:db8::/32"]']
    assert place.good() == ""


def test_a_previous_secret_that_is_over_is_warned_about(place):
    today = datetime.now(timezone.utc)
    for until, warned in ((today - timedelta(days=2), True), (today + timedelta(days=2), False)):
        previous = f"previous_secret: {SECRET}2, previous_secret_until: {until:%Y-%m-%d}"
        place.hosts = HOSTS.replace(f"shared_secret: {SECRET}", f"shared_secret: {SECRET}, {previous}")
        said = place.good()
        assert bool(re.search(r"^warning: .*hosts.yaml:2:\d+: previous_secret_until: is over", said)) == warned, said


def shown_secrets() -> set[str]:
    """Every secret that a reader could copy."""
    texts = [*REPOSITORY.glob("*.md"), *REPOSITORY.glob("man/*"), *REPOSITORY.glob("etc/*")]
    texts += [path for path in REPOSITORY.glob("contrib/**/*") if path.is_file()]
    found = set()
    for path in texts:
        found.update(re.findall(r"(?:shared_secret|previous_secret): \"?([A-Za-z0-9]{20,})\"?", path.read_text()))
    return found


def test_the_secrets_of_the_manual_are_warned_about(place):
    assert shown_secrets()
    for secret in shown_secrets():
        place.hosts = HOSTS.replace(SECRET, secret)
        assert re.search("^warning: .*hosts.yaml:2:.*shared_secret: is an example from the manual", place.good()), secret
