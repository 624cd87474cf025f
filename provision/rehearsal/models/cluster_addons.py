"""What `kubeadm init` puts into a new cluster: namespaces, accounts, CoreDNS, kube-proxy, its own ConfigMaps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from provision.build.images_names import CI_REPOSITORY, REPOSITORY, image_tag
from provision.knowledge.images import kubeadm_images

if TYPE_CHECKING:
    from provision.rehearsal.models.cluster import Cluster

SPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
Object = dict[str, Any]


def addons(cluster: Cluster) -> None:
    """Make them; call inside a change of the control plane's state."""
    version = cluster.doc["version"]
    for space in SPACES:
        put(cluster, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}})
        put(cluster, account("default", space))
    for name in ("coredns", "kube-proxy"):
        put(cluster, account(name, "kube-system"))
    for name, kind in (("kubeadm-config", "ClusterConfiguration"), ("kubelet-config", "KubeletConfiguration")):
        text = yaml.safe_dump(cluster.doc["configuration"].get(kind) or {})
        put(cluster, config_map(name, "kube-system", {kind if kind.startswith("Cluster") else "kubelet": text}))
    put(cluster, config_map("kube-proxy", "kube-system", {"config.conf": "", "kubeconfig.conf": ""}))
    put(cluster, config_map("cluster-info", "kube-public", {"kubeconfig": ""}))
    put(
        cluster,
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "kube-dns", "namespace": "kube-system"},
            "spec": {"selector": {"k8s-app": "kube-dns"}, "ports": [{"port": 53, "protocol": "UDP"}]},
        },
    )
    put(
        cluster,
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "kubernetes", "namespace": "default"},
            "spec": {"ports": [{"port": 443}]},
        },
    )
    asked = str(cluster.doc["configuration"]["ClusterConfiguration"].get("kubernetesVersion", ""))
    registry = CI_REPOSITORY if asked.startswith("ci/") else REPOSITORY
    image = f"{registry}/kube-proxy:{image_tag(version)}"
    proxy = _pod("kube-proxy", image, host=True, tolerations=[{"operator": "Exists"}])
    put(cluster, workload("DaemonSet", "kube-proxy", {"k8s-app": "kube-proxy"}, proxy))
    dns = _pod(
        "coredns",
        f"registry.k8s.io/coredns/coredns:{kubeadm_images(version.lstrip('v')).coredns}",
        host=False,
        tolerations=[{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule", "operator": "Exists"}],
    )
    put(cluster, workload("Deployment", "coredns", {"k8s-app": "kube-dns"}, dns, replicas=2))


def put(cluster: Cluster, document: Object) -> None:
    cluster.objects.put(document)


def account(name: str, space: str) -> Object:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": space}}


def config_map(name: str, space: str, data: dict[str, str]) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": space}, "data": data}


def _pod(account_name: str, image: str, *, host: bool, tolerations: list[Object]) -> Object:
    return {
        "serviceAccountName": account_name,
        "hostNetwork": host,
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": tolerations,
        "containers": [{"name": account_name, "image": image}],
    }


def workload(kind: str, name: str, labels: dict[str, str], pod: Object, replicas: int | None = None) -> Object:
    """A DaemonSet or Deployment of kube-system."""
    spec: Object = {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}}
    if replicas is not None:
        spec["replicas"] = replicas
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "kube-system", "labels": labels},
        "spec": spec,
    }
