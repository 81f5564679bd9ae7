"""docs/deploy/compose.yaml and what it mounts: every program can read its file, and the files fit each other."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from service import openapi
from service.settings import PREFIX, Settings, unknown_variables
from tests.deploy.programs import DEPLOY, ask, attempt

COMPOSE = DEPLOY / "compose.yaml"
MONITORING = DEPLOY.parent / "monitoring"
OURS = "elman:latest"

Services = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def services() -> Services:
    """As docker compose understands them."""
    found: Services = understood()["services"]
    return found


def understood() -> dict[str, Any]:
    written = ask("docker-compose", "-f", COMPOSE, "config", "--format", "json", ELMAN_TOKEN_KEY="0123456789abcdef")
    found: dict[str, Any] = json.loads(written)
    return found


def mounted(services: Services, name: str) -> dict[str, Path]:
    """The files of this repository in a container, by their place there."""
    return {one["target"]: Path(one["source"]) for one in services[name]["volumes"] if one["type"] == "bind"}


def test_it_fits_the_compose_specification() -> None:
    checked = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE],
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_nothing_starts_without_a_token_key() -> None:
    """Replicas that made up a key each would refuse each other's tokens."""
    refused = attempt("docker-compose", "-f", COMPOSE, "config", "--quiet")
    assert refused.returncode != 0
    assert "ELMAN_TOKEN_KEY" in refused.stderr


def test_every_container_is_confined_watched_and_of_one_version(services: Services) -> None:
    for name, service in services.items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["healthcheck"]["test"]
        assert service["image"] == OURS or re.fullmatch(r"[a-z/]+:v?\d+\.\d+\.\d+(-alpine)?", service["image"])
        assert all(port["host_ip"] == "127.0.0.1" for port in service.get("ports", []))
    assert [service["pull_policy"] for service in services.values() if service["image"] == OURS] == ["never"]


def test_what_is_waited_for_is_healthy(services: Services) -> None:
    awaited = {
        name: one["condition"] for service in services.values() for name, one in service.get("depends_on", {}).items()
    }
    assert awaited == dict.fromkeys(("elman", "prometheus", "redis"), "service_healthy")


def test_two_replicas_share_one_store_that_forgets_nothing(services: Services) -> None:
    assert services["elman"]["deploy"]["replicas"] == 2
    environment = services["elman"]["environment"]
    assert urlsplit(environment["ELMAN_SESSION_STORE"]).hostname == "redis"
    command = " ".join(services["redis"]["command"])
    assert "--maxmemory-policy noeviction" in command
    assert "--appendonly yes" in command
    assert "--protected-mode no" in command  # else it refuses every other container
    assert [one["target"] for one in services["redis"]["volumes"]] == ["/data"]


def test_only_the_service_reaches_the_store(services: Services) -> None:
    assert understood()["networks"]["store"]["internal"]
    assert {name for name, service in services.items() if "store" in service["networks"]} == {"elman", "redis"}
    assert services["redis"]["networks"].keys() == {"store"}


def test_variables_are_settings(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {name: value for name, value in services["elman"]["environment"].items() if name.startswith(PREFIX)}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert unknown_variables() == []
    assert Settings.from_environment().session_store.get_secret_value() == environment["ELMAN_SESSION_STORE"]


def test_what_is_mounted_is_there_and_used(services: Services) -> None:
    used = {file for name in services if "volumes" in services[name] for file in mounted(services, name).values()}
    beside = {path for path in DEPLOY.glob("**/*") if path.suffix in (".cfg", ".yml")}
    assert all(file.is_file() for file in used)
    assert used == beside | {MONITORING / "alerts.yml", MONITORING / "elman.json"}


def test_prometheus_reads_its_files(services: Services, tmp_path: Path) -> None:
    for place, file in mounted(services, "prometheus").items():
        shutil.copy(file, tmp_path / Path(place).name)  # all lie in one folder
    ask("promtool", "check", "config", tmp_path / "prometheus.yml")


def test_prometheus_asks_every_replica_under_the_name_that_alerts_know(services: Services) -> None:
    (job,) = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["scrape_configs"]
    assert set(re.findall(r'job="(\w+)"', (MONITORING / "alerts.yml").read_text())) == {job["job_name"]}
    (asked,) = job["dns_sd_configs"]
    assert asked["names"] == ["elman"]
    assert asked["port"] == 3000
    assert services["elman"]["networks"].keys() & services["prometheus"]["networks"].keys()


def test_grafana_finds_prometheus_and_the_dashboard(services: Services) -> None:
    files = mounted(services, "grafana")
    (source,) = yaml.safe_load((DEPLOY / "grafana" / "datasource.yml").read_text())["datasources"]
    assert urlsplit(source["url"]).hostname in services
    (provider,) = yaml.safe_load((DEPLOY / "grafana" / "dashboards.yml").read_text())["providers"]
    dashboard = f"{provider['options']['path']}/elman.json"
    assert files[dashboard] == MONITORING / "elman.json"
    assert services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"] == dashboard
    assert [Path(place).parent.name for place in files] == ["datasources", "dashboards", "dashboards"]


def test_probes_ask_what_there_is(services: Services) -> None:
    paths = openapi.document()["paths"]
    asked = re.findall(
        r"http://127.0.0.1:3000(/\w+)", str([services[name]["healthcheck"] for name in ("elman", "haproxy")])
    )
    asked += re.findall(r"uri (/\w+)", (DEPLOY / "haproxy.cfg").read_text())
    assert len(asked) == 3
    assert all("get" in paths[path] for path in asked)
