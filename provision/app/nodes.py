"""The table of nodes that `up` and `status` end with."""

from __future__ import annotations

from provision.facts.base import UnknownFact, World
from provision.facts.cluster import Nodes
from provision.settings.model import Settings

COLUMNS = ("node", "status", "os", "kubelet", "runtime", "address")


def node_rows(settings: Settings, world: World) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Columns and one row a machine; a machine without a node says so."""
    try:
        nodes = {node.name: node for node in world.cluster.get(Nodes).nodes}
    except UnknownFact as unknown:
        return COLUMNS, [(settings.node_name(m.name), str(unknown), m.os, "", "", "") for m in settings.machines]
    rows: list[tuple[str, ...]] = []
    for machine in settings.machines:
        name = settings.node_name(machine.name)
        node = nodes.get(name)
        if node is None:
            rows.append((name, "no node", machine.os, "", "", str(machine.address)))
            continue
        status = "Ready" if node.ready else "NotReady"
        rows.append((name, status, node.os_image, node.kubelet_version, node.container_runtime, node.internal_ip))
    return COLUMNS, rows
