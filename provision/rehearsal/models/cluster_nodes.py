"""Nodes: what running kubelets say, and what the API makes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from provision import knowledge
from provision.rehearsal.files import now
from provision.rehearsal.machine import Neighbours
from provision.rehearsal.models.cluster_objects import Object, moment
from provision.rehearsal.models.neighbours import NodeMachine, NodeReport, WindowsNode

if TYPE_CHECKING:
    from provision.rehearsal.models.cluster import Cluster

NOT_READY = "node.kubernetes.io/not-ready"
CNI_NOT_READY = (
    "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady "
    "message:Network plugin returns error: cni plugin not initialized"
)


def announced(cluster: Cluster, report: NodeReport) -> None:
    """A kubelet has credentials. Its node is there when kubeadm join ends, or comes a moment later.

    kubeadm waits for the Node only where it notes the runtime's socket on it, which it does not since
    NodeLocalCRISocket is on. Source: kubernetes cmd/kubeadm/app/cmd/phases/join/kubelet.go.
    """
    known = cluster.objects.get("nodes", "", report.name) is not None
    own = report.address == cluster.doc["address"]
    if known or own or not knowledge.kubernetes(report.kubelet_version).instance_config:
        register_node(cluster, report)
    else:
        cluster.doc.setdefault("coming", {})[report.name] = now() + cluster.machine.latencies.seconds("node-registers")


def register_node(cluster: Cluster, report: NodeReport) -> None:
    """A kubelet with credentials has started: its Node object is made or brought up to date."""
    objects = cluster.objects
    node = objects.get("nodes", "", report.name)
    if node is None:
        taints = [_taint(text) for text in report.taints]
        node = objects.put(
            {
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {"name": report.name, "labels": {}, "annotations": {}},
                "spec": {"taints": taints} if taints else {},
                "status": {},
            }
        )
    node["metadata"]["labels"].update(
        {
            "kubernetes.io/os": report.os,
            "kubernetes.io/arch": report.arch,
            "kubernetes.io/hostname": report.name,
            **report.labels,
        }
    )
    node["status"].update(
        {
            "addresses": [
                {"type": "InternalIP", "address": report.address},
                {"type": "Hostname", "address": report.name},
            ],
            "nodeInfo": {
                "operatingSystem": report.os,
                "architecture": report.arch,
                "osImage": report.os_image,
                "kernelVersion": report.kernel,
                "kubeletVersion": report.kubelet_version,
                "containerRuntimeVersion": report.runtime_version,
            },
        }
    )


def _taint(text: str) -> dict[str, str]:
    key, _, effect = text.rpartition(":")
    name, _, value = key.partition("=")
    return {"key": name, "value": value, "effect": effect} if value else {"key": name, "effect": effect}


@dataclass(frozen=True)
class Seen:
    """A machine with a running kubelet, as it was when we looked; ``boot`` is the id of its boot."""

    machine: NodeMachine
    report: NodeReport
    boot: str
    proxy_runs: bool
    images: frozenset[str] = frozenset()
    sandbox: str = ""


def look(neighbours: Neighbours) -> dict[str, Seen]:
    """What running kubelets say, by node name; call it without holding any machine's state."""
    found = {}
    for machine in neighbours.all():
        if not hasattr(machine, "node") or not machine.answers:
            continue
        node = cast(NodeMachine, machine)
        report = node.node()
        if report is not None:
            proxy = cast(WindowsNode, machine).proxy_runs if machine.os == "windows" else False
            found[report.name] = Seen(node, report, machine.boot_id, proxy, node.image_names(), node.sandbox_image())
    return found


def settle_nodes(cluster: Cluster, seen: dict[str, Seen]) -> None:
    """Nodes as their kubelets report them; those whose kubelet is silent are not Ready.

    A kubelet makes its node once, when it starts: where somebody deletes the node of a running one, it stays away.
    Source: kubernetes pkg/kubelet/kubelet_node_status.go, registerWithAPIServer (registrationCompleted).
    """
    coming, met = (cluster.doc.setdefault(key, {}) for key in ("coming", "met"))
    for name, one in seen.items():
        known = cluster.objects.get("nodes", "", name) is not None
        if not known and met.get(name) != one.report.start:
            coming.setdefault(name, now() + cluster.machine.latencies.seconds("node-registers"))
        met[name] = one.report.start
        if known or now() >= coming.get(name, float("inf")):
            register_node(cluster, one.report)
            coming.pop(name, None)
    for node in cluster.objects.all("nodes"):
        found = seen.get(node["metadata"]["name"])
        if found is None:
            status, reason, text = "Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status."
        elif not found.report.network_ready:
            status, reason, text = "False", "KubeletNotReady", CNI_NOT_READY
        else:
            status, reason, text = "True", "KubeletReady", "kubelet is posting ready status"
        before: Object = next((c for c in node["status"].get("conditions", []) if c["type"] == "Ready"), {})
        since = before.get("lastTransitionTime") if before.get("status") == status else None
        condition = {"type": "Ready", "status": status, "reason": reason, "message": text}
        node["status"]["conditions"] = [{**condition, "lastTransitionTime": since or moment(now())}]
        taints = [t for t in node["spec"].get("taints", []) if t["key"] != NOT_READY]
        if status != "True":
            taints.append({"key": NOT_READY, "effect": "NoSchedule"})
        node["spec"]["taints"] = taints
        if not taints:
            del node["spec"]["taints"]


def is_ready(node: Object) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"].get("conditions", []))


def system(node: Object) -> str:
    """``linux`` or ``windows``."""
    return str(node["metadata"]["labels"].get("kubernetes.io/os", "linux"))
