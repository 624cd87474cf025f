"""Names of images: references as registries and containerd write them, and kubeadm's own images.

Sources: distribution's reference grammar (distribution/reference); kubeadm's ``config images list``
(kubernetes cmd/kubeadm/app/images and KubernetesVersionToImageTag in cmd/kubeadm/app/util/version.go).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from provision import knowledge
from provision.errors import ArtifactError
from provision.knowledge.releases import RELEASES
from provision.knowledge.versions import parse

REPOSITORY = "registry.k8s.io"
"""Where kubeadm takes images from when its configuration says nothing else."""

CI_REPOSITORY = "gcr.io/k8s-staging-ci-images"
"""The same for versions that are written ``ci/...`` (kubeadm's DefaultCIImageRepository)."""

CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy")
"""The components that Kubernetes itself makes images of, in kubeadm's order."""

_DOCKER, _DOCKER_API = "docker.io", "registry-1.docker.io"
_PATH = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*")
_HOST = re.compile(r"(?:\[[0-9a-fA-F:]+\]|[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)(?::\d+)?")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_SHA256 = re.compile("sha256:[0-9a-f]{64}")
_NOT_IN_A_TAG = re.compile(r"[^-a-zA-Z0-9_.]")


@dataclass(frozen=True)
class Reference:
    """One image in a registry; at least one of tag and digest.

    Attributes:
        host: of the registry, with its port; ``docker.io`` for Docker's.
        path: the repository in it.
        digest: ``sha256:...`` or empty.
    """

    host: str
    path: str
    tag: str = ""
    digest: str = ""

    @property
    def api_host(self) -> str:
        """The host that answers for the registry."""
        return _DOCKER_API if self.host == _DOCKER else self.host

    @property
    def wanted(self) -> str:
        """What a registry is asked for: the digest if there is one, else the tag."""
        return self.digest or self.tag

    def pinned(self, digest: str) -> Reference:
        """The same image by its digest; the tag stays for people."""
        return replace(self, digest=digest)

    def __str__(self) -> str:
        return f"{self.host}/{self.path}" + (f":{self.tag}" if self.tag else "") + (self.digest and f"@{self.digest}")


def reference(text: str) -> Reference:
    """The reference in a text, completed as containerd does: ``busybox`` is ``docker.io/library/busybox:latest``.

    Raises:
        ArtifactError: the text is no reference.
    """
    rest, at, digest = text.partition("@")
    first, slash, others = rest.partition("/")
    # Only what looks like a host is one: `library/busybox` has none.
    host, path = (first, others) if slash and (set(first) & set(".:[") or first == "localhost") else (_DOCKER, rest)
    head, colon, tag = path.rpartition(":")
    path, tag = (head, tag) if colon else (path, "")
    host = _DOCKER if host == "index.docker.io" else host
    if host == _DOCKER and "/" not in path:
        path = f"library/{path}"
    good = (
        _HOST.fullmatch(host)
        and _PATH.fullmatch(path)
        and (not colon or _TAG.fullmatch(tag))
        and (not at or _SHA256.fullmatch(digest))
    )
    if not good:
        raise ArtifactError(
            f"{text!r} is no reference of an image",
            remedy="write it as registry.example/path/name:tag or registry.example/path/name@sha256:<64 hex digits>",
        )
    return Reference(host, path, tag or ("" if digest else "latest"), digest)


def image_tag(version: str) -> str:
    """A version as the tag of an image, as kubeadm makes it: what no tag may hold (``+``) becomes ``_``."""
    return _NOT_IN_A_TAG.sub("_", f"v{version.removeprefix('v')}")


def images_for(kubernetes_version: str, repository: str = REPOSITORY) -> tuple[str, ...]:
    """What ``kubeadm config images list`` prints of Kubernetes' own components at a version.

    Args:
        kubernetes_version: with or without ``v``, such as ``1.37.0-alpha.2.45+0123456789abcd``.
    """
    return tuple(f"{repository}/{name}:{image_tag(kubernetes_version)}" for name in CONTROL_PLANE)


def listed(lines: Iterable[str]) -> tuple[str, ...]:
    """The images in what a real ``kubeadm config images list`` printed; its warnings are left out.

    Raises:
        ArtifactError: there is no image in it, or a line that is neither.
    """
    found = []
    for line in (line.strip() for line in lines):
        # klog's lines (W1121 10:11:12.123456 ...) and plain warnings come on the same stream at times.
        if line and not re.match(r"[IWEF]\d{4} |\[?WARNING|remote version is much newer", line):
            found.append(str(reference(line)))
    if not found:
        raise ArtifactError(
            "kubeadm listed no image", remedy="run `kubeadm config images list` on the control plane and look"
        )
    return tuple(found)


def nearest_release(version: str) -> str:
    """The release whose images are nearest to a source's version, without ``v``.

    That is the latest patch of its own minor if that minor is released, else of the newest minor before it.
    The image gives base, user and certificates only; the binary in it is replaced.
    """
    own = parse(version)
    if knowledge.released(version):
        return RELEASES[own.line].latest
    older = [parse(row.latest) for row in RELEASES.values() if not parse(row.latest).pre and parse(row.latest) < own]
    return str(max(older)) if older else RELEASES[min(RELEASES, key=lambda line: parse(line).minor)].latest
