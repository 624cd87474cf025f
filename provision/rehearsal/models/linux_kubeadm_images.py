"""The images that kubeadm asks for: their names, who has them, and what happens to those that nobody has.

Source: kubernetes cmd/kubeadm/app/images/images.go, util/version.go (KubernetesVersionToImageTag) and
constants.go (DefaultCIImageRepository).
"""

from __future__ import annotations

import re

from provision import knowledge
from provision.rehearsal.models.linux_box import LinuxBox
from provision.rehearsal.models.linux_containerd import cri_problem, pull
from provision.rehearsal.models.linux_kubeadm_config import Config
from provision.rehearsal.models.linux_program import Failed
from provision.rehearsal.shell import Call

REGISTRY, CI_REGISTRY = "registry.k8s.io", "gcr.io/k8s-staging-ci-images"
STATIC = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
_RELEASE_TAG = re.compile(r"v1\.\d+\.\d+(-(alpha|beta|rc)\.\d+)?")
_CI_TAG = re.compile(r"v1\.\d+\.\d+-(alpha|beta|rc)\.\d+\.\d+_[0-9a-f]{7,}")


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
    return [
        *(f"{repository}/{name}:{image_tag(version)}" for name in (*STATIC[1:], "kube-proxy")),
        f"{REGISTRY}/coredns/coredns:v1.13.1",
        f"{REGISTRY}/pause:{row.pause}",
        f"{REGISTRY}/etcd:3.6.5-0",
    ]


def unpulled(box: LinuxBox, names: list[str]) -> list[str]:
    """Pull what is not there yet, as preflight does by default (IfNotPresent); returns its complaints."""
    problems = []
    for name in names:
        with box.machine.state.reading() as data:
            if name in data.get("images", []):
                continue
        if in_a_registry(name):
            pull(box, name)
        else:
            problems.append(f"ImagePull]: failed to pull image {name}: rpc error: code = NotFound: {name}: not found")
    return problems


def in_a_registry(name: str) -> bool:
    """Whether Kubernetes' registries have an image: of releases, and of CI builds in a registry of their own."""
    repository, _, tag = name.rpartition(":")
    component = repository.rpartition("/")[2]
    if component not in (*STATIC[1:], "kube-proxy"):
        return True
    wanted = _CI_TAG if repository.startswith(CI_REGISTRY) else _RELEASE_TAG
    return wanted.fullmatch(tag) is not None


def pull_images(box: LinuxBox, call: Call, config: Config) -> int:
    """``kubeadm config images pull``: each image is asked for, whether it is there or not."""
    names = images_of(config, box.version)
    with box.machine.state.reading() as data:
        missing = [name for name in names if name not in data.get("images", [])]
    if problem := cri_problem(box.machine):
        raise Failed(f"failed to pull images: could not connect to the container runtime: {problem}")
    if missing:
        box.latency("linux-image-pull")
    for name in names:
        if not in_a_registry(name):  # pulled whether it is there or not
            raise Failed(f'failed to pull image "{name}": rpc error: code = NotFound desc = {name}: not found')
        pull(box, name)
        call.out(f"[config/images] Pulled {name}\n")
    return 0
