"""The end: nodes Ready, Windows pods with a network, DNS, smoke pods that reach each other, no token left."""

from __future__ import annotations

from provision.facts.base import World
from provision.facts.cluster import Checks, Nodes, Tokens, Workloads
from provision.facts.linux import Services
from provision.facts.windows import Kubelet
from provision.settings.model import Settings
from provision.steps.base import Context, Judgement, Missing, Satisfied, ScriptCall, Step
from provision.steps.cni_calico import WINDOWS_WORKLOADS
from provision.steps.limits import inside
from provision.steps.manifests import Manifest, manifest
from provision.steps.probe import all_sections

# One image for both systems, published by kubernetes/k8s.io#7262. Its Windows layers go up to Server 2022, which 2025
# runs too (#9057 there). Source: kubernetes test/images/agnhost; 2.53 is the version of kubernetes.io's examples.
SMOKE_IMAGE = "registry.k8s.io/e2e-test-images/agnhost:2.53"


# Seconds for a node that nobody knows yet to come: kubelets register within a few seconds of their start.
_PATIENCE = 60


def ready_steps(settings: Settings) -> tuple[Step, ...]:
    """Nodes, smoke pods, no token left, and the last word: cluster-ready."""
    return (_smoke_pods(settings), _nodes_ready(settings), _tokens_gone(settings), _cluster_ready(settings))


def smoke_pods(settings: Settings) -> Manifest:
    """The pods of namespace hybrid-check; without Windows machines the Linux pod asks itself."""
    systems = ["linux", "windows"] if settings.windows else ["linux"]
    return manifest("addons/hybrid-check.yaml", systems=systems, image=SMOKE_IMAGE)


def _smoke_pods(settings: Settings) -> Step:
    wanted = smoke_pods(settings)
    names = ["hybrid-check/linux"] + (["hybrid-check/windows"] if settings.windows else [])

    def check(_: Settings, world: World) -> Judgement:
        workloads = world.cluster.get(Workloads).workloads
        absent = [name for name in names if name not in workloads]
        if absent:
            return Missing(f"not in the cluster: {', '.join(absent)}")
        other = [name for name in names if workloads[name].digest != wanted.digest]
        return Missing(f"another one is there: {', '.join(other)}") if other else Satisfied("they are in the cluster")

    return Step(
        name="smoke-pods",
        title="the smoke pods are in the cluster",
        lane="cluster",
        machine=settings.control_plane.name,
        needs=("calico",),
        reads=frozenset({"cluster.workloads"}),
        changes=("cluster.workloads", "cluster.checks"),
        check=check,
        scripts=(
            ScriptCall(
                template="linux/84-apply.sh",
                parameters={"manifest": wanted.text},
                documents={"hybrid-check.yaml": wanted.text},
            ),
        ),
        timeout=300,
    )


def _nodes_ready(settings: Settings) -> Step:
    names = {machine.name: settings.node_name(machine.name) for machine in settings.machines}
    workers = [names[machine.name] for machine in settings.machines if machine.role == "worker"]
    windows = [names[machine.name] for machine in settings.windows]

    wait = ScriptCall(
        template="linux/90-nodes.sh",
        parameters={"nodes": list(names.values()), "workers": workers},
        runtime={"seconds": inside(settings.timeouts.node_ready), "patience": _PATIENCE},
    )
    again = {
        names[machine.name]: ScriptCall(
            template="windows/71-kubelet-again.ps1" if machine.os == "windows" else "linux/62-kubelet-again.sh",
            machine=machine.name,
            changes=(Kubelet.name if machine.os == "windows" else Services.name,),
        )
        for machine in settings.machines
        if machine.role == "worker"
    }

    def apply(ctx: Context) -> None:
        # A kubelet makes its node when it starts, and never again: one whose node was deleted has to start anew.
        answer = ctx.run(wait, seconds=inside(ctx.deadline.remaining()), patience=_PATIENCE)
        absent = [name for name in str(answer.get("absent", "")).split() if name in again]
        for name in absent:
            ctx.waits_for(f"the kubelet of {name} to make its node, which somebody has deleted")
            ctx.run(again[name])
        if absent:
            rest = inside(ctx.deadline.remaining())
            ctx.run(wait, seconds=rest, patience=rest)

    def check(_: Settings, world: World) -> Judgement:
        found = world.cluster.get(Nodes)
        for name in names.values():
            node = found.find(name)
            if node is None:
                return Missing(f"{name} is no node")
            if not node.ready:
                return Missing(f"{name} is not Ready: {node.reason or 'it has not said why'}")
            if name in windows and "os" not in node.taints:
                return Missing(f"{name} lacks the taint that keeps pods for Linux away")
            if name in workers and node.role != "worker":
                return Missing(f"{name} does not show its role")
        return Satisfied(f"{len(names)} nodes are Ready")

    return Step(
        name="nodes-ready",
        title="every machine is a Ready node",
        lane="cluster",
        machine=settings.control_plane.name,
        needs=("calico-ready", *(f"join@{m.name}" for m in settings.machines if m.role == "worker")),
        reads=frozenset({"cluster.nodes"}),
        # A node that came has pods: what was read of workloads before it came says nothing of them.
        changes=("cluster.nodes", "cluster.workloads", "cluster.checks"),
        check=check,
        scripts=(wait, *again.values()),
        apply=apply,
        timeout=settings.timeouts.node_ready,
    )


def _tokens_gone(settings: Settings) -> Step:
    def check(_: Settings, world: World) -> Judgement:
        ours = world.cluster.get(Tokens).ours
        return Missing(f"{len(ours)} of our join tokens still exist") if ours else Satisfied("no token of ours is left")

    return Step(
        name="tokens-gone",
        title="no join token is left, the depot is closed",
        lane="cluster",
        machine=settings.control_plane.name,
        needs=("nodes-ready",),
        reads=frozenset({"cluster.tokens"}),
        changes=("cluster.tokens",),
        check=check,
        scripts=(ScriptCall(template="linux/71-tokens-gone.sh"),),
        timeout=300,
    )


def _cluster_ready(settings: Settings) -> Step:
    windows_nodes = [settings.node_name(machine.name) for machine in settings.windows]
    workloads = [*WINDOWS_WORKLOADS, "hybrid-check/windows"] if windows_nodes else []

    def check(_: Settings, world: World) -> Judgement:
        found = world.cluster.get(Workloads).workloads
        for name in [*workloads, "hybrid-check/linux", "kube-system/coredns"]:
            workload = found.get(name)
            if workload is None:
                return Missing(f"{name} is not in the cluster")
            wanted = len(windows_nodes) if name in workloads else workload.wanted
            if workload.ready < max(1, wanted):
                return Missing(f"{name}: {workload.ready} of {max(1, wanted)} pods are ready")
        pods = world.cluster.get(Checks).pods.values()
        for node in windows_nodes:
            if not any(pod.ready and pod.node == node for pod in pods):
                return Missing(f"the smoke pod on {node} is not ready")
        if not windows_nodes:
            return Satisfied("DNS and a Linux pod answer")
        return Satisfied("DNS answers, Linux and Windows pods reach each other")

    return Step(
        name="cluster-ready",
        title="DNS and pods on both systems answer" if windows_nodes else "DNS and pods answer",
        lane="cluster",
        machine=settings.control_plane.name,
        needs=(
            "nodes-ready",
            "smoke-pods",
            "tokens-gone",
            *(("kube-proxy-windows",) if windows_nodes else ()),
            *(f"calico-windows@{machine.name}" for machine in settings.windows),
        ),
        reads=frozenset({"cluster.workloads", "cluster.checks"}),
        # The last script of a run says all there is to say: the control plane need not be asked again at the end.
        changes=all_sections(settings.control_plane),
        check=check,
        scripts=(
            ScriptCall(
                template="linux/91-cluster-ready.sh",
                parameters={
                    "daemonsets": workloads,
                    "windows_nodes": len(windows_nodes),
                    "seconds": inside(settings.timeouts.node_ready),
                },
            ),
        ),
        timeout=settings.timeouts.node_ready,
    )
