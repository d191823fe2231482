"""Every process is told what it needs, by names that exist, and no secret stands in what is rendered."""

import re
from itertools import chain

import pytest

from deploy.serving import PORTS
from services.settings import NEEDED, SETTINGS, Settings, SettingsError
from tests.deploy.kubernetes.rendered import Object, Rendered, component, containers, environment, named, of_kind, pods

#: What is good only for being put into an address.
PARTS = re.compile(r"(IDENTITY|BILLING|BOOKING|MAILER)_(USERNAME|PASSWORD|HOST|DBNAME)")
SECRET = re.compile(r"PASSWORD|SECRET|_KEY$|DATABASE_URL|SMTP_URL|DBNAME|USERNAME")
EXAMPLES = {"PREAU_SIGNING_KEY": "{}", "PREAU_FIELD_KEY": "00" * 32, "SMTP_URL": "smtp://mail:587"}


def resolved(container: Object) -> dict[str, str]:
    """As Kubernetes would set it, with examples for what comes of Secrets."""
    values: dict[str, str] = {}
    for name, entry in environment(container).items():
        if "valueFrom" in entry:
            fallback = f"postgresql+asyncpg://db/{name.lower()}" if name.endswith("_DATABASE_URL") else f"example{len(values)}"
            values[name] = EXAMPLES.get(name, fallback)
        else:
            values[name] = re.sub(r"\$\(([A-Z_]+)\)", lambda match: values[match[1]], entry["value"])
    return values


def test_every_setting_exists(objects: list[Object]) -> None:
    for name, template in pods(objects):
        for container in containers(template):
            told = set(environment(container))
            assert {each for each in told if not PARTS.fullmatch(each)} <= set(SETTINGS), name


def test_every_part_is_used_and_set_before_it_is(objects: list[Object]) -> None:
    for _, template in pods(objects):
        for container in containers(template):
            values = resolved(container)  # raises KeyError for what is not set, or later
            used = set(chain.from_iterable(re.findall(r"\$\(([A-Z_]+)\)", each.get("value", "")) for each in container.get("env", [])))
            assert {each for each in values if PARTS.fullmatch(each)} == used


def test_each_process_accepts_its_settings(objects: list[Object]) -> None:
    for each in of_kind(objects, "Deployment"):
        name = component(each)
        (container,) = each["spec"]["template"]["spec"]["containers"]
        values = resolved(container)
        process = None if name == "operator" else name
        settings = Settings.from_environment(values, process)
        assert settings.production
        for needed in NEEDED[process]:
            with pytest.raises(SettingsError, match=needed):
                Settings.from_environment({key: value for key, value in values.items() if key != needed}, process)


def test_no_process_is_told_the_secrets_of_others(everything: Rendered) -> None:
    for objects in everything.objects.values():
        for each in of_kind(objects, "Deployment", "Job"):
            name = component(each).removeprefix("migrate-")
            if name in ("operator", "streams"):
                continue
            for container in containers(each["spec"]["template"]):
                for setting, entry in environment(container).items():
                    if "valueFrom" in entry:
                        secret = entry["valueFrom"]["secretKeyRef"]
                        assert secret["name"] in (f"preau-{name}", f"preau-{name}-db-app"), (name, setting)


def test_every_secret_is_a_reference(objects: list[Object]) -> None:
    assert not of_kind(objects, "Secret")
    for name, template in pods(objects):
        for container in containers(template):
            for setting, entry in environment(container).items():
                if SECRET.search(setting) and not re.search(r"\$\(", entry.get("value", "")):
                    assert set(entry["valueFrom"]) == {"secretKeyRef"}, (name, setting)


def test_secrets_that_an_operator_makes_have_every_key_that_is_read(everything: Rendered) -> None:
    objects = everything.objects["cnpg"]
    made = {
        each["spec"]["target"]["name"]: {entry["secretKey"] for entry in each["spec"].get("data", ())}
        for each in of_kind(objects, "ExternalSecret")
    }
    clusters = {f"{each['metadata']['name']}-app" for each in of_kind(objects, "Cluster")}
    assert len(clusters) == 4
    for _, template in pods(objects):
        for container in containers(template):
            for entry in environment(container).values():
                if "valueFrom" not in entry:
                    continue
                secret = entry["valueFrom"]["secretKeyRef"]
                if secret["name"] in clusters:  # as CloudNativePG documents it
                    assert secret["key"] in {"username", "password", "host", "dbname"}
                else:
                    assert secret["key"] in made[secret["name"]]
    assert "preau-nats" in made


def test_each_listens_where_its_service_leads(objects: list[Object]) -> None:
    services = {each["metadata"]["name"]: each for each in of_kind(objects, "Service")}
    for each in of_kind(objects, "Deployment"):
        name = component(each)
        if name == "operator":
            continue
        (container,) = each["spec"]["template"]["spec"]["containers"]
        (port,) = container["ports"]
        assert container["args"] == ["serve", name, "--host", "0.0.0.0", "--port", str(port["containerPort"])]
        assert port == {"name": "http", "containerPort": PORTS[name], "protocol": "TCP"}
        assert services[f"preau-{name}"]["spec"]["ports"] == [
            {"name": "http", "port": PORTS[name], "targetPort": "http", "protocol": "TCP"}
        ]


def test_addresses_are_services(objects: list[Object]) -> None:
    services = {each["metadata"]["name"]: each for each in of_kind(objects, "Service")}
    told: set[tuple[str, str]] = set()
    for _, template in pods(objects):
        for container in containers(template):
            for setting, value in resolved(container).items():
                if match := re.fullmatch(r"http://(preau-[a-z]+):(\d+)", value):
                    assert setting == f"{match[1].removeprefix('preau-').upper()}_URL"
                    assert services[match[1]]["spec"]["ports"][0]["port"] == int(match[2])
                    told.add((component(template), setting))
    assert {setting for who, setting in told if who == "operator"} in (set(), {f"{name.upper()}_URL" for name in PORTS}), "for the doctor"
    for each in of_kind(objects, "Ingress"):
        for path in each["spec"]["rules"][0]["http"]["paths"]:
            assert path["backend"]["service"]["name"] in services
            assert path["backend"]["service"]["port"] == {"name": "http"}


def test_families_reach_nothing_of_the_inside(everything: Rendered) -> None:
    (ingress,) = of_kind(everything.objects["defaults"], "Ingress")
    ways = {path["path"]: path["backend"]["service"]["name"] for path in ingress["spec"]["rules"][0]["http"]["paths"]}
    assert ways == {"/metrics": "preau-nobody", "/readyz": "preau-nobody", "/livez": "preau-nobody", "/": "preau-gateway"}
    assert "selector" not in named(everything.objects["defaults"], "Service", "preau-nobody")["spec"]
    assert named(everything.objects["defaults"], "Service", "preau-gateway")["spec"]["sessionAffinity"] == "ClientIP"


def test_files_are_where_their_settings_say(everything: Rendered) -> None:
    found, beside = {}, {}
    for each in of_kind(everything.objects["whole"], "Deployment"):
        pod = each["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        sources = {volume["name"]: volume for volume in pod["volumes"]}
        for mount in container["volumeMounts"]:
            if mount["name"] not in ("tmp", "backups"):
                source = sources[mount["name"]].get("secret") or sources[mount["name"]]["configMap"]
                setting = mount["mountPath"].rpartition("/")[2]
                found.setdefault(setting, set()).add(component(each))
                assert environment(container)[setting]["value"] == f"{mount['mountPath']}/{source['items'][0]['path']}"
                beside[setting] = [item["path"] for item in source["items"][1:] if item["path"] == item["key"]]
    files = {"PREAU_PORTAL": {"gateway"}, "PREAU_OIDC": {"identity"}, "PREAU_SCHOOL_HOLIDAYS": {"booking", "operator"}}
    operator = named(everything.objects["whole"], "Deployment", "preau-operator")["spec"]["template"]["spec"]["containers"][0]
    assert environment(operator)["PREAU_LOG_LEVEL"]["value"] == "debug", "what all are told commands are told, too"
    assert beside["PREAU_PORTAL"] == ["mairie.svg", "syndicat.png"], "its logos, which it looks for in its own folder"
    assert found == files | {"NATS_CREDENTIALS": {*PORTS, "operator"}}
