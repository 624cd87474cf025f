"""Calico by the Tigera operator: VXLAN on Linux and Windows, and kube-proxy for Windows beside it."""

from __future__ import annotations

from provision import knowledge
from provision.facts.base import World
from provision.facts.cluster import Calico, Workloads
from provision.render.engine import render
from provision.settings.model import Settings
from provision.steps.base import Judgement, Missing, Satisfied, ScriptCall, Step
from provision.steps.limits import inside
from provision.steps.manifests import Manifest, manifest

# HostProcess containers need no more than this base: the program is the host's own.
# Source: microsoft/windows-host-process-containers-base-image, tag v1.0.0.
HOST_PROCESS_IMAGE = "mcr.microsoft.com/oss/kubernetes/windows-host-process-containers-base-image:v1.0.0"

# What has to run on every Windows node before its pods have a network.
WINDOWS_WORKLOADS = ("calico-system/calico-node-windows", "kube-system/kube-proxy-windows")


# What the operator runs on Linux, and what it says when there are fewer Linux nodes than it wants pods of Typha. It
# counts the Windows nodes, too, because Typha serves them: one Linux node is enough for two nodes in all, two for four.
# With less everything works, but the operator calls itself degraded and not available, and changes nothing any more.
# Source: tigera/operator v1.42.3, pkg/common/autoscale.go and pkg/controller/installation/typha_autoscaler.go.
LINUX_WORKLOADS = ("calico-system/calico-node", "calico-system/calico-typha", "calico-system/calico-kube-controllers")
FEW_LINUX_NODES = "not enough linux nodes to schedule typha"


def calico_steps(settings: Settings) -> tuple[Step, ...]:
    """Operator and installation; address management that Windows can live with; kube-proxy; Linux available."""
    steps = [_calico(settings), _strict_affinity(settings)]
    if settings.windows:
        steps.append(_kube_proxy_windows(settings))
    steps.append(_calico_ready(settings))
    return tuple(steps)


def installation(settings: Settings) -> Manifest:
    """What the operator is told to install."""
    return manifest(
        "cni/calico/installation.yaml",
        version=settings.calico.version,
        windows=bool(settings.windows),
        pods=str(settings.network.pods),
        services=str(settings.network.services),
        machines=str(settings.network.machines),
    )


def kube_proxy_windows(settings: Settings) -> Manifest:
    """The DaemonSet with our start script, for the kube-proxy.exe that lies on the nodes."""
    gates = {**knowledge.proxy_gates(settings.kubernetes.version), **settings.kubernetes.feature_gates}
    script = render(
        "cni/kube-proxy-windows/start.ps1",
        server=f"https://{settings.control_plane.address}:6443",
        feature_gates=",".join(f"{name}={str(on).lower()}" for name, on in gates.items()),
        verbosity=settings.kubernetes.verbosity,
    )
    return manifest("cni/kube-proxy-windows/daemonset.yaml", start_script=script, image=HOST_PROCESS_IMAGE)


def _calico(settings: Settings) -> Step:
    machine = settings.control_plane
    wanted = installation(settings)
    endpoint = render("cni/calico/endpoint.yaml", address=str(machine.address))

    def check(_: Settings, world: World) -> Judgement:
        found = world.cluster.get(Calico)
        if not found.crds:
            return Missing("its definitions are not in the cluster")
        if found.endpoint != f"{machine.address}:6443":
            return Missing("the operator does not know the API's address")
        if found.installation != wanted.digest:
            return Missing(
                "another installation is asked for" if found.installation else "no installation is asked for"
            )
        if "tigera-operator/tigera-operator" not in world.cluster.get(Workloads).workloads:
            return Missing("its operator is not in the cluster")
        return Satisfied(f"the operator of Calico {settings.calico.version} knows what to install")

    return Step(
        name="calico",
        title=f"the operator installs Calico {settings.calico.version}",
        lane="cluster",
        machine=machine.name,
        needs=("control-plane",),
        reads=frozenset({"cluster.calico", "cluster.workloads"}),
        changes=("cluster.calico", "cluster.workloads"),
        check=check,
        scripts=(
            ScriptCall(
                template="linux/81-calico.sh",
                parameters={"endpoint_manifest": endpoint, "installation_manifest": wanted.text},
                documents={"endpoint.yaml": endpoint, "installation.yaml": wanted.text},
            ),
        ),
        timeout=settings.timeouts.step,
    )


def _strict_affinity(settings: Settings) -> Step:
    def check(_: Settings, world: World) -> Judgement:
        strict = world.cluster.get(Calico).strict_affinity
        return Satisfied("each block belongs to one node") if strict else Missing("nodes may borrow addresses")

    return Step(
        name="strict-affinity",
        title="Calico keeps each block of addresses to one node",
        lane="cluster",
        machine=settings.control_plane.name,
        needs=("calico",),
        reads=frozenset({"cluster.calico"}),
        changes=("cluster.calico",),
        check=check,
        scripts=(
            ScriptCall(
                template="linux/82-strict-affinity.sh", parameters={"seconds": inside(settings.timeouts.node_ready)}
            ),
        ),
        timeout=settings.timeouts.node_ready,
    )


def _kube_proxy_windows(settings: Settings) -> Step:
    wanted = kube_proxy_windows(settings)

    def check(_: Settings, world: World) -> Judgement:
        found = world.cluster.get(Workloads).workloads.get("kube-system/kube-proxy-windows")
        if found is None:
            return Missing("its DaemonSet is not in the cluster")
        return Satisfied("its DaemonSet is ours") if found.digest == wanted.digest else Missing("another one is there")

    return Step(
        name="kube-proxy-windows",
        title="kube-proxy starts on Windows nodes",
        lane="cluster",
        machine=settings.control_plane.name,
        needs=("control-plane",),
        reads=frozenset({"cluster.workloads"}),
        changes=("cluster.workloads",),
        check=check,
        scripts=(
            ScriptCall(
                template="linux/84-apply.sh",
                parameters={"manifest": wanted.text},
                documents={"kube-proxy-windows.yaml": wanted.text},
            ),
        ),
        timeout=300,
    )


def _calico_ready(settings: Settings) -> Step:
    version = settings.calico.version

    def check(_: Settings, world: World) -> Judgement:
        status = world.cluster.get(Calico).status.get("calico")
        found = world.cluster.get(Workloads).workloads
        if status is None:
            return Missing("the operator has said nothing yet")
        node = found.get(LINUX_WORKLOADS[0])
        if node is not None and not node.image.endswith(f":v{version}"):
            return Missing(
                f"it is {node.image.rpartition(':')[2]}, not v{version}: {status.message or 'not replaced yet'}"
            )
        if status.available:
            return Satisfied("the operator says so")
        if FEW_LINUX_NODES not in status.message:
            return Missing(status.message or "not available yet")
        waiting = [
            name for name in LINUX_WORKLOADS if name not in found or not 0 < found[name].wanted <= found[name].ready
        ]
        if waiting:
            return Missing(f"not ready: {', '.join(waiting)}")
        return Satisfied(
            "its pods are ready; for as many Typha pods as its operator wants there are too few Linux nodes"
        )

    return Step(
        name="calico-ready",
        title="Calico's Linux side is available",
        lane="cluster",
        machine=settings.control_plane.name,
        needs=("strict-affinity",),
        reads=frozenset({"cluster.calico", "cluster.workloads"}),
        changes=("cluster.calico", "cluster.workloads"),
        check=check,
        scripts=(
            ScriptCall(
                template="linux/83-calico-ready.sh",
                parameters={
                    "version": version,
                    "workloads": list(LINUX_WORKLOADS),
                    "few": FEW_LINUX_NODES,
                    "seconds": inside(settings.timeouts.node_ready),
                },
            ),
        ),
        timeout=settings.timeouts.node_ready,
    )
