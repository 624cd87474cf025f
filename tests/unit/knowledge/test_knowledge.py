"""The tables: complete for the defaults, consistent with each other, each row with its sources."""

from __future__ import annotations

from dataclasses import fields, is_dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision import knowledge
from provision.knowledge.boxes import BOXES
from provision.knowledge.networks import CNIS
from provision.knowledge.releases import RELEASES
from provision.knowledge.runtimes import CONTAINERD
from provision.knowledge.versions import Version, parse
from provision.knowledge.windows_versions import WINDOWS
from provision.settings.model import Settings

ROWS = [
    *RELEASES.values(),
    *CONTAINERD.values(),
    *(row for rows in CNIS.values() for row in rows.values()),
    *WINDOWS.values(),
    *BOXES,
    *(knowledge.pins(minor) for minor in RELEASES),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: type(row).__name__)
def test_every_row_says_where_it_comes_from(row: object) -> None:
    assert is_dataclass(row)
    sources = getattr(row, "sources", ())
    assert sources and all(source.strip() for source in sources)
    assert {field.name for field in fields(row)} >= {"sources"}


def test_rows_stand_newest_first_under_their_own_name() -> None:
    for rows, key in ((RELEASES, "minor"), (CONTAINERD, "line")):
        assert [getattr(row, key) for row in rows.values()] == list(rows)
        assert sorted(rows, key=parse, reverse=True) == list(rows)
        assert all(parse(row.latest).line == name for name, row in rows.items())
    for cnis in CNIS.values():
        assert sorted(cnis, key=parse, reverse=True) == list(cnis)


def test_releases_only_name_containerd_lines_that_are_known() -> None:
    for release in RELEASES.values():
        for line, minimum in release.containerd.items():
            assert parse(minimum).line == line
            assert parse(minimum) <= parse(CONTAINERD[line].latest)


def test_the_default_versions_go_together() -> None:
    settings = Settings()
    release = knowledge.kubernetes(settings.kubernetes.version)
    assert knowledge.kubernetes_patch(settings.kubernetes.version) == "1.36.4"
    knowledge.containerd_for(release, settings.containerd.linux)
    assert release.minor in knowledge.calico(settings.calico.version).kubernetes
    assert knowledge.calico(settings.calico.version).operator == "1.42.3"
    pins = knowledge.pins(settings.kubernetes.version)
    assert (pins.crictl, pins.cni_plugins, pins.pause) == ("1.36.0", "1.9.1", "3.10.2")
    assert pins.runc.startswith("1.3.")
    assert knowledge.pause_image("1.36.4") == "registry.k8s.io/pause:3.10.2"


@pytest.mark.parametrize(
    ("version", "api", "gates", "log_gate", "instance"),
    [
        ("1.33.2", "v1beta4", {"WinDSR": True, "WinOverlay": True}, True, False),
        ("1.34", "v1beta4", {}, True, True),
        ("1.35.8", "v1beta4", {}, True, True),
        ("1.36.4", "v1beta4", {}, False, True),
        ("1.37.0-rc.0", "v1beta4", {}, False, True),
    ],
)
def test_what_differs_between_minors(
    version: str, api: str, gates: dict[str, bool], log_gate: bool, instance: bool
) -> None:
    row = knowledge.kubernetes(version)
    assert knowledge.kubeadm_api(version) == api
    assert knowledge.proxy_gates(version) == gates
    assert (row.log_query_gate, row.instance_config) == (log_gate, instance)
    assert ("v1beta3" in row.kubeadm_apis) == (row.minor != "1.37")


def test_removed_flags_stay_removed() -> None:
    flag = "--pod-infra-container-image"
    assert flag not in knowledge.removed_kubelet_flags("1.34.1")
    assert all(flag in knowledge.removed_kubelet_flags(version) for version in ("1.35", "1.36.4", "1.37"))
    assert "--network-plugin" in knowledge.removed_kubelet_flags("1.33")
    assert "--containerd" not in knowledge.removed_kubelet_flags("1.36")


@pytest.mark.parametrize(
    ("version", "nearest"), [("1.9", "1.33"), ("1.26.3", "1.33"), ("1.32.9", "1.33"), ("2.0", "1.37")]
)
def test_an_unknown_release_names_the_nearest(version: str, nearest: str) -> None:
    with pytest.raises(knowledge.NotKnown) as caught:
        knowledge.kubernetes(version)
    assert caught.value.nearest == nearest


def test_what_is_being_developed_is_like_the_newest_that_is_known() -> None:
    assert knowledge.kubernetes("1.38.0-alpha.0.12+abc").minor == "1.37"
    assert knowledge.newer_than_known("1.38.0-alpha.1") and not knowledge.newer_than_known("1.37.4")
    assert knowledge.pause_image("1.41.0") == knowledge.pause_image("1.37")
    assert knowledge.released("1.36.5-rc.0.4+abc") and not knowledge.released("1.38.0-alpha.1")
    assert knowledge.kubernetes_patch("1.38.0-alpha.1") == "1.38.0-alpha.1"
    with pytest.raises(knowledge.NotKnown):
        knowledge.kubernetes_patch("1.38")  # its patches are unknown


@pytest.mark.parametrize(
    ("release", "version", "instead"),
    [
        ("1.36", "1.7.34", "2.3.4"),
        ("1.36", "2.1.9", "2.3.4"),
        ("1.35", "2.1.4", "2.1.9"),
        ("1.35", "2.0.11", "2.3.4"),
        ("1.36", "3.0", "2.3.4"),
    ],
)
def test_containerd_that_is_too_old(release: str, version: str, instead: str) -> None:
    with pytest.raises(knowledge.NotKnown) as caught:
        knowledge.containerd_for(knowledge.kubernetes(release), version)
    assert caught.value.nearest == instead


def test_a_newer_patch_of_a_known_line_is_taken() -> None:
    knowledge.containerd_for(knowledge.kubernetes("1.36"), "2.3.99")
    assert knowledge.kubernetes("1.36.99").minor == "1.36"
    assert knowledge.cni_patch("calico", "3.32.9") == "3.32.9"


def test_cnis_for_a_release() -> None:
    found = {minor: row.version for minor in RELEASES if (row := knowledge.cni_for("calico", minor))}
    assert found == {"1.36": "3.32.1", "1.35": "3.32.1", "1.34": "3.32.1", "1.33": "3.31.7"}
    assert knowledge.cni_for("flannel", "1.37") is not None


def test_every_provider_has_boxes_for_what_it_may_run() -> None:
    for provider in knowledge.VAGRANT_PROVIDERS:
        assert knowledge.box(provider, "linux") is not None
        for version in ("2022", "2025"):
            row = knowledge.box(provider, "windows", version)
            assert row is not None and version in row.name
            assert not knowledge.stale(row.name)
    assert knowledge.box("virtualbox", "windows", "2019") is None
    assert knowledge.stale("roboxes/ubuntu2004")


def test_known_bad_updates() -> None:
    bad = knowledge.known_bad(20348, 2600)
    assert bad is not None and (bad.update, bad.mended_by) == ("KB5040437", "KB5044281")
    assert knowledge.known_bad(20348, 2581) is None
    assert knowledge.known_bad(20348, 2762) is None
    assert knowledge.known_bad(99999, 1) is None


VERSIONS = st.builds(
    Version,
    st.integers(0, 3),
    st.integers(0, 3),
    st.none() | st.integers(0, 3),
    st.sampled_from(["", "alpha.1", "alpha.10", "alpha.2.3", "beta.0", "rc.1"]),
)


@given(VERSIONS, VERSIONS)
def test_versions_are_ordered(a: Version, b: Version) -> None:
    assert (a < b) + (b < a) + (a == b) == 1
    if a == b:
        assert hash(a) == hash(b)


@given(VERSIONS)
def test_versions_are_read_as_they_are_written(a: Version) -> None:
    assert parse(str(a)) == a
    assert parse(f"v{a}") == a


def test_order_of_prereleases() -> None:
    order = ["1.36.1", "1.36.0-alpha.2", "1.36.0-alpha.10", "1.36.0-beta.0", "1.36.0-rc.0", "1.36.0"]
    assert sorted(order, key=parse) == [*order[1:], order[0]]


@pytest.mark.parametrize("text", ["", "1", "latest", "1.36.", "1.036", "1.36.4 beta", "ci/latest"])
def test_what_is_no_version(text: str) -> None:
    with pytest.raises(ValueError, match="not a version"):
        parse(text)
