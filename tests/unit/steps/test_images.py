"""Archives of images, registries and prepulling: whose they are, what is missing, what containerd is told."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from provision.facts.base import HostFacts, MachineFacts, World
from provision.plan import plan
from provision.settings.model import Machine, Settings
from provision.steps.archives import archives_for, unimported
from provision.steps.base import Missing, Satisfied
from provision.steps.containerd_config import merged
from provision.steps.images_needed import needed_images
from provision.steps.registries import authorities, folders
from tests.unit.steps.image_settings import PAUSE, WITH_IMAGES, archive, exports
from tests.unit.steps.linux_facts import SETTINGS

CP1, WINW1 = WITH_IMAGES.control_plane, WITH_IMAGES.windows[0]
STEPS = {step.name: step for step in plan(WITH_IMAGES).steps}
DIGESTS = {"image-linux-pause.tar": "a" * 64, "image-windows-pause.tar": "b" * 64}


def world(machine: Machine, *, digests: dict[str, str] | None = None, **sections: Any) -> World:
    """A world in which one machine has said some sections, and all others that they have nothing."""
    nothing: dict[str, dict[str, Any]] = {"images": {}, "delivered": {}, "registries": {}}
    machines = {m.name: MachineFacts("running", nothing) for m in WITH_IMAGES.machines}
    machines[machine.name] = MachineFacts("running", {**nothing, **sections})
    return World(machines=machines, host=HostFacts(digests=DIGESTS if digests is None else digests))


def test_without_archives_there_is_no_step_for_them() -> None:
    names = [step.name.split("@")[0] for step in plan(SETTINGS).steps]
    assert not {"images", "deliver-images", "depot-images", "prepull"} & set(names)


def test_images_are_there_before_whoever_needs_them() -> None:
    assert "images@cp1" in STEPS["control-plane"].needs
    assert f"images@{WINW1.name}" in STEPS[f"join@{WINW1.name}"].needs
    assert "depot-images" in STEPS[f"deliver-images@{WINW1.name}"].needs
    assert "images@cp1" in STEPS["prepull@cp1"].needs


@pytest.mark.parametrize("machine", [CP1, WINW1], ids=lambda machine: machine.name)
def test_an_archive_is_delivered_and_imported_until_its_images_are_there(machine: Machine) -> None:
    deliver, load = STEPS[f"deliver-images@{machine.name}"], STEPS[f"images@{machine.name}"]
    name = f"image-{machine.os}-pause.tar"
    fresh = world(machine)
    assert isinstance(deliver.judge(WITH_IMAGES, fresh), Missing)
    assert isinstance(load.judge(WITH_IMAGES, fresh), Missing)
    there = world(machine, delivered={"files": {name: {"sha256": DIGESTS[name], "size": 1}}})
    assert isinstance(deliver.judge(WITH_IMAGES, there), Satisfied)
    assert isinstance(load.judge(WITH_IMAGES, there), Missing)
    done = world(machine, images={"names": {PAUSE: "sha256:1"}})
    assert isinstance(deliver.judge(WITH_IMAGES, done), Satisfied)
    assert isinstance(load.judge(WITH_IMAGES, done), Satisfied)
    assert isinstance(load.judge(WITH_IMAGES, world(machine, images={"unknown": "late"})), Missing)
    halfway = {"names": {PAUSE: "sha256:1"}, "imported": {name: "importing"}}
    assert isinstance(load.judge(WITH_IMAGES, world(machine, images=halfway)), Missing)


def test_the_depot_has_archives_as_long_as_a_windows_machine_lacks_them() -> None:
    step = STEPS["depot-images"]
    assert isinstance(step.judge(WITH_IMAGES, world(CP1)), Missing)
    delivered = {"files": {"image-windows-pause.tar": {"sha256": "b" * 64, "size": 1}}}
    assert isinstance(step.judge(WITH_IMAGES, world(CP1, delivered=delivered)), Satisfied)
    lacking = world(WINW1, images={"names": {PAUSE: "sha256:1"}})
    assert isinstance(step.judge(WITH_IMAGES, lacking), Satisfied)


def test_ones_own_archive_counts_only_as_it_is_now() -> None:
    own = archive("linux", name="own.tar", url="image:/srv/own.tar?sha256=cc")
    settings = WITH_IMAGES.model_copy(update={"archives": (own,)})
    names = {"names": {PAUSE: "sha256:1"}}

    def left(imported: dict[str, str], digest: str = "c" * 64) -> list[str]:
        now = world(CP1, digests={"own.tar": digest}, images={**names, "imported": imported})
        return unimported(settings, CP1, now)

    assert left({"own.tar": "c" * 64}) == []
    assert left({"own.tar": "d" * 64}) == left({}) == ["own.tar"]
    assert unimported(settings, CP1, world(CP1, digests={}, images={**names, "imported": {"own.tar": "c" * 64}}))


def test_each_machine_imports_what_can_run_on_it() -> None:
    plane = archive("linux", ("registry.k8s.io/etcd:3.6.8-0",), name="etcd.tar")
    older = archive("windows", name="older.tar", windows="2019")
    settings = WITH_IMAGES.model_copy(update={"archives": (*WITH_IMAGES.archives, plane, older)})
    assert [a.name for a in archives_for(settings, CP1)] == ["image-linux-pause.tar", "etcd.tar"]
    worker = Machine(name="linw9", os="linux")
    assert [a.name for a in archives_for(settings, worker)] == ["image-linux-pause.tar"]
    assert [a.name for a in archives_for(settings, WINW1)] == ["image-windows-pause.tar"]


def test_what_is_needed_follows_the_settings() -> None:
    found = {(image.name, image.os) for image in needed_images(SETTINGS)}
    assert ("registry.k8s.io/kube-apiserver:v1.36.4", "linux") in found
    assert ("quay.io/tigera/operator:v1.42.3", "linux") in found
    assert ("quay.io/calico/node-windows:v3.32.1", "windows") in found
    assert len(found) == len(needed_images(SETTINGS)) == 22
    alone = SETTINGS.model_copy(update={"machines": (CP1,)})
    assert {image.os for image in needed_images(alone)} == {"linux"}
    etcd = next(image for image in needed_images(SETTINGS) if "/etcd:" in image.name)
    assert etcd.is_met_by("registry.k8s.io/etcd:9.9.9-0") and not etcd.is_met_by("registry.k8s.io/pause:9.9.9-0")
    operator = next(image for image in needed_images(SETTINGS) if "operator" in image.name)
    assert not operator.is_met_by("quay.io/tigera/operator:v9")


# -- registries ----------------------------------------------------------------------------------------------------


def hosts(settings: Settings, os: Any, **given: bool) -> dict[str, dict[str, Any]]:
    return {folder.name: tomllib.loads(folder.text) for folder in folders(settings, os, **given)}


@pytest.mark.parametrize(("os", "root"), [("linux", "/etc/containerd"), ("windows", "C:/etc/containerd")])
def test_containerd_is_told_mirrors_authorities_and_secrets(os: Any, root: str) -> None:
    found = hosts(WITH_IMAGES, os)
    assert found["registry.k8s.io"] == {
        "server": "https://registry.k8s.io",
        "host": {
            "https://mirror.example/k8s": {
                "capabilities": ["pull", "resolve"],
                "ca": f"{root}/certs.d/registry.k8s.io/ca.pem",
                "header": {"Authorization": "Basic am9lOml0J3MgJHNlY3JldA=="},
            }
        },
    }
    harbor = found["quay.io"]["host"]["https://harbor.example/v2/quay"]
    assert harbor["override_path"] is True and harbor["skip_verify"] is True
    assert "override_path" not in found["quay.io"]["host"]["http://plain.example:5000"]
    # A registry with a secret of its own, and a port that no folder's name may hold.
    assert list(found["registry.example_5000_"]["host"]) == ["https://registry.example:5000"]


def test_what_is_shown_holds_no_secret() -> None:
    shown = "".join(folder.text for folder in folders(WITH_IMAGES, "linux", secrets=False))
    assert "am9l" not in shown and shown.count("<pull secret>") == 2
    for step in STEPS.values():
        for call in step.scripts:
            assert "am9l" not in repr(call)


def test_registries_are_judged_by_their_digests() -> None:
    for machine in (CP1, WINW1):
        step = STEPS[f"registries@{machine.name}"]
        files = {
            name: digest for folder in folders(WITH_IMAGES, machine.os) for name, digest in folder.digests().items()
        }
        trusted = dict.fromkeys(authorities(WITH_IMAGES, machine.os), True)
        assert len(trusted) == 1 and len(files) == 6
        good = {"files": files, "authorities": trusted}
        assert isinstance(step.judge(WITH_IMAGES, world(machine, registries=good)), Satisfied)
        for wrong in (
            {**good, "files": {**files, "registry.k8s.io/hosts.toml": "0" * 64}},
            {**good, "files": dict(list(files.items())[1:])},
            {**good, "files": {**files, "other.example/hosts.toml": "0" * 64}},
            {**good, "authorities": {}},
            {**good, "authorities": dict.fromkeys(trusted, False)},
        ):
            assert isinstance(step.judge(WITH_IMAGES, world(machine, registries=wrong)), Missing)


def test_own_keys_are_merged_deeply_and_nothing_else_changes() -> None:
    text = '# ours\nversion = 3\n[plugins.a]\nx = 1\n[plugins.a.b]\ny = ["old"]\n'
    assert merged(text, {}) == text
    own = {"plugins": {"a": {"b": {"y": ["new"]}, "z": True}}, "debug": {"level": "debug"}}
    assert tomllib.loads(merged(text, own)) == {
        "version": 3,
        "plugins": {"a": {"x": 1, "z": True, "b": {"y": ["new"]}}},
        "debug": {"level": "debug"},
    }


# -- exporting -----------------------------------------------------------------------------------------------------


def test_only_winrm_needs_the_control_plane_to_take_archives() -> None:
    assert exports(WITH_IMAGES).steps[0].name == "export-depot"
    machines = tuple(
        machine.model_copy(update={"transport": "ssh"}) if machine.os == "windows" else machine
        for machine in WITH_IMAGES.machines
    )
    over_ssh = WITH_IMAGES.model_copy(update={"machines": machines})
    assert not [step.name for step in exports(over_ssh).steps if "depot" in step.name]
