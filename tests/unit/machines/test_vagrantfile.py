"""What cannot become a Vagrantfile is refused, all of it at once."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest

from provision.errors import SettingsError
from provision.machines.vagrantfile import VIRTUALBOX_RANGE, allowed_by_virtualbox, box_of, problems, vagrantfile
from provision.settings.complete import complete
from provision.settings.model import Machine, Network, Settings


def _settings(provider: str = "virtualbox", **changes: Any) -> Settings:
    machine = {"name": "cp1", "os": "linux", "role": "control-plane", "mac": "00:50:56:01:02:03"}
    machine |= changes.pop("machine", {})
    return complete(Settings(provider=provider, machines=(Machine(**machine),), **changes))


@pytest.mark.parametrize(
    ("provider", "changes", "complaint"),
    [
        ("virtualbox", {"machine": {"address": IPv4Address("192.168.56.1")}}, "belongs to this computer"),
        ("virtualbox", {"machine": {"address": IPv4Address("192.168.56.255")}}, "broadcast address"),
        ("libvirt", {"machine": {"address": IPv4Address("10.9.9.9")}}, "is not in network.machines"),
        ("virtualbox", {"network": Network(machines=IPv4Network("10.20.30.0/24"))}, "VirtualBox here allows"),
        ("vmware_desktop", {"machine": {"mac": "52:54:00:01:02:03"}}, "VMware takes only"),
        ("hyperv", {"machine": {"windows_version": "2019", "os": "windows"}}, "no maintained box"),
    ],
)
def test_what_a_provider_cannot_take(provider: str, changes: Any, complaint: str) -> None:
    settings = _settings(provider, **changes)
    (found,) = problems(settings)
    assert complaint in found
    with pytest.raises(SettingsError) as caught:
        vagrantfile(settings)
    assert found in caught.value.details


def test_a_network_that_virtualbox_was_told_to_allow() -> None:
    settings = _settings(network=Network(machines=IPv4Network("10.20.30.0/24")))
    assert not problems(settings, allowed_by_virtualbox("* 10.0.0.0/8 192.168.0.0/16\n* 2001::/64\n"))
    assert not problems(settings, allowed_by_virtualbox("*\n"))
    assert allowed_by_virtualbox(None) == (VIRTUALBOX_RANGE,)
    assert problems(settings, allowed_by_virtualbox("# nothing\n"))


@pytest.mark.parametrize(
    ("machine", "name", "source"),
    [
        ({"box": "lab/x"}, "lab/x", None),
        ({"box": "lab/x", "box_url": "https://h/x.json"}, "lab/x", "https://h/x.json"),
        ({"box_url": "https://h/win.box"}, "hybrid/win", "https://h/win.box"),
        ({"box": "/boxes/win.box"}, "hybrid/win", "/boxes/win.box"),
        ({"box": "win.box"}, "hybrid/win", str(Path.cwd() / "win.box")),
        ({}, "bento/ubuntu-24.04", None),
    ],
)
def test_where_a_box_comes_from(machine: Any, name: str, source: str | None) -> None:
    settings = _settings(machine=machine)
    assert box_of(settings, settings.machines[0]) == (name, source)
