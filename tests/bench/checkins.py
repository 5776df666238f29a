"""Clients that check in one after the other, each on a connection of its own, as routers do. Reads JSON from standard
input: `{"port", "tls", "seconds", "clients", "hosts", "zone", "secret", "first", "changing"}`; each of `clients` threads
of hosts takes turns, and one in `changing` has a new address. Writes JSON `{"answers": N, "failed": N, "changed": N}`.
"""

from __future__ import annotations

import hashlib
import json
import random
import socket
import ssl
import sys
import threading
import time


def address_of(index: int, version: int) -> str:
    return f"198.{18 + version % 2}.{index // 250 % 250}.{index % 250 + 1}"


class CheckIns:
    def __init__(self, job: dict):
        self.job = job
        self.context = None
        if job["tls"]:
            self.context = ssl.create_default_context()
            self.context.check_hostname, self.context.verify_mode = False, ssl.CERT_NONE
        self.versions = [0] * job["hosts"]
        self.answers = self.failed = self.changed = 0
        self.lock = threading.Lock()

    def one(self, index: int, is_new: bool) -> bool:
        job = self.job
        version = self.versions[index] + (1 if is_new else 0)
        source = address_of(job["first"] + index, version)
        name = f"h{job['first'] + index:07d}.{job['zone']}"
        token = hashlib.sha256((source + name + job["secret"]).encode()).hexdigest()
        request = (
            f"GET /?mode=set&hostname={name}&hash={token} HTTP/1.1\r\nHost: localhost\r\n"
            f"X-Forwarded-For: {source}\r\nConnection: close\r\n\r\n"
        )
        connection = socket.create_connection(("127.0.0.1", job["port"]))
        with self.context.wrap_socket(connection) if self.context else connection as peer:
            peer.sendall(request.encode())
            answer = b""
            while part := peer.recv(65536):
                answer += part
        self.versions[index] = version
        return answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 201"))

    def work(self, number: int, end: float) -> None:
        job, draw = self.job, random.Random(number)
        mine = range(number, job["hosts"], job["clients"])
        while True:
            for index in mine:
                if time.monotonic() >= end:
                    return
                is_new = draw.randrange(job["changing"]) == 0
                try:
                    good = self.one(index, is_new)
                except OSError:
                    good = False
                with self.lock:
                    self.answers += good
                    self.failed += not good
                    self.changed += is_new


def main() -> None:
    job = json.load(sys.stdin)
    work = CheckIns(job)
    end = time.monotonic() + job["seconds"]
    threads = [threading.Thread(target=work.work, args=(number, end)) for number in range(job["clients"])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps({"answers": work.answers, "failed": work.failed, "changed": work.changed}))


if __name__ == "__main__":
    main()
