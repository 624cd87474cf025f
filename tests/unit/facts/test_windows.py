"""Models of Windows facts: what the probe prints is what they take, and how they read it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from provision.facts.base import MachineFacts, Section, UnknownFact
from provision.facts.windows import SECTIONS, Firewall, FirewallRule, Kubelet, Os
from provision.host.workspace import TEMPLATES
from tests.unit.steps.windows_facts import finished


@pytest.mark.parametrize("kind", SECTIONS, ids=lambda kind: kind.name)
def test_every_section_is_read_and_strangers_are_refused(kind: type[Section]) -> None:
    raw = finished()[kind.name]
    assert kind.model_validate(raw)
    with pytest.raises(ValidationError):
        kind.model_validate(raw | {"stranger": 1})


def test_every_section_has_its_probe_and_every_probe_its_section() -> None:
    folder = TEMPLATES / "facts" / "windows"
    probes = {path.stem for path in folder.glob("*.ps1")} - {"_emit", "probe"}
    assert probes == {kind.name for kind in SECTIONS}


@pytest.mark.parametrize("kind", SECTIONS, ids=lambda kind: kind.name)
def test_a_probe_prints_every_key_of_its_model(kind: type[Section]) -> None:
    text = (TEMPLATES / "facts" / "windows" / f"{kind.name}.ps1").read_text()
    assert f"$Probes['{kind.name}'] = {{" in text
    for key in kind.model_fields:
        assert f"{key} = " in text


def rule(**more: Any) -> FirewallRule:
    raw = finished()["firewall"]["rules"]["hybrid-vxlan"] | more
    return Firewall.model_validate({"rules": {"r": raw}}).rules["r"]


@pytest.mark.parametrize("spelling", ["192.168.56.0/24", "192.168.56.0/255.255.255.0"])
def test_a_network_has_one_meaning_in_all_its_spellings(spelling: str) -> None:
    assert rule(remote=[spelling]).networks() == {"192.168.56.0/24"}


@pytest.mark.parametrize("word", ["Any", "LocalSubnet", "192.168.56.10-192.168.56.20"])
def test_what_is_no_network_stays_as_it_is(word: str) -> None:
    assert rule(remote=[word]).networks() == {word}


@pytest.mark.parametrize(
    ("flags", "more"),
    [
        ("", ""),
        ('KUBELET_KUBEADM_ARGS=""', ""),
        ('KUBELET_KUBEADM_ARGS="--node-ip=192.168.56.11"', ""),
        ('KUBELET_KUBEADM_ARGS="--node-ip=192.168.56.12 --new --gone=1 --later=2"', " --new --later=2"),
        ("KUBELET_KUBEADM_ARGS=--new\r\n", " --new"),
    ],
)
def test_flags_that_only_kubeadm_names_belong_to_the_command_line(flags: str, more: str) -> None:
    kubelet = Kubelet.model_validate(finished()["kubelet"] | {"flags": flags})
    ours = "C:\\k\\kubelet.exe --node-ip=192.168.56.11"
    assert kubelet.whole(ours, ("--gone",)) == ours + more


def test_a_probe_that_was_too_slow_is_an_unknown_fact() -> None:
    facts = MachineFacts(state="running", sections={"os": {"unknown": "no answer within 60 s"}})
    with pytest.raises(UnknownFact, match="no answer within 60 s"):
        facts.get(Os)
