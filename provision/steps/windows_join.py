"""A Windows machine becomes a node: the kubelet's service, the join, Calico's networks on its card."""

from __future__ import annotations

from provision import knowledge
from provision.errors import Refused
from provision.facts.base import World
from provision.facts.linux import Kubeadm
from provision.facts.windows import Hns, Kubelet, Network
from provision.render.engine import render
from provision.settings.model import Machine, Settings
from provision.steps.base import Context, Judgement, Missing, ScriptCall, Step
from provision.steps.images import images_needed
from provision.steps.join_token import LEFT_BEHIND, forget_call, forget_node, join_token, known, left_behind, token_call
from provision.steps.verdict import verdict
from provision.steps.windows_network import ADDRESS_LIMIT, card_faults, route_faults, route_parameters

CRI_SOCKET = "npipe:////./pipe/containerd-containerd"
# Keeps Linux pods that name no OS away; what runs on Windows tolerates it, as in upstream's CI.
TAINT = {"key": "os", "value": "windows", "effect": "NoSchedule"}
# The kubelet's log on the node: a new file after so much, old files go after a week.
LOG_SIZE, LOG_AGE = "50Mi", "168h"
# Seconds more than the script's own limit, so that its error (with the last thing seen) comes first.
SLACK = 120.0


def kubelet_command(settings: Settings, machine: Machine) -> str:
    """The command line of the kubelet's service.

    Windows has no cgroups and no resolv.conf, which the kubelet has to be told. ``extra_args.kubelet`` of the
    settings add to these flags or replace them.
    """
    flags = {
        "config": "C:\\var\\lib\\kubelet\\config.yaml",
        "bootstrap-kubeconfig": "C:\\etc\\kubernetes\\bootstrap-kubelet.conf",
        "kubeconfig": "C:\\etc\\kubernetes\\kubelet.conf",
        "cert-dir": "C:\\var\\lib\\kubelet\\pki",
        "hostname-override": settings.node_name(machine.name),
        "node-ip": str(machine.address),
        "register-with-taints": f"{TAINT['key']}={TAINT['value']}:{TAINT['effect']}",
        "cgroups-per-qos": "false",
        "enforce-node-allocatable": "",
        "resolv-conf": "",
        "windows-priorityclass": "ABOVE_NORMAL_PRIORITY_CLASS",
        "v": str(settings.kubernetes.verbosity),
    }
    if not knowledge.kubernetes(settings.kubernetes.version).instance_config:
        # Newer kubeadm writes the socket into the kubelet's configuration instead.
        flags["container-runtime-endpoint"] = CRI_SOCKET
    pause = knowledge.kubeadm_pause_flag(settings.kubernetes.version)
    if pause:
        # It means nothing any more, but kubeadm writes it. Of a later kubelet, which does not start with it, this
        # command line is another one: it does not stay behind as a flag that was added after the join would.
        flags["pod-infra-container-image"] = pause
    flags |= settings.kubernetes.extra_args.get("kubelet", {})
    words = " ".join(f"--{name}={_value(value)}" for name, value in flags.items())
    log = "--log-file=C:\\var\\log\\kubelet\\kubelet.log"
    if knowledge.kubernetes(settings.kubernetes.version).log_rotation:
        log += f" --log-file-size={LOG_SIZE} --log-file-age={LOG_AGE}"
    return f"C:\\k\\kube-log-runner.exe {log} C:\\k\\kubelet.exe --windows-service {words}"


def _value(value: str) -> str:
    return f'"{value}"' if not value or any(c.isspace() for c in value) else value


def command_faults(now: Kubelet, wanted: str) -> list[str]:
    """What is wrong with the command line of the kubelet's service, for people."""
    if now.command == wanted:
        return []
    has, should = now.command.split(), wanted.split()
    lacks, more = [w for w in should if w not in has], [w for w in has if w not in should]
    said = [f"lacks {' '.join(lacks)}"] * bool(lacks) + [f"has {' '.join(more)}"] * bool(more)
    return [f"its command line {' and '.join(said) or 'is another one'}"]


def kubelet_service_step(settings: Settings, machine: Machine) -> Step:
    """The kubelet is a service with the right command line; kubeadm starts it."""
    command, gone = kubelet_command(settings, machine), knowledge.removed_kubelet_flags(settings.kubernetes.version)

    def check(_: Settings, world: World) -> Judgement:
        now = world.machine(machine.name).get(Kubelet)
        if now.service == "absent":
            return Missing("there is no service kubelet")
        wrong = [] if now.start == "Auto" else ["it does not start with Windows"]
        wrong += command_faults(now, now.whole(command, gone))
        return verdict(wrong, "the service kubelet is as it should be")

    return Step(
        name=f"kubelet-service@{machine.name}",
        title="the kubelet is a service",
        lane="system",
        machine=machine.name,
        needs=(f"containerd@{machine.name}", f"kubernetes@{machine.name}"),
        reads=frozenset({"kubelet"}),
        changes=("kubelet",),
        check=check,
        scripts=(ScriptCall(template="windows/70-kubelet-service.ps1", parameters={"command": command, "gone": gone}),),
        timeout=settings.timeouts.step,
    )


def join_config(settings: Settings, machine: Machine, *, endpoint: str, token: str, ca_hash: str) -> str:
    """kubeadm's JoinConfiguration, in the version that this release reads."""
    return render(
        "kubeadm/join.yaml",
        api=knowledge.kubeadm_api(settings.kubernetes.version),
        endpoint=endpoint,
        token=token,
        ca_hash=ca_hash,
        name=settings.node_name(machine.name),
        cri_socket=CRI_SOCKET,
        taints=[TAINT],
        kubelet_args={"node-ip": str(machine.address)},
        # Their targets are the control plane's and the Linux kubelets'; kubelet_config reaches every kubelet.
        patches="",
    )


def join_step(settings: Settings, machine: Machine) -> Step:
    """kubeadm has joined the machine, and the kubelet runs with every flag that kubeadm wrote."""
    master = settings.control_plane
    command, gone = kubelet_command(settings, machine), knowledge.removed_kubelet_flags(settings.kubernetes.version)

    def elsewhere(facts: Kubelet) -> bool:
        return facts.joined and f"//{master.address}:" not in facts.server

    def check(_: Settings, world: World) -> Judgement:
        now = world.machine(machine.name).get(Kubelet)
        if not now.joined:
            return Missing("it has not joined the cluster")
        wrong = []
        if elsewhere(now):
            wrong.append(f"it belongs to the cluster at {now.server}")
        elif left_behind(settings, world, now.authority):
            wrong.append(LEFT_BEHIND)
        if now.service != "Running":
            wrong.append(f"the kubelet is {now.service}")
        wrong += command_faults(now, now.whole(command, gone))
        return verdict(wrong, f"it has joined {now.server}, the kubelet runs")

    # What `invoke render` shows.
    hidden = {"token": "<token>", "ca_hash": "sha256:<hash>"}
    example = join_config(settings, machine, endpoint=f"{master.address}:6443", **hidden)
    join_call = ScriptCall(
        template="windows/80-join.ps1",
        parameters={"command": command, "gone": gone},
        runtime={"join_config": example, "leave": False},
        documents={"join.yaml": example},
    )

    def apply(ctx: Context) -> None:
        now = known(ctx, Kubelet, machine.name)
        if elsewhere(now):
            raise Refused(
                f"{machine.name} belongs to another cluster, at {now.server}",
                remedy="make the machine again (`invoke destroy`), or run `kubeadm reset` on it yourself",
            )
        known(ctx, Kubeadm, master.name)
        leave = now.joined and left_behind(settings, ctx.world, now.authority)
        if now.joined and not leave:
            # Only the service is to be put right: no token is needed for that.
            ctx.run(join_call, join_config="", leave=False)
            return
        forget_node(ctx, machine)
        ctx.waits_for("a join token")
        made = join_token(ctx)
        ctx.waits_for("kubeadm")
        ctx.run(
            join_call,
            join_config=join_config(
                settings,
                machine,
                endpoint=made.endpoint,
                token=made.token.reveal(),
                ca_hash=made.ca_hash,
            ),
            leave=leave,
        )

    return Step(
        name=f"join@{machine.name}",
        title="the machine has joined the cluster",
        lane="system",
        machine=machine.name,
        needs=(
            f"kubelet-service@{machine.name}",
            f"firewall@{machine.name}",
            *((f"egress@{machine.name}",) if settings.network.egress != "none" else ()),
            *images_needed(settings, machine),
            "control-plane",
            "strict-affinity",
        ),
        reads=frozenset({"kubelet"}),
        changes=("kubelet",),
        check=check,
        scripts=(forget_call(settings, machine), token_call(settings), join_call),
        apply=apply,
        timeout=settings.timeouts.step,
    )


def calico_step(settings: Settings, machine: Machine) -> Step:
    """Calico's networks are on the node's card, which still has its address, profile and route.

    Calico's pods make a virtual switch on the card: connections over it break for a moment, so the script
    outlives the connection that started it.
    """
    prefix = settings.network.machines.prefixlen

    def check(now: Settings, world: World) -> Judgement:
        facts = world.machine(machine.name)
        networks = {network.name: network.management_ip for network in facts.get(Hns).networks}
        wrong = []
        for name in ("External", "Calico"):
            if name not in networks:
                wrong.append(f"there is no network {name}")
            elif networks[name] != str(machine.address):
                wrong.append(f"network {name} is on {networks[name] or 'no address'}, not on {machine.address}")
        if wrong:
            return verdict(wrong, "")
        network = facts.get(Network)
        wrong = card_faults(now, machine, network) + route_faults(now, machine, network)
        return verdict(wrong, f"Calico's networks are on {machine.address}")

    return Step(
        name=f"calico-windows@{machine.name}",
        title="Calico's networks are on the node's card",
        lane="system",
        machine=machine.name,
        needs=(f"join@{machine.name}",),
        reads=frozenset({"hns", "network"}),
        changes=("hns", "network", "kubelet"),
        check=check,
        scripts=(
            ScriptCall(
                template="windows/90-calico.ps1",
                parameters={
                    "address": str(machine.address),
                    "prefix": prefix,
                    "address_limit": ADDRESS_LIMIT,
                    "limit": int(settings.timeouts.node_ready),
                    **route_parameters(settings, machine),
                },
            ),
        ),
        detached=True,
        timeout=settings.timeouts.node_ready + SLACK,
    )
