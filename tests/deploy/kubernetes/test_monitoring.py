"""Alerts and dashboard speak of metrics and labels that exist, and every alert says what to do."""

import json
import re

import yaml

from tests.deploy.kubernetes.rendered import ROOT, Rendered, of_kind

README = (ROOT / "README.md").read_text(encoding="utf-8")
#: README's table: metric -> labels.
METRICS = {
    name: set(filter(None, map(str.strip, (labels or "").split(","))))
    for name, labels in re.findall(r"^\| `(preau_[a-z_]+)`(?: by ([^|]*))? \|", README, re.MULTILINE)
}
PROCESS = {"process_cpu_seconds_total", "process_resident_memory_bytes"}
OF_SCRAPING = {"namespace", "pod", "le", "sha256"}
#: What the Prometheus operator says of whom it asks: without honorLabels, ours of the same name become exported_...
OF_TARGETS = {"namespace", "service", "pod", "container", "endpoint", "job", "instance"}
GROUPS = yaml.safe_load((ROOT / "deploy" / "chart" / "alerts" / "preau.yaml").read_text(encoding="utf-8"))["groups"]
ALERTS = [rule for group in GROUPS for rule in group["rules"]]
DASHBOARD = json.loads((ROOT / "deploy" / "chart" / "dashboards" / "preau.json").read_text(encoding="utf-8"))
TARGETS = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
VARIABLES = {each["name"] for each in DASHBOARD["templating"]["list"]}


def spoken_of(expression: str) -> set[str]:
    return set(re.findall(r"\b(?:preau|process)_[a-z_]+", re.sub(r'"[^"]*"', '""', expression)))


def in_table(metric: str) -> str | None:
    """Its name in README, which is without what Prometheus adds to histograms and infos."""
    return next((name for name in (metric, re.sub(r"_(bucket|count|sum|info)$", "", metric)) if name in METRICS), None)


def test_every_metric_and_label_exists() -> None:
    assert len(METRICS) > 25
    for expression in [*(rule["expr"] for rule in ALERTS), *TARGETS]:
        metrics = spoken_of(expression)
        assert metrics, expression
        known = {name: in_table(name) for name in metrics - PROCESS}
        assert None not in known.values(), (expression, known)
        labels = set(re.findall(r"([a-z_0-9]+)\s*(?:=~|!~|!=|=)\s*\"", expression))
        labels |= {each for inside in re.findall(r"\bby \(([^)]*)\)", expression) for each in re.split(r",\s*", inside)}
        assert labels <= OF_SCRAPING.union(*(METRICS[str(name)] for name in known.values())), expression


def test_a_histogram_is_asked_for_its_buckets_and_nothing_else_is() -> None:
    """As the code makes them: a quantile of a counter is nothing."""
    code = "".join(path.read_text(encoding="utf-8") for folder in ("services", "gateway") for path in (ROOT / folder).rglob("*.py"))
    histograms = set(re.findall(r"Histograms?\(\s*\"(preau_[a-z_]+)\"", code))
    infos = set(re.findall(r"Info\(\s*\"(preau_[a-z_]+)\"", code))
    for metric in set().union(*map(spoken_of, [*(rule["expr"] for rule in ALERTS), *TARGETS])) - PROCESS:
        name = in_table(metric)
        assert (metric != name) == (name in histograms | infos), metric


def test_every_alert_has_words_and_a_runbook_line() -> None:
    for rule in ALERTS:
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"]["summary"]
        page, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert page == "README.md"
        assert README.count(f'<a id="{anchor}"></a>') == 1, anchor
        words = README.partition(f'<a id="{anchor}"></a>**')[2].partition("**")[0]
        named = any(rule["alert"] == one or (one.endswith("...") and rule["alert"].startswith(one[:-3])) for one in words.split(", "))
        assert named, "README's line names it"
    about = {rule["alert"] for rule in ALERTS}
    needed = {
        "PreauWebhookFailing",
        "PreauWebhookDisabled",
        "PreauOutboxLate",
        "PreauConsumerBehind",
        "PreauDeadLetters",
        "PreauPaymentsUnsettled",
        "PreauErrorBudgetFast",
    }
    assert needed <= about
    assert len(about) == len(ALERTS)


def test_the_dashboard_is_whole() -> None:
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in DASHBOARD["panels"]]
    assert len(set(places)) == len(places)
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(places)
    used = set(re.findall(r"\$\{?([a-z]+)\}?", json.dumps([panel["targets"] for panel in DASHBOARD["panels"]])))
    assert used <= VARIABLES
    shown = {in_table(name) for name in set().union(*map(spoken_of, TARGETS))}
    assert {in_table(name) for rule in ALERTS for name in spoken_of(rule["expr"])} <= shown, "what rings can be looked at"


def test_the_chart_hands_them_on(everything: Rendered) -> None:
    objects = everything.objects["whole"]
    (rules,), (board,) = (
        of_kind(objects, "PrometheusRule"),
        [each for each in of_kind(objects, "ConfigMap") if "preau.json" in each["data"]],
    )
    assert rules["spec"]["groups"] == GROUPS
    assert json.loads(board["data"]["preau.json"]) == DASHBOARD
    assert board["metadata"]["labels"]["grafana_dashboard"] == "1"
    (monitor,) = of_kind(objects, "ServiceMonitor")
    assert monitor["spec"]["endpoints"][0] == {"port": "http", "path": "/metrics", "interval": "30s", "honorLabels": True}
    assert OF_TARGETS & set().union(*METRICS.values()) == {"service"}, "ours, which alerts and dashboard mean, not Kubernetes'"
    assert not of_kind(everything.objects["defaults"], "PrometheusRule", "ServiceMonitor", "ConfigMap")
