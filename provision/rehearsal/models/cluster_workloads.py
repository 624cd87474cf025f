"""The pods of DaemonSets and Deployments: where they go, when they run, why they do not."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any, cast

from provision.rehearsal.files import now
from provision.rehearsal.image_store import normal
from provision.rehearsal.models.cluster_nodes import Seen
from provision.rehearsal.models.cluster_objects import Object
from provision.rehearsal.models.cluster_pod_objects import publish
from provision.rehearsal.models.neighbours import WindowsNode

if TYPE_CHECKING:
    from provision.rehearsal.models.cluster import Cluster

# Rows of the latencies by what a pod is; all others take the row of their system.
_ROWS = {"calico-node": "calico-linux", "calico-node-windows": "calico-windows"}
# Plug-ins that are not Calico's own, of which its image has builds that it writes over whatever is there.
# Source: projectcalico/calico v3.32.1, cni-plugin/Makefile (CN_FILES) and cni-plugin/pkg/install/install.go
# (UPDATE_CNI_BINARIES is true unless told otherwise).
_OWN_PLUGINS = ("flannel", "host-local", "loopback", "portmap", "tuning")


@dataclass
class Container:
    """A HostProcess container: its command in a thread."""

    identity: tuple[str, str]
    killed: threading.Event
    output: list[bytes] = field(default_factory=list)
    code: int | None = None
    ended: float = 0.0


def _tolerates(spec: Object, node: Object, *, daemon: bool) -> bool:
    for taint in node["spec"].get("taints", []):
        if taint.get("effect") == "PreferNoSchedule":
            continue
        if daemon and taint["key"].startswith("node.kubernetes.io/"):
            continue
        for toleration in spec.get("tolerations", []):
            if toleration.get("effect") not in (None, "", taint.get("effect")):
                continue
            if toleration.get("operator", "Equal") == "Exists":
                if toleration.get("key") in (None, "", taint["key"]):
                    break
            elif toleration.get("key") == taint["key"] and toleration.get("value", "") == taint.get("value", ""):
                break
        else:
            return False
    return True


def _fits(spec: Object, node: Object, *, daemon: bool) -> bool:
    labels = node["metadata"]["labels"]
    wanted = spec.get("nodeSelector") or {}
    return all(labels.get(key) == value for key, value in wanted.items()) and _tolerates(spec, node, daemon=daemon)


def _wanted(cluster: Cluster) -> dict[str, dict[str, Any]]:
    """The pods that there should be: key -> owner, kind, node (empty: none fits), template."""
    wanted: dict[str, dict[str, Any]] = {}
    nodes = cluster.objects.all("nodes")
    names = {node["metadata"]["name"] for node in nodes}
    for owner in cluster.objects.all("daemonsets"):
        space, name = owner["metadata"]["namespace"], owner["metadata"]["name"]
        for node in nodes:
            if _fits(owner["spec"]["template"]["spec"], node, daemon=True):
                wanted[f"{space}/{name}@{node['metadata']['name']}"] = _pod(owner, node["metadata"]["name"])
    for owner in cluster.objects.all("deployments"):
        space, name = owner["metadata"]["namespace"], owner["metadata"]["name"]
        fitting = [n["metadata"]["name"] for n in nodes if _fits(owner["spec"]["template"]["spec"], n, daemon=False)]
        for number in range(int(owner["spec"].get("replicas", 1))):
            key = f"{space}/{name}#{number}"
            known = cluster.doc.get("pods", {}).get(key, {})
            # Where it was put it stays, as long as the node is there.
            stays = known.get("node") if known.get("node") in names else None
            place = stays or (fitting[number % len(fitting)] if fitting else "")
            wanted[key] = _pod(owner, place)
    return wanted


def _pod(owner: Object, node: str) -> dict[str, Any]:
    template = owner["spec"]["template"]
    digest = hashlib.sha256(repr(template).encode()).hexdigest()[:10]
    return {
        "owner": owner["metadata"]["name"],
        "space": owner["metadata"]["namespace"],
        "kind": owner["kind"],
        "node": node,
        "template": template,
        "hash": digest,
    }


def settle_pods(cluster: Cluster, seen: dict[str, Seen], effects: list[Callable[[], None]]) -> None:
    """Pods come, start and get ready; what keeps one from it is kept as its reason.

    Args:
        effects: takes what has to be done on machines afterwards.
    """
    kept: dict[str, dict[str, Any]] = cluster.doc.setdefault("pods", {})
    for space in cluster.objects.all("namespaces"):
        name = space["metadata"]["name"]
        if cluster.objects.get("serviceaccounts", name, "default") is None:
            metadata = {"name": "default", "namespace": name}
            cluster.objects.put({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
    for definition in cluster.objects.all("customresourcedefinitions"):
        definition["status"] = {"conditions": [{"type": "Established", "status": "True"}]}
    wanted = _wanted(cluster)
    for key in [k for k in kept if k not in wanted]:
        del kept[key]
    for key in [k for k in cluster.containers if k not in wanted]:
        cluster.containers.pop(key).killed.set()
    for key, pod in wanted.items():
        entry = kept.setdefault(key, {})
        one = seen.get(pod["node"])
        identity = [pod["hash"], one.boot if one else entry.get("identity", ["", ""])[1]]
        if entry.get("identity") != identity:
            entry.clear()
        entry.update(identity=identity, node=pod["node"])
        reason = _hindrance(cluster, pod, one)
        if reason or one is None:
            entry.pop("since", None)
            entry.update(reason=reason or "NodeLost", ready=False)
            continue
        problem = None if "since" in entry else _images(cluster, key, pod, entry, one, effects)
        if problem:
            entry.update(reason=problem, ready=False)
            continue
        windows = one.report.os == "windows"
        row = _ROWS.get(pod["owner"], "windows-pod" if windows else "linux-pod")
        since = entry.setdefault("since", now())
        running = now() >= since + cluster.machine.latencies.seconds(row)
        problem = _run(cluster, key, pod, entry, one, effects) if running else None
        entry["reason"] = problem or ""
        entry["ready"] = running and not problem and _probe(cluster, pod, one, seen)
    publish(cluster, wanted, kept)


def _hindrance(cluster: Cluster, pod: dict[str, Any], one: Seen | None) -> str | None:
    """Why a pod cannot start now; None when it can."""
    spec = pod["template"]["spec"]
    if not pod["node"]:
        return "Unschedulable"
    if one is None:
        return "NodeLost"
    if not spec.get("hostNetwork") and not one.report.network_ready:
        return "ContainerCreating"
    windows = (spec.get("securityContext") or {}).get("windowsOptions") or {}
    if one.report.os == "windows" and bool(spec.get("hostNetwork")) != bool(windows.get("hostProcess")):
        return "CreateContainerConfigError"
    for volume in spec.get("volumes", []):
        source = volume.get("configMap") or {"optional": True}
        if not source.get("optional") and cluster.objects.get("configmaps", pod["space"], source["name"]) is None:
            return "ContainerCreating"
    if cluster.objects.get("serviceaccounts", pod["space"], spec.get("serviceAccountName", "default")) is None:
        return "FailedCreate"
    return None


def _images(
    cluster: Cluster, key: str, pod: dict[str, Any], entry: dict[str, Any], one: Seen, effects: list[Callable[[], None]]
) -> str | None:
    """Why a pod waits for its images (the sandbox's first); None when all are there.

    What is not there is pulled by an effect; what could not be pulled is tried again after a while.
    """
    spec = pod["template"]["spec"]
    containers = [*spec.get("initContainers", []), *spec["containers"]]
    wanted = [one.sandbox, *(container["image"] for container in containers)]
    lacking = [name for name in wanted if str(normal(name)) not in one.images]
    if not lacking:
        entry.pop("pull", None)
        return None
    failed = entry.get("pull")
    due = failed is None or now() >= failed["at"] + cluster.machine.latencies.seconds("pod-backoff")
    if due:
        effects.append(lambda: _pull(cluster, key, lacking, one))
    if failed is None:
        return "ContainerCreating"
    if failed["image"] == one.sandbox:
        entry["message"] = f'failed to get sandbox image "{one.sandbox}": {failed["problem"]}'
        return "ContainerCreating"
    entry["message"] = str(failed["problem"])
    return "ErrImagePull" if due else "ImagePullBackOff"


def _pull(cluster: Cluster, key: str, names: list[str], one: Seen) -> None:
    for name in names:
        problem = one.machine.pull_image(name)
        if problem:
            with cluster.machine.state.change():
                entry = cluster.doc.get("pods", {}).get(key)
                if entry is not None:
                    entry["pull"] = {"at": now(), "image": name, "problem": problem}
            return


def _run(
    cluster: Cluster, key: str, pod: dict[str, Any], entry: dict[str, Any], one: Seen, effects: list[Callable[[], None]]
) -> str | None:
    """Let the pod's main process do what it does; returns why it does not run."""
    if pod["space"] == "calico-system" and pod["owner"] in ("calico-node", "calico-node-windows"):
        if not entry.get("done"):
            effects.append(lambda: _calico(cluster, key, one))
        return entry.get("problem")
    options = (pod["template"]["spec"].get("securityContext") or {}).get("windowsOptions") or {}
    if one.report.os == "windows" and options.get("hostProcess"):
        return _host_process(cluster, key, pod, entry, cast(WindowsNode, one.machine))
    return None


def _calico(cluster: Cluster, key: str, one: Seen) -> None:
    """What calico-node does at its start: programs and configuration of the CNI, on Windows the networks too."""
    with cluster.machine.state.change():
        settings = cluster.doc["calico"]
        block = _block(cluster, one.report.name)
    problem = None
    config = b'{"name": "Calico", "cniVersion": "0.3.1", "plugins": [{"type": "calico"}]}\n'
    files = cast(WindowsNode, one.machine).files
    if one.report.os == "windows":
        bin_dir, conf_dir = ("C:" + folder.replace("/", "\\") for folder in settings["windows_cni"])
        try:
            cast(WindowsNode, one.machine).calico_started(adapter=settings["adapter"], pod_subnet=block)
        except Exception as error:  # noqa: BLE001 - whatever the machine says is the pod's problem, shown as such
            problem = str(error)
        places = (f"{bin_dir}\\calico.exe", f"{conf_dir}\\10-calico.conflist")
    else:
        places = ("/opt/cni/bin/calico", "/etc/cni/net.d/10-calico.conflist")
        for name in _OWN_PLUGINS:
            files.write(f"/opt/cni/bin/{name}", f"hybrid rehearsal: Calico's build of {name}\n".encode(), 0o755)
    if problem is None:
        for path, data in zip(places, (b"hybrid rehearsal: calico\n", config), strict=True):
            files.make_folders(files.parent(files.normal(path)))
            files.write(path, data, 0o755)
    with cluster.machine.state.change():
        entry = cluster.doc.get("pods", {}).get(key)
        if entry is not None:
            entry.update(done=problem is None, message=problem or "", problem="CrashLoopBackOff" if problem else None)


def _block(cluster: Cluster, node: str) -> str:
    """The node's own part of the pods' addresses, /26, in the order of the nodes' coming."""
    blocks = cluster.doc.setdefault("blocks", {})
    number = blocks.setdefault(node, len(blocks))
    network = IPv4Network(cluster.doc["pods_pool"] if "pods_pool" in cluster.doc else cluster.doc["pod_cidr"])
    return str(IPv4Network((int(network.network_address) + number * 64, 26)))


def _host_process(
    cluster: Cluster, key: str, pod: dict[str, Any], entry: dict[str, Any], machine: WindowsNode
) -> str | None:
    """Run the pod's command on the Windows machine, in a thread: it serves, or waits for what is not there yet."""
    identity = (str(entry["identity"][0]), str(entry["identity"][1]))
    container = cluster.containers.get(key)
    if container is not None and container.identity == identity:
        if container.code is None:
            return None
        entry["message"] = b"".join(container.output).decode(errors="replace")[-500:]
        if now() < container.ended + cluster.machine.latencies.seconds("pod-backoff"):
            return "CrashLoopBackOff"
    elif container is not None:
        container.killed.set()
    made = Container(identity, threading.Event())
    cluster.containers[key] = made
    spec = pod["template"]["spec"]["containers"][0]
    command = (*spec.get("command", ()), *spec.get("args", ()))
    environment, mounts = _environment(spec, pod), _mounted(cluster, pod, spec)

    def work() -> None:
        code = machine.host_process(command, environment, mounts, made.killed, made.output.append)
        made.ended = now()
        made.code = code

    threading.Thread(target=work, daemon=True, name=f"pod {key}").start()
    return None


def _environment(container: Object, pod: dict[str, Any]) -> dict[str, str]:
    env = {}
    for variable in container.get("env", []):
        path = variable.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath")
        known = {"spec.nodeName": pod["node"], "metadata.namespace": pod["space"]}
        env[variable["name"]] = known.get(path, "") if path else str(variable.get("value", ""))
    return env


def _mounted(cluster: Cluster, pod: dict[str, Any], container: Object) -> dict[str, bytes]:
    files = {}
    volumes = {v["name"]: v for v in pod["template"]["spec"].get("volumes", [])}
    for mount in container.get("volumeMounts", []):
        source = volumes.get(mount["name"], {}).get("configMap")
        found = cluster.objects.get("configmaps", pod["space"], source["name"]) if source else None
        for name, text in (found or {}).get("data", {}).items():
            files[f"{mount['mountPath'].rstrip('/')}/{name}"] = text.encode()
    return files


def _probe(cluster: Cluster, pod: dict[str, Any], one: Seen, seen: dict[str, Seen]) -> bool:
    """A readiness probe that asks another pod over the network: both ends and DNS must work."""
    for container in pod["template"]["spec"]["containers"]:
        command = (container.get("readinessProbe") or {}).get("exec", {}).get("command", [])
        for url in (word for word in command if word.startswith("http://")):
            if not _reachable(cluster, url.removeprefix("http://").split("/")[0].split(":")[0], one, seen):
                return False
    return True


def _reachable(cluster: Cluster, host: str, source: Seen, seen: dict[str, Seen]) -> bool:
    name, _, rest = host.partition(".")
    space = rest.split(".")[0]
    service = cluster.objects.get("services", space, name)
    if service is None or not _proxied(cluster, source) or not _some_ready(cluster, "kube-system/coredns#"):
        return False
    selector = service["spec"].get("selector", {})
    unready = service["spec"].get("publishNotReadyAddresses", False)
    for key, entry in cluster.doc.get("pods", {}).items():
        owner = key.replace("#", "@").split("@")[0]
        workload = _owner(cluster, owner)
        labels = workload["spec"]["template"]["metadata"].get("labels", {}) if workload else {}
        if owner.startswith(f"{space}/") and selector.items() <= labels.items():
            target = seen.get(entry.get("node", ""))
            running = "since" in entry and not entry.get("reason")
            if running and (unready or entry.get("ready")) and target is not None and target.report.network_ready:
                return True
    return False


def _owner(cluster: Cluster, owner: str) -> Object | None:
    space, _, name = owner.partition("/")
    return cluster.objects.get("daemonsets", space, name) or cluster.objects.get("deployments", space, name)


def _proxied(cluster: Cluster, one: Seen) -> bool:
    """Whether service addresses work on a node: its kube-proxy really runs."""
    if one.report.os == "windows":
        return one.proxy_runs
    return bool(cluster.doc.get("pods", {}).get(f"kube-system/kube-proxy@{one.report.name}", {}).get("ready"))


def _some_ready(cluster: Cluster, prefix: str) -> bool:
    return any(entry.get("ready") for key, entry in cluster.doc.get("pods", {}).items() if key.startswith(prefix))
