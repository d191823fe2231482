"""What is written for operators is what they take: their API servers drop a field that they do not know, and say nothing.

operators.json has the schemas of their resources' `spec`, of the releases that it names, under the Apache License 2.0: without descriptions, and
where we write nothing without what is inside. Their rules in CEL are not in it, and no operator was asked.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.deploy.kubernetes.rendered import Object, Rendered, named, of_kind
from tests.deploy.kubernetes.test_chart import OTHERS

SPECS = json.loads(Path(__file__).with_name("operators.json").read_text(encoding="utf-8"))["specs"]

#: https://github.com/kedacore/keda v2.20.2, pkg/scalers: what a trigger's metadata may say (all of it text), and what it must.
TRIGGERS = {
    "cpu": ({"value", "containerName"}, {"value"}),
    "nats-jetstream": (
        {
            "account",
            "accountID",
            "stream",
            "consumer",
            "lagThreshold",
            "activationLagThreshold",
            "useHttps",
            "natsServerMonitoringEndpoint",
        },
        {"account", "stream", "consumer", "natsServerMonitoringEndpoint"},
    ),
}


def strict(schema: Any) -> Any:
    """No field but those that are named, where some are."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {
        word: {name: strict(each) for name, each in rule.items()} if word == "properties" else strict(rule) for word, rule in schema.items()
    }
    closed = "properties" in made and not made.get("x-kubernetes-preserve-unknown-fields")
    return {"additionalProperties": False, **made} if closed else made


VALIDATORS = {kind: Draft202012Validator(strict(schema)) for kind, schema in SPECS.items()}


def complaints(one: Object) -> list[str]:
    found = VALIDATORS[f"{one['apiVersion']}/{one['kind']}"].iter_errors(one["spec"])
    return [f"{one['metadata']['name']}: {each.message} at {list(each.path)}" for each in found]


def test_every_object_of_an_operators_kind_is_one_that_it_takes(everything: Rendered) -> None:
    seen = set()
    for objects in everything.objects.values():
        for one in of_kind(objects, *OTHERS):
            assert set(one) == {"apiVersion", "kind", "metadata", "spec"}
            assert complaints(one) == []
            seen.add(one["kind"])
    assert seen == OTHERS


@pytest.mark.parametrize(
    ("values", "kind", "name", "change", "said"),
    [
        ("cnpg", "Stream", "preau", {"allowAtomic": True}, "allowAtomic"),
        ("cnpg", "Consumer", "preau-mailer", {"ackWait": 5}, "not of type 'string'"),
        ("cnpg", "Cluster", "preau-mailer-db", {"postgresql": {"synchronous": {"method": "some", "number": 1}}}, "'some'"),
        ("cnpg", "ExternalSecret", "preau-nats", {"refreshInterval": 60}, "60 is not of type"),
        ("whole", "ScaledObject", "preau-mailer", {"scaleTargetRef": {}}, "'name' is a required"),
        ("whole", "ServiceMonitor", "preau", {"endpoints": [{"port": 80}]}, "80"),
        ("whole", "PrometheusRule", "preau", {"groups": [{"rules": []}]}, "'name' is a required"),
    ],
)
def test_what_it_would_not_take_is_found(everything: Rendered, values: str, kind: str, name: str, change: Object, said: str) -> None:
    """Control of the one above."""
    one = named(everything.objects[values], kind, name)
    (told,) = complaints({**one, "spec": {**one["spec"], **change}})
    assert said in told


def test_keda_is_told_what_its_scalers_know(everything: Rendered) -> None:
    triggers = [trigger for each in of_kind(everything.objects["whole"], "ScaledObject") for trigger in each["spec"]["triggers"]]
    assert {trigger["type"] for trigger in triggers} == set(TRIGGERS)
    for trigger in triggers:
        may, must = TRIGGERS[trigger["type"]]
        assert must <= set(trigger["metadata"]) <= may
        assert all(isinstance(value, str) for value in trigger["metadata"].values())
