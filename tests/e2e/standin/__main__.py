"""`python3 -m standin`: the Route 53 stand-in as a program, for benchmarks and for trying things out.

Prints one line of JSON with its addresses and serves until SIGTERM, SIGINT or the end of its input
(`--until-eof`). Unlike the real service it answers GET /_standin/calls, /_standin/records?zone=NAME
and /_standin/reset without a signature, on a port of their own (`control` in the JSON line).
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import threading

from .answers import json_answer
from .certificates import TestCA
from .pace import SlidingWindow, TokenBucket
from .route53 import Route53
from .web import Answer, Request, WebServer


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="standin", description="a Route 53 stand-in for tests")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="HTTP (0: any free one)")
    parser.add_argument("--tls-port", type=int, default=0, help="HTTPS (0: any free one)")
    parser.add_argument("--ca-folder", help="where the test CA is made (default: a temporary folder)")
    parser.add_argument(
        "--zone", nargs="+", default=["example.com."], metavar="NAME[=ID]", help="zones to serve"
    )
    parser.add_argument("--private-zone", nargs="+", default=[], metavar="NAME[=ID]")
    parser.add_argument("--rate", type=float, help="requests a second per account")
    parser.add_argument("--burst", type=float, help="size of the bucket (default: as the rate)")
    parser.add_argument(
        "--strict-rate", action="store_true", help="never more than RATE in any second"
    )
    parser.add_argument("--latency-ms", type=float, default=0.0)
    parser.add_argument("--key", metavar="ID:SECRET", help="the access key that is accepted")
    parser.add_argument("--until-eof", action="store_true", help="stop when standard input ends")
    return parser.parse_args()


def _control(service: Route53, request: Request) -> Answer:
    query = request.parameters()
    if request.path == "/_standin/calls":
        calls = [call.summary() for call in service.calls_of()]
        return json_answer({"results": service.results(), "calls": calls})
    if request.path == "/_standin/records":
        try:
            records = service.records(query.get("zone", ""))
        except (KeyError, ValueError) as error:
            return json_answer({"error": str(error)}, 404)
        rows = [[record.name, record.type, record.ttl, list(record.values)] for record in records]
        return json_answer(rows)
    if request.path == "/_standin/reset":
        service.reset_calls()
        return json_answer({})
    return json_answer({"error": "calls, records or reset"}, 404)


def main() -> int:
    arguments = _arguments()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())

    def limit():
        if arguments.strict_rate:
            return SlidingWindow(int(arguments.rate))
        return TokenBucket(arguments.rate, arguments.burst)

    with tempfile.TemporaryDirectory(prefix="standin-") as folder:
        ca = TestCA(arguments.ca_folder or folder)
        service = Route53(
            ca=ca,
            rate_limit=limit if arguments.rate else None,
            latency_s=arguments.latency_ms / 1000,
            host=arguments.host,
            port=arguments.port,
            tls_port=arguments.tls_port,
        )
        key = service.keys.default
        if arguments.key:
            key_id, _, secret = arguments.key.partition(":")
            key = service.keys.add(key_id, secret)
        for names, private in ((arguments.zone, False), (arguments.private_zone, True)):
            for text in names:
                name, _, zone_id = text.partition("=")
                service.add_zone(name, private, zone_id or None)
        control = WebServer(lambda request: _control(service, request), None, arguments.host)
        ready = {
            "url": service.url,
            "https_url": service.https_url,
            "control": control.url,
            "ca": str(ca.path),
            "zones": [{"name": z.name, "id": z.id, "private": z.private} for z in service.zones],
            "environment": {**key.environment(), "AWS_DEFAULT_REGION": service.region},
        }
        print(json.dumps(ready), flush=True)
        if arguments.until_eof:
            threading.Thread(
                target=lambda: (sys.stdin.buffer.read(), stop.set()), daemon=True
            ).start()
        stop.wait()
        control.stop()
        service.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
