"""Credentials that are wrong, expire or may not, and clocks that disagree, with changes on their way."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import host, merged
from harness.updates import HASTY, PATIENT, Ledger, history
from standin import Imds, Sts

HOME = "home.example.com."
CHANGE = "ChangeResourceRecordSets"
ROLE = "arn:aws:iam::123456789012:role/updates"
WITHOUT_KEYS: dict[str, str | None] = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}
TWO_HOURS_S = 7200


def write_keys(path: Path, key_id: str, secret: str) -> None:
    """Aside and renamed, so that no half of it is ever read."""
    aside = path.with_suffix(".new")
    aside.touch(mode=0o600)
    aside.write_text(f"[default]\naws_access_key_id = {key_id}\naws_secret_access_key = {secret}\n")
    aside.rename(path)


@pytest.fixture
def from_file(daemon, r53, tmp_path):
    """A daemon that reads its key from a file, and the function that writes the file."""

    def make(settings, key_id, secret):
        path = tmp_path / "credentials"
        write_keys(path, key_id, secret)
        environment = {**WITHOUT_KEYS, "AWS_SHARED_CREDENTIALS_FILE": str(path)}
        d = daemon(route53=r53, settings=settings, hosts=[host(HOME)], environment=environment)
        return d, Ledger(d, r53), lambda *key: write_keys(path, *key)

    return make


# ---- wrong, later mended ----


def test_wrong_credentials_that_are_later_corrected(from_file, r53, keys):
    """The change waits, hardly calling; with the file corrected a reload applies it at once."""
    d, ledger, write = from_file(HASTY, keys.default.key_id, "a-mistyped-secret-0123456789")
    assert ledger.set(HOME, "198.18.7.9").status == 503
    trouble = d.wait_log("event=zone_trouble zone=example.com.*").group()
    assert "signature" in trouble
    tried = len(r53.calls)
    assert 1 <= tried <= 4 and set(r53.results()) == {"SignatureDoesNotMatch"}  # each a minute, not each a back-off
    assert ledger.set(HOME, "198.18.7.10").status == 503 and len(r53.calls) == tried
    write(keys.default.key_id, keys.default.secret)
    d.reload()
    r53.wait_value(HOME, "198.18.7.10")
    d.wait_log("event=zone_recovered zone=example.com")
    ledger.settle()
    assert history(d.state_dir, HOME) == [("", "198.18.7.10")]


def test_an_unknown_key_that_is_later_made(from_file, r53, keys):
    """Nothing changes on our side: the reload alone makes it try again, without waiting for its minute."""
    d, ledger, _ = from_file(HASTY, "AKIAWILLBEMADELATER1", "its-secret-0123456789abcdef")
    assert ledger.set(HOME, "198.18.7.9").status == 503
    d.wait_log("event=zone_trouble zone=example.com")
    assert "InvalidClientTokenId" in r53.results()
    keys.add("AKIAWILLBEMADELATER1", "its-secret-0123456789abcdef")
    d.reload()
    r53.wait_value(HOME, "198.18.7.9")
    ledger.settle()


def test_permission_is_taken_away_with_a_change_on_its_way(from_file, r53, keys):
    """AccessDenied in the middle: what clients had been told stays true, the rest waits."""
    d, ledger, _ = from_file(HASTY, keys.default.key_id, keys.default.secret)
    d.wait_read_back()
    assert ledger.set(HOME, "198.18.7.1").status == 200
    held = r53.faults.hold(operation=CHANGE)
    asked = ledger.start_set(HOME, "198.18.7.2")
    r53.wait_for(lambda: held.hits == 1)
    keys.deny()
    again = r53.faults.error(403, "AccessDenied", operation=CHANGE)
    held.release()
    assert asked.result().status == 503
    d.wait_log("event=zone_trouble zone=example.com")  # or the reload would come before the answer
    assert r53.values(HOME) == ["198.18.7.1"]
    keys.accept()
    again.remove()
    d.reload()
    r53.wait_value(HOME, "198.18.7.2")
    ledger.settle()
    assert history(d.state_dir, HOME) == [("", "198.18.7.1"), ("198.18.7.1", "198.18.7.2")]


# ---- expiry without a failed update ----


def test_instance_keys_that_expire_again_and_again(daemon, r53, keys):
    """Every update is accepted, though no key lives for longer than two of them."""
    with Imds(keys) as imds:
        environment = {**WITHOUT_KEYS, "AWS_EC2_METADATA_DISABLED": None, **imds.environment()}
        d = daemon(route53=r53, settings=PATIENT, hosts=[host(HOME)], environment=environment)
        d.wait_read_back()
        ledger = Ledger(d, r53)
        for number in range(1, 11):
            assert ledger.set(HOME, f"198.18.7.{number}").status == 200
            if number % 2 == 0:
                keys.expire(imds.issued[-1].key_id)
        assert len(imds.issued) == 5
        assert r53.results()["ExpiredToken"] == 4
        assert d.metrics().sum("ddns53_retries_total") == 0
        ledger.settle()


def test_a_role_whose_keys_expire_while_a_batch_collects(daemon, r53, keys, ca, tmp_path):
    names = [f"h{number}.example.com." for number in range(1, 11)]
    token = tmp_path / "token"
    token.write_text("a.web.identity.token")
    with Sts(keys, ca, web_tokens={"a.web.identity.token"}) as sts:
        environment = {
            **WITHOUT_KEYS,
            "AWS_WEB_IDENTITY_TOKEN_FILE": str(token),
            "AWS_ROLE_ARN": ROLE,
            "AWS_ENDPOINT_URL_STS": sts.https_url,
        }
        hosts = [host(name) for name in [HOME, *names]]
        d = daemon(route53=r53, settings=PATIENT, hosts=hosts, environment=environment)
        d.wait_read_back()
        ledger = Ledger(d, r53)
        held = r53.faults.hold(operation=CHANGE)
        asked = [ledger.start_set(HOME, "198.18.7.200")]
        r53.wait_for(lambda: held.hits == 1)
        asked += [ledger.start_set(name, f"198.18.7.{number}") for number, name in enumerate(names, 1)]
        d.wait_metric("ddns53_queue_depth", len(asked))
        keys.expire(sts.issued[-1].key_id)
        held.release()
        assert {update.result().status for update in asked} == {200}
        assert len(sts.issued) == 2 and r53.results()["ExpiredToken"] == 1
        assert d.metrics().sum("ddns53_retries_total") == 0
        ledger.settle()


def test_keys_expire_while_their_source_is_down(daemon, r53, keys):
    """Then it is not without a 503, but without a loss."""
    with Imds(keys) as imds:
        environment = {**WITHOUT_KEYS, "AWS_EC2_METADATA_DISABLED": None, **imds.environment()}
        d = daemon(route53=r53, settings=HASTY, hosts=[host(HOME)], environment=environment)
        d.wait_read_back()
        ledger = Ledger(d, r53)
        assert ledger.set(HOME, "198.18.7.1").status == 200
        keys.expire(imds.issued[-1].key_id)
        imds.failing = 500
        assert ledger.set(HOME, "198.18.7.2").status == 503
        d.wait_log("event=zone_trouble zone=example.com")
        imds.failing = None
        d.reload()
        r53.wait_value(HOME, "198.18.7.2")
        ledger.settle()


# ---- clocks ----


@pytest.mark.parametrize("offset_s", [TWO_HOURS_S, -TWO_HOURS_S])
@pytest.mark.parametrize("code", ["SignatureDoesNotMatch", "RequestTimeTooSkewed", "RequestExpired"])
def test_a_clock_that_is_two_hours_off(daemon, r53, code, offset_s):
    """The first call says so; from then on every one is signed with the right time."""
    r53.skew_code = code
    r53.clock.offset_s = offset_s
    d = daemon(route53=r53, settings=PATIENT, hosts=[host(HOME)])
    ledger = Ledger(d, r53)
    for number in range(1, 4):
        assert ledger.set(HOME, f"198.18.7.{number}").status == 200
    results = r53.results()
    assert results[code] == 1 and results["ok"] == results.total() - 1
    seconds = int(d.wait_log(r"event=clock_skew seconds=(-?\d+)").group(1))
    assert abs(seconds - offset_s) <= 5
    assert len(d.log_lines("event=clock_skew")) == 1
    metrics = d.metrics()
    assert metrics.sum("ddns53_provider_calls_total", result="clock_skew") == 1
    assert metrics.sum("ddns53_retries_total") == 0
    ledger.settle()


def test_a_clock_that_jumps_and_comes_back(daemon, r53):
    d = daemon(route53=r53, settings=PATIENT, hosts=[host(HOME)])
    d.wait_read_back()
    ledger = Ledger(d, r53)
    for number, offset_s in enumerate([0, TWO_HOURS_S, -TWO_HOURS_S, 0], 1):
        r53.clock.offset_s = offset_s
        assert ledger.set(HOME, f"198.18.7.{number}").status == 200
    assert len(d.wait_log_lines("event=clock_skew", 3)) == 3
    ledger.settle()


@pytest.mark.parametrize("offset_s", [TWO_HOURS_S, -TWO_HOURS_S])
def test_temporary_keys_with_a_clock_that_is_off(daemon, r53, keys, ca, tmp_path, offset_s):
    """By our clock they may have expired before they came; and STS too checks the time of what we sign."""
    r53.clock.offset_s = offset_s
    shared, config = tmp_path / "credentials", tmp_path / "config"
    write_keys(shared, keys.default.key_id, keys.default.secret)
    config.write_text(f"[profile updates]\nrole_arn = {ROLE}\nsource_profile = default\n")
    with Sts(keys, ca, lifetime_s=3600) as sts:
        environment = {
            **WITHOUT_KEYS,
            "AWS_SHARED_CREDENTIALS_FILE": str(shared),
            "AWS_CONFIG_FILE": str(config),
            "AWS_ENDPOINT_URL_STS": sts.https_url,
        }
        settings = merged(PATIENT, {"route53": {"profile": "updates"}})
        d = daemon(route53=r53, settings=settings, hosts=[host(HOME)], environment=environment)
        ledger = Ledger(d, r53)
        for number in range(1, 4):
            assert ledger.set(HOME, f"198.18.7.{number}").status == 200
        assert len(sts.issued) == 1
        ledger.settle()
