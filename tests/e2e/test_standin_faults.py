"""What the Route 53 stand-in refuses and how it misbehaves: signatures, limits, injected faults."""

from __future__ import annotations

import hashlib
import http.client
import socket
import threading
import time
from email.utils import parsedate_to_datetime

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from harness.aws import boto, change, refused, upsert, xml_body, xml_change
from standin import SlidingWindow, TokenBucket


# -- signatures -----------------------------------------------------------------------------------------


def test_wrong_secret_and_unknown_key(r53, zone):
    wrong = r53.keys.issue(3600)
    wrong = type(wrong)(r53.keys.default.key_id, "not the secret")
    client = boto(r53, key=wrong)
    message = refused("SignatureDoesNotMatch", client.get_hosted_zone, Id=zone.id, status=403)
    assert message.startswith("The request signature we calculated does not match")
    client.close()
    client = boto(r53, key=type(wrong)("AKIDNOBODY", "x"))
    refused("InvalidClientTokenId", client.get_hosted_zone, Id=zone.id, status=403)
    client.close()


def test_keys_that_are_rejected_denied_expired_or_lack_their_token(r53, zone):
    client = boto(r53)
    r53.keys.reject()
    refused("InvalidClientTokenId", client.get_hosted_zone, Id=zone.id, status=403)
    r53.keys.accept()
    r53.keys.deny()
    refused("AccessDenied", client.get_hosted_zone, Id=zone.id, status=403)
    r53.keys.accept()
    assert client.get_hosted_zone(Id=zone.id)
    client.close()
    temporary = r53.keys.issue(3600)
    client = boto(r53, key=temporary)
    assert client.get_hosted_zone(Id=zone.id)
    r53.keys.expire(temporary.key_id)
    refused("ExpiredToken", client.get_hosted_zone, Id=zone.id, status=403)
    client.close()
    other = r53.keys.issue(3600)
    client = boto(r53, key=type(other)(other.key_id, other.secret))
    refused("InvalidClientTokenId", client.get_hosted_zone, Id=zone.id, status=403)
    client.close()


@pytest.mark.parametrize("offset_s", [7200, -7200])
def test_stale_date_is_refused_with_the_servers_date(r53, raw, zone, offset_s):
    target = f"/2013-04-01/hostedzone/{zone.id}"
    headers = raw.signed(target)
    assert raw.send(target, headers)[0] == 200
    r53.clock.offset_s = offset_s
    for code, status in (("SignatureDoesNotMatch", 403), ("RequestTimeTooSkewed", 403), ("RequestExpired", 400)):
        r53.skew_code = code
        actual, text, answered = raw.send(target, headers)
        assert actual == status and f"<Code>{code}</Code>" in text
        skew = parsedate_to_datetime(answered["Date"]).timestamp() - time.time()
        assert abs(skew - offset_s) < 60


def test_date_within_fifteen_minutes_is_accepted(r53, client, zone):
    for offset_s in (14 * 60, -14 * 60):
        r53.clock.offset_s = offset_s
        assert client.get_hosted_zone(Id=zone.id)


@pytest.mark.parametrize(
    "spoil, code",
    [
        (lambda raw, t: raw.signed(t, region="eu-west-1"), "SignatureDoesNotMatch"),
        (lambda raw, t: {**raw.signed(t), "X-Amz-Date": "20200101T000000Z"}, "SignatureDoesNotMatch"),
        (lambda raw, t: {**raw.signed(t), "X-Amz-Meta": "not signed"}, "SignatureDoesNotMatch"),
        (lambda raw, t: {**raw.signed(t), "Host": "elsewhere"}, "SignatureDoesNotMatch"),
        (lambda raw, t: raw.signed(t + "x"), "SignatureDoesNotMatch"),
        (lambda raw, t: raw.signed(t, "POST"), "SignatureDoesNotMatch"),
        (lambda raw, t: raw.signed(t, body=b"x"), "SignatureDoesNotMatch"),
        (
            lambda raw, t: raw.signed(t, extra={"X-Amz-Content-SHA256": "0" * 64}),
            "XAmzContentSHA256Mismatch",
        ),
        (lambda raw, t: raw.signed(t, extra={"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}), "XAmzContentSHA256Mismatch"),
        (lambda raw, t: without(raw.signed(t), "Authorization"), "MissingAuthenticationToken"),
        (lambda raw, t: without(raw.signed(t), "X-Amz-Date"), "IncompleteSignature"),
        (lambda raw, t: {**raw.signed(t), "Authorization": "Basic eDp5"}, "IncompleteSignature"),
        (
            lambda raw, t: replaced(raw.signed(t), "SignedHeaders=host;", "SignedHeaders="),
            "SignatureDoesNotMatch",
        ),
        (lambda raw, t: replaced(raw.signed(t), "/route53/", "/s3/"), "SignatureDoesNotMatch"),
        (lambda raw, t: replaced(raw.signed(t), "=host;x", "=x-amz-date;host;x"), "IncompleteSignature"),
    ],
)
def test_spoiled_signatures_are_refused(r53, raw, zone, spoil, code):
    target = f"/2013-04-01/hostedzone/{zone.id}"
    status, text, _ = raw.send(target, spoil(raw, target))
    assert status in (400, 403) and f"<Code>{code}</Code>" in text, text


def without(headers: dict, name: str) -> dict:
    return {key: value for key, value in headers.items() if key != name}


def replaced(headers: dict, old: str, new: str) -> dict:
    assert old in headers["Authorization"]
    return {**headers, "Authorization": headers["Authorization"].replace(old, new)}


def test_the_body_hash_header_is_accepted_and_query_is_signed_decoded(r53, raw, zone):
    target = f"/2013-04-01/hostedzone/{zone.id}/rrset?maxitems=5&name=%2A.example.com."
    extra = {"X-Amz-Content-SHA256": hashlib.sha256(b"").hexdigest()}
    headers = raw.signed(target, extra=extra)
    assert raw.send(target, headers)[0] == 200
    turned = f"/2013-04-01/hostedzone/{zone.id}/rrset?name=*.example.com.&maxitems=5"
    assert raw.send(turned, headers)[0] == 200
    other = turned.replace("5", "6")
    assert raw.send(other, headers)[0] == 403


# -- limits -------------------------------------------------------------------------------------------


def test_second_change_in_flight_is_refused_and_other_zones_go_on(route53):
    r53 = route53("example.com.", "example.org.")
    r53.change_latency_s = 3600.0
    com, org = r53.zone("example.com."), r53.zone("example.org.")
    answers = []

    def slow():
        first = boto(r53, r53.url)
        try:
            answers.append(change(first, com, upsert("a.example.com.", "192.0.2.1")))
        except (ClientError, ConnectionClosedError) as error:
            answers.append(error)
        first.close()

    thread = threading.Thread(target=slow)
    thread.start()
    r53.wait_for(lambda: com.busy)
    r53.change_latency_s = None
    client = boto(r53)
    message = refused("PriorRequestNotComplete", change, client, com, upsert("b.example.com.", "192.0.2.2"))
    assert "still processing a prior request" in message
    change(client, org, upsert("a.example.org.", "192.0.2.3"))
    assert client.list_resource_record_sets(HostedZoneId=com.id)
    client.close()
    r53.stop()
    thread.join()
    assert len(answers) == 1 and not com.busy


@pytest.mark.parametrize("limit", [lambda: SlidingWindow(5, span_s=3600), lambda: TokenBucket(0.001, 5)])
def test_rate_limit_is_per_account_over_all_calls(route53, limit):
    r53 = route53(rate_limit=limit)
    zone = r53.zone("example.com.")
    client, other = boto(r53, r53.url), boto(r53, r53.url, r53.keys.add("AKID2", "s", account="2" * 12))
    results = []
    for number in range(8):
        try:
            if number % 2:
                client.get_hosted_zone(Id=zone.id)
            else:
                client.list_resource_record_sets(HostedZoneId=zone.id)
            results.append("ok")
        except ClientError as error:
            assert error.response["Error"] == {"Type": "Sender", "Code": "Throttling", "Message": "Rate exceeded"}
            assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 400
            results.append("throttled")
    assert results == ["ok"] * 5 + ["throttled"] * 3
    assert other.get_hosted_zone(Id=zone.id)
    assert r53.results() == {"ok": 6, "Throttling": 3}
    client.close()
    other.close()


def test_limits_let_go_again():
    window = SlidingWindow(1, span_s=0.0)
    assert all(window.admit() for _ in range(100))
    bucket = TokenBucket(1e9, 1)
    assert all(bucket.admit() for _ in range(100))


# -- faults ---------------------------------------------------------------------------------------------


def test_throttle_and_errors_for_a_count(r53, client, zone):
    fault = r53.faults.throttle(count=2, operation="ChangeResourceRecordSets")
    row = upsert("a.example.com.", "192.0.2.1")
    assert client.get_hosted_zone(Id=zone.id)
    for _ in range(2):
        refused("Throttling", change, client, zone, row)
    change(client, zone, row)
    assert fault.hits == 2
    r53.faults.error(500, count=1)
    refused("InternalFailure", change, client, zone, row, status=500)
    r53.faults.unavailable(7, count=1)
    with pytest.raises(ClientError) as caught:
        change(client, zone, row)
    assert caught.value.response["ResponseMetadata"]["HTTPHeaders"]["retry-after"] == "7"
    assert r53.results("ChangeResourceRecordSets") == {
        "Throttling": 2, "ok": 1, "InternalFailure": 1, "ServiceUnavailable": 1,
    }


def test_faults_by_zone_time_and_predicate(route53):
    r53 = route53("example.com.", "example.org.")
    client = boto(r53, r53.url)
    com, org = r53.zone("example.com."), r53.zone("example.org.")
    r53.faults.error(zone="example.org.")
    assert client.get_hosted_zone(Id=com.id)
    refused("InternalFailure", client.get_hosted_zone, Id=org.id, status=500)
    r53.faults.clear()
    r53.faults.error(seconds=0)
    assert client.get_hosted_zone(Id=org.id)
    fault = r53.faults.error(when=lambda call: call.changes > 1)
    change(client, com, upsert("a.example.com.", "192.0.2.1"))
    rows = [upsert("b.example.com.", "192.0.2.1"), upsert("c.example.com.", "192.0.2.1")]
    refused("InternalFailure", change, client, com, *rows, status=500)
    fault.remove()
    change(client, com, *rows)
    client.close()


@pytest.mark.parametrize("applied", [False, True])
def test_reset_before_and_after_applying(r53, raw, zone, applied):
    (r53.faults.reset_after if applied else r53.faults.reset_before)(count=1)
    with pytest.raises(ConnectionResetError):
        raw.post_change(xml_body(xml_change()), zone)
    assert r53.values("a.example.com.") == (["192.0.2.1"] if applied else [])
    call = r53.wait_calls(1)[0]
    assert call.status == 0 and call.applied == applied
    assert call.result == ("reset_after" if applied else "reset_before")


def test_reset_over_tls(r53, client, zone):
    r53.faults.reset_before(count=1)
    with pytest.raises(ConnectionClosedError):
        client.get_hosted_zone(Id=zone.id)
    assert client.get_hosted_zone(Id=zone.id)


def test_broken_bodies(r53, raw, zone):
    body = xml_body(xml_change())
    r53.faults.truncated_xml(count=1)
    status, text = raw.post_change(body, zone)
    assert status == 200 and text.startswith("<?xml") and not text.endswith(">")
    r53.faults.garbage_xml(body=b"<html>no", count=1)
    assert raw.post_change(body, zone) == (200, "<html>no")
    r53.faults.truncated_xml(mid_transfer=True, count=1)
    with pytest.raises(http.client.IncompleteRead):
        raw.post_change(body, zone)
    raw.connection.close()
    assert [call.applied for call in r53.wait_calls(3)] == [True] * 3


def test_endless_body_ends_with_the_reader(r53, raw, zone):
    r53.faults.endless_body(count=1)
    target = f"/2013-04-01/hostedzone/{zone.id}"
    raw.connection.request("GET", target, headers=raw.signed(target))
    answer = raw.connection.getresponse()
    assert len(answer.read(5_000_000)) == 5_000_000
    answer.close()
    raw.connection.close()


@pytest.mark.parametrize("applied", [False, True])
def test_stall(r53, raw, zone, applied):
    fault = r53.faults.stall(count=1, applied=applied)
    raw.connection.timeout = 0.3
    with pytest.raises(socket.timeout):
        raw.post_change(xml_body(xml_change()), zone)
    raw.connection.close()
    r53.wait_calls(1)
    assert fault.hits == 1
    assert r53.values("a.example.com.") == (["192.0.2.1"] if applied else [])


def test_a_record_that_is_refused_by_name_or_namelessly(r53, client, zone):
    rows = [upsert(f"h{number}.example.com.", "192.0.2.1") for number in range(8)]
    fault = r53.faults.refuse_record("h5.example.com")
    assert "h5.example.com." in refused("InvalidChangeBatch", change, client, zone, *rows)
    fault.remove()
    fault = r53.faults.refuse_record("h5.example.com", "A", named=False)
    assert "h5" not in refused("InvalidChangeBatch", change, client, zone, *rows)
    change(client, zone, *rows[:5])
    refused("InvalidChangeBatch", change, client, zone, rows[5])
    fault.remove()
    change(client, zone, *rows)


def test_a_call_that_is_held(route53):
    r53 = route53()
    zone = r53.zone("example.com.")
    held = r53.faults.hold(operation="GetHostedZone")
    r53.faults.error(500, operation="GetHostedZone")
    results = []

    def slow():
        client = boto(r53, r53.url)
        results.append(refused("InternalFailure", client.get_hosted_zone, Id=zone.id, status=500))
        client.close()

    thread = threading.Thread(target=slow)
    thread.start()
    r53.wait_for(lambda: held.hits == 1)
    client = boto(r53, r53.url)
    assert client.list_resource_record_sets(HostedZoneId=zone.id) and not results
    client.close()
    held.release()
    thread.join()
    assert len(results) == 1
