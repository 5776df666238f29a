"""The admin listener, the metrics, and the lines of the log that people and fail2ban read."""

from __future__ import annotations

import re
import time
from datetime import timedelta

import pytest

from harness import BEHIND_PROXY, Metrics, ProcessFailed, confidential, host, keep_confidential, merged

HOME = "home.example.com."
SETTINGS = merged(BEHIND_PROXY, {"route53": {"requests_per_second": 1000}})
FIELD = r"[a-z_0-9]+=(?:\"(?:[^\"\\]|\\.)*\"|[^\s\"]+)"
LINE = re.compile(rf"{FIELD}(?: {FIELD})*")


# ---- /healthz ----


def test_healthz_ok(daemon):
    d = daemon()
    answer = d.healthz()
    assert (answer.status, answer.text) == (200, "ok\n")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert answer.headers["Content-Length"] == "3" and answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "days, words", [(8, None), (6, "expires within 7 days"), (0.5, "expires within 7 days"), (-1, "expired")]
)
def test_healthz_looks_at_the_certificate(daemon, ca, days, words):
    lifetime = timedelta(days=days)
    start = min(timedelta(hours=-1), lifetime - timedelta(days=1))
    certificate, key = ca.issue(f"days{days}", valid_from=start, valid_for=lifetime - start)
    d = daemon(settings={"server": {"certificate": str(certificate), "private_key": str(key)}})
    answer = d.healthz()
    assert answer.status == (503 if words else 200)
    assert answer.text == "ok\n" if words is None else words in answer.text
    expires = d.metrics().value("ddns53_certificate_expiry_timestamp_seconds")
    assert abs(expires - (time.time() + lifetime.total_seconds())) < 60
    fresh_certificate, fresh_key = ca.issue(f"fresh{days}")
    certificate.write_bytes(fresh_certificate.read_bytes())
    key.write_bytes(fresh_key.read_bytes())
    d.reload()
    assert d.healthz().text == "ok\n"


def test_healthz_without_tls_has_no_certificate_to_look_at(daemon):
    d = daemon(settings={"server": {"tls": False, "certificate": None, "private_key": None}})
    assert d.healthz().text == "ok\n" and d.get().status == 200


def test_a_zone_that_just_began_to_fail_is_no_reason_yet(daemon, r53):
    r53.faults.error(500)
    settings = merged(SETTINGS, {"update": {"timeout_s": 1}})
    d = daemon(route53=r53, settings=settings, hosts=[host(HOME)])
    d.wait_log("event=zone_trouble zone=example.com.")
    assert d.healthz().status == 200  # only after five minutes
    r53.faults.clear()
    d.wait_log("event=zone_recovered zone=example.com.", timeout=40)


def test_the_admin_listener_has_no_api_and_the_api_no_admin(daemon):
    d = daemon()
    for target in ("/?mode=get", "/", "/ip", "/healthz/x", "//healthz"):
        assert d.request(target, url=d.admin_url).status == 404
    assert d.request("/healthz", "POST", url=d.admin_url).status in (200, 405)
    assert d.request("/healthz", "DELETE", url=d.admin_url).status == 405
    for target in ("/healthz", "/metrics"):
        assert d.request(target).status == 404


# ---- /metrics ----


def families(text: str) -> dict[str, str]:
    """name -> type; each family has one HELP and one TYPE line, in this order, before its samples."""
    described: dict[str, str] = {}
    current, helped = "", ""
    for line in text.splitlines():
        if line.startswith("# HELP "):
            _, _, helped, words = line.split(" ", 3)
            assert words.strip() and helped not in described
        elif line.startswith("# TYPE "):
            _, _, current, kind = line.split(" ")
            assert current == helped, line
            described[current] = kind
        else:
            name = re.match(r"[a-z0-9_:]+", line).group()
            suffixes = ("_bucket", "_sum", "_count") if described[current] == "histogram" else ("",)
            assert name in {current + suffix for suffix in suffixes}, line
    return described


def test_metrics_are_prometheus_text(daemon, r53):
    d = daemon(route53=r53, settings=SETTINGS, hosts=[host(HOME)])
    assert d.set(HOME, via="198.18.7.9").status == 200
    answer = d.request("/metrics", url=d.admin_url)
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    kinds = families(answer.text)
    assert {
        "ddns53_requests_total": "counter",
        "ddns53_updates_total": "counter",
        "ddns53_changes_total": "counter",
        "ddns53_provider_calls_total": "counter",
        "ddns53_queue_depth": "gauge",
        "ddns53_update_seconds": "histogram",
        "ddns53_request_seconds": "histogram",
        "ddns53_provider_call_seconds": "histogram",
        "ddns53_batch_changes": "histogram",
        "ddns53_hosts": "gauge",
        "ddns53_build_info": "gauge",
        "ddns53_certificate_expiry_timestamp_seconds": "gauge",
        "process_resident_memory_bytes": "gauge",
        "process_start_time_seconds": "gauge",
        "process_open_fds": "gauge",
        "process_cpu_seconds_total": "counter",
    }.items() <= kinds.items()
    assert all(name.endswith("_total") == (kind == "counter") for name, kind in kinds.items())
    metrics = Metrics(answer.text)
    (labels,) = metrics.samples["ddns53_build_info"]
    assert dict(labels)["version"] and metrics.value("ddns53_build_info") == 1
    assert metrics.value("ddns53_hosts") == 1
    assert abs(metrics.value("process_start_time_seconds") - time.time()) < 600
    for name, kind in kinds.items():
        if kind == "histogram":
            check_histogram(metrics, name)


def check_histogram(metrics: Metrics, name: str) -> None:
    """Buckets rise, the last is +Inf and equals _count, for each set of other labels."""
    series: dict[tuple, list[tuple[float, float]]] = {}
    for labels, value in metrics.samples.get(name + "_bucket", {}).items():
        rest = tuple(label for label in labels if label[0] != "le")
        series.setdefault(rest, []).append((float(dict(labels)["le"]), value))
    for rest, buckets in series.items():
        buckets.sort()
        assert [count for _, count in buckets] == sorted(count for _, count in buckets)
        assert buckets[-1][0] == float("inf")
        assert buckets[-1][1] == metrics.value(name + "_count", **dict(rest))
        assert metrics.value(name + "_sum", **dict(rest)) >= 0


def test_requests_are_counted_by_dialect_and_result(daemon, r53):
    d = daemon(route53=r53, settings=SETTINGS, hosts=[host(HOME), host("locked.example.com.", lock_record=True)])
    assert d.set(HOME, via="198.18.7.9").status == 200
    assert d.set(HOME, via="198.18.7.9").status == 200
    assert d.set(HOME, "wrong-secret-of-the-host", via="198.18.7.9").status == 401
    assert d.set("locked.example.com.", via="198.18.7.9").status == 403
    assert d.get().status == 200
    assert d.query(mode="what").status == 400
    assert d.request("/nothing").status == 404
    expected = {"good": 2, "nochg": 1, "badauth": 1, "locked": 1, "bad_request": 1}
    metrics = d.metrics()
    counted = {
        dict(labels)["result"]: value
        for labels, value in metrics.samples["ddns53_requests_total"].items()
        if dict(labels)["dialect"] == "query"
    }
    assert counted == expected
    assert metrics.value("ddns53_requests_total", dialect="server", result="not_found") == 1
    assert metrics.value("ddns53_changes_total", zone="example.com.", result="set") == 1
    assert metrics.value("ddns53_updates_total", dialect="query", result="locked") == 1
    assert metrics.value("ddns53_update_seconds_count") == 1
    assert metrics.value("ddns53_queue_depth", zone="example.com.") == 0


def test_trouble_is_counted(daemon, r53):
    d = daemon(route53=r53, settings=merged(SETTINGS, {"update": {"timeout_s": 30}}), hosts=[host(HOME)])
    d.wait_read_back()
    r53.faults.throttle(operation="ChangeResourceRecordSets", count=2)
    assert d.set(HOME, via="198.18.7.9").status == 200
    metrics = d.metrics()
    assert metrics.value("ddns53_retries_total", zone="example.com.") == 2
    assert metrics.value("ddns53_throttles_total", zone="example.com.") == 2
    assert metrics.value("ddns53_pace_requests_per_second") < 1000
    calls = {"operation": "ChangeResourceRecordSets"}
    assert metrics.value("ddns53_provider_calls_total", result="throttled", **calls) == 2
    assert metrics.value("ddns53_provider_calls_total", result="ok", **calls) == 1


# ---- the log ----


def update_line(**fields: str) -> str:
    return "event=update " + " ".join(f"{key}={value}" for key, value in fields.items()) + r" ms=\d+"


def test_lines_of_updates(daemon, r53):
    several = "several.example.com."
    r53.put_record(several, "A", ["192.0.2.1", "192.0.2.2"])
    rows = [host(HOME, ["A", "AAAA"]), host("locked.example.com.", lock_record=True), host(several)]
    d = daemon(route53=r53, settings=SETTINGS, hosts=rows)
    cases = [
        (HOME, "198.18.7.9", "A", "good"),
        (HOME, "2001:db8::9", "AAAA", "good"),
        ("locked.example.com.", "198.18.7.9", "A", "locked"),
        (HOME, "10.0.0.1", "A", "private_address"),
        (several, "198.18.7.9", "A", "conflict"),
    ]
    for name, address, record_type, result in cases:
        d.set(name, via=address)
        fields = dict(dialect="query", source=address, host=name, type=record_type, address=address, result=result)
        d.wait_log(update_line(**fields) + "$")
    d.set(HOME, via="198.18.7.9")  # unchanged: a line only with --verbose
    d.stop()
    assert len(d.log_lines("event=update ")) == len(cases)


def test_lines_of_refusals(daemon, r53):
    d = daemon(route53=r53, settings=SETTINGS, hosts=[host(HOME)])
    d.set(HOME, "wrong-secret-of-the-host", via="198.18.7.9")
    d.wait_log(f"^event=auth_failure dialect=query source=198.18.7.9 host={HOME} reason=wrong_secret$")
    d.set("unknown.example.com.", via="2001:db8::9")
    d.wait_log("^event=auth_failure dialect=query source=2001:db8::9 host=unknown.example.com. reason=unknown_host$")
    d.request("/nothing")
    d.wait_log("^event=refused .*source=127.0.0.1 .*status=404")


def test_verbose_tells_what_changed_nothing(daemon, r53):
    d = daemon(route53=r53, settings=SETTINGS, hosts=[host(HOME)], arguments=["--verbose"])
    assert d.set(HOME, via="198.18.7.9").status == d.set(HOME, via="198.18.7.9").status == 200
    d.wait_log("event=update .*result=nochg")


EVIL = "x%0aevent%3dauth_failure%20source%3d192.0.2.66"


def test_a_client_cannot_write_lines_of_its_own(daemon, r53):
    """What a client chose is never printed before it is known good, so fail2ban cannot be told lies."""
    d = daemon(route53=r53, settings=SETTINGS, hosts=[host(HOME)])
    zeros = "0" * 64
    for target in (
        f"/?mode=set&hostname={EVIL}&hash={zeros}",
        f"/?mode=set&hostname={HOME}&hash={zeros}&internalIp={EVIL}",
        f"/?mode={EVIL}",
        f"/{EVIL}",
        f"/nic/update?hostname={EVIL}&myip={EVIL}",
        f"/?newip={EVIL}&secret={EVIL}",
    ):
        answer = d.request(target, headers={"User-Agent": "x event=auth_failure source=192.0.2.66", "Host": "evil"})
        assert 400 <= answer.status < 600
    d.query(mode="get", headers={"X-Forwarded-For": "evil event=auth_failure source=192.0.2.66"})
    d.stop()
    assert not d.log_lines("192.0.2.66|evil")


def test_every_line_is_key_value(daemon, r53):
    """One event a line, values with spaces in quotes: whatever reads it needs one rule."""
    d = daemon(route53=r53, settings=SETTINGS, hosts=[host(HOME)])
    d.set(HOME, via="198.18.7.9")
    d.set(HOME, "wrong-secret-of-the-host", via="198.18.7.9")
    d.write_hosts_text("hosts: [{a: 'quote \" and \\ backslash'}]")
    d.reload_fails()
    d.write_config()
    d.reload()
    r53.faults.error(500, count=1)
    d.set(HOME, via="198.18.7.10")
    d.stop()
    for line in d.log_lines():
        assert LINE.fullmatch(line) and line.startswith("event="), line


def test_the_harness_finds_a_secret_in_the_log(daemon):
    """The search that every test ends with can fail."""
    d = daemon()
    d.stop()
    d.check_confidential()
    keep_confidential("event=ready")
    with pytest.raises(ProcessFailed, match="confidential"):
        d.check_confidential()
    confidential.clear()
