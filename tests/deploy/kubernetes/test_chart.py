"""The chart holds what it promises, as rendered: no cluster was asked (README, On Kubernetes)."""

import json
import subprocess
import sys
from functools import cache
from typing import Any

import pytest
import yaml
from kubernetes_validate import SchemaNotFoundError, ValidationError, utils, validate

from deploy.serving import GRACE_SECONDS_IN_PRODUCTION, LAST_SECONDS, LINGER_SECONDS_IN_PRODUCTION
from services.service import DRAIN_SECONDS
from tests.deploy.kubernetes.conftest import NAMES
from tests.deploy.kubernetes.rendered import ROOT, Object, Rendered, component, containers, named, of_kind, pods, selects

VERSIONS = ("1.30", "1.34", "1.37")
OTHERS = {"ScaledObject", "ServiceMonitor", "PrometheusRule", "Cluster", "ExternalSecret", "Stream", "Consumer"}  #: of operators
FIVE = {"gateway", "identity", "billing", "booking", "mailer"}


@pytest.fixture(scope="module", autouse=True)
def read_schemas_once() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(utils, "schema_contents", cache(utils.schema_contents))
        yield


REFUSE = """
import json, sys, yaml
from deploy.render import render
from helm_python.errors import HelmError
for values in sys.argv[1:]:
    try:
        render(yaml.safe_load(values))
    except HelmError as error:
        print(json.dumps(str(error)))
"""


def refused(*values: str) -> list[str]:
    """What the chart says to each of them; what it takes is not in it."""
    command = [sys.executable, "-c", REFUSE, *values]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


# ------------------------------------------------------------------------------------------------------------- its form
def test_lint_finds_nothing(everything: Rendered) -> None:
    assert everything.complaints == {name: [] for name in NAMES}


def test_values_that_nobody_knows_or_that_are_wrong_are_refused() -> None:
    mistakes = {
        "publicUrl": "http://famille.example.org",
        "typo": 1,
        "broker": {"replicas": 2},
        "image": {"digest": "sha256:12"},
        "pods": {"terminationGracePeriodSeconds": 30},
        "services": {"booking": {"calls": ["payments"]}, "payments": {}},
        "paymentProvider": "sandbox",
    }
    (told,) = refused(yaml.safe_dump(mistakes))
    for where in (
        "publicUrl",
        "typo",
        "broker/replicas",
        "image/digest",
        "terminationGracePeriodSeconds",
        "calls/0",
        "payments",
        "paymentProvider",
    ):
        assert where in told, told


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_one_that_kubernetes_takes(everything: Rendered, version: str) -> None:
    unknown = set()
    for name, objects in everything.objects.items():
        for one in objects:
            try:
                validate(one, version, strict=True)
            except SchemaNotFoundError:
                unknown.add(one["kind"])
            except ValidationError as error:
                raise AssertionError(f"{name}: {one['kind']} {one['metadata']['name']}: {error.message} at {list(error.path)}") from None
    assert unknown == OTHERS


def test_a_field_that_does_not_exist_is_found(everything: Rendered) -> None:
    """Control of the one above."""
    one = named(everything.objects["defaults"], "Deployment", "preau-booking")
    with pytest.raises(ValidationError, match="unexpected"):
        validate({**one, "spec": {**one["spec"], "replica": 2}}, VERSIONS[0], strict=True)


def test_names_are_given_once(objects: list[Object]) -> None:
    names = [(each["kind"], each["metadata"]["name"]) for each in objects]
    assert len(set(names)) == len(names)


# ----------------------------------------------------------------------------------------------------------------- pods
def test_there_is_a_deployment_and_a_service_of_each(objects: list[Object]) -> None:
    for kind in ("Deployment", "Service"):
        assert {component(each) for each in of_kind(objects, kind)} - {"operator", "nobody"} == FIVE


def test_pods_are_restricted(objects: list[Object]) -> None:
    """Kubernetes' own profile `restricted`, a root that is read-only, and no token for the API."""
    for name, template in pods(objects):
        pod = template["spec"]
        assert pod["securityContext"]["runAsNonRoot"], name
        assert pod["securityContext"]["runAsUser"] == 10001
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        if "serviceAccountName" in pod:
            assert named(objects, "ServiceAccount", pod["serviceAccountName"])["automountServiceAccountToken"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
        assert all(set(volume) & {"emptyDir", "secret", "configMap", "persistentVolumeClaim"} for volume in pod["volumes"])
        for container in containers(template):
            security = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
            assert container["securityContext"] == security
            assert {"cpu", "memory"} <= set(container["resources"]["requests"])
            assert "memory" in container["resources"]["limits"]
            mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
            assert mounts["tmp"]["mountPath"] == "/tmp"
            assert all(mount.get("readOnly") for kind, mount in mounts.items() if kind not in ("tmp", "backups"))
            assert set(mounts) <= {volume["name"] for volume in pod["volumes"]}


def test_probes_ask_what_is_there(objects: list[Object]) -> None:
    """The database or the broker being away is no reason to start a process again: only /readyz looks at them."""
    for each in of_kind(objects, "Deployment"):
        if component(each) == "operator":
            continue
        (container,) = each["spec"]["template"]["spec"]["containers"]
        asked = {probe: container[f"{probe}Probe"]["httpGet"] for probe in ("startup", "liveness", "readiness")}
        assert asked == {probe: {"path": "/readyz" if probe == "readiness" else "/livez", "port": "http"} for probe in asked}
        startup = container["startupProbe"]
        assert startup["periodSeconds"] * startup["failureThreshold"] >= 60


def test_a_pod_has_time_to_end(objects: list[Object]) -> None:
    """First everybody learns that it goes, then it answers on, ends what is under way, publishes the rest: then it may be killed."""
    drain = LINGER_SECONDS_IN_PRODUCTION + LAST_SECONDS + GRACE_SECONDS_IN_PRODUCTION + DRAIN_SECONDS
    for each in of_kind(objects, "Deployment"):
        pod = each["spec"]["template"]["spec"]
        if component(each) == "operator":
            continue
        pause = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert pause >= 3
        assert pod["terminationGracePeriodSeconds"] >= pause + drain
        assert each["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


def test_selectors_find_their_pods_and_no_others(objects: list[Object]) -> None:
    labels = {name: template["metadata"]["labels"] for name, template in pods(objects)}
    for each in of_kind(objects, "Deployment", "PodDisruptionBudget"):
        assert [name for name, those in labels.items() if selects(each["spec"]["selector"], those)] == [each["metadata"]["name"]]
    for each in of_kind(objects, "Deployment"):
        for spread in each["spec"]["template"]["spec"].get("topologySpreadConstraints", ()):
            assert spread["labelSelector"] == each["spec"]["selector"]
            assert spread["whenUnsatisfiable"] == "ScheduleAnyway"
    for each in of_kind(objects, "Service"):
        found = [name for name, those in labels.items() if each["spec"].get("selector", {"no": "pod"}).items() <= those.items()]
        assert found == ([] if component(each) == "nobody" else [each["metadata"]["name"]])


def test_two_of_each_are_spread_and_one_stays(everything: Rendered) -> None:
    objects = everything.objects["defaults"]
    assert {component(each) for each in of_kind(objects, "PodDisruptionBudget")} == FIVE
    for each in of_kind(objects, "PodDisruptionBudget"):
        assert each["spec"]["minAvailable"] == 1
    for each in of_kind(everything.objects["small"], "PodDisruptionBudget"):
        assert each["spec"]["maxUnavailable"] == 1, "a budget that lets no pod go would hold up a node's end for ever"
    for each in of_kind(objects, "Deployment"):
        keys = [spread["topologyKey"] for spread in each["spec"]["template"]["spec"]["topologySpreadConstraints"]]
        assert keys == ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]


def test_what_scales_has_one_master(objects: list[Object]) -> None:
    """A HorizontalPodAutoscaler or a ScaledObject (which makes one), and then no number of replicas in the Deployment."""
    scaled = {each["metadata"]["name"]: each for each in of_kind(objects, "HorizontalPodAutoscaler", "ScaledObject")}
    assert len(scaled) == len(of_kind(objects, "HorizontalPodAutoscaler", "ScaledObject"))
    for each in of_kind(objects, "Deployment"):
        assert ("replicas" in each["spec"]) == (each["metadata"]["name"] not in scaled)
    for name, each in scaled.items():
        assert each["spec"]["scaleTargetRef"]["name"] == name
        assert named(objects, "Deployment", name)


def test_who_answers_families_scales_by_cpu_and_by_what_waits_where_keda_is(everything: Rendered) -> None:
    usual, whole = everything.objects["defaults"], everything.objects["whole"]
    assert {component(each) for each in of_kind(usual, "HorizontalPodAutoscaler")} == FIVE - {"mailer"}
    assert {component(each) for each in of_kind(whole, "HorizontalPodAutoscaler")} == {"gateway"}
    assert {component(each) for each in of_kind(whole, "ScaledObject")} == FIVE - {"gateway"}
    for each in of_kind(whole, "ScaledObject"):
        for trigger in each["spec"]["triggers"]:
            if trigger["type"] == "nats-jetstream":
                assert trigger["metadata"]["consumer"] == component(each)
                assert trigger["metadata"]["account"] == "PREAU"
                assert trigger["metadata"]["natsServerMonitoringEndpoint"] == "preau-nats-headless.preau.svc:8222", "KEDA is elsewhere"


# ----------------------------------------------------------------------------------------------------------- migrations
def test_databases_are_migrated_before_anybody_serves(everything: Rendered) -> None:
    """By hooks where they are there before us, with all that the hooks need; else by each pod."""
    services = FIVE - {"gateway"}
    for name, objects in everything.objects.items():
        jobs = [each for each in of_kind(objects, "Job") if component(each).startswith("migrate-")]
        inside = {
            component(each): each["spec"]["template"]["spec"]["initContainers"][0]["args"]
            for each in of_kind(objects, "Deployment")
            if "initContainers" in each["spec"]["template"]["spec"]
        }
        if name in ("defaults", "whole", "external"):
            assert not inside
            assert {tuple(containers(job["spec"]["template"])[0]["args"]) for job in jobs} == {("migrate", each) for each in services}
        else:
            assert not jobs
            assert inside == {each: ["migrate", each] for each in services}


def hook(one: Object) -> tuple[str, int] | None:
    """(when, in which order)"""
    notes = one["metadata"].get("annotations", {})
    return (notes["helm.sh/hook"], int(notes["helm.sh/hook-weight"])) if "helm.sh/hook" in notes else None


def test_what_helm_does_before_all_else_has_what_it_needs(everything: Rendered) -> None:
    """Of the release nothing is there yet: no account, no policy, no Secret that the release makes."""
    kinds = set()
    for values, objects in everything.objects.items():
        made = {each["metadata"]["name"] for each in of_kind(objects, "Secret", "ConfigMap")}
        made |= {each["spec"]["target"]["name"] for each in of_kind(objects, "ExternalSecret")}
        made |= {f"{each['metadata']['name']}-app" for each in of_kind(objects, "Cluster")}
        policies = of_kind(objects, "NetworkPolicy")
        for job in of_kind(objects, "Job"):
            when = hook(job)
            assert when is not None
            kinds.add(component(job).partition("-")[0])
            template = job["spec"]["template"]
            account = template["spec"].get("serviceAccountName", "default")
            assert account == "default" or (hook(named(objects, "ServiceAccount", account)) or ("", 0))[1] < when[1], (values, account)
            about = [each for each in policies if selects(each["spec"]["podSelector"], template["metadata"]["labels"])]
            opened = [each for each in about if "egress" in each["spec"]]
            assert bool(opened) == bool(about)
            for each in opened:
                before = hook(each)
                assert before is not None
                assert before[0] == when[0]
                assert before[1] < when[1]
            for container in containers(template):
                assert not {entry["valueFrom"]["secretKeyRef"]["name"] for entry in container["env"] if "valueFrom" in entry} & made
            assert not {volume["secret"]["secretName"] for volume in template["spec"]["volumes"] if "secret" in volume} & made
    assert kinds == {"migrate", "streams"}


def test_of_what_helm_does_before_all_else_nothing_stays(objects: list[Object]) -> None:
    """`helm uninstall` does not know it; and what other objects live by must not be of that kind, for it goes with it."""
    for each in objects:
        if hook(each):
            assert each["kind"] in ("Job", "NetworkPolicy")
            assert each["metadata"]["annotations"]["helm.sh/hook-delete-policy"] == "before-hook-creation,hook-succeeded"


def test_what_could_not_begin_is_refused() -> None:
    """Before anything is installed there is no database of ours, and no Secret that somebody makes for us."""
    elsewhere = "secrets: {mode: externalSecrets, externalSecrets: {store: vault}}"
    wishes = ["database: {mode: cnpg}\nmigrations: {mode: hook}", f"{elsewhere}\nmigrations: {{mode: hook}}"]
    told = refused(*wishes, f"{elsewhere}\nbroker: {{provisioning: job}}")
    assert len(told) == 3
    assert all(words in each for words, each in zip(("database.mode", "migrations.mode", "broker.provisioning"), told, strict=True))


# -------------------------------------------------------------------------------------------------------------- backups
def test_there_is_room_for_a_backup_where_commands_are_typed(everything: Rendered) -> None:
    """Of its own, for /tmp has room for what a process writes meanwhile; and what keeps state does not go with the release."""
    for values, room in (
        ("whole", {"emptyDir": {"sizeLimit": "20Gi"}}),
        ("cnpg", {"persistentVolumeClaim": {"claimName": "preau-backups"}}),
    ):
        pod = named(everything.objects[values], "Deployment", "preau-operator")["spec"]["template"]["spec"]
        (volume,) = [each for each in pod["volumes"] if each["name"] == "backups"]
        assert volume == {"name": "backups", **room}
        assert {"name": "backups", "mountPath": "/backups"} in pod["containers"][0]["volumeMounts"]
    for each in of_kind(everything.objects["cnpg"], "Cluster"):
        assert each["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


# ------------------------------------------------------------------------------------------------------------------ base
def test_the_kustomize_base_is_the_render(everything: Rendered) -> None:
    """`make kustomize` writes it again."""
    there = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "deploy" / "kustomize" / "base").iterdir()}
    assert there == everything.base
    assert yaml.safe_load(there["kustomization.yaml"])["resources"] == sorted(set(there) - {"kustomization.yaml"})


def test_the_base_has_all_that_the_chart_has_but_helms_own_words(everything: Rendered) -> None:
    plain = [each for text in everything.base.values() for each in yaml.safe_load_all(text) if each["kind"] != "Kustomization"]
    theirs = {(each["kind"], each["metadata"]["name"]) for each in everything.objects["defaults"]}
    hooks = {(kind, name) for kind, name in theirs if "-migrate-" in name}
    assert {(each["kind"], each["metadata"]["name"]) for each in plain} == theirs - hooks
    assert "helm" not in yaml.safe_dump(plain).lower()
    for each in of_kind(plain, "Deployment"):  # deploy/kustomize/README.md patches it by its place
        assert each["spec"]["template"]["spec"]["containers"][0]["env"][1]["name"] == "PREAU_PUBLIC_URL"
