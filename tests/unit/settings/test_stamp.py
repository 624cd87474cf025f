"""Stamps: what shaped a machine, and what a change of it costs."""

from __future__ import annotations

import pytest

from provision.settings.complete import defaults
from provision.settings.stamp import Change, Stamp, compare, stamp
from tests.unit.settings.conftest import Loader


def test_the_same_settings_have_the_same_stamp(loading: Loader) -> None:
    assert stamp(loading().settings, "cp1").hash == stamp(defaults(), "cp1").hash
    assert compare(stamp(defaults(), "cp1"), defaults(), "cp1") == []


@pytest.mark.parametrize(
    ("machine", "override", "field", "in_place"),
    [
        ("winw1", "machines.winw1.memory=8192", "machine.memory", True),
        ("winw1", "machines.winw1.box=mine/windows", "machine.box", False),
        ("winw1", "machines.winw1.address=192.168.56.40", "machine.address", False),
        ("cp1", "machines.cp1.address=192.168.56.40", "machine.address", False),
        ("winw1", "network.pods=10.1.0.0/16", "network.pods", False),
        ("winw1", "containerd.windows=2.2.7", "containerd.windows", True),
        ("cp1", "containerd.linux=2.2.7", "containerd.linux", True),
        ("winw1", "kubernetes.version=1.35.8", "kubernetes.version", True),
        ("cp1", "kubernetes.version=1.35.8", "kubernetes.version", False),
        ("cp1", "kubernetes.sha=0123456", "kubernetes.sha", True),
        ("winw1", "kubernetes.path=/src/kubernetes", "kubernetes.path", True),
        ("cp1", "kubernetes.runtime_config={a/v1: true}", "kubernetes.runtime_config", False),
        ("cp1", "kubernetes.verbosity=4", "kubernetes.verbosity", False),
        ("winw1", "kubernetes.verbosity=4", "kubernetes.verbosity", True),
        ("winw1", "kubernetes.extra_args={kubelet: {max-pods: '50'}}", "kubernetes.extra_args", True),
        ("cp1", "kubernetes.extra_args={kubelet: {max-pods: '50'}}", "kubernetes.extra_args", False),
        ("winw1", "kubernetes.kubelet_config={maxPods: 50}", "kubernetes.kubelet_config", False),
        ("winw1", "kubernetes.feature_gates={InPlacePodVerticalScaling: true}", "kubernetes.feature_gates", False),
        ("winw1", "features.node_log_query=false", "features.node_log_query", False),
        ("winw1", "network.egress=192.168.56.1", "network.egress", True),
        ("winw1", "network.egress=none", "network.egress", False),
        ("cp1", "network.egress=none", "network.egress", False),
        ("winw1", "features.hyperv_isolation=true", "features.hyperv_isolation", True),
    ],
)
def test_a_change_is_named_by_its_field(
    loading: Loader, machine: str, override: str, field: str, in_place: bool
) -> None:
    old = Stamp.from_json(stamp(defaults(), machine).to_json())
    (change,) = compare(old, loading(overrides=[override]).settings, machine)
    assert (change.field, change.in_place) == (field, in_place)
    assert change.before != change.now


@pytest.mark.parametrize(
    "override", ["containerd.windows=2.2.7", "machines.winw1.memory=8192", "timeouts.boot=5", "rehearsal.scale=1"]
)
def test_what_does_not_shape_a_machine_is_not_in_its_stamp(loading: Loader, override: str) -> None:
    assert compare(stamp(defaults(), "cp1"), loading(overrides=[override]).settings, "cp1") == []


def test_fields_that_only_one_side_knows() -> None:
    new = stamp(defaults(), "cp1")
    old = Stamp({**{k: v for k, v in new.settings.items() if k != "cni"}, "gone": 1})
    assert compare(old, defaults(), "cp1") == [
        Change("cni", None, "calico", False),
        Change("gone", 1, None, False),
    ]


def test_a_stamp_survives_its_text_and_notices_edits() -> None:
    made = stamp(defaults(), "winw1")
    assert Stamp.from_json(made.to_json()) == made
    with pytest.raises(ValueError, match="hash"):
        Stamp.from_json(made.to_json().replace("calico", "antrea"))
    with pytest.raises(ValueError, match="not a stamp"):
        Stamp.from_json("[]")


def test_no_secret_is_in_a_stamp(loading: Loader) -> None:
    settings = loading(
        "network: {proxy: 'http://me:topsecret@proxy:1'}\n", environment={"HYBRID_PASSWORD_WINW1": "correct horse"}
    ).settings
    text = stamp(settings, "winw1").to_json()
    assert "horse" not in text and "topsecret" not in text
