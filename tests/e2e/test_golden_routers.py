"""Routers that cannot be run here: the bytes they send, and their own rule applied to what we answer."""

from __future__ import annotations

import base64
import re
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Callable

import pytest
import yaml

from harness import SECRET, Daemon, Response, host, keep_confidential, receive
from harness.dialects import zone_values

ROUTERS: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "golden" / "routers.yaml").read_text())
WRONG = "not-the-secret-of-this-host"
PREFIX = "2001:db8:1::/59"
DONE, AGAIN, NEVER = "done", "again later", "never again"


# ---- how each reads an answer: `sent` is the address (or both) that it put into the request ----


def fritzbox(answer: Response, sent: str) -> str:
    """The word and the address of the first line; anything else is shown as an error and tried again."""
    return DONE if answer.text.split("\n")[0] in (f"good {sent}", f"nochg {sent}") else AGAIN


def opnsense(answer: Response, sent: str) -> str:
    """Any 2xx, whatever the body says; then the first word of the body is shown, which must be there."""
    return DONE if 200 <= answer.status < 300 and answer.text.split()[0] else AGAIN


def pfsense(answer: Response, sent: str) -> str:
    """The whole body, line ends and tabs taken away, is one of the alternatives of the result match."""
    return DONE if answer.text.strip("\t\n\r\0\x0b") in f"good {sent}|nochg {sent}".split("|") else AGAIN


def openwrt(answer: Response, sent: str) -> str:
    """`grep -i -E 'good|nochg'` over the body. Through curl it does not even look at the status."""
    return DONE if re.search("good|nochg", answer.text, re.IGNORECASE) else AGAIN


def synology(answer: Response, sent: str) -> str:
    """The body starts with a word that it knows."""
    known = {"good": DONE, "nochg": DONE, "abuse": AGAIN, "911": AGAIN, "dnserr": AGAIN}
    known.update({word: NEVER for word in ("badauth", "nohost", "notfqdn", "numhost", "!donator", "badagent")})
    return known[answer.text.split()[0]]


def routeros(answer: Response, sent: str) -> str:
    """`status: finished` with 200; an error stops the script. The data is there for it to look at."""
    assert answer.status != 200 or sent in answer.text
    return DONE if answer.status == 200 else AGAIN


def routeros_plain(answer: Response, sent: str) -> str:
    """Old scripts compare the data with OK."""
    assert (answer.text == "OK") == (answer.status == 200)
    return DONE if answer.status == 200 else AGAIN


def ddclient(answer: Response, sent: str) -> str:
    """2xx, then the first word of each line, by position: every host must have its line."""
    if not 200 <= answer.status < 300:
        return AGAIN
    lines = answer.text.split("\n")
    assert lines.pop() == "" and len(lines) == 2
    return DONE if all(line.split(" ")[0] in ("good", "nochg") for line in lines) else AGAIN


def inadyn_reads(answer: Response, success: bool) -> str:
    if answer.status == 200:
        return DONE if success else AGAIN
    return AGAIN if answer.status >= 500 else NEVER  # it ends itself


def inadyn(answer: Response, sent: str) -> str:
    """Status exactly 200 and one of three words somewhere in the body."""
    return inadyn_reads(answer, any(word in answer.text for word in ("good", "nochg", "OK")))


def inadyn_custom(answer: Response, sent: str) -> str:
    words = ("ok", "good", "nochg", "true", "updated", "success")
    return inadyn_reads(answer, any(word in answer.text.lower() for word in words))


RULES: dict[str, Callable[[Response, str], str]] = {
    rule.__name__: rule
    for rule in (
        fritzbox,
        opnsense,
        pfsense,
        openwrt,
        synology,
        routeros,
        routeros_plain,
        ddclient,
        inadyn,
        inadyn_custom,
    )
}


# ---- the exchanges ----

OPEN = {"auth": ["basic", "secret"]}
HOSTS = [
    host("home.example.test.", ["A", "AAAA"], **OPEN),
    host("second.example.test.", ["A", "AAAA"], **OPEN),
    {
        "hostname": "nas.example.test.",
        "record_type": "AAAA",
        "follows": "home.example.test.",
        "interface_id": "::9",
        "subnet_id": 1,
    },
]


def bytes_of(request: str, values: dict[str, str]) -> bytes:
    """The request with what the router fills in; format_map would trip over braces of a URL."""
    for name, value in values.items():
        request = request.replace("{%s}" % name, value)
    assert "{" not in request
    return (request.rstrip("\n") + "\n\n").replace("\n", "\r\n").encode()


class Router:
    """One router with its addresses."""

    def __init__(self, d: Daemon, entry: dict[str, Any]):
        self.d, self.entry = d, entry
        self.rule = RULES[entry["rule"]]

    def send(self, ip4: str, ip6: str, secret: str = SECRET) -> list[tuple[Response, str]]:
        """Each answer and the verdict that its rule comes to."""
        keep_confidential(secret)
        values = {
            "basic": base64.b64encode(f"{self.entry.get('user', 'user')}:{secret}".encode()).decode(),
            "secret": secret,
            "ip4": ip4,
            "ip6": ip6,
            "ip6_escaped": ip6.replace(":", "%3A"),
            "ip6_escaped_lower": ip6.replace(":", "%3a"),
            "prefix": PREFIX,
        }
        results = []
        for request in self.entry["requests"]:
            names4, names6 = "{ip4}" in request, "{ip6" in request
            sent = ",".join([ip4] * names4 + [ip6] * names6)
            with self.d.connect() as connection:
                connection.sendall(bytes_of(request, values))
                answer = receive(connection)
            results.append((answer, self.rule(answer, sent)))
        return results

    def verdicts(self, *arguments: str) -> list[str]:
        """Without the challenge that comes before the credentials."""
        results = self.send(*arguments)
        if self.entry.get("challenged"):
            challenge, verdict = results.pop(0)
            assert (challenge.status, verdict) == (401, AGAIN)
            assert challenge.headers["WWW-Authenticate"].startswith("Basic ")
        return [verdict for _, verdict in results]

    def dns(self) -> dict[str, str]:
        found = {}
        for key in self.entry["sets"]:
            name, record_type = key.split()
            values = zone_values(self.d.zone_file(), f"{name}.example.test.", record_type)
            found[key] = ",".join(values)
        return found

    def expected(self, ip4: str, ip6: str) -> dict[str, str]:
        return {key: value.replace("{ip4}", ip4).replace("{ip6}", ip6) for key, value in self.entry["sets"].items()}


@pytest.fixture(scope="module")
def shared(ca, tmp_path_factory):
    with ExitStack() as stack:
        limits = {"limits": {"auth_failures_per_minute": 100000}}
        made = Daemon(tmp_path_factory.mktemp("golden"), ca, settings=limits, hosts=HOSTS)
        stack.callback(made.close)
        yield made.start()


@pytest.fixture(params=range(len(ROUTERS)), ids=[entry["router"] for entry in ROUTERS])
def router(shared, request):
    yield Router(shared, ROUTERS[request.param])
    shared.check_confidential()


def fresh(router: Router, number: int) -> tuple[str, str]:
    """Addresses that no other router of this process has set."""
    index = ROUTERS.index(router.entry) + 1
    return f"198.18.{index}.{number}", f"2001:db8:0:{index:x}::{number}"


def test_an_update_is_done_and_done_again(router):
    addresses = fresh(router, 1)
    count = len(router.entry["requests"]) - bool(router.entry.get("challenged"))
    for _ in range(2):  # good, then nochg
        assert router.verdicts(*addresses) == [DONE] * count
        assert router.dns() == router.expected(*addresses)
    moved = fresh(router, 2)
    assert router.verdicts(*moved) == [DONE] * count
    assert router.dns() == router.expected(*moved)


def test_a_wrong_password_is_no_success(router):
    before = router.dns()
    assert DONE not in router.verdicts(*fresh(router, 3), WRONG)
    assert router.dns() == before


def test_behind_carrier_nat_it_comes_again(router):
    """For an hour the WAN address is private, or there is none: an error, but not one after which it gives up."""
    for ip4, ip6 in (("100.64.1.1", "fd00::1"), ("0.0.0.0", "::"), ("169.254.1.1", "fe80::1")):
        assert set(router.verdicts(ip4, ip6)) == {AGAIN}
    addresses = fresh(router, 4)
    assert set(router.verdicts(*addresses)) == {DONE}
