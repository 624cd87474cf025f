"""The control plane by kubeadm, the way out, and Linux workers that join."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from provision import knowledge
from provision.artifacts.catalog import CONTROL_PLANE_IMAGES, image_name
from provision.facts.base import World
from provision.facts.cluster import Nodes
from provision.facts.linux import Kubeadm, Services
from provision.render.engine import render
from provision.settings.model import Machine, Settings
from provision.steps.base import Context, Judgement, Missing, Satisfied, ScriptCall, Step
from provision.steps.images import images_needed
from provision.steps.join_token import LEFT_BEHIND, forget_call, forget_node, join_token, known, left_behind, token_call
from provision.steps.linux_node import egress_step
from provision.steps.stamp import stamp_step

CRI_SOCKET = "unix:///run/containerd/containerd.sock"
PATCHES = "/var/lib/hybrid/kubeadm/patches"
_STATIC_PODS = frozenset({"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"})


def control_plane_steps(settings: Settings) -> tuple[Step, ...]:
    """kubeadm init, egress where the settings ask for it, the Linux workers, and the stamps of all of them."""
    steps = [_control_plane(settings)]
    if settings.windows and settings.network.egress == "control-plane":
        steps.append(egress_step(settings, settings.control_plane))
    steps.append(stamp_step(settings, settings.control_plane, "control-plane"))
    for machine in settings.linux_workers:
        steps += [_join(settings, machine), stamp_step(settings, machine, f"join@{machine.name}")]
    return tuple(steps)


def init_config(settings: Settings) -> str:
    """What `kubeadm init` gets."""
    kubernetes, machine = settings.kubernetes, settings.control_plane
    gates = ",".join(f"{name}={str(on).lower()}" for name, on in kubernetes.feature_gates.items())
    common = {"v": str(kubernetes.verbosity), **({"feature-gates": gates} if gates else {})}
    runtime = ",".join(f"{api}={str(on).lower()}" for api, on in kubernetes.runtime_config.items())
    extra = kubernetes.extra_args
    return render(
        "kubeadm/init.yaml",
        api=knowledge.kubeadm_api(kubernetes.version),
        cluster_name=settings.cluster.name,
        version=kubernetes_version(settings),
        address=str(machine.address),
        node_name=settings.node_name(machine.name),
        pods=str(settings.network.pods),
        services=str(settings.network.services),
        # Loopback: a provider may only forward a port to here.
        sans=["127.0.0.1", "localhost", str(machine.address), machine.name],
        kubelet_args=kubelet_args(settings, machine),
        apiserver_args={**common, **({"runtime-config": runtime} if runtime else {}), **extra.get("apiserver", {})},
        controller_manager_args={**common, **extra.get("controller-manager", {})},
        scheduler_args={**common, **extra.get("scheduler", {})},
        etcd_args=dict(extra.get("etcd", {})),
        kubelet_config=kubelet_config(settings),
        kube_proxy_config=_kube_proxy_config(settings),
        patches=PATCHES if kubernetes.kubeadm_patches else "",
    )


def kubernetes_version(settings: Settings) -> str:
    """The version as kubeadm is told it: ``ci/`` before it takes the images from where CI builds put theirs."""
    ci = settings.chosen is not None and settings.chosen.control_plane == "ci"
    return f"{'ci/' if ci else ''}v{settings.kubernetes.version}"


def built_images(settings: Settings) -> list[str]:
    """The control plane's images that no registry has, by the names that kubeadm asks for; empty for a release."""
    if settings.chosen is None or settings.chosen.plane_source is None:
        return []
    return [image_name(component, settings.kubernetes.version) for component in CONTROL_PLANE_IMAGES]


def patches(settings: Settings) -> dict[str, str]:
    """kubeadm's patch files, by name; what is no text is written as JSON, which is YAML, too."""
    return {
        name: content if isinstance(content, str) else json.dumps(content, indent=2)
        for name, content in settings.kubernetes.kubeadm_patches.items()
    }


def kubelet_args(settings: Settings, machine: Machine) -> dict[str, str]:
    """Flags of a Linux kubelet; the address, because the first card is the one of the way out."""
    return {"node-ip": str(machine.address), **settings.kubernetes.extra_args.get("kubelet", {})}


def kubelet_config(settings: Settings) -> dict[str, Any]:
    """The KubeletConfiguration of all nodes, the user's own keys last."""
    kubernetes = settings.kubernetes
    gates = dict(kubernetes.feature_gates)
    made: dict[str, Any] = {"cgroupDriver": "systemd", "logging": {"verbosity": kubernetes.verbosity}}
    if settings.features.node_log_query:
        made |= {"enableSystemLogHandler": True, "enableSystemLogQuery": True}
        if knowledge.kubernetes(kubernetes.version).log_query_gate:
            gates = {"NodeLogQuery": True, **gates}
    if gates:
        made["featureGates"] = gates
    return _merged(made, kubernetes.kubelet_config)


def _merged(made: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(made)
    for key, value in own.items():
        before = result.get(key)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            result[key] = _merged(before, value)
        else:
            result[key] = value
    return result


def _kube_proxy_config(settings: Settings) -> dict[str, Any]:
    # The mode is written out: from 1.37 on kubeadm wants it named.
    made: dict[str, Any] = {"mode": "iptables"}
    if settings.kubernetes.feature_gates:
        made["featureGates"] = dict(settings.kubernetes.feature_gates)
    return made


def _prepared(settings: Settings, machine: Machine) -> tuple[str, ...]:
    """What kubeadm finds done on a Linux machine, to make a control plane or to join one."""
    own = tuple(f"{step}@{machine.name}" for step in ("card", "host-name", "containerd", "cni-plugins", "kubernetes"))
    return own + images_needed(settings, machine)


def _control_plane(settings: Settings) -> Step:
    machine = settings.control_plane
    config = init_config(settings)
    pull = "no" if images_needed(settings, machine) else "yes"

    def check(_: Settings, world: World) -> Judgement:
        facts = world.machine(machine.name)
        kubeadm = facts.get(Kubeadm)
        if not kubeadm.initialised:
            return Missing("kubeadm init has not come to its end")
        gone = sorted(_STATIC_PODS - set(kubeadm.manifests))
        if gone:
            return Missing(f"manifests are gone: {', '.join(gone)}")
        if not facts.get(Services).runs("kubelet"):
            return Missing("kubelet does not run")
        if world.cluster.get(Nodes).find(settings.node_name(machine.name)) is None:
            return Missing("it has no node")
        return Satisfied("kubeadm init ended well, the API answers")

    return Step(
        name="control-plane",
        title=f"the control plane {settings.kubernetes.version} answers",
        lane="system",
        machine=machine.name,
        needs=_prepared(settings, machine),
        reads=frozenset({"kubeadm", "services", "cluster.nodes"}),
        changes=("kubeadm", "services", "cluster.nodes"),
        check=check,
        scripts=(
            ScriptCall(
                template="linux/60-kubeadm-init.sh",
                parameters={
                    "config": config,
                    "images": built_images(settings),
                    "pull": pull,
                    "node": settings.node_name(machine.name),
                    "patches": patches(settings),
                },
                documents={"init.yaml": config},
            ),
        ),
        detached=True,
        timeout=max(1200.0, settings.timeouts.step),
    )


def join_config(settings: Settings, machine: Machine, *, token: str, ca_hash: str, endpoint: str) -> str:
    """What `kubeadm join` gets on a Linux worker; it holds the token."""
    return render(
        "kubeadm/join.yaml",
        api=knowledge.kubeadm_api(settings.kubernetes.version),
        endpoint=endpoint,
        token=token,
        ca_hash=ca_hash,
        name=settings.node_name(machine.name),
        cri_socket=CRI_SOCKET,
        taints=[],
        kubelet_args=kubelet_args(settings, machine),
        patches=PATCHES if settings.kubernetes.kubeadm_patches else "",
    )


def _join(settings: Settings, machine: Machine) -> Step:
    shown = join_config(
        settings,
        machine,
        token="<token>",  # noqa: S106 - a placeholder
        ca_hash="sha256:<hash>",
        endpoint=f"{settings.control_plane.address}:6443",
    )
    call = ScriptCall(
        template="linux/61-join.sh",
        parameters={"patches": patches(settings)},
        runtime={"config": shown, "leave": False},
        documents={"join.yaml": shown},
    )

    def check(_: Settings, world: World) -> Judgement:
        facts = world.machine(machine.name)
        if not facts.get(Kubeadm).joined:
            return Missing("kubeadm join has not come to its end")
        if left_behind(settings, world, facts.get(Kubeadm).authority):
            return Missing(LEFT_BEHIND)
        if not facts.get(Services).runs("kubelet"):
            return Missing("kubelet does not run")
        return Satisfied("it has joined")

    def apply(ctx: Context) -> None:
        known(ctx, Kubeadm, settings.control_plane.name)
        now = known(ctx, Kubeadm, machine.name)
        leave = now.joined and left_behind(settings, ctx.world, now.authority)
        if not now.joined:
            forget_node(ctx, machine)
        found = join_token(ctx)
        config = join_config(
            settings, machine, token=found.token.reveal(), ca_hash=found.ca_hash, endpoint=found.endpoint
        )
        ctx.run(call, config=config, leave=leave)

    return Step(
        name=f"join@{machine.name}",
        title="it has joined the cluster",
        lane="system",
        machine=machine.name,
        needs=("control-plane", *_prepared(settings, machine)),
        reads=frozenset({"kubeadm", "services"}),
        changes=("kubeadm", "services"),
        check=check,
        scripts=(forget_call(settings, machine), token_call(settings), call),
        apply=apply,
        timeout=settings.timeouts.step,
    )
