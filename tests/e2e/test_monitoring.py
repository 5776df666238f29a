"""contrib/prometheus and contrib/grafana: their queries name metrics and labels that /metrics has, alerts come when they
should, and Prometheus understands every expression."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest
import yaml

from harness import REPOSITORY, host
from harness.dialects import nic_update

RULES = REPOSITORY / "contrib" / "prometheus" / "ddns53.rules.yaml"
DASHBOARD = json.loads((REPOSITORY / "contrib" / "grafana" / "ddns53.json").read_text())
SELECTOR = re.compile(r"\b((?:ddns53|process)_[a-z0-9_]+|up)\b(?:\{([^}]*)\})?")
PROMTOOL = pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
ADDED_BY_PROMETHEUS = {"job", "instance"}


def queries() -> list[str]:
    alerts = [rule["expr"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    panels = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    variables = [re.sub(r"label_values\((\w+), \w+\)", r"\1", item["query"]) for item in DASHBOARD["templating"]["list"][1:]]
    return [*alerts, *panels, *variables, *(item["expr"] for item in DASHBOARD["annotations"]["list"])]


@pytest.fixture
def metrics(daemon, route53):
    """Of a daemon to which everything has happened that makes a sample."""
    r53 = route53("example.com.")
    d = daemon(route53=r53, hosts=[host("home.example.com.", auth=["basic"], allow_internal=True)])
    nic_update(d, "home.example.com", myip="192.0.2.1")
    nic_update(d, "home.example.com", secret="a-wrong-secret-0001")
    return d.metrics()


def test_every_metric_is_there(metrics):
    described = (REPOSITORY / "man" / "ddns53d.8").read_text().replace("\\\n", "")
    labels_of = {}
    for names, labels in re.findall(r"^\.It Ic (.*?)(?: Brq (.*))?$", described, re.M):
        for name in names.split(" , "):
            labels_of[name.strip()] = set(labels.split(" , ")) if labels else set()
    for query in queries():
        found = SELECTOR.findall(query)
        assert found, query
        grouped = {label.strip() for group in re.findall(r"\bby \(([^)]*)\)", query) for label in group.split(",")} - {"le"}
        for name, selector in found:
            if name == "up":
                continue
            family = re.sub(r"_(bucket|count|sum)$", "", name) if metrics.types.get(name) is None else name
            assert metrics.types.get(family), f"{query}: /metrics has no {name}"
            assert name == family or metrics.types[family] == "histogram", query
            labels = set(re.findall(r"(\w+)(?:=~?|!~|!=)\"", selector)) | grouped
            assert labels <= labels_of[family] | ADDED_BY_PROMETHEUS, f"{query}: {labels - labels_of[family]}"


def test_every_result_is_one_that_can_be(metrics):
    """A label's value that nothing has would make an alert that never comes."""
    described = (REPOSITORY / "man" / "ddns53d.8").read_text()
    for query in queries():
        for values in re.findall(r"\b(?:result|event)=~?\"([^\"]*)\"", query):
            for value in values.split("|"):
                assert re.search(rf"^\.(?:Ql|It Cm)[^\n]*\b{value}\b", described, re.M), f"{query}: {value}"


@PROMTOOL
def test_alerts(tmp_path):
    for command in (["check", "rules", RULES], ["test", "rules", REPOSITORY / "tests" / "prometheus" / "rules_test.yaml"]):
        done = subprocess.run(["promtool", *command], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr


@PROMTOOL
def test_prometheus_understands_the_dashboard(tmp_path):
    rules = [
        {"record": f"panel:{number}", "expr": query.replace("$__rate_interval", "5m").replace("$__interval", "1m").replace("$job", ".*")}
        for number, query in enumerate(queries())
    ]
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    done = subprocess.run(["promtool", "check", "rules", path], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


@PROMTOOL
def test_prometheus_likes_the_metrics(daemon):
    d = daemon()
    answer = d.request("/metrics", url=d.admin_url)
    done = subprocess.run(["promtool", "check", "metrics"], input=answer.text, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_panels_do_not_overlap():
    places = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & places, panel["title"]
        places |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
