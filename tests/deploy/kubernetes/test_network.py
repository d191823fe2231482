"""Who may reach whom: what the NetworkPolicies leave open is what the architecture needs, and nothing else."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.deploy.kubernetes.rendered import ROOT, Object, Rendered, of_kind, pods, selects

#: Of a process of ours, or of the broker, by the name of its Service.
ADDRESS = re.compile(r"(?:http|nats)://([a-z0-9-]+)(?:\.[a-z0-9.-]+)?:(\d+)")
BROKER = {"app.kubernetes.io/name": "nats", "app.kubernetes.io/instance": "preau-nats"}
#: README, The picture: the gateway asks each service; each keeps its own database, and all meet at the broker alone.
ASKED = {("gateway", "identity", 8101), ("gateway", "billing", 8102), ("gateway", "booking", 8103), ("gateway", "mailer", 8104)}
WITH_DATABASES = ("identity", "billing", "booking", "mailer")
SERVICES = ("gateway", *WITH_DATABASES)
BROKERED = {(name, "broker", 4222) for name in SERVICES} | {(name, "broker", 8222) for name in WITH_DATABASES}
KEPT = {(name, "anywhere", 5432) for name in WITH_DATABASES}
SENT = {("mailer", "anywhere", 587)}
NAMED = {(name, "dns", 53) for name in SERVICES}
MIGRATED = {(f"migrate-{name}", where, port) for name in WITH_DATABASES for where, port in (("anywhere", 5432), ("dns", 53))}
FROM_OUTSIDE = {("ingress", "gateway", 8000)} | {
    ("monitoring", name, port) for name, port in zip(SERVICES, (8000, 8101, 8102, 8103, 8104), strict=True)
}


def peers(objects: list[Object]) -> dict[str, dict[str, str]]:
    """All whom a policy may speak of: name -> labels."""
    ours = {template["metadata"]["labels"]["app.kubernetes.io/component"]: template["metadata"]["labels"] for _, template in pods(objects)}
    return ours | clusters(objects) | {"broker": BROKER}


def clusters(objects: list[Object]) -> dict[str, dict[str, str]]:
    """CloudNativePG's pods: its own label, and those that they inherit."""
    return {
        f"{each['metadata']['name']}'s database": {"cnpg.io/cluster": each["metadata"]["name"]}
        | each["spec"].get("inheritedMetadata", {}).get("labels", {})
        for each in of_kind(objects, "Cluster")
    }


def outside(peer: dict[str, Any]) -> str:
    """The name of a peer in another namespace, or outside the cluster."""
    if "ipBlock" in peer:
        return str(peer["ipBlock"]["cidr"])
    name = peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
    return {"kube-system": "dns", "ingress-nginx": "ingress"}.get(name, name)


def those(rule: dict[str, Any], side: str, known: dict[str, dict[str, str]]) -> Iterator[str]:
    for peer in rule.get(side, [None]):
        if peer is None:
            yield "anywhere"
        elif "podSelector" not in peer or "namespaceSelector" in peer:
            yield outside(peer)
        else:
            found = [name for name, labels in known.items() if selects(peer["podSelector"], labels)]
            assert found, f"nobody is {peer}"
            yield from found


def graph(objects: list[Object]) -> tuple[set[tuple[str, str, int]], set[tuple[str, str, int]]]:
    """(who may call whom at which port, by the callers' policies; who may be called by whom, by theirs who are called)"""
    known = peers(objects)
    ports = {
        template["metadata"]["labels"]["app.kubernetes.io/component"]: container["ports"][0]["containerPort"]
        for _, template in pods(objects)
        for container in template["spec"]["containers"]
        if "ports" in container
    }
    out: set[tuple[str, str, int]] = set()
    into: set[tuple[str, str, int]] = set()
    for policy in of_kind(objects, "NetworkPolicy"):
        spec = policy["spec"]
        own = [name for name, labels in known.items() if selects(spec["podSelector"], labels)]
        assert own, f"{policy['metadata']['name']} is about nobody"
        for rule in spec.get("egress", ()):
            out |= {(one, other, port["port"]) for one in own for other in those(rule, "to", known) for port in rule["ports"]}
        for rule in spec.get("ingress", ()):
            for port in rule["ports"]:
                number = {one: ports[one] if port["port"] == "http" else port["port"] for one in own}
                into |= {(other, one, number[one]) for one in own for other in those(rule, "from", known)}
    return out, into


def test_nothing_is_open_but_what_the_architecture_needs(everything: Rendered) -> None:
    out, into = graph(everything.objects["defaults"])
    assert out == ASKED | BROKERED | KEPT | SENT | NAMED | MIGRATED
    assert into == ASKED | FROM_OUTSIDE


def test_who_may_call_may_also_be_heard(everything: Rendered) -> None:
    """Both ends have to agree, or a call goes nowhere."""
    for name, objects in everything.objects.items():
        if name == "small":
            continue
        out, into = graph(objects)
        inside = set(peers(objects)) - {"broker"}
        assert {edge for edge in out if edge[1] in inside} == {edge for edge in into if edge[0] in inside and edge[1] in inside}


def addressed(objects: list[Object]) -> set[tuple[str, str, int]]:
    """(who is told of whom at which port) by the addresses in containers' settings. Those in Secrets cannot be read."""
    services = {each["metadata"]["name"]: each["spec"]["selector"] for each in of_kind(objects, "Service") if "selector" in each["spec"]}
    known = {name: labels for name, labels in peers(objects).items() if name != "broker"}
    found = set()
    for _, template in pods(objects):
        caller = template["metadata"]["labels"]["app.kubernetes.io/component"]
        for container in template["spec"]["containers"]:
            for setting in container.get("env", ()):
                for host, port in ADDRESS.findall(setting.get("value", "")):
                    if host in services:
                        (called,) = [one for one, labels in known.items() if services[host].items() <= labels.items()]
                        found.add((caller, called, int(port)))
                    elif host.startswith("preau-nats"):
                        found.add((caller, "broker", int(port)))
    return found


@pytest.mark.parametrize("values", ["defaults", "whole", "cnpg"])
def test_whoever_is_told_an_address_inside_may_call_there_and_nobody_else(everything: Rendered, values: str) -> None:
    objects = everything.objects[values]
    out, _ = graph(objects)
    inside = set(peers(objects)) - set(clusters(objects))
    told = addressed(objects)
    assert {(who, port) for who, called, port in told if called == "broker"} >= {(name, 4222) for name in SERVICES}
    assert {edge for edge in out if edge[1] in inside} == told


def test_databases_of_our_own_are_reached_by_their_service_alone(everything: Rendered) -> None:
    out, _ = graph(everything.objects["cnpg"])
    for name in WITH_DATABASES:
        mine = f"preau-{name}-db's database"
        callers = {one for one, other, port in out if other == mine and port == 5432}
        assert callers == {name, "operator", mine}
    assert not {edge for edge in out if edge[1] == "anywhere" and edge[2] == 5432}


def test_databases_of_our_own_are_reached_by_their_operator_and_reach_what_it_needs(everything: Rendered) -> None:
    """And nothing of ours closes them but what is about them alone."""
    objects = everything.objects["cnpg"]
    out, into = graph(objects)
    for name, labels in clusters(objects).items():
        about = [each["metadata"]["name"] for each in of_kind(objects, "NetworkPolicy") if selects(each["spec"]["podSelector"], labels)]
        assert about == [labels["cnpg.io/cluster"]]
        among = {(name, name, 5432), (name, name, 8000)}
        service = labels["cnpg.io/cluster"].removeprefix("preau-").removesuffix("-db")
        assert {edge for edge in into if edge[1] == name} == among | {
            *((who, name, 5432) for who in (service, "operator", "cnpg-system")),
            ("cnpg-system", name, 8000),
            ("monitoring", name, 9187),
        }
        assert {edge for edge in out if edge[0] == name} == among | {
            (name, "dns", 53),
            *((name, "anywhere", port) for port in (443, 6443)),  # Kubernetes' API, and where backups go
        }


def test_the_world_outside_is_reached_by_whom_it_concerns(everything: Rendered) -> None:
    out, _ = graph(everything.objects["whole"])
    assert {one for one, other, port in out if (other, port) == ("anywhere", 443)} == {"identity", "billing", "mailer"}, (
        "payment sites, providers of identities, webhooks"
    )
    assert {one for one, other, port in out if (other, port) == ("anywhere", 4318)} == set(SERVICES), "traces"
    assert {one for one, _, port in out if port == 587} == {"mailer", "operator"}


def test_where_all_that_is_outside_has_an_address_nothing_calls_anywhere_else(everything: Rendered) -> None:
    out, _ = graph(everything.objects["external"])
    databases, broker, mail, web = (f"192.0.2.{number}/32" for number in (5, 6, 7, 8))
    migrating = {f"migrate-{name}" for name in WITH_DATABASES}
    assert {edge for edge in out if edge[1] not in (*SERVICES, "dns")} == {
        *((who, databases, 5432) for who in (*WITH_DATABASES, *migrating, "operator")),
        *((who, broker, 4222) for who in (*SERVICES, "operator", "streams")),
        *((who, broker, 8222) for who in WITH_DATABASES),
        *((who, mail, 587) for who in ("mailer", "operator")),
        *((who, web, 443) for who in ("identity", "billing", "mailer")),
        *((who, "monitoring", 4318) for who in SERVICES),
    }


@pytest.mark.parametrize("values", ["defaults", "whole", "cnpg", "external"])
def test_every_pod_is_closed_before_it_is_opened(everything: Rendered, values: str) -> None:
    objects = everything.objects[values]
    (closed,) = [each for each in of_kind(objects, "NetworkPolicy") if not {"ingress", "egress"} & set(each["spec"])]
    assert closed["spec"]["policyTypes"] == ["Ingress", "Egress"]
    for _, template in pods(objects):
        assert selects(closed["spec"]["podSelector"], template["metadata"]["labels"])


def test_the_broker_lets_in_whom_we_send(everything: Rendered) -> None:
    (policy,) = yaml.safe_load((ROOT / "deploy" / "nats" / "values.yaml").read_text())["extraResources"]
    assert selects(policy["spec"]["podSelector"], BROKER)
    ours = policy["spec"]["ingress"][0]
    for _, template in pods(everything.objects["whole"]):
        assert selects(ours["from"][0]["podSelector"], template["metadata"]["labels"])
    assert {port["port"] for port in ours["ports"]} == {4222, 8222}
    assert {
        (outside(peer), port["port"])
        for rule in policy["spec"]["ingress"]
        for peer in rule["from"]
        for port in rule["ports"]
        if "namespaceSelector" in peer
    } == {("monitoring", 8222), ("keda", 8222), ("nack", 4222)}
