"""A source of updates that never ends: workers send 20 hosts a request by dyndns2 and wait for the answer. Reads one
line of JSON `{"port": N, "secret": text, "names": [...], "workers": N}`; ends at the end of its input.
"""

from __future__ import annotations

import http.client
import json
import sys
import threading

PER_REQUEST = 20


def send_all(job: dict, names: list[str], number: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", job["port"], timeout=60)
    headers = {"Authorization": f"Bearer {job['secret']}"}
    turn = 0
    while True:
        turn += 1
        address = f"198.19.{turn % 250}.{number % 250 + 1}"
        for start in range(0, len(names), PER_REQUEST):
            hostnames = ",".join(names[start : start + PER_REQUEST])
            connection.request("GET", f"/nic/update?hostname={hostnames}&myip={address}", headers=headers)
            connection.getresponse().read()


def main() -> None:
    job = json.loads(sys.stdin.readline())
    for number in range(job["workers"]):
        share = job["names"][number :: job["workers"]]
        threading.Thread(target=send_all, args=(job, share, number), daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
