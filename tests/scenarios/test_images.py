"""Images: pods and kubeadm wait for theirs, archives are imported, registries are asked as the settings say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from provision.rehearsal import container_images
from provision.rehearsal.image_store import ImageStore
from provision.rehearsal.models.cluster_addons import workload
from provision.rehearsal.models.linux import LinuxMachine
from provision.rehearsal.registry import Answer, Site, Web, direct, secret_of
from provision.secrets import Secret
from provision.settings.model import Features, Settings
from provision.settings.registries import authorization
from provision.steps.images_needed import needed_images
from tests.scenarios.inprocess import Rehearsed, complaint
from tests.scenarios.processes import Folder, finished, folder
from tests.scenarios.test_offline import put_back, save

SECRET = Secret("joe:pull it")
SITES = (Site("mirror.example/k8s", "registry.k8s.io", secret_of(authorization(SECRET))),)


def without(*words: str, web: Web | None = None) -> Web:
    """A way out on which whatever has one of these words in its address is not there."""
    inner = web or direct()

    def ask(url: str, headers: Mapping[str, str]) -> Answer:
        if any(word in url for word in words):
            raise OSError("dial tcp: lookup nowhere: no such host")
        return inner(url, headers)

    return ask


def registries(secret: Secret = SECRET, **row: object) -> Settings:
    """Settings with a mirror that wants a pull secret."""
    network = Settings().network.model_copy(
        update={
            "registries": {"registry.k8s.io": {"mirrors": ["https://mirror.example/k8s"], **row}},
            "pull_secrets": {"mirror.example": secret},
        }
    )
    return Settings(network=network)


def pods(cluster: Rehearsed) -> dict[str, dict[str, Any]]:
    """Name of the pods' owner -> status."""
    machine = cast(LinuxMachine, cluster.park.get("cp1"))
    with machine.state.reading():
        return {pod["metadata"]["name"]: pod["status"] for pod in machine.cluster.objects.all("pods")}


def names(cluster: Rehearsed, machine: str) -> set[str]:
    return set(cast(LinuxMachine, cluster.park.get(machine)).image_names())


def test_a_ready_cluster_has_exactly_the_images_that_are_known_to_be_needed(tmp_path: Path) -> None:
    cluster = Rehearsed(tmp_path, Settings(features=Features(prepull=True)))
    assert not cluster.up().failures
    for machine, os in (("cp1", "linux"), ("winw1", "windows")):
        assert names(cluster, machine) == {i.name for i in needed_images(cluster.settings) if i.os == os}


@pytest.mark.parametrize(
    ("image", "os", "said"),
    [
        ("registry.k8s.io/nothing:v1", "linux", "registry.k8s.io/nothing:v1: not found"),
        ("nowhere.example/a/b:v1", "windows", "no such host"),
        ("quay.io/calico/node:v3.32.1", "windows", "no match for platform in manifest: not found"),
    ],
)
def test_a_pod_whose_image_cannot_be_pulled_does_not_start(tmp_path: Path, image: str, os: str, said: str) -> None:
    cluster = Rehearsed(tmp_path)
    assert not cluster.up().failures
    machine = cast(LinuxMachine, cluster.park.get("cp1"))
    labels = {"app": "own"}
    pod = {
        "nodeSelector": {"kubernetes.io/os": os},
        "tolerations": [{"operator": "Exists"}],
        "containers": [{"name": "own", "image": image}],
    }
    with machine.state.change():
        machine.cluster.objects.put(workload("Deployment", "own", labels, pod, replicas=1))

    def status() -> dict[str, Any]:
        machine.cluster.settle()
        return next(status for name, status in pods(cluster).items() if name.startswith("own-"))

    waiting = status()["containerStatuses"][0]["state"]["waiting"]
    assert waiting["reason"] in ("ErrImagePull", "ImagePullBackOff")
    assert waiting["message"].startswith("rpc error: code = ") and said in waiting["message"]
    assert f'failed to pull and unpack image "{image}"' in waiting["message"]
    # Somebody imports it: the pod starts.
    store = ImageStore(cluster.park.get("cp1" if os == "linux" else "winw1"))
    store.put(image, "sha256:" + "0" * 64)
    assert status()["phase"] == "Running"


def test_without_the_pause_image_no_pod_starts(tmp_path: Path) -> None:
    cluster = Rehearsed(tmp_path)
    assert not cluster.up().failures
    machine = cast(LinuxMachine, cluster.park.get("cp1"))
    cluster.park.web = without("pause")
    ImageStore(cluster.park.get("winw1")).remove("registry.k8s.io/pause:3.10.2")
    with machine.state.change():
        for key in [key for key in machine.cluster.doc["pods"] if key.startswith("hybrid-check/windows")]:
            machine.cluster.doc["pods"][key].clear()
    machine.cluster.settle()
    found = next(status for name, status in pods(cluster).items() if name.startswith("windows-"))
    waiting = found["containerStatuses"][0]["state"]["waiting"]
    assert waiting["reason"] == "ContainerCreating"
    assert waiting["message"].startswith('failed to get sandbox image "registry.k8s.io/pause:3.10.2"')


@pytest.mark.parametrize("gone", ["etcd", "kube-apiserver", "pause"])
def test_kubeadm_does_not_begin_without_its_images(tmp_path: Path, gone: str) -> None:
    cluster = Rehearsed(tmp_path)
    cluster.park.web = without(f"/{gone}/")
    result = cluster.up()
    error = result.failures[0].error
    assert result.failures[0].step.name == "control-plane"
    assert "failed to pull image" in str(error) and gone in str(error)


def test_a_mirror_is_asked_with_its_secret_on_both_systems(tmp_path: Path) -> None:
    asked: list[str] = []

    def ask(url: str, headers: Mapping[str, str]) -> Answer:
        asked.append(url)
        return without("https://registry.k8s.io", web=direct(SITES))(url, headers)

    cluster = Rehearsed(tmp_path, registries())
    cluster.park.web = ask
    assert not cluster.up().failures
    mirrored = [url for url in asked if "agnhost" in url]
    assert mirrored == ["https://mirror.example/k8s/v2/e2e-test-images/agnhost/manifests/2.53?ns=registry.k8s.io"] * 2
    assert not cluster.up().applied


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (registries(Secret("joe:wrong")), "no basic auth credentials"),
        (registries(mirrors=["https://mirror.example/other"]), "no such host"),
    ],
)
def test_wrong_settings_of_a_mirror_show(tmp_path: Path, settings: Settings, said: str) -> None:
    cluster = Rehearsed(tmp_path, settings)
    cluster.park.web = without("https://registry.k8s.io", web=direct(SITES))
    result = cluster.up()
    assert result.failures[0].step.name == "control-plane"
    assert said in str(result.failures[0].error) or "no such host" in str(result.failures[0].error)
    assert "joe" not in complaint(result)


def test_registries_that_are_taken_out_are_gone_from_the_machines(tmp_path: Path) -> None:
    first = Rehearsed(tmp_path, registries())
    first.park.web = direct(SITES)
    assert not first.up().failures
    windows = first.park.get("winw1").files
    text = windows.read("C:\\etc\\containerd\\certs.d\\registry.k8s.io\\hosts.toml").decode()
    assert "Authorization" in text
    plain = Rehearsed(tmp_path)
    assert {end.step.name for end in plain.up().applied} >= {"registries@cp1", "registries@winw1"}
    assert not plain.park.get("winw1").files.exists("C:\\etc\\containerd\\certs.d\\registry.k8s.io\\hosts.toml")
    assert not plain.park.get("cp1").files.exists("/etc/containerd/certs.d/registry.k8s.io/hosts.toml")


def test_own_keys_of_containerd_are_in_its_configuration_on_both_systems(tmp_path: Path) -> None:
    own = {"plugins": {"io.containerd.cri.v1.images": {"max_concurrent_downloads": 7}}}
    settings = Settings(containerd=Settings().containerd.model_copy(update={"config": own}))
    cluster = Rehearsed(tmp_path, settings)
    assert not cluster.up().failures
    windows = "C:\\Program Files\\containerd\\config.toml"
    for machine, path in (("cp1", "/etc/containerd/config.toml"), ("winw1", windows)):
        text = cluster.park.get(machine).files.read(path).decode()
        assert "max_concurrent_downloads = 7" in text and "certs.d" in text and "registry.k8s.io/pause:" in text


# -- as a user runs it ---------------------------------------------------------------------------------------------


def test_images_are_listed_exported_and_what_is_missing_is_named(tmp_path: Path) -> None:
    with finished(tmp_path / "w") as work:
        listed = json.loads(work.run("images", "--json").stdout)
        assert listed["rehearsed"] is True
        rows = {(row["machine"], row["image"]): row["exported"] for row in listed["images"]}
        assert rows[("winw1", "registry.k8s.io/pause:3.10.2")] is False and len(rows) == 22
        # On a cluster that has its images nothing is missing.
        assert work.up("--offline")["applied"] == []
        save(work, tmp_path / "saved")
        assert work.run("destroy", "--yes").returncode == 0
        put_back(work, tmp_path / "saved")
        done = work.run("up", "--offline", "--json")
        answer = json.loads(done.stdout)
        assert answer["exit_code"] == 4 and answer["error"].startswith("22 files are missing")
        assert sorted(answer["details"].splitlines()) == sorted(
            f"image {name} for {'windows' if machine == 'winw1' else 'linux'}/amd64: no archive of it is here"
            for machine, name in rows
        )
        assert "invoke images --export" in answer["remedy"]
        assert not work.done_steps()


def test_an_archive_of_ones_own_is_imported_and_a_changed_one_again(tmp_path: Path) -> None:
    own = tmp_path / "own.tar"
    own.write_bytes(container_images.archive("registry.example/own/thing:v1", "windows"))
    with folder(tmp_path / "w", images={"archives": [str(own)]}) as work:
        first = work.up()["applied"]
        assert {"depot-images", "deliver-images@winw1", "images@winw1"} <= set(first)
        assert "images@cp1" not in first
        assert ("winw1", "registry.example/own/thing:v1") in images_of(work)
        assert work.up()["applied"] == []
        own.write_bytes(container_images.archive("registry.example/own/thing:v2", "windows"))
        assert "images@winw1" in work.up()["applied"]
        assert ("winw1", "registry.example/own/thing:v2") in images_of(work)


def test_an_archive_that_is_none_is_refused_before_anything_starts(tmp_path: Path) -> None:
    own = tmp_path / "own.tar"
    own.write_bytes(b"no archive\n" * 100)
    with folder(tmp_path / "w", images={"archives": [str(own)]}) as work:
        done = work.run("up")
        assert done.returncode == 4
        assert "own.tar" in done.stderr and not work.done_steps()


def test_an_export_replaces_the_one_before(tmp_path: Path) -> None:
    with finished(tmp_path / "w") as work:
        assert work.run("images", "--export").returncode == 0
        lock = work.runs.parent / "artifacts.lock.yaml"
        before = lock.read_text()
        assert before.count("image:registry.k8s.io/pause") == 2
        done = work.run("images", "--export", "--json")
        assert len(json.loads(done.stdout)["exported"]) == 22
        assert lock.read_text() == before
        assert all(row[2] for row in exported(work))


def images_of(work: Folder) -> set[tuple[str, str]]:
    return {(machine, image) for machine, image, _ in exported(work)}


def exported(work: Folder) -> list[tuple[str, str, bool]]:
    rows = json.loads(work.run("images", "--json").stdout)["images"]
    return [(row["machine"], row["image"], row["exported"]) for row in rows]
