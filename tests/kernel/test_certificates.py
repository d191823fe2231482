"""Reading the authorities takes longer than most requests: no process of ours does it for each."""

import ast
from pathlib import Path

import pytest

import services
from services.certificates import trusted

FILES = sorted(Path(services.__path__[0]).rglob("*.py"))


def clients(file: Path) -> list[ast.Call]:
    calls = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]
    return [call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr in ("AsyncClient", "Client")]


def test_the_authorities_are_read_once() -> None:
    assert trusted() is trusted()
    assert trusted().get_ca_certs()


@pytest.mark.parametrize("file", [file for file in FILES if "httpx2." in file.read_text() and clients(file)], ids=lambda file: file.stem)
def test_whoever_asks_others_asks_with_what_was_read(file: Path) -> None:
    for call in clients(file):
        assert "trusted()" in [ast.unparse(keyword.value) for keyword in call.keywords if keyword.arg == "verify"], ast.unparse(call)
