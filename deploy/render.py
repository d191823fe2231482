"""What the chart says as plain YAML: `python -m deploy.render` writes the Kustomize base again. In development only: it needs Helm."""

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent
CHART = ROOT / "chart"
BASE = ROOT / "kustomize" / "base"
VALUES = ROOT / "kustomize" / "values.yaml"
HEAD = "# Written by `make kustomize` from deploy/chart with deploy/kustomize/values.yaml: change those.\n"
HELMS_OWN = ("helm.sh/", "app.kubernetes.io/managed-by")

Object = dict[str, Any]


def render(values: Mapping[str, Any]) -> list[Object]:
    """The chart's objects, in the order of their files. Raises helm_python's HelmError for values that the chart refuses."""
    from helm_python import Chart  # noqa: PLC0415 -- 100 MB, and no operator has it

    with Chart.load(CHART) as chart:
        files = chart.render(dict(values), name="preau", namespace="preau")
    texts = [text for name, text in sorted(files.items()) if name.endswith(".yaml")]
    return [found for text in texts for found in yaml.safe_load_all(text) if found]


def complaints(values: Mapping[str, Any]) -> list[str]:
    """What `helm lint --strict` says, except that there is no icon."""
    from helm_python import lint  # noqa: PLC0415 -- see above

    report = lint(CHART, dict(values), strict=True)
    return [each["error"] for each in report["messages"] if each["severity"] > 1]


# ------------------------------------------------------------------------------------------------------------- Kustomize
def base() -> dict[str, str]:
    """File -> text: one for each component, and the one that names them."""
    objects = [_plain(each) for each in render(yaml.safe_load(VALUES.read_text(encoding="utf-8")))]
    parts: dict[str, list[Object]] = {}
    for each in objects:
        parts.setdefault(each["metadata"]["labels"]["app.kubernetes.io/component"], []).append(each)
    files = {f"{name}.yaml": HEAD + _text(parts[name]) for name in sorted(parts)}
    named = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": list(files)}
    return {"kustomization.yaml": HEAD + _text([named]), **files}


def _plain(one: Object) -> Object:
    """Without what only Helm reads."""
    if isinstance(one, dict):
        return {name: _plain(value) for name, value in one.items() if not name.startswith(HELMS_OWN)}
    return [_plain(each) for each in one] if isinstance(one, list) else one


def _text(objects: Iterable[Object]) -> str:
    return "---\n".join(yaml.safe_dump(each, sort_keys=False, width=1000, allow_unicode=True) for each in objects)


def main() -> None:
    """Or, for tests, of each values file that is named: what is rendered and what is wrong with it, as JSON."""
    if len(sys.argv) > 1:
        wishes = {Path(name).stem: yaml.safe_load(Path(name).read_text(encoding="utf-8")) or {} for name in sys.argv[1:]}
        told = {name: {"objects": render(wish), "complaints": complaints(wish)} for name, wish in wishes.items()}
        print(json.dumps({"of": told, "base": base()}))
        return
    BASE.mkdir(parents=True, exist_ok=True)
    for path in BASE.iterdir():
        path.unlink()
    for name, text in base().items():
        (BASE / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
