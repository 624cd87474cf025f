"""The table of nodes that `up` and `status` end with."""

from __future__ import annotations

import re
from collections.abc import Sequence

from provision.app.session import Session
from provision.facts.base import UnknownFact, World
from provision.facts.cluster import Nodes

# "Debian GNU/Linux 12 (bookworm)", "Windows Server 2022 Standard Evaluation"
_NOISE = re.compile(
    r" GNU/Linux| LTS$| \([a-z ]+\)$|(?<=Windows) Server| Standard| Datacenter| Evaluation|^Microsoft ", re.IGNORECASE
)

COLUMNS = ("node", "status", "os", "kubelet", "runtime", "address")


def node_rows(session: Session, world: World) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Columns and one row a machine; a machine without a node says so."""
    names = {machine.name: session.settings.node_name(machine.name) for machine in session.machines}
    try:
        nodes = world.cluster.get(Nodes)
    except UnknownFact as unknown:
        reason = "no node" if world.machine(session.settings.control_plane.name).state == "absent" else str(unknown)
        return COLUMNS, [(names[m.name], reason, m.os, "", "", str(m.address)) for m in session.machines]
    rows: list[tuple[str, ...]] = []
    for machine in session.machines:
        node = nodes.find(names[machine.name])
        if node is None:
            rows.append((names[machine.name], "no node", machine.os, "", "", str(machine.address)))
            continue
        status = "Ready" if node.ready else "NotReady"
        version, runtime = node.kubelet_version, node.container_runtime
        rows.append((node.name, status, node.os_image, version, runtime, node.internal_ip))
    return COLUMNS, rows


def for_people(rows: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The rows of `node_rows` in the width of a terminal: without what every node says of its system."""
    return [tuple(_NOISE.sub("", cell).replace("://", " ") for cell in row) for row in rows]
