"""Registries, pull secrets and authorities of the settings: what they mean, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from provision.secrets import MASK
from provision.settings.problems import BadSettings
from provision.settings.registries import authorization, certificates, registries
from provision.settings.report import effective
from tests.unit.settings.conftest import Loader
from tests.unit.steps.image_settings import PEM


def test_a_url_a_list_and_a_table_mean_the_same(loading: Loader) -> None:
    for text in ('"https://m.example"', '["https://m.example/"]', '{mirrors: "https://m.example"}'):
        (row,) = registries(loading(f"network: {{registries: {{registry.k8s.io: {text}}}}}").settings.network)
        assert (row.host, row.mirrors, row.server) == (
            "registry.k8s.io",
            ("https://m.example",),
            "https://registry.k8s.io",
        )
        assert row.hosts == ("m.example", "registry.k8s.io")


def test_docker_answers_elsewhere(loading: Loader) -> None:
    (row,) = registries(loading("network: {registries: {docker.io: []}}").settings.network)
    assert row.server == "https://registry-1.docker.io"


@pytest.mark.parametrize(
    ("text", "said", "remedy"),
    [
        ("'not a host': https://m.example", "is no registry", "registry.example:5000"),
        ("a.example: m.example", "is no URL of a mirror", "https://mirror.example"),
        ("a.example: ftp://m.example", "is no URL of a mirror", "https://mirror.example"),
        ("a.example: https://joe:pw@m.example", "has a user in it", "HYBRID_REGISTRY_M_EXAMPLE"),
        ("a.example: 5", "neither a URL nor a list", "write https://mirror.example"),
        ("a.example: {mirror: https://m.example}", "mirror is no setting of a registry", "mirrors, ca, skip_verify"),
        ("a.example: {mirrors: [], skip_verify: maybe}", "neither true nor false", "write true or false"),
        ("a.example: {mirrors: [], ca: nowhere.pem}", "cannot be read", "PEM file"),
    ],
)
def test_what_containerd_could_not_use_is_refused(loading: Loader, text: str, said: str, remedy: str) -> None:
    with pytest.raises(BadSettings) as caught:
        loading(f"network:\n  registries:\n    {text}\n")
    assert said in str(caught.value) and remedy in str(caught.value)


def test_pull_secrets_come_from_the_environment_and_are_never_shown(loading: Loader) -> None:
    file = 'network: {registries: {"a.example:5000": https://mirror.a.example}}'
    loaded = loading(file, environment={"HYBRID_REGISTRY_MIRROR_A_EXAMPLE": "joe:very secret"})
    found = loaded.settings.network.pull_secrets
    assert found["mirror.a.example"].reveal() == "joe:very secret"
    assert "very secret" not in repr(loaded) and "very secret" not in str([row.value for row in effective(loaded)])
    assert authorization(found["mirror.a.example"]) == "Basic am9lOnZlcnkgc2VjcmV0"
    from provision.secrets import MASKER

    assert MASKER("Authorization: Basic am9lOnZlcnkgc2VjcmV0") == f"Authorization: Basic {MASK}"


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("HYBRID_REGISTRY_B_EXAMPLE", "joe:x", "a registry that is not named"),
        ("HYBRID_REGISTRY_A_EXAMPLE", "joe", "not of the form user:password"),
        ("HYBRID_REGISTRY_A_EXAMPLE", "joe:", "not of the form user:password"),
    ],
)
def test_secrets_of_nobody_and_halves_are_refused(loading: Loader, variable: str, value: str, said: str) -> None:
    with pytest.raises(BadSettings, match=said):
        loading("network: {registries: {a.example: []}}", environment={variable: value})


def test_authorities_are_read_and_each_certificate_stands_alone(loading: Loader, tmp_path: Path) -> None:
    (tmp_path / "two.pem").write_text(f"# ours\n{PEM}noise\n{PEM.replace('MAAw', 'MABw')}{PEM}")
    network = loading("network: {ca: two.pem, registries: {a.example: {ca: two.pem}}}").settings.network
    (found,) = {tuple(value) for value in network.authorities.values()}
    assert [text.splitlines()[1] for text in found] == ["MAAwAA==", "MABwAA=="]


@pytest.mark.parametrize("text", ["", "no certificate", PEM.replace("MAAw", "AAAw"), PEM.replace("MAAw", "M!Aw")])
def test_what_is_no_certificate_is_said_to_be_none(loading: Loader, tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match="certificate"):
        certificates(text)
    (tmp_path / "x.pem").write_text(text)
    with pytest.raises(BadSettings, match="is no PEM file of certificates"):
        loading("network: {ca: x.pem}")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{version: 2}", "version is decided by containerd"),
        ("{plugins: 5}", "plugins is no table"),
        ("{plugins: {io.containerd.cri.v1.images: {registry: {config_path: /x}}}}", "has a registry of its own"),
    ],
)
def test_own_keys_of_containerd_leave_ours_alone(loading: Loader, text: str, said: str) -> None:
    with pytest.raises(BadSettings, match=said):
        loading(f"containerd: {{config: {text}}}")
