"""The facts of a finished cluster (control plane, Linux worker, Windows worker), for tests to break."""

from __future__ import annotations

import copy
import hashlib
from typing import Any

from provision.artifacts.catalog import needed
from provision.facts.base import HostFacts, MachineFacts, World
from provision.settings.complete import complete, defaults
from provision.settings.model import Machine, Settings
from provision.settings.stamp import stamp
from provision.steps.cni_calico import installation, kube_proxy_windows
from provision.steps.delivery import linux_files, windows_files
from provision.steps.linux_node import CNI_PLUGINS, CONTAINERD, KUBERNETES, containerd_config
from provision.steps.ready import smoke_pods

Sections = dict[str, dict[str, Any]]

_DEFAULTS = defaults()
SETTINGS = complete(_DEFAULTS.model_copy(update={"machines": (*_DEFAULTS.machines, Machine(name="linw1", os="linux"))}))
CONTROL_PLANE = SETTINGS.control_plane
WORKER = SETTINGS.linux_workers[0]
WINDOWS = SETTINGS.windows[0]
DIGESTS = {spec.name: hashlib.sha256(spec.name.encode()).hexdigest() for spec in needed(SETTINGS)}


def _component(artifacts: tuple[str, ...]) -> dict[str, Any]:
    return {"digests": {name: DIGESTS[name] for name in artifacts}, "intact": True, "detail": ""}


def _delivered(names: tuple[str, ...]) -> dict[str, Any]:
    return {"files": {name: {"sha256": DIGESTS[name], "size": 1000} for name in names}}


def machine_facts(machine: Machine, settings: Settings = SETTINGS) -> Sections:
    """Every section of a Linux machine, as the probe prints it."""
    control_plane = machine.role == "control-plane"
    address = f"{machine.address}/{settings.network.machines.prefixlen}"
    return {
        "os": {
            "id": "ubuntu",
            "version": "24.04",
            "kernel": "6.8.0-79-generic",
            "architecture": "x86_64",
            "hostname": machine.name,
            "boot_id": "21b1ab66-ad7f-426a-8988-4ad53a2270d2",
            "boot_time": "2026-11-21T07:46:23Z",
            "time": "2026-11-21T08:24:59Z",
            "clock_synchronised": True,
            "cgroup": 2,
        },
        "programs": {"missing": ["socat", "conntrack"]},
        "kernel": {
            "overlay": True,
            "bridge_filter": True,
            "ip_forward": True,
            "bridge_iptables": True,
            "swap": False,
            "modules_kept": True,
            "sysctls_kept": True,
            "swap_kept_off": True,
        },
        "network": {
            "cards": {
                "eth0": {"mac": "08:00:27:11:22:33", "up": True, "addresses": ["10.0.2.15/24"]},
                "kube": {"mac": str(machine.mac), "up": True, "addresses": [address]},
            },
            "default_card": "eth0",
            "kept": f"{machine.mac} {address}",
        },
        "egress": {"forwarding": True, "masquerade": True, "kept": True},
        "delivered": _delivered(linux_files(settings, machine) + (windows_files(settings) if control_plane else ())),
        "installed": {
            "components": {
                "containerd": _component(CONTAINERD),
                "cni-plugins": _component(CNI_PLUGINS),
                "kubernetes": _component(KUBERNETES),
            }
        },
        "services": {
            "units": {
                "containerd": {"active": "active", "enabled": "enabled"},
                "kubelet": {"active": "active", "enabled": "enabled"},
            }
        },
        "registries": {"files": {}, "authorities": {}},
        "images": {"names": {}, "imported": {}},
        "containerd": {
            "version": "2.3.4",
            "cri": True,
            "config_digest": hashlib.sha256(containerd_config(settings).encode()).hexdigest(),
            "socket": True,
        },
        "kubeadm": {
            "initialised": control_plane,
            "joined": not control_plane,
            "manifests": ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"]
            if control_plane
            else [],
            "config_digest": "ab" * 32 if control_plane else "",
            "authority": "cd" * 32,
        },
        "stamp": {"text": stamp(settings, machine.name).to_json()},
    }


def _node(machine: Machine) -> dict[str, Any]:
    return {
        "name": machine.name,
        "os": machine.os,
        "os_image": "Ubuntu 24.04.3 LTS",
        "kubelet_version": "v1.36.4",
        "container_runtime": "containerd://2.3.4",
        "ready": True,
        "internal_ip": str(machine.address),
        "taints": ["os"] if machine.os == "windows" else [],
        "role": "worker" if machine.role == "worker" else "",
        "reason": "kubelet is posting ready status",
    }


def cluster_facts(settings: Settings = SETTINGS) -> Sections:
    """Every cluster section, as the control plane prints it."""
    check, proxy = smoke_pods(settings).digest, kube_proxy_windows(settings).digest
    return {
        "cluster.nodes": {"nodes": [_node(machine) for machine in settings.machines]},
        "cluster.calico": {
            "crds": True,
            "endpoint": f"{settings.control_plane.address}:6443",
            "installation": installation(settings).digest,
            "strict_affinity": True,
            "status": {"calico": {"available": True, "message": ""}, "apiserver": {"available": True, "message": ""}},
        },
        "cluster.workloads": {
            "workloads": {
                "calico-system/calico-node": _workload(2, image=f"quay.io/calico/node:v{settings.calico.version}"),
                "calico-system/calico-typha": _workload(1),
                "calico-system/calico-kube-controllers": _workload(1),
                "calico-system/calico-node-windows": _workload(1),
                "kube-system/coredns": _workload(2),
                "kube-system/kube-proxy-windows": _workload(1, proxy),
                "hybrid-check/linux": _workload(1, check),
                "hybrid-check/windows": _workload(1, check),
                "tigera-operator/tigera-operator": _workload(1),
            }
        },
        "cluster.tokens": {"ours": []},
        "cluster.checks": {"pods": {"linux-7c9f": _pod("linux", WORKER), "windows-x2x4z": _pod("windows", WINDOWS)}},
        "cluster.certificates": {"certificates": [{"name": "apiserver", "left": "364d"}]},
    }


def _workload(pods: int, digest: str = "", image: str = "") -> dict[str, Any]:
    return {"wanted": pods, "ready": pods, "digest": digest, "image": image}


def _pod(app: str, machine: Machine) -> dict[str, Any]:
    return {"app": app, "phase": "Running", "ready": True, "node": machine.name, "digest": "", "reason": ""}


def finished() -> dict[str, Sections]:
    """Everything, by machine; the cluster under ``cluster``."""
    return {
        "cp1": machine_facts(CONTROL_PLANE),
        "linw1": machine_facts(WORKER),
        "winw1": {"delivered": _delivered(windows_files(SETTINGS))},
        "cluster": cluster_facts(),
    }


def world(facts: dict[str, Sections]) -> World:
    """A world of running machines that said this."""
    return World(
        machines={name: MachineFacts("running", said) for name, said in facts.items() if name != "cluster"},
        cluster=MachineFacts("running", facts["cluster"]),
        host=HostFacts(digests=DIGESTS, cached=frozenset(DIGESTS)),
    )


def changed(where: str, section: str, *path: str | int, to: Any) -> dict[str, Sections]:
    """The finished facts with one value changed; ``to`` may be `GONE`, which removes it."""
    facts = copy.deepcopy(finished())
    place: Any = facts[where][section]
    for key in path[:-1]:
        place = place[key]
    if to is GONE:
        del place[path[-1]]
    else:
        place[path[-1]] = to
    return facts


GONE = object()
