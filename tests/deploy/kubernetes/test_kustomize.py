"""The overlay that deploy/kustomize/README.md shows, built as it stands: on the base of this tree."""

import os
import re
import shutil
import subprocess
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes_validate import validate

from tests.deploy.kubernetes.rendered import ROOT, Object, containers, environment, named, of_kind, pods

FOLDER = ROOT / "deploy" / "kustomize"


def shown() -> dict[str, Any]:
    """The overlay, on this tree."""
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"\n\n((?:    .*\n)+)", text)
    overlay = dict(yaml.safe_load(block))
    assert overlay["resources"] == ["https://.../deploy/kustomize/base?ref=v0.1.0"]
    (image,) = overlay["images"]
    return {**overlay, "images": [{**image, "digest": f"sha256:{1:064}"}]}


def built(folder: Path, overlay: dict[str, Any]) -> list[Object]:
    command = ["kustomize", "build"] if shutil.which("kustomize") else ["kubectl", "kustomize"]
    if shutil.which(command[0]) is None:
        pytest.skip("neither kustomize nor kubectl is here: the overlay of deploy/kustomize/README.md is not built")
    base = os.path.relpath(FOLDER / "base", folder.resolve())
    (folder / "kustomization.yaml").write_text(yaml.safe_dump({**overlay, "resources": [base]}), encoding="utf-8")
    done = subprocess.run([*command, str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def test_the_overlay_that_is_shown_says_what_a_town_has_to_say(tmp_path: Path) -> None:
    objects = built(tmp_path, shown())
    plain = chain.from_iterable(yaml.safe_load_all(file.read_text(encoding="utf-8")) for file in (FOLDER / "base").glob("*.yaml"))
    theirs = {(each["kind"], each["metadata"]["name"]) for each in plain if each["kind"] != "Kustomization"}
    assert {(each["kind"], each["metadata"]["name"]) for each in objects} == theirs
    assert {each["metadata"]["namespace"] for each in objects} == {"preau"}
    for one in objects:
        validate(one, "1.34", strict=True)
    for _, template in pods(objects):
        for container in containers(template):
            assert container["image"] == f"registry.example.org/preau@sha256:{1:064}"
    for each in of_kind(objects, "Deployment"):
        (container,) = each["spec"]["template"]["spec"]["containers"]
        assert environment(container)["PREAU_PUBLIC_URL"]["value"] == "https://famille.example.org"
    ingress = named(objects, "Ingress", "preau")["spec"]
    assert ingress["rules"][0]["host"] == "famille.example.org"
    assert ingress["tls"][0]["hosts"] == ["famille.example.org"]
