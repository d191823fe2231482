"""Where the parts of an embedded system are: free ports, the same as last time if possible, what is set above all."""

import os
import socket
from pathlib import Path

import pytest

from deploy.addresses import choose, keep, settings_of
from deploy.trouble import Trouble


def test_ports_are_free_and_differ(tmp_path: Path) -> None:
    ports = choose(tmp_path, 8000, {})
    numbers = [getattr(ports, name) for name in ports.__dataclass_fields__]
    assert len(set(numbers)) == len(numbers)
    assert ports.gateway == 8000


def test_they_are_the_same_next_time_unless_somebody_took_one(tmp_path: Path) -> None:
    first = choose(tmp_path, 8000, {})
    keep(tmp_path, first)
    assert choose(tmp_path, 8000, {}) == first
    with socket.create_server(("127.0.0.1", first.nats)):
        second = choose(tmp_path, 8000, {})
    assert second.nats != first.nats
    assert second.smtp == first.smtp


def test_what_is_set_is_taken(tmp_path: Path) -> None:
    ports = choose(tmp_path, 8000, {"NATS_URL": "nats://127.0.0.1:4999", "BOOKING_URL": "http://127.0.0.1:8103/"})
    assert (ports.nats, ports.booking) == (4999, 8103)


def test_an_address_without_a_port_is_told(tmp_path: Path) -> None:
    with pytest.raises(Trouble, match=r"nats://127\.0\.0\.1 has no port"):
        choose(tmp_path, 8000, {"NATS_URL": "nats://127.0.0.1"})


def test_a_file_of_another_time_is_no_trouble(tmp_path: Path) -> None:
    (tmp_path / "addresses.json").write_text('{"nats": "x", "kitchen": 3')
    assert choose(tmp_path, 8000, {}).gateway == 8000


def test_other_commands_find_a_system_by_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.endswith("_URL") or name.startswith("PREAU_")]:
        monkeypatch.delenv(name)
    ports = choose(tmp_path, 8000, {})
    keep(tmp_path, ports)
    assert settings_of(tmp_path).nats_url == f"nats://127.0.0.1:{ports.nats}"
    monkeypatch.setenv("NATS_URL", "nats://broker:4222")
    assert settings_of(tmp_path).nats_url == "nats://broker:4222"
