"""Container images by who brings them: kubeadm, Calico's operator, tests. Data with sources; names are in `steps`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from provision.knowledge.releases import kubernetes


@dataclass(frozen=True, kw_only=True)
class KubeadmImages:
    """Tags of the images that are not Kubernetes' own; a patch release may come with newer ones.

    Attributes:
        etcd, coredns: tags of registry.k8s.io/etcd and registry.k8s.io/coredns/coredns.
    """

    etcd: str
    coredns: str


KUBEADM: Mapping[str, KubeadmImages] = {
    "1.37": KubeadmImages(etcd="3.7.0-0", coredns="v1.14.6"),
    "1.36": KubeadmImages(etcd="3.6.8-0", coredns="v1.14.2"),
    "1.35": KubeadmImages(etcd="3.6.6-0", coredns="v1.13.1"),
    "1.34": KubeadmImages(etcd="3.6.5-0", coredns="v1.12.1"),
    "1.33": KubeadmImages(etcd="3.5.24-0", coredns="v1.12.0"),
    "1.32": KubeadmImages(etcd="3.5.24-0", coredns="v1.11.3"),
    "1.31": KubeadmImages(etcd="3.5.24-0", coredns="v1.11.3"),
}
"""Source: `kubeadm config images list` of 1.36.3 as users published it; of the other minors
DefaultEtcdVersion and CoreDNSVersion in cmd/kubeadm/app/constants/constants.go of a late patch."""

CALICO_LINUX = (
    "node",
    "cni",
    "pod2daemon-flexvol",
    "csi",
    "node-driver-registrar",
    "typha",
    "kube-controllers",
    "apiserver",
)
"""What the operator runs for an Installation and an APIServer, below ``quay.io/calico``, tagged with Calico's version.
Source: tigera/operator v1.42.3, pkg/components/calico.go and pkg/render (node, csi, typha, kube-controllers,
apiserver)."""

CALICO_WINDOWS = ("node-windows", "cni-windows")
"""The same for ``windowsDataplane: HNS``. Source: tigera/operator v1.42.3, pkg/render/windows.go."""

TESTS_LINUX = (
    "registry.k8s.io/e2e-test-images/busybox:1.37.0-1",
    "registry.k8s.io/e2e-test-images/httpd:2.4.38-4",
)
TESTS_WINDOWS = TESTS_LINUX
"""What Kubernetes' tests of pods and networks start most, beside agnhost; one name serves both systems.
Source: kubernetes test/utils/image/manifest.go."""


def kubeadm_images(version: str) -> KubeadmImages:
    """The tags that go with a Kubernetes version; a minor that is newer than all known takes the newest row.

    Raises:
        NotKnown, ValueError: as `releases.kubernetes`.
    """
    return KUBEADM.get(kubernetes(version).minor) or next(iter(KUBEADM.values()))
