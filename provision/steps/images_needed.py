"""The images that a cluster of these settings needs before it is Ready: by system, with whoever asks for them. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from provision import knowledge
from provision.artifacts.base import Os
from provision.artifacts.catalog import CONTROL_PLANE_IMAGES, image_name
from provision.knowledge.images import CALICO_LINUX, CALICO_WINDOWS, TESTS_LINUX, TESTS_WINDOWS, kubeadm_images
from provision.settings.model import Settings
from provision.steps.cni_calico import HOST_PROCESS_IMAGE
from provision.steps.ready import SMOKE_IMAGE

CI_REGISTRY = "gcr.io/k8s-staging-ci-images"
REGISTRY = "registry.k8s.io"


@dataclass(frozen=True)
class NeededImage:
    """One image on one system.

    Attributes:
        why: who asks for it.
        any_tag: a patch of kubeadm may ask for another tag than is known here; any tag of the repository will do.
    """

    name: str
    os: Os
    why: str
    any_tag: bool = False

    @property
    def repository(self) -> str:
        """The name without its tag."""
        return self.name.rpartition(":")[0]

    def is_met_by(self, name: str) -> bool:
        """Whether an image of this name will do."""
        return name == self.name or (self.any_tag and name.rpartition(":")[0] == self.repository)


def needed_images(settings: Settings) -> tuple[NeededImage, ...]:
    """Every image until the cluster is Ready; those that are built from source are not among them."""
    version = settings.kubernetes.version
    found = [
        *_control_plane(settings),
        NeededImage(knowledge.pause_image(version), "linux", "every pod"),
        NeededImage(SMOKE_IMAGE, "linux", "the smoke pods"),
    ]
    if settings.cni == "calico":
        row = knowledge.calico(settings.calico.version)
        found.append(NeededImage(f"quay.io/tigera/operator:v{row.operator}", "linux", "Calico"))
        found += [_calico(settings, name, "linux") for name in CALICO_LINUX]
    if settings.windows:
        found += [
            NeededImage(knowledge.pause_image(version), "windows", "every pod"),
            NeededImage(HOST_PROCESS_IMAGE, "windows", "kube-proxy"),
            NeededImage(SMOKE_IMAGE, "windows", "the smoke pods"),
        ]
        if settings.cni == "calico":
            found += [_calico(settings, name, "windows") for name in CALICO_WINDOWS]
    if settings.features.prepull:
        systems: tuple[Os, ...] = ("linux", "windows") if settings.windows else ("linux",)
        found += [NeededImage(name, os, "tests") for os in systems for name in test_images(os)]
    # The first who asks for it is named.
    return tuple({(image.name, image.os): image for image in reversed(found)}.values())[::-1]


def test_images(os: Os) -> tuple[str, ...]:
    """What tests start most, on a system; the smoke pods' image is one of them."""
    return (SMOKE_IMAGE, *(TESTS_WINDOWS if os == "windows" else TESTS_LINUX))


def _control_plane(settings: Settings) -> list[NeededImage]:
    version, chosen = settings.kubernetes.version, settings.chosen
    others = kubeadm_images(version)
    found = [
        NeededImage(f"{REGISTRY}/coredns/coredns:{others.coredns}", "linux", "kubeadm", any_tag=True),
        NeededImage(f"{REGISTRY}/pause:{knowledge.kubernetes(version).pause}", "linux", "kubeadm"),
        NeededImage(f"{REGISTRY}/etcd:{others.etcd}", "linux", "kubeadm", any_tag=True),
    ]
    if chosen is not None and chosen.plane_source is not None:
        return found
    names = [image_name(name, version) for name in CONTROL_PLANE_IMAGES]
    if chosen is not None and chosen.control_plane == "ci":
        names = [name.replace(REGISTRY, CI_REGISTRY, 1) for name in names]
    return [*(NeededImage(name, "linux", "kubeadm") for name in names), *found]


def _calico(settings: Settings, name: str, os: Os) -> NeededImage:
    return NeededImage(f"quay.io/calico/{name}:v{settings.calico.version}", os, "Calico")
