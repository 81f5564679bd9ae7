"""docs/monitoring/: dashboard and rules speak of what the service really exports."""

import json
import re
import shutil
import subprocess
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from service.metrics import Metrics

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "docs" / "monitoring"
RULES_FILE = MONITORING / "alerts.yml"
README = (MONITORING / "README.md").read_text()

TARGET = {"job", "instance"}
"""Labels that Prometheus itself puts on every series that it scrapes."""

BY_PROMETHEUS = {"up": TARGET, "ALERTS": TARGET | {"alertname", "alertstate"}}

Labels = dict[str, set[str]]

DOING_WELL = {
    "up": "1",
    'elman_requests_total{route="/predict", status="200"}': "0+30",
    'elman_requests_total{route="/metrics", status="200"}': "0+2",
    'elman_requests_total{route="/readyz", status="200"}': "0+3000",
    'elman_compute_seconds_bucket{le="0.25"}': "0+30",
    'elman_compute_seconds_bucket{le="0.5"}': "0+30",
    'elman_compute_seconds_bucket{le="+Inf"}': "0+30",
    "elman_scaled_error_count": "0+30",
    "elman_scaled_error_sum": "0+9",
    "elman_naive_scaled_error_total": "0+18",
    "elman_covered_total": "0+27",
    "elman_calibration_error": "0.25",
    "elman_calibration_level": "0.9",
    "elman_sessions_active": "40",
    "elman_sessions_in_alarm": "2",
}
"""Two hours of a service that gets one observation a second, in promtool's notation: start, and rise in
30 seconds; _ is nothing."""

CASES: dict[str, tuple[dict[str, str], set[str]]] = {
    "all is well": ({}, set()),
    "it is down": ({"up": "0"}, {"ElmanDown"}),
    "nobody looks for it": ({"up": "_"}, {"ElmanDown"}),
    "its store is down, and so nobody asks": (
        {
            'elman_requests_total{route="/predict", status="200"}': "100",
            'elman_requests_total{route="/readyz", status="200"}': "100",
            'elman_requests_total{route="/readyz", status="503"}': "0+6",
        },
        {"ElmanNotReady"},
    ),
    "2 % of requests fail": ({'elman_requests_total{route="/predict", status="503"}': "0+0.6"}, {"ElmanServerErrors"}),
    "a few requests fail": ({'elman_requests_total{route="/predict", status="503"}': "0+0.1"}, set()),
    "probes are refused": ({'elman_requests_total{route="/readyz", status="503"}': "0+3"}, set()),
    "clients make mistakes": ({'elman_requests_total{route="/predict", status="400"}': "0+30"}, set()),
    "2 % of predicts are slow": ({'elman_compute_seconds_bucket{le="0.25"}': "0+29.4"}, {"ElmanSlow"}),
    "errors doubled": ({"elman_scaled_error_sum": "0+16"}, {"ElmanDrift"}),
    "errors doubled, too few to tell": (
        {"elman_scaled_error_count": "0+1", "elman_scaled_error_sum": "0+0.55", "elman_covered_total": "0+0.5"},
        set(),
    ),
    "intervals too narrow": ({"elman_covered_total": "0+25"}, {"ElmanCoverageLow"}),
    "intervals a little too narrow": ({"elman_covered_total": "0+26"}, set()),
    "the last value is better": ({"elman_naive_scaled_error_total": "0+8"}, {"ElmanNoSkill"}),
    "a quarter is in alarm": ({"elman_sessions_in_alarm": "10"}, {"ElmanSessionsInAlarm"}),
    "a quarter of a few is in alarm": ({"elman_sessions_active": "4", "elman_sessions_in_alarm": "1"}, set()),
    "a checkpoint without calibration": (
        {
            "elman_scaled_error_count": "0",
            "elman_scaled_error_sum": "0",
            "elman_naive_scaled_error_total": "0",
            "elman_covered_total": "0",
            "elman_calibration_error": "0",
            "elman_calibration_level": "0",
        },
        set(),
    ),
    "nothing happens": (dict.fromkeys((name for name, value in DOING_WELL.items() if "+" in value), "5"), set()),
}


def exported() -> Labels:
    """The names that the service exports, and their labels."""
    metrics = Metrics()
    metrics.requests.inc("/predict", 200)  # before it is used, a metric with labels has no line
    families = text_string_to_metric_families(metrics.text([metrics.state()]).decode())
    return {
        sample.name: {label for other in family.samples if other.name == sample.name for label in other.labels}
        for family in families
        for sample in family.samples
    }


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES_FILE.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def recorded() -> Labels:
    """The names that the rules record; every one keeps its target's labels."""
    labels: Labels = {}
    for rule in rules():
        if "record" in rule:
            labels.setdefault(rule["record"], set(TARGET)).update(rule.get("labels", {}))
    return labels


def dashboard() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((MONITORING / "elman.json").read_text())
    return loaded


def panels() -> list[dict[str, Any]]:
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def drawn() -> list[str]:
    """The expressions of the panels."""
    return [target["expr"] for panel in panels() for target in panel["targets"]]


def dashboard_expressions() -> list[str]:
    """Those of panels, annotations and variables."""
    expressions = drawn() + [annotation["expr"] for annotation in dashboard()["annotations"]["list"]]
    for variable in dashboard()["templating"]["list"]:
        if variable["type"] == "query":
            series, label = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["definition"]).groups()  # type: ignore[union-attr]
            expressions.append(f"sum by ({label}) ({series})")
    return expressions


def names(expression: str) -> set[str]:
    """The series that a PromQL expression asks for: words outside strings, labels and windows that nothing calls."""
    bare = re.sub(r'"[^"]*"|\{[^}]*\}|\[[^]]*\]|\b(?:by|without|on|ignoring) \([^)]*\)', "", expression)
    words = set(re.findall(r"(?<![\w:.])[a-zA-Z_:][\w:]*\b(?!\s*\()", bare))
    return words - {"and", "or", "unless", "bool", "inf"}


def mistakes(expression: str, known: Labels) -> list[str]:
    """What an expression asks for that is not there."""
    used = names(expression)
    found = [f"no series {name}" for name in used - known.keys()]
    for name, matchers in re.findall(r"([\w:]+)\{([^}]*)\}", expression):
        labels = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", matchers))
        found += [f"{name} has no label {label}" for label in labels - known.get(name, labels)]
    for listed in re.findall(r"\b(?:by|without|on|ignoring) \(([^)]*)\)", expression):
        labels = set(re.findall(r"\w+", listed))
        found += [f"no label {label}" for label in labels - set().union(*(known.get(name, labels) for name in used))]
    if "histogram_quantile" in expression and not all(name.endswith("_bucket") for name in used):
        found.append("a quantile of what is no bucket")
    return found


def known() -> Labels:
    scraped = {name: labels | TARGET for name, labels in exported().items()}
    return scraped | recorded() | BY_PROMETHEUS


@pytest.mark.parametrize(
    "expression",
    [
        "rate(elman_step_total[5m])",
        "elman_drift",
        'rate(elman_requests_total{code="500"}[5m])',
        'elman_sessions_active{status="200"}',
        "sum by (session) (elman_sessions_active)",
        "sum without (le) (rate(elman_compute_seconds_sum[5m]))",
        "histogram_quantile(0.9, rate(elman_scaled_error_sum[5m]))",
        "instance:elman_drift:ratio_rate1m",
    ],
)
def test_a_mistake_is_found(expression: str) -> None:
    """The checks below can fail."""
    assert mistakes(expression, known())


@pytest.mark.parametrize("expression", [rule["expr"] for rule in rules()])
def test_rules_ask_for_what_there_is(expression: str) -> None:
    assert names(expression)
    assert mistakes(expression, known()) == []


@pytest.mark.parametrize("expression", dashboard_expressions())
def test_the_dashboard_asks_for_what_there_is(expression: str) -> None:
    assert names(expression)
    assert mistakes(expression, known()) == []


def test_legends_show_labels_that_there_are() -> None:
    for panel in panels():
        for target in panel["targets"]:
            labels = set().union(*(known()[name] for name in names(target["expr"])))
            assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= labels


def test_every_metric_is_shown() -> None:
    """By a panel, itself or through what is recorded of it."""
    shown = set().union(*map(names, drawn()))
    for rule in rules():
        if rule.get("record") in shown:
            shown |= names(rule["expr"])
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in exported()}
    assert families == {re.sub(r"_(bucket|sum|count)$", "", name) for name in shown if ":" not in name}


def test_what_is_recorded_is_shown_and_what_is_judged_is_recorded() -> None:
    """So that a person sees what the alert saw."""
    assert recorded().keys() <= set().union(*map(names, drawn()))
    judged = {rule["alert"]: names(rule["expr"]) for rule in rules() if "alert" in rule}
    assert {alert for alert, used in judged.items() if not used & recorded().keys()} == {"ElmanDown"}


def test_alerts_say_what_they_see_and_what_to_do() -> None:
    for rule in rules():
        if "alert" in rule:
            assert rule["annotations"].keys() == {"summary", "description"}
            assert rule["labels"]["severity"] in ("critical", "warning")
            used = set(re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())))
            assert used <= set().union(*(known()[name] for name in names(rule["expr"])))


def test_the_readme_lists_every_alert() -> None:
    listed = re.findall(r"^\| `(Elman\w+)` \|", README, re.MULTILINE)
    assert listed == [rule["alert"] for rule in rules() if "alert" in rule]


def test_the_readme_speaks_of_metrics_that_there_are() -> None:
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in exported()}
    assert set(re.findall(r"`(elman_\w+)`", README)) <= families


def test_the_jobs_name_is_the_one_that_the_alerts_know() -> None:
    config = yaml.safe_load(re.search(r"```yaml\n(.+?)```", README, re.DOTALL).group(1))  # type: ignore[union-attr]
    assert config["rule_files"] == [RULES_FILE.name]
    (job,) = config["scrape_configs"]
    jobs = re.findall(r'job="(\w+)"', RULES_FILE.read_text())
    assert set(jobs) == {job["job_name"]}


def test_panels_are_told_apart_described_and_do_not_overlap() -> None:
    everything = dashboard()["panels"]
    for name in ("id", "title"):
        assert len({panel[name] for panel in everything}) == len(everything)
    assert all(len(panel["description"]) > 40 for panel in panels())
    for panel in everything:
        place = panel["gridPos"]
        assert 0 <= place["x"] < place["x"] + place["w"] <= 24
    for one, other in combinations((panel["gridPos"] for panel in everything), 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above, (one, other)


def test_the_dashboard_fits_every_grafana() -> None:
    """It belongs to no data source of ours, and its address stays when it is imported again."""
    board = dashboard()
    assert board["uid"] == "elman-service"
    assert board["id"] is None
    asked = [
        *panels(),
        *board["annotations"]["list"],
        *(v for v in board["templating"]["list"] if v["type"] == "query"),
    ]
    assert {json.dumps(one["datasource"], sort_keys=True) for one in asked} == {
        '{"type": "prometheus", "uid": "${datasource}"}'
    }
    variables = {variable["name"] for variable in board["templating"]["list"]} | {"__rate_interval"}
    assert set(re.findall(r"\$(\w+)", " ".join(dashboard_expressions()))) <= variables


def promtool(*arguments: str) -> None:
    """Ask Prometheus' own tool, where it is installed."""
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("promtool comes with Prometheus")
    done = subprocess.run([tool, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_can_read_rules_and_dashboard(tmp_path: Path) -> None:
    written = [expression.replace("$__rate_interval", "5m") for expression in dashboard_expressions()]
    group = {
        "name": "drawn",
        "rules": [{"record": f"r{i}", "expr": expression} for i, expression in enumerate(written)],
    }
    drawn_file = tmp_path / "drawn.yml"
    drawn_file.write_text(yaml.safe_dump({"groups": [group]}))
    promtool("check", "rules", str(RULES_FILE), str(drawn_file))


def test_alerts_fire_when_they_should_and_only_then(tmp_path: Path) -> None:
    tests = []
    for case, (changes, alerts) in CASES.items():
        series = [
            {"series": scraped(name), "values": f"{values}x240"} for name, values in (DOING_WELL | changes).items()
        ]
        fired = [{"labels": f'{{alertname="{alert}"}}', "value": 1} for alert in alerts]
        expression = 'count by (alertname) (ALERTS{alertstate="firing"})'
        asked = {"expr": expression, "eval_time": "2h", "exp_samples": fired}
        tests.append({"name": case, "interval": "30s", "input_series": series, "promql_expr_test": [asked]})
    described = {"rule_files": [str(RULES_FILE)], "evaluation_interval": "30s", "tests": tests}
    path = tmp_path / "cases.yml"
    path.write_text(yaml.safe_dump(described))
    promtool("test", "rules", str(path))


def test_every_alert_has_a_case() -> None:
    fired = set().union(*(alerts for _, alerts in CASES.values()))
    assert fired == {rule["alert"] for rule in rules() if "alert" in rule}


def test_cases_are_made_of_metrics_that_there_are() -> None:
    series = {name for changes, _ in CASES.values() for name in DOING_WELL | changes}
    assert [mistake for name in series for mistake in mistakes(name, known())] == []


def scraped(series: str) -> str:
    name, _, labels = series.partition("{")
    return f'{name}{{job="elman", instance="a", {labels or "}"}'
