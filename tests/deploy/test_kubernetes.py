"""docs/deploy/kubernetes/: what kubectl makes of it fits Kubernetes' own schemas, the service, and itself."""

import base64
import re
import shutil
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from service import openapi
from service.settings import Settings, unknown_variables
from tests.deploy.programs import DEPLOY, ask, attempt

VERSIONS = ("1.30", kubernetes_validate.latest_version())
"""The oldest that the README promises, and the newest that there is a schema of."""

CHECKPOINT = b"bytes that are \xff no text"
SECRETS = {
    "ELMAN_SESSION_STORE": "redis://:secret@redis.redis:6379/0",
    "ELMAN_TOKEN_KEY": "0123456789abcdef",
    "ELMAN_API_KEYS": "fedcba9876543210",
}
OPTIONAL = "# components:\n#   - ../../components/monitoring\n"

Object = dict[str, Any]
Objects = dict[str, Object]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy with the two files that belong to whoever deploys, and the production overlay with monitoring as well."""
    target = tmp_path_factory.mktemp("deploy") / "kubernetes"
    shutil.copytree(DEPLOY / "kubernetes", target, ignore=shutil.ignore_patterns("secret.env", "*.safetensors"))
    production = target / "overlays" / "production"
    production.joinpath("secret.env").write_text("".join(f"{name}={value}\n" for name, value in SECRETS.items()))
    production.joinpath("checkpoint.safetensors").write_bytes(CHECKPOINT)
    listed = shutil.copytree(production, production.with_name("monitored")) / "kustomization.yaml"
    assert OPTIONAL in listed.read_text()
    listed.write_text(listed.read_text().replace(OPTIONAL, OPTIONAL.replace("# ", "")))
    return target


@pytest.fixture(scope="module", params=["base", "overlays/production", "overlays/monitored"])
def objects(tree: Path, request: pytest.FixtureRequest) -> Objects:
    return render(tree / request.param)


@pytest.fixture(scope="module")
def everything(tree: Path) -> Objects:
    return render(tree / "overlays" / "monitored")


def render(folder: Path) -> Objects:
    """By kind and name, without the hash that kubectl ends the names of generated objects with."""
    objects = list(yaml.safe_load_all(ask("kubectl", "kustomize", folder)))
    named = {f"{one['kind']} {re.sub('-[a-z0-9]{10}$', '', one['metadata']['name'])}": one for one in objects}
    assert len(named) == len(objects)
    return named


def pod(objects: Objects) -> Object:
    template: Object = objects["Deployment elman"]["spec"]["template"]
    return template


def container(objects: Objects) -> Object:
    found: Object
    (found,) = pod(objects)["spec"]["containers"]
    return found


def test_every_object_fits_its_schema(objects: Objects) -> None:
    """Strictly: an unknown field is a mistake."""
    for one in objects.values():
        if one["kind"] != "ServiceMonitor":  # the Prometheus operator's, no schema of Kubernetes'
            for version in VERSIONS:
                kubernetes_validate.validate(one, version, strict=True)


def test_an_unknown_field_is_found(tree: Path) -> None:
    """The check above can fail."""
    deployment = render(tree / "base")["Deployment elman"]
    deployment["spec"]["template"]["spec"]["enableServiceLink"] = False
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, VERSIONS[0], strict=True)


def test_every_file_is_listed(tree: Path) -> None:
    """What no kustomization names would be forgotten in silence."""
    for folder in ("base", "overlays/production", "components/monitoring"):
        written = yaml.safe_load((tree / folder / "kustomization.yaml").read_text())
        listed = {name for name in written["resources"] if name.endswith(".yaml")}
        listed |= {patch["path"] for patch in written.get("patches", [])}
        assert listed == {file.name for file in (tree / folder).glob("*.yaml")} - {"kustomization.yaml"}


def test_nothing_is_made_without_secrets_of_ones_own(tree: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(tree, tmp_path / "kubernetes")
    (copy / "overlays" / "production" / "secret.env").unlink()
    refused = attempt("kubectl", "kustomize", copy / "overlays" / "production")
    assert refused.returncode != 0
    assert "secret.env" in refused.stderr


def test_selectors_find_the_pods(objects: Objects) -> None:
    labels = pod(objects)["metadata"]["labels"].items()
    selectors = [
        objects["Deployment elman"]["spec"]["selector"]["matchLabels"],
        objects["Service elman"]["spec"]["selector"],
        objects["PodDisruptionBudget elman"]["spec"]["selector"]["matchLabels"],
        objects["NetworkPolicy elman"]["spec"]["podSelector"]["matchLabels"],
        objects["NetworkPolicy elman-redis"]["spec"]["podSelector"]["matchLabels"],
        *(spread["labelSelector"]["matchLabels"] for spread in pod(objects)["spec"]["topologySpreadConstraints"]),
    ]
    for selector in selectors:
        assert selector
        assert selector.items() <= labels


def test_ports_are_those_of_the_service(everything: Objects) -> None:
    (port,) = container(everything)["ports"]
    assert port["containerPort"] == 3000
    (outside,) = everything["Service elman"]["spec"]["ports"]
    assert outside["targetPort"] == port["name"]
    (ingress,) = everything["NetworkPolicy elman"]["spec"]["ingress"]
    assert ingress["ports"] == [{"port": port["containerPort"]}]
    monitor = everything["ServiceMonitor elman"]["spec"]
    assert monitor["selector"]["matchLabels"].items() <= everything["Service elman"]["metadata"]["labels"].items()
    assert [(endpoint["port"], endpoint["path"]) for endpoint in monitor["endpoints"]] == [
        (outside["name"], "/metrics")
    ]


def test_the_autoscaler_owns_the_number_of_replicas(objects: Objects) -> None:
    deployment = objects["Deployment elman"]
    target = objects["HorizontalPodAutoscaler elman"]["spec"]["scaleTargetRef"]
    assert target == {"apiVersion": deployment["apiVersion"], "kind": "Deployment", "name": "elman"}
    assert "replicas" not in deployment["spec"]
    assert "cpu" in container(objects)["resources"]["requests"]  # utilisation is a share of it


def test_variables_are_settings(objects: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {variable["name"] for variable in container(objects)["env"]}
    assert SECRETS.keys() <= names
    for name in names:
        monkeypatch.setenv(name, SECRETS.get(name, "anything"))
    assert unknown_variables() == []
    Settings.from_environment()
    assert pod(objects)["spec"]["enableServiceLinks"] is False


def test_secrets_come_from_the_secret(everything: Objects) -> None:
    secret = everything["Secret elman"]
    assert {name: base64.b64decode(value).decode() for name, value in secret["data"].items()} == SECRETS
    referred = {
        variable["name"]: variable["valueFrom"]["secretKeyRef"]
        for variable in container(everything)["env"]
        if "valueFrom" in variable
    }
    assert referred == {name: {"name": secret["metadata"]["name"], "key": name} for name in SECRETS}
    assert secret["metadata"]["name"] != "elman"  # with a hash: another secret is a roll-out


def test_the_checkpoint_is_mounted_where_the_setting_says(everything: Objects) -> None:
    (path,) = [variable["value"] for variable in container(everything)["env"] if variable["name"] == "ELMAN_CHECKPOINT"]
    (mount,) = [mount for mount in container(everything)["volumeMounts"] if path.startswith(mount["mountPath"] + "/")]
    (volume,) = [volume for volume in pod(everything)["spec"]["volumes"] if volume["name"] == mount["name"]]
    kept = everything["ConfigMap elman-checkpoint"]
    assert volume["configMap"]["name"] == kept["metadata"]["name"]
    assert base64.b64decode(kept["binaryData"][path.removeprefix(mount["mountPath"] + "/")]) == CHECKPOINT


def test_the_overlay_changes_image_replicas_and_redis(everything: Objects, tree: Path) -> None:
    base = render(tree / "base")
    assert container(everything)["image"] != container(base)["image"]
    scaled, redis = "HorizontalPodAutoscaler elman", "NetworkPolicy elman-redis"
    for bound in ("minReplicas", "maxReplicas"):
        assert everything[scaled]["spec"][bound] != base[scaled]["spec"][bound]
    assert everything[redis]["spec"]["egress"] != base[redis]["spec"]["egress"]
    assert {one["metadata"]["namespace"] for one in everything.values()} == {"elman"}


def test_probes_ask_what_there_is(objects: Objects) -> None:
    paths = openapi.document()["paths"]
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        asked = container(objects)[probe]["httpGet"]
        assert "get" in paths[asked["path"]]
        assert asked["port"] == "http"
    ready = container(objects)["readinessProbe"]
    assert ready["timeoutSeconds"] > Settings.model_fields["store_timeout_seconds"].default


def test_a_stop_has_time_enough(objects: Objects) -> None:
    """preStop counts too; then what is in flight ends, and a body that never arrives is given up."""
    sleep = container(objects)["lifecycle"]["preStop"]["sleep"]["seconds"]
    graceful = 10 + Settings.model_fields["body_timeout_seconds"].default
    assert pod(objects)["spec"]["terminationGracePeriodSeconds"] > sleep + graceful


def test_pods_pass_the_restricted_standard(objects: Objects) -> None:
    """What a namespace enforces with the label pod-security.kubernetes.io/enforce=restricted, and a read-only root."""
    spec = pod(objects)["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 1034,
        "runAsGroup": 1034,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container(objects)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {kind for volume in spec["volumes"] for kind in volume.keys() - {"name"}} <= {"emptyDir", "configMap"}
    (home,) = [variable["value"] for variable in container(objects)["env"] if variable["name"] == "BENTOML_HOME"]
    assert home.startswith("/tmp/")
    assert "/tmp" in [mount["mountPath"] for mount in container(objects)["volumeMounts"]]


def test_the_network_is_closed_but_for_names_and_redis(objects: Objects) -> None:
    policies = [objects["NetworkPolicy elman"]["spec"], objects["NetworkPolicy elman-redis"]["spec"]]
    assert all("Egress" in policy["policyTypes"] for policy in policies)
    assert "Ingress" in policies[0]["policyTypes"]
    ports = {port["port"] for policy in policies for rule in policy["egress"] for port in rule["ports"]}
    assert ports == {53, 6379}
