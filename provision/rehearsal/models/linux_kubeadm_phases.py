"""Phases of kubeadm that are called by themselves."""

from __future__ import annotations

from provision.rehearsal.models.linux_box import LinuxBox
from provision.rehearsal.models.linux_kubeadm_config import Config
from provision.rehearsal.models.linux_program import Failed
from provision.rehearsal.shell import Call

_ROLE = "node-role.kubernetes.io/control-plane"


def mark_control_plane(box: LinuxBox, call: Call, config: Config) -> int:
    """The label and the taints of a control plane, for a node that is there.

    Source: kubernetes cmd/kubeadm/app/phases/markcontrolplane/markcontrolplane.go.
    """
    cluster = box.machine.cluster
    if problem := cluster.problem():
        raise Failed(f"error execution phase mark-control-plane: {problem}")
    with box.machine.state.change():
        node = cluster.objects.get("nodes", "", config.node_name)
        if node is None:
            raise Failed(
                "error execution phase mark-control-plane: timed out waiting for the condition: "
                f'nodes "{config.node_name}" not found'
            )
        node["metadata"]["labels"][_ROLE] = ""
        others = [taint for taint in node["spec"].get("taints", []) if taint["key"] != _ROLE]
        node["spec"]["taints"] = [*others, {"key": _ROLE, "effect": "NoSchedule"}]
    call.out(f"[mark-control-plane] Marking the node {config.node_name} as control-plane by adding the labels\n")
    return 0
