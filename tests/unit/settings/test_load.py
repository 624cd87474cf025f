"""Loading: defaults, layers, origins, versions as they are written."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path

import pytest

from provision.errors import SettingsError
from provision.secrets import MASK
from provision.settings import shape
from provision.settings.complete import complete, defaults
from provision.settings.load import TEMPLATE, load, with_provider
from provision.settings.model import Settings
from provision.settings.problems import BadSettings
from provision.settings.report import effective
from tests.unit.settings.conftest import Loader


def test_the_shipped_file_says_the_defaults(tmp_path: Path) -> None:
    loaded = load(TEMPLATE, environment={}, workspace=tmp_path)
    assert loaded.settings == defaults() == complete(Settings())
    assert loaded.notices == ()


def test_the_shipped_file_has_every_key_with_a_comment_or_a_telling_name(tmp_path: Path) -> None:
    loaded = load(TEMPLATE, environment={}, workspace=tmp_path)
    missing = [".".join(path) for path, _ in shape.leaves() if ".".join(path) not in loaded.origins]
    assert missing == []
    text = TEMPLATE.read_text(encoding="utf-8")
    machine = shape.at(("machines", "0"))
    assert machine is not None
    assert [key for key in machine.names() if key not in text and key != "password"] == []


@pytest.mark.parametrize("text", [None, "", "# nothing\n", "---\n", "{}\n"])
def test_no_file_and_an_empty_one_are_the_defaults(loading: Loader, text: str | None) -> None:
    assert loading(text).settings == defaults()


def test_loading_fills_in_every_machine(loading: Loader) -> None:
    settings = loading("machines:\n- {name: w, os: windows}\n- {name: cp, os: linux, role: control-plane}\n").settings
    worker, plane = settings.machines
    assert (plane.address, worker.address) == (IPv4Address("192.168.56.10"), IPv4Address("192.168.56.11"))
    assert (plane.transport, worker.transport) == ("ssh", "winrm")
    assert plane.mac and worker.mac and plane.mac != worker.mac


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("1.36", "1.36.4"),
        ("'1.36'", "1.36.4"),
        ("1.36.1", "1.36.1"),
        ("v1.36.1", "1.36.1"),
        ("1.36.0-rc.1", "1.36.0-rc.1"),
    ],
)
def test_versions_are_what_stands_in_the_file(loading: Loader, written: str, meant: str) -> None:
    assert loading(f"kubernetes:\n  version: {written}\n").settings.kubernetes.version == meant


def test_an_unquoted_version_keeps_its_zero(loading: Loader) -> None:
    loaded = loading("kubernetes:\n  version: 1.30\n", judged=False)
    assert loaded.settings.kubernetes.version == "1.30"
    with pytest.raises(BadSettings, match=r"Kubernetes 1\.30 is too old"):
        loading("kubernetes:\n  version: 1.30\n")


@pytest.mark.parametrize("sha", ["1234567", "12345e7", "0123456", "1_23456"])
def test_texts_that_look_like_numbers_stay_texts(loading: Loader, sha: str) -> None:
    if "_" in sha:
        with pytest.raises(BadSettings):
            loading(f"kubernetes:\n  sha: {sha}\n")
    else:
        assert loading(f"kubernetes:\n  sha: {sha}\n").settings.kubernetes.sha == sha


def test_free_tables_keep_types_of_yaml(loading: Loader) -> None:
    text = (
        "kubernetes:\n  kubelet_config: {maxPods: 20, failSwapOn: false, a: '1', l: [1, x]}\n"
        "  extra_args: {kubelet: {v: 4}}\n"
    )
    kubernetes = loading(text).settings.kubernetes
    assert kubernetes.kubelet_config == {"maxPods": 20, "failSwapOn": False, "a": "1", "l": [1, "x"]}
    assert kubernetes.extra_args == {"kubelet": {"v": "4"}}


def test_anchors_and_merges(loading: Loader) -> None:
    text = (
        "machines:\n- {name: cp1, os: linux, role: control-plane}\n"
        "- &w {name: w1, os: windows, memory: 8192}\n- {<<: *w, name: w2}\n"
    )
    assert [m.memory for m in loading(text).settings.windows] == [8192, 8192]


def test_later_layers_win(loading: Loader) -> None:
    loaded = loading(
        "kubernetes:\n  verbosity: 3\n",
        environment={"HYBRID_KUBERNETES__VERBOSITY": "4", "HYBRID_CNI": "calico", "HYBRID_CACHE": "/c", "PATH": "x"},
        overrides=["kubernetes.verbosity=5"],
    )
    assert loaded.settings.kubernetes.verbosity == 5
    assert str(loaded.origins["kubernetes.verbosity"]) == "--set kubernetes.verbosity"
    assert str(loaded.origins["cni"]) == "environment HYBRID_CNI"


def test_machines_are_named_in_overrides(loading: Loader) -> None:
    text = "machines:\n- {name: cp1, os: linux, role: control-plane}\n- {name: win-w1, os: windows}\n"
    loaded = loading(
        text, environment={"HYBRID_MACHINES__WIN_W1__CPUS": "6"}, overrides=["machines.win-w1.memory=8192"]
    )
    machine = loaded.settings.machine("win-w1")
    assert (machine.cpus, machine.memory) == (6, 8192)
    assert str(loaded.origins["machines.win-w1.memory"]) == "--set machines.win-w1.memory"


def test_default_machines_can_be_overridden_and_follow_the_network(loading: Loader) -> None:
    settings = loading(overrides=["machines.winw1.memory=8192", "network.machines=192.168.57.0/24"]).settings
    assert settings.machine("winw1").memory == 8192
    assert settings.control_plane.address == IPv4Address("192.168.57.10")


def test_overrides_take_tables_lists_dotted_keys_and_null(loading: Loader) -> None:
    settings = loading(
        "kubernetes:\n  version: 1.35\n  sha: abcdef1\n",
        overrides=[
            "kubernetes.version=null",
            "kubernetes.feature_gates={NodeLogQuery: true}",
            "kubernetes.extra_args.kubelet.node-labels=a.b/c=d",
            "mirrors.https://dl.k8s.io=/srv/mirror",
            "rehearsal.faults=[drop, slow]",
        ],
    ).settings
    assert settings.kubernetes.version == "1.36.4"
    assert settings.kubernetes.feature_gates == {"NodeLogQuery": True}
    assert settings.kubernetes.extra_args == {"kubelet": {"node-labels": "a.b/c=d"}}
    assert settings.mirrors == {"https://dl.k8s.io": "/srv/mirror"}
    assert settings.rehearsal.faults == ("drop", "slow")


def test_files_start_from_where_they_are_written(loading: Loader, tmp_path: Path) -> None:
    (tmp_path / "certs").mkdir()
    (tmp_path / "certs/ca.pem").write_text("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n")
    settings = loading("network:\n  ca: certs/ca.pem\n", overrides=["kubernetes.path=src"]).settings
    assert settings.network.ca == tmp_path / "certs/ca.pem"
    assert settings.kubernetes.path == tmp_path / "src"


def test_passwords_come_from_the_environment_and_are_never_shown(loading: Loader) -> None:
    loaded = loading(environment={"HYBRID_PASSWORD_WINW1": "correct horse"})
    password = loaded.settings.machine("winw1").password
    assert password is not None and password.reveal() == "correct horse"
    rows = {row.key: row for row in effective(loaded)}
    assert rows["machines.winw1.password"].value == MASK
    assert rows["machines.winw1.password"].origin == "environment HYBRID_PASSWORD_WINW1"
    assert "correct horse" not in repr(loaded)


def test_every_setting_says_where_it_came_from(loading: Loader) -> None:
    loaded = loading("cluster:\n  name: mine\nkubernetes:\n  version: 1.36\n", overrides=["cni=calico"])
    rows = {row.key: (row.value, row.origin) for row in effective(loaded)}
    assert rows["cluster.name"] == ("mine", "variables.yaml:2")
    assert rows["kubernetes.version"] == ("1.36.4", "variables.yaml:4, latest known of 1.36")
    assert rows["kubernetes.verbosity"] == ("2", "default")
    assert rows["cni"] == ("calico", "--set cni")
    assert rows["machines.cp1.address"] == ("192.168.56.10", "derived")


def test_a_table_from_two_places_names_both(loading: Loader) -> None:
    text = "kubernetes:\n  feature_gates: {A: true}\n  binaries: {}\n"
    loaded = loading(text, overrides=["kubernetes.feature_gates.B=false", "kubernetes.runtime_config.a/v1=true"])
    rows = {row.key: (row.value, row.origin) for row in effective(loaded)}
    assert rows["kubernetes.feature_gates"] == (
        "{A: true, B: false}",
        "variables.yaml:2, --set kubernetes.feature_gates.B",
    )
    assert rows["kubernetes.runtime_config"] == ("{a/v1: true}", "--set kubernetes.runtime_config.a/v1")
    assert rows["kubernetes.extra_args"][1] == "default"


def test_a_proxy_password_is_not_shown(loading: Loader) -> None:
    rows = {row.key: row.value for row in effective(loading("network:\n  proxy: http://me:pw@proxy:3128\n"))}
    assert rows["network.proxy"] == "http://proxy:3128"


def test_a_named_file_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        load(tmp_path / "none.yaml", environment={}, workspace=tmp_path)


def test_networks_conf_leaves_the_range_to_the_doctor(tmp_path: Path) -> None:
    file, conf = tmp_path / "variables.yaml", tmp_path / "networks.conf"
    file.write_text("provider: virtualbox\nnetwork: {machines: 10.20.30.0/24}\n")
    with pytest.raises(BadSettings):
        load(file, environment={}, workspace=tmp_path, networks_conf=conf)
    conf.write_text("* 10.0.0.0/8\n")
    (notice,) = load(file, environment={}, workspace=tmp_path, networks_conf=conf).notices
    assert "10.20.30.0/24 is outside of 192.168.56.0/21" in notice


def test_a_chosen_provider_completes_and_judges_again(loading: Loader) -> None:
    loaded = loading(
        "machines:\n- {name: cp1, os: linux, role: control-plane}\n- {name: w, os: windows, windows_version: 2019}\n"
    )
    with pytest.raises(BadSettings, match=r"variables.yaml:3: machines.w.box: no maintained box"):
        with_provider(loaded, "libvirt")
    chosen = with_provider(loading("cluster: {name: a}\n"), "libvirt").settings
    assert chosen.provider == "libvirt"
    assert [machine.box for machine in chosen.machines] == [
        "gusztavvargadr/ubuntu-server-2404-lts",
        "gusztavvargadr/windows-server-2022-standard-core",
    ]


def test_windows_2019_runs_with_a_notice(loading: Loader) -> None:
    text = "machines:\n- {name: cp1, os: linux, role: control-plane}\n- {name: w, os: windows, windows_version: 2019}\n"
    (notice,) = loading(text).notices
    assert "Windows Server 2019 is no longer among" in notice


def test_variables_about_this_computer_are_no_settings(loading: Loader) -> None:
    environment = {"HYBRID_CACHE": "/c", "HYBRID_PYTHON": "python3.13", "HYBRID_COMMAND": "./inv"}
    assert loading(environment=environment).settings == defaults()


def test_what_authorities_hold_is_no_setting_to_show(loading: Loader, tmp_path: Path) -> None:
    body = "MIIB"
    (tmp_path / "ca.pem").write_text(f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
    loaded = loading("network: {ca: ca.pem}\n")
    assert loaded.settings.network.authorities
    keys = {row.key for row in effective(loaded)}
    assert {"network.ca", "network.registries"} <= keys
    assert not {"network.authorities", "network.pull_secrets"} & keys
    assert all(body not in row.value for row in effective(loaded))


def test_mirrors_and_boxes_start_from_where_they_are_written(tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    folder.mkdir()
    (folder / "variables.yaml").write_text(
        "mirrors: {https://dl.k8s.io: ./dl, https://quay.io: https://m.example, 'https://': /srv}\n"
        "machines:\n"
        "  - {name: cp1, os: linux, role: control-plane, box_url: boxes/linux.box}\n"
        "  - {name: w1, os: windows, box: windows.box}\n"
        "  - {name: w2, os: windows, box: lab/windows, box_url: https://boxes.example/w.box}\n"
    )
    settings = load(
        folder / "variables.yaml", environment={}, workspace=tmp_path, overrides=["mirrors.https://quay.io=./quay"]
    ).settings
    assert settings.mirrors == {
        "https://dl.k8s.io": f"{folder}/dl",
        "https://quay.io": f"{tmp_path}/quay",
        "https://": "/srv",
    }
    plane, first, second = settings.machines
    assert (plane.box_url, first.box) == (f"{folder}/boxes/linux.box", f"{folder}/windows.box")
    assert (second.box, second.box_url) == ("lab/windows", "https://boxes.example/w.box")


def test_keys_that_are_hosts_or_names_of_files_keep_their_dots(loading: Loader) -> None:
    settings = loading(
        overrides=[
            "network.registries.docker.io=https://m.example",
            "kubernetes.kubeadm_patches.etcd.yaml={metadata: {labels: {a: b}}}",
            "kubernetes.kubelet_config.evictionHard.x=1",
        ]
    ).settings
    assert settings.network.registries == {"docker.io": "https://m.example"}
    assert settings.kubernetes.kubeadm_patches == {"etcd.yaml": {"metadata": {"labels": {"a": "b"}}}}
    assert settings.kubernetes.kubelet_config == {"evictionHard": {"x": 1}}
