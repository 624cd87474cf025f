"""The images that kubeadm asks for: their names, who has them, and what happens to those that nobody has.

Source: kubernetes cmd/kubeadm/app/images/images.go, util/version.go (KubernetesVersionToImageTag) and
constants.go (DefaultCIImageRepository).
"""

from __future__ import annotations

import re

from provision import knowledge
from provision.knowledge.images import kubeadm_images
from provision.rehearsal.models.linux_box import LinuxBox
from provision.rehearsal.models.linux_containerd import cri_problem, images, pull
from provision.rehearsal.models.linux_kubeadm_config import Config
from provision.rehearsal.models.linux_program import Failed
from provision.rehearsal.shell import Call

REGISTRY, CI_REGISTRY = "registry.k8s.io", "gcr.io/k8s-staging-ci-images"
STATIC = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")


def version_and_repository(config: Config, own: str) -> tuple[str, str]:
    """The version (with ``v``) and where its images are; ``ci/`` before a version chooses the CI builds' registry."""
    given = str((config.documents.get("ClusterConfiguration") or {}).get("kubernetesVersion", own))
    if given.startswith("ci/latest"):
        raise Failed(f"could not fetch a Kubernetes version from the internet: unable to get URL of {given}")
    return given.removeprefix("ci/"), CI_REGISTRY if given.startswith("ci/") else REGISTRY


def image_tag(version: str) -> str:
    """A version as an image's tag."""
    return re.sub(r"[^-a-zA-Z0-9_.]", "_", version)


def images_of(config: Config, own: str) -> list[str]:
    """What kubeadm needs for this configuration, in its order."""
    version, repository = version_and_repository(config, own)
    row = knowledge.kubernetes(version.lstrip("v"))
    others = kubeadm_images(version.lstrip("v"))
    return [
        *(f"{repository}/{name}:{image_tag(version)}" for name in (*STATIC[1:], "kube-proxy")),
        f"{REGISTRY}/coredns/coredns:{others.coredns}",
        f"{REGISTRY}/pause:{row.pause}",
        f"{REGISTRY}/etcd:{others.etcd}",
    ]


def unpulled(box: LinuxBox, names: list[str]) -> list[str]:
    """Pull what is not there yet, as preflight does by default (IfNotPresent); returns its complaints."""
    problems = []
    for name in images(box.machine).lacks(names):
        try:
            pull(box, name)
        except Failed as error:
            problems.append(f"ImagePull]: failed to pull image {name}: {error}")
    return problems


def pull_images(box: LinuxBox, call: Call, config: Config) -> int:
    """``kubeadm config images pull``: each image is asked for, whether it is there or not."""
    names = images_of(config, box.version)
    if problem := cri_problem(box.machine):
        raise Failed(f"failed to pull images: could not connect to the container runtime: {problem}")
    if images(box.machine).lacks(names):
        box.latency("linux-image-pull")
    for name in names:
        pull(box, name)
        call.out(f"[config/images] Pulled {name}\n")
    return 0
