"""The facts of a Windows worker of the default settings on which everything is done, for tests to break."""

from __future__ import annotations

import copy
import hashlib
from typing import Any

from provision.facts.base import HostFacts, MachineFacts, World
from provision.render.engine import render
from provision.settings.complete import complete, defaults
from provision.settings.model import Machine, Settings
from provision.settings.stamp import stamp
from provision.steps.windows_files import CONTAINERD_FILES, KUBERNETES_FILES, containerd_config
from provision.steps.windows_join import kubelet_command
from provision.steps.windows_network import FIREWALL_RULES
from provision.steps.windows_system import DEFENDER_PROGRAMS, registry_values

SETTINGS = defaults()
WORKER = SETTINGS.windows[0]
AUTHORITY = "a" * 64  # the digest of the cluster's CA
DIGESTS = {name: hashlib.sha256(name.encode()).hexdigest() for name in (*CONTAINERD_FILES, *KUBERNETES_FILES)}


def existing() -> tuple[Settings, Machine]:
    """Settings of provider ``existing``: the cards are not ours, so they have no MAC."""
    machines = tuple(m.model_copy(update={"mac": None, "host": str(m.address)}) for m in SETTINGS.machines)
    settings = complete(SETTINGS.model_copy(update={"provider": "existing", "machines": machines}))
    return settings, settings.windows[0]


def finished(settings: Settings = SETTINGS) -> dict[str, dict[str, Any]]:
    """Every section, as the probe prints it."""
    worker = settings.windows[0]
    registry = {f"{row['key']}\\{row['name']}": row["value"] for row in registry_values(worker)}
    return {
        "os": {
            "product": "Microsoft Windows Server 2022 Standard Evaluation",
            "build": 20348,
            "ubr": 3207,
            "active_name": worker.name,
            "pending_name": worker.name,
            "boot_time": "2026-11-21T08:00:00Z",
            "time": "2026-11-21T08:30:00Z",
            "pending_reboot": [],
        },
        "features": {"states": {"Containers": "enabled", "Hyper-V": "disabled", "Hyper-V-PowerShell": "disabled"}},
        "settings": {
            "registry": registry,
            "ports": {"tcp": {"start": 34000, "count": 31536}, "udp": {"start": 34000, "count": 31536}},
            "defender_exclusions": list(DEFENDER_PROGRAMS),
            "time_service": {"state": "Running", "start": "Auto", "triggered": False},
            "folder_private": True,
        },
        "network": {
            "cards": [
                {"name": "Ethernet", "index": 4, "mac": "52:54:00:aa:00:01", "status": "Up"},
                {"name": "kube", "index": 9, "mac": worker.mac or "52:54:00:aa:00:02", "status": "Up"},
                {"name": "vEthernet (kube)", "index": 21, "mac": worker.mac or "52:54:00:aa:00:02", "status": "Up"},
            ],
            "kube": {
                "carrier": "vEthernet (kube)",
                "index": 21,
                "addresses": [{"address": str(worker.address), "prefix": 24, "state": "Preferred"}],
                "dhcp": "Disabled",
                "dns_registration": False,
                "profile": "Private",
            },
            "default_routes": [
                {"index": 4, "gateway": "10.0.2.2", "metric": 25},
                {"index": 21, "gateway": str(settings.control_plane.address), "metric": 525},
            ],
        },
        "firewall": {
            "rules": {
                name: {
                    "enabled": True,
                    "direction": "Inbound",
                    "action": "Allow",
                    "profile": "Any",
                    "protocol": protocol,
                    "ports": list(ports),
                    # As Windows shows a network.
                    "remote": [settings.network.machines.with_netmask],
                }
                for name, _title, protocol, ports in FIREWALL_RULES
            }
        },
        "delivered": {"files": {name: {"sha256": digest, "size": 9} for name, digest in DIGESTS.items()}},
        "installed": {
            "components": {
                "containerd": {"digests": {n: DIGESTS[n] for n in CONTAINERD_FILES}, "intact": True, "detail": ""},
                "kubernetes": {"digests": {n: DIGESTS[n] for n in KUBERNETES_FILES}, "intact": True, "detail": ""},
            }
        },
        "registries": {"files": {}, "authorities": {}},
        "images": {"names": {}, "imported": {}},
        "containerd": {
            "service": "Running",
            "command": '"C:\\Program Files\\containerd\\containerd.exe" --run-service '
            "--log-file=C:\\var\\log\\containerd\\containerd.log",
            "start": "Auto",
            "config": hashlib.sha256(containerd_config(settings).encode()).hexdigest(),
            "crictl_config": hashlib.sha256(render("windows/crictl.yaml").encode()).hexdigest(),
            "environment": [],
            "on_path": True,
            "version": f"v{settings.containerd.windows}",
            "detail": "",
        },
        "kubelet": {
            "service": "Running",
            "command": kubelet_command(settings, worker),
            "start": "Auto",
            "on_path": True,
            "joined": True,
            "server": f"https://{settings.control_plane.address}:6443",
            "flags": f'KUBELET_KUBEADM_ARGS="--node-ip={worker.address} --register-with-taints=os=windows:NoSchedule"',
            "node_ip": str(worker.address),
            "config": "c" * 64,
            "authority": AUTHORITY,
        },
        "hns": {
            "available": True,
            "networks": [
                {"name": "nat", "type": "nat", "management_ip": ""},
                {"name": "External", "type": "Overlay", "management_ip": str(worker.address)},
                {"name": "Calico", "type": "Overlay", "management_ip": str(worker.address)},
            ],
        },
        "stamp": {"text": stamp(settings, worker.name).to_json() + "\r\n"},
    }


def world(sections: dict[str, dict[str, Any]], digests: dict[str, str] | None = None) -> World:
    """A world in which the worker says this."""
    facts = MachineFacts(state="running", sections=sections)
    kubeadm = {"initialised": True, "joined": False, "manifests": [], "config_digest": "", "authority": AUTHORITY}
    master = MachineFacts(state="running", sections={"kubeadm": kubeadm})
    machines = {SETTINGS.control_plane.name: master, WORKER.name: facts}
    cluster = MachineFacts(state="running", sections={"cluster.nodes": {"nodes": []}})
    return World(machines=machines, cluster=cluster, host=HostFacts(digests=DIGESTS if digests is None else digests))


def changed(path: str, value: Any) -> dict[str, dict[str, Any]]:
    """The finished facts with one value changed: ``network.kube.dhcp``; a number is a place in a list."""
    sections = copy.deepcopy(finished())
    at: Any = sections
    *way, last = path.split("/")
    for part in way:
        at = at[int(part)] if isinstance(at, list) else at[part]
    if value is ABSENT:
        del at[last]
    elif isinstance(at, list):
        at[int(last)] = value
    else:
        at[last] = value
    return sections


class _Absent:
    """Marks a value that is not there; its name is the same in every process."""

    def __repr__(self) -> str:
        return "absent"


ABSENT = _Absent()
