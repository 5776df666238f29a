"""What end-to-end tests drive the daemon with.

Fixtures (conftest.py)
    ca          TestCA of the session: .path, .certificate, .private_key, .issue(label, names), .client_context()
    route53     a factory: route53("example.com.", latency_s=.., rate_limit=..) -> standin.Route53, stopped
                after the test; HTTP and HTTPS; more in standin's docstring
    r53, zone, client, raw      the plain case: a Route53 with example.com., its Zone, a botocore client, a Raw
    keys        the KeyStore of route53(); make Imds(keys), EcsCredentials(keys), Sts(keys, ca) with it
    daemon      a factory: daemon(settings={}, hosts=[], route53=None, https_endpoint=False, environment={},
                arguments=[], start=True, name="daemon") -> Daemon, running and ready

Daemon
    settings    deep-merged over: listen 127.0.0.1:0 with the CA's certificate, admin 127.0.0.1:0, state in
                `folder/state`, zone example.test. by zonefile; with route53= that stand-in's public zones,
                endpoint (HTTP, or HTTPS with https_endpoint=True) and default key. None removes a key.
    hosts       rows of hosts.yaml; host("home.example.test.", "A", secret=SECRET, **more) makes one
    life        start(), stop(status=0), begin_stop() and wait_end(), kill(), reload(), reload_with(settings), reload_fails(), run_to_end(), pid, returncode in
                .process; write_config() after changing .settings or .hosts, write_hosts_text(),
                write_settings_text(), zone_file(zone), folder, state_dir, config_path, hosts_path
    log         log_lines(regex), log_mark(), wait_log(regex, timeout, since), wait_log_lines(regex, count),
                wait_read_back()
    requests    url, admin_url, listeners; request(target, method, headers, body, source, url), client(source)
                keep-alive, query(**parameters), get(), set(hostname, secret, address, source, hash_source, via),
                list_hosts(hostname, secret); Response: .status .headers .body .text .json() .message .result
                raw(bytes) -> Response; connect() -> socket, receive(socket) -> Response for what http.client won't send
                With settings=BEHIND_PROXY, `via=` is the client's address as X-Forwarded-For names it.
    admin       healthz(), metrics() -> Metrics.value(name, **labels) / .sum(name, **labels) / .matching(...),
                wait_metric(name, minimum, **labels)
    operator    ctl(*arguments, status=) -> CompletedProcess, ctl_json(*arguments): ddns53ctl with its settings;
                control(path, body) -> status and JSON of its control socket, control_path

Functions: run_binary(*arguments) -> CompletedProcess, for --check and the like; run_ctl(*arguments, config=, stdin=,
**variables) the same for ddns53ctl; hash_token(source, hostname, secret),
signed_parameters(mode, hostname, secret, address), query_target(parameters, path), host(...),
base_environment(**extra), binary_path(), keep_confidential(*texts), free_port().
In harness.updates: Ledger(daemon, r53) remembers what each client asked for and was told, and settle() holds it
against DNS, the state and an orderly end; Background(call, ...) runs a call in a thread; PATIENT and HASTY settings.
In harness.aws: boto(r53) -> botocore client, aws(r53, "list-hosted-zones") -> dict, upsert(name, *values),
change(client, zone, *upserts), refused(code, call, ...), Raw (sign, spoil, send).
In harness.dialects: nic_update(d, hostname, user=, secret=, **parameters), plain_secret(d, secret, newip=...),
basic(user, password) -> header, zone_values(path, name, type), check_headers(answer).
In harness.dyndns2: HOSTS and shared_daemon() for a module, answers(response, status, body), fresh4(), fresh6().
In harness.island: Island, a daemon in a network namespace, and real clients beside it with names of the test's own.

The binary is $DDNS53D, or build/ddns53d of the repository. Every daemon's log is searched for sanitizer
reports when it ends, and at the end of the test for every secret, token and query string that the test used.
Give a test another time limit than the 120 s of pytest.ini with `@pytest.mark.timeout_s(300)`; at the limit every
thread's stack is printed and the test process ends.
"""

from .client import (
    Client,
    Response,
    confidential,
    hash_token,
    keep_confidential,
    query_target,
    receive,
    signed_parameters,
)
from .daemon import BEHIND_PROXY, REPOSITORY, SECRET, Daemon, binary_path, ctl_path, host, merged, run_binary, run_ctl
from .metrics import Metrics
from .process import LoggedProcess, ProcessFailed, base_environment, free_port

__all__ = [
    "BEHIND_PROXY",
    "Client",
    "Daemon",
    "LoggedProcess",
    "Metrics",
    "ProcessFailed",
    "REPOSITORY",
    "Response",
    "SECRET",
    "base_environment",
    "binary_path",
    "ctl_path",
    "confidential",
    "free_port",
    "hash_token",
    "host",
    "keep_confidential",
    "merged",
    "query_target",
    "receive",
    "run_binary",
    "run_ctl",
    "signed_parameters",
]
