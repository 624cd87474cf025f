"""Calico by its operator: what it refuses, what it makes, when it is available.

Facts: tigera/operator, pkg/controller/installation (validation.go, windows_controller.go) of v1.42; the names are
those of Calico 3.32.
"""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any

from provision.knowledge.networks import CALICO
from provision.rehearsal.models.cluster_nodes import system
from provision.rehearsal.models.cluster_objects import Object

if TYPE_CHECKING:
    from provision.rehearsal.models.cluster import Cluster

INSTALLATIONS = "installations.operator.tigera.io"
APISERVERS = "apiservers.operator.tigera.io"
IPAM = "ipamconfigs.crd.projectcalico.org"
SPACE = "calico-system"


def settle(cluster: Cluster) -> None:
    """What the operator has done by now; nothing while it does not run."""
    objects = cluster.objects
    if objects.get("customresourcedefinitions", "", IPAM) is None:
        return
    operator = objects.get("deployments", "tigera-operator", "tigera-operator")
    pods = cluster.doc.get("pods", {})
    installation = objects.get(INSTALLATIONS, "", "default")
    if operator is None or installation is None or not pods.get("tigera-operator/tigera-operator#0", {}).get("ready"):
        return
    problem = refusal(cluster, installation["spec"])
    if problem:
        _status(cluster, "calico", available=False, degraded=problem)
        return
    problem = _typha(cluster)
    if problem:
        # Nothing more is done for Linux until there are enough; Windows has a controller of its own.
        _status(cluster, "calico", available=False, degraded=problem)
        if "calico" in cluster.doc and installation["spec"]["calicoNetwork"].get("windowsDataplane") == "HNS":
            _windows(cluster)
        return
    spec = installation["spec"]
    network = spec["calicoNetwork"]
    windows = network.get("windowsDataplane", "Disabled") == "HNS"
    nodes = spec.get("windowsNodes", {})
    cluster.doc["calico"] = {
        "adapter": nodes.get("vxlanAdapter", ""),
        "windows_cni": [nodes.get("cniBinDir", "/opt/cni/bin"), nodes.get("cniConfigDir", "/etc/cni/net.d")],
    }
    cluster.doc["pods_pool"] = network["ipPools"][0]["cidr"]
    version = _version(operator)
    cluster.doc["calico"]["version"] = version
    _make(cluster, _workload("DaemonSet", "calico-node", "linux", version, host=True))
    _make(cluster, _workload("Deployment", "calico-typha", "linux", version, host=True))
    _make(cluster, _workload("Deployment", "calico-kube-controllers", "linux", version, host=False))
    _make(cluster, _workload("DaemonSet", "csi-node-driver", "linux", version, host=False))
    api = objects.get(APISERVERS, "", "default") is not None
    if api:
        _make(cluster, _workload("Deployment", "calico-apiserver", "linux", version, host=False))
    linux = [n["metadata"]["name"] for n in objects.all("nodes") if system(n) == "linux"]
    up = bool(linux) and all(pods.get(f"{SPACE}/calico-node@{name}", {}).get("ready") for name in linux)
    if any(pods.get(f"{SPACE}/calico-node@{name}", {}).get("ready") for name in linux):
        _defaults(cluster, network["ipPools"][0])
    controllers = bool(pods.get(f"{SPACE}/calico-kube-controllers#0", {}).get("ready"))
    _status(cluster, "calico", available=up and controllers, progressing=not up)
    if api:
        _status(cluster, "apiserver", available=bool(pods.get(f"{SPACE}/calico-apiserver#0", {}).get("ready")))
    if windows:
        _windows(cluster)


def _typha(cluster: Cluster) -> str | None:
    """Why the operator cannot place Typha; None when it can. Windows nodes count as nodes that Typha serves.

    Source: tigera/operator v1.42.3, pkg/common/autoscale.go and pkg/controller/installation/typha_autoscaler.go.
    """
    nodes = [node for node in cluster.objects.all("nodes") if not node["spec"].get("unschedulable")]
    wanted = 1 if len(nodes) <= 2 else 2 if len(nodes) <= 4 else max(3, len(nodes) // 200 + 2)
    linux = sum(system(node) == "linux" for node in nodes)
    if linux >= wanted:
        return None
    lack = f"not enough linux nodes to schedule typha pods on, require {wanted} and have {linux}"
    return f"Failed to autoscale typha - {lack}"


def refusal(cluster: Cluster, spec: dict[str, Any]) -> str | None:
    """Why the operator does not accept an Installation; None when it does."""
    network = spec.get("calicoNetwork") or {}
    pools = network.get("ipPools") or []
    windows = network.get("windowsDataplane", "Disabled")
    if spec.get("cni", {}).get("type", "Calico") != "Calico":
        return f"spec.cni.type {spec['cni']['type']} is not supported by the rehearsal"
    if not pools:
        return "spec.calicoNetwork.ipPools must be specified"
    pool = pools[0]
    if IPv4Network(pool["cidr"]) != IPv4Network(cluster.doc["pod_cidr"]):
        return (
            f"Could not resolve CalicoNetwork IPPool and kubeadm configuration: IPPool "
            f"{pool['cidr']} is not within the platform's configured pod network CIDR(s) "
            f"[{cluster.doc['pods']}]"
        )
    if pool.get("encapsulation", "IPIP") not in ("None", "IPIP", "VXLAN", "IPIPCrossSubnet", "VXLANCrossSubnet"):
        return f"spec.calicoNetwork.ipPools[0].encapsulation {pool['encapsulation']} is invalid"
    if windows == "Disabled":
        return (
            "spec.windowsNodes must not be specified when spec.calicoNetwork.windowsDataplane is Disabled"
            if spec.get("windowsNodes")
            else None
        )
    if windows != "HNS":
        return f"spec.calicoNetwork.windowsDataplane {windows} is invalid"
    if not spec.get("serviceCIDRs"):
        return "spec.serviceCIDRs must be provided when using Calico CNI on Windows"
    if pool.get("encapsulation", "IPIP") not in ("None", "VXLAN"):
        return f"IPv4 IPPool encapsulation {pool.get('encapsulation', 'IPIP')} is not supported by Calico for Windows"
    if network.get("bgp", "Enabled") == "Enabled" and pool.get("encapsulation") == "VXLAN":
        return "spec.calicoNetwork.bgp must be Disabled when VXLAN is used on Windows"
    endpoint = cluster.objects.get("configmaps", "tigera-operator", "kubernetes-services-endpoint")
    data = (endpoint or {}).get("data") or {}
    if not data.get("KUBERNETES_SERVICE_HOST") or not data.get("KUBERNETES_SERVICE_PORT"):
        return (
            "services endpoint configmap 'kubernetes-services-endpoint' does not have all "
            "required information for Calico Windows daemonset configuration"
        )
    if cluster.objects.get("services", "kube-system", "kube-dns") is None:
        return "kube-dns service not found"
    return None


def _windows(cluster: Cluster) -> None:
    settings = cluster.objects.get(IPAM, "", "default")
    if settings is None:
        return
    if not settings["spec"].get("strictAffinity"):
        text = (
            "StrictAffinity is false, it must be set to 'true' in the default IPAMConfiguration "
            "resource for Calico Windows"
        )
        _status(cluster, "calico-windows", available=False, degraded=text)
        return
    version = cluster.doc["calico"]["version"]
    _make(cluster, _workload("DaemonSet", "calico-node-windows", "windows", version, host=True))
    names = [n["metadata"]["name"] for n in cluster.objects.all("nodes") if system(n) == "windows"]
    pods = cluster.doc.get("pods", {})
    up = all(pods.get(f"{SPACE}/calico-node-windows@{name}", {}).get("ready") for name in names)
    _status(cluster, "calico-windows", available=up, progressing=not up)


def _defaults(cluster: Cluster, pool: dict[str, Any]) -> None:
    """What calico-node makes at its first start."""
    if cluster.objects.get(IPAM, "", "default") is None:
        cluster.objects.put(
            {
                "apiVersion": "crd.projectcalico.org/v1",
                "kind": "IPAMConfig",
                "metadata": {"name": "default"},
                "spec": {"strictAffinity": False, "autoAllocateBlocks": True, "maxBlocksPerHost": 0},
            }
        )
        cluster.objects.put(
            {
                "apiVersion": "crd.projectcalico.org/v1",
                "kind": "IPPool",
                "metadata": {"name": pool.get("name", "default-ipv4-ippool")},
                "spec": {"cidr": pool["cidr"], "vxlanMode": "Always", "natOutgoing": True},
            }
        )


def _status(cluster: Cluster, name: str, *, available: bool, degraded: str = "", progressing: bool = False) -> None:
    def condition(kind: str, status: bool, text: str = "") -> dict[str, str]:
        reason = "ResourceValidationError" if text else "AllObjectsAvailable" if status else "NotReady"
        return {"type": kind, "status": str(status), "reason": reason, "message": text}

    cluster.objects.put(
        {
            "apiVersion": "operator.tigera.io/v1",
            "kind": "TigeraStatus",
            "metadata": {"name": name},
            "spec": {},
            "status": {
                "conditions": [
                    condition("Available", available),
                    condition("Progressing", progressing),
                    condition("Degraded", bool(degraded), degraded),
                ]
            },
        }
    )


def _make(cluster: Cluster, workload: Object) -> None:
    space = workload["metadata"]["namespace"]
    plural = f"{workload['kind'].lower()}s"
    there = cluster.objects.get(plural, space, workload["metadata"]["name"])
    if there is not None:
        if there["spec"]["template"] != workload["spec"]["template"]:
            there["spec"]["template"] = workload["spec"]["template"]
        return
    for made in (
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": space}},
    ):
        if cluster.objects.find(cluster.objects.kind_for(made), space, made["metadata"]["name"]) is None:  # type: ignore[index]
            cluster.objects.put(made)
    cluster.objects.put(workload)


def _version(operator: Object) -> str:
    """Calico's version by the operator's, whose image the manifest names."""
    image = str(operator["spec"]["template"]["spec"]["containers"][0]["image"])
    tag = image.rpartition(":")[2].removeprefix("v")
    return next((row.version for row in CALICO.values() if row.operator == tag), next(iter(CALICO)))


# Containers of a pod whose images are not named like it: those that run before it first.
_IMAGES = {
    "calico-node": (("cni", "pod2daemon-flexvol"), ("node",)),
    "calico-node-windows": (("cni-windows",), ("node-windows",)),
    "csi-node-driver": ((), ("csi", "node-driver-registrar")),
}


def _containers(name: str, version: str) -> dict[str, list[Object]]:
    first, then = _IMAGES.get(name, ((), (name.removeprefix("calico-"),)))
    made = [[{"name": one, "image": f"quay.io/calico/{one}:v{version}"} for one in row] for row in (first, then)]
    made[1][0]["name"] = name
    return {"containers": made[1], **({"initContainers": made[0]} if first else {})}


def _workload(kind: str, name: str, os: str, version: str, *, host: bool) -> Object:
    spec: Object = {
        "hostNetwork": host,
        "nodeSelector": {"kubernetes.io/os": os},
        "tolerations": [{"operator": "Exists"}],
        **_containers(name, version),
    }
    if os == "windows":
        spec["securityContext"] = {"windowsOptions": {"hostProcess": True, "runAsUserName": "NT AUTHORITY\\SYSTEM"}}
    labels = {"k8s-app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": SPACE, "labels": labels},
        "spec": {
            **({"replicas": 1} if kind == "Deployment" else {}),
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }
