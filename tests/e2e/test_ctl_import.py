"""ddns53ctl import: hosts of the systems that ddns53d replaces, from what their operators can export. golden/import/ has an
export of each version, written after the project's own code (github.com/awslabs/route53-dynamic-dns-with-lambda)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from harness import BEHIND_PROXY, keep_confidential, run_ctl

GOLDEN = Path(__file__).parent / "golden" / "import"
SECRETS = [
    "8D1F0A55C0FFEE42",
    "it's a \"long\" secret, 2019",
    "another-secret-of-the-nas",
    "three-hundred-secrets",
    "the-first-secret-of-all",
    "the-second-secret-of-all",
]
VERSION_2 = [
    {
        "hostname": "home.example.com",
        "record_type": ["A", "AAAA"],
        "shared_secret": SECRETS[0],
        "ttl": 60,
        "read_privilege": True,
        "mac_address": "51:6B:00:A6:F5:77",
        "comment": "front door: camera #1",
    },
    {
        "hostname": "nas.example.com",
        "record_type": "A",
        "shared_secret": SECRETS[1],
        "ttl": 300,
        "allow_internal": True,
        "lock_record": True,
    },
    {"hostname": "nas.example.com", "record_type": "AAAA", "shared_secret": SECRETS[2]},
]
VERSION_3 = [{"hostname": "www.example.com", "record_type": "A", "shared_secret": SECRETS[3], "ttl": 60}]
VERSION_1 = [
    {"hostname": "host1.dyn.example.com", "record_type": "A", "shared_secret": SECRETS[4], "ttl": 60},
    {"hostname": "host2.dyn.example.com", "record_type": "AAAA", "shared_secret": SECRETS[5], "ttl": 120},
]


@pytest.fixture(autouse=True)
def secrets():
    keep_confidential(*SECRETS)


@pytest.fixture
def place(tmp_path):
    class Place:
        config = tmp_path / "ddns53d.yaml"
        hosts = tmp_path / "hosts.yaml"
        state = tmp_path / "state"

        def ctl(self, *arguments, status=0, config=None):
            done = run_ctl(*arguments, config=config or self.config)
            assert done.returncode == status, done.stdout + done.stderr
            return done

        def rows(self):
            return yaml.safe_load(self.hosts.read_text())["hosts"]

    made = Place()
    made.state.mkdir(mode=0o700)
    made.config.write_text(f"zones: [{{name: example.com, provider: zonefile}}]\nstate_dir: '{made.state}'\n")
    made.hosts.touch(mode=0o600)
    made.hosts.write_text("# ours\nhosts: []\n")
    return made


@pytest.mark.parametrize("version, expected", [(1, VERSION_1), (2, VERSION_2), (3, VERSION_3)])
def test_each_version(place, version, expected):
    file = GOLDEN / f"version-{version}.json"
    before = place.hosts.read_text()
    shown = place.ctl("import", file).stdout
    assert place.hosts.read_text() == before, "it only shows"
    assert f"version {version}: {len(expected)} to add, 0 there already" in shown and "--write" in shown
    for row in expected:
        assert row["hostname"] in shown and row["shared_secret"] not in shown
    done = place.ctl("import", file, "--write")
    assert f"{len(expected)} added" in done.stdout
    assert place.rows() == expected
    assert place.hosts.read_text().startswith("# ours\n")

    # A second run changes nothing.
    after, changed = place.hosts.read_text(), place.hosts.stat().st_mtime_ns
    done = place.ctl("import", file, "--write")
    assert f"0 added, {len(expected)} there already" in done.stdout
    assert (place.hosts.read_text(), place.hosts.stat().st_mtime_ns) == (after, changed)


def test_what_the_old_system_noted(place):
    place.ctl("import", GOLDEN / "version-2.json", "--write")
    found = json.loads(place.ctl("list", "--json").stdout)
    records = {(row["hostname"], row["type"]): row for row in found}
    home = records["home.example.com.", "A"]
    assert home["value"] == "198.18.7.9"
    assert (home["last_updated_s"], home["last_checked_s"]) == (1564520699, 1564730100)
    assert home["last_accessed_from"] == "198.18.7.9"
    assert records["home.example.com.", "AAAA"]["value"] == "2001:db8:7::9"
    assert records["nas.example.com.", "A"]["value"] is None
    assert "import" in place.ctl("history", "home.example.com").stdout
    again = json.loads(place.ctl("import", GOLDEN / "version-2.json", "--write", "--json").stdout)
    assert again["state"] == {"outcome": "written", "records": 0}


def test_beside_the_daemon(daemon):
    """It reads the hosts at once; what the old system noted comes in when it does not run, as is said."""
    settings = {**BEHIND_PROXY, "zones": [{"name": "example.com.", "provider": "zonefile"}]}
    d = daemon(settings=settings, hosts=[])
    done = d.ctl("import", GOLDEN / "version-2.json", "--write", status=75)
    assert "stop the daemon and run this again" in done.stderr
    assert "3 hosts, 3 added" in done.stdout
    answer = d.set("home.example.com.", secret=SECRETS[0], via="198.18.7.10")
    assert answer.json()["return_status"] == "success"
    d.stop()
    d.ctl("import", GOLDEN / "version-2.json", "--write")
    records = {(row["hostname"], row["type"]): row for row in d.ctl_json("list")}
    assert records["home.example.com.", "A"]["value"] == "198.18.7.10", "what we set ourselves stays"
    assert records["home.example.com.", "AAAA"]["value"] == "2001:db8:7::9"
    d.start()
    assert d.set("home.example.com.", secret=SECRETS[0], via="198.18.7.10").json()["return_status"] == "success"


def test_clients_of_the_old_system_go_on(place):
    """Where hosts may not prove themselves by a hash, theirs may."""
    place.config.write_text(place.config.read_text() + "update: {default_auth: [basic]}\n")
    place.ctl("import", GOLDEN / "version-3.json", "--write")
    assert place.rows() == [{**VERSION_3[0], "auth": ["hash"]}]


def test_hosts_that_are_there(place):
    place.hosts.write_text("hosts:\n  - {hostname: www.example.com., record_type: A, shared_secret: our-own-secret-0001}\n")
    done = place.ctl("import", GOLDEN / "version-3.json", "--write")
    assert "with another secret, which stays" in done.stdout
    assert place.rows() == [{"hostname": "www.example.com.", "record_type": "A", "shared_secret": "our-own-secret-0001"}]


def item(hostname, **attributes):
    typed = {"hostname": {"S": hostname}, "record_type": {"S": "A"}, "shared_secret": {"S": "0123456789abcdef"}}
    for key, value in attributes.items():
        if value is None:
            typed.pop(key)
        else:
            typed[key] = {"N" if key == "ttl" else "S": value}
    return typed


def test_what_cannot_be_taken_over(place, tmp_path):
    items = {
        "x.example.net.": (item("x.example.net."), "is in none of the zones"),
        "no name.example.com.": (item("no name.example.com."), "is no hostname"),
        "mx.example.com.": (item("mx.example.com.", record_type="MX"), "neither A nor AAAA"),
        "open.example.com.": (item("open.example.com.", shared_secret=None), "has no shared_secret"),
        "ttl.example.com.": (item("ttl.example.com.", ttl="soon"), "is no number of seconds"),
        "mac.example.com.": (item("mac.example.com.", mac_address="unknown"), "mac_address"),
        "broken.example.com.": ({"hostname": {"S": "broken.example.com."}, "data": {"S": "{"}}, "no JSON object"),
    }
    good = item("good.example.com.")
    rows = [row for row, _ in items.values()] + [good, item("GOOD.example.com"), {"comment": {"S": "?"}}]
    file = tmp_path / "table.json"
    file.write_text(json.dumps({"Items": rows, "Count": len(rows)}))
    told = json.loads(place.ctl("import", file, "--write", "--json", status=1).stdout)
    notes = {row["hostname"]: row["note"] for row in told["hosts"] if row["action"] == "skip"}
    for hostname, (_, words) in items.items():
        assert words in notes[hostname], hostname
    assert "twice" in notes["good.example.com."] and "without a hostname" in notes["?"]
    assert [row["hostname"] for row in place.rows()] == ["good.example.com"]


@pytest.mark.parametrize(
    "text, words", [("{", "is no JSON"), ("[]", "aws dynamodb scan"), ("{}", "aws dynamodb scan"), ('{"a": 1}', "scan")]
)
def test_another_file(place, tmp_path, text, words):
    file = tmp_path / "other.json"
    file.write_text(text)
    assert words in place.ctl("import", file, status=1).stderr
    place.ctl("import", tmp_path / "missing.json", status=66)
