"""A Linux machine becomes able to run Kubernetes: card, name, kernel, programs, containerd, binaries."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from provision import knowledge
from provision.artifacts.catalog import own_containerd
from provision.errors import StepFailed
from provision.facts.base import World
from provision.facts.files import Installed
from provision.facts.linux import Card, Containerd, Egress, Kernel, Network, Os, Programs, Services
from provision.render.engine import render
from provision.settings.model import Machine, Settings
from provision.steps.base import Context, Judgement, Missing, Satisfied, ScriptCall, Step
from provision.steps.components import component_faults, wanted_digests
from provision.steps.containerd_config import merged
from provision.steps.delivery import deliver_step
from provision.steps.images import image_steps
from provision.steps.proxy import proxy_environment
from provision.steps.registries import registries_step
from provision.steps.verdict import verdict

# component -> the artifacts that it is installed from
CONTAINERD = ("containerd-linux.tar.gz", "runc")
CNI_PLUGINS = ("cni-plugins-linux.tgz",)
KUBERNETES = ("kubelet", "kubeadm", "kubectl", "crictl-linux.tar.gz")

# Programs that kubeadm >= 1.33 and kubelet call (kubernetes#129131, #129450, #130045) and the packages that hold
# them on Debian and Ubuntu; conntrack, socat and iptables are no longer among them.
PROGRAMS: Mapping[str, str] = {
    "mount": "mount",
    "losetup": "mount",
    "cp": "coreutils",
    "ip": "iproute2",
    "modprobe": "kmod",
    "sysctl": "procps",
    "tar": "tar",
}


def linux_steps(settings: Settings, machine: Machine) -> tuple[Step, ...]:
    """All that a Linux machine needs before kubeadm, in order."""
    return (
        _card(settings, machine),
        _host_name(machine),
        _kernel(settings, machine),
        _programs(settings, machine),
        registries_step(settings, machine),
        deliver_step(settings, machine),
        _containerd(settings, machine),
        _cni_plugins(machine),
        _kubernetes(machine),
        *image_steps(settings, machine),
    )


def network_address(settings: Settings, machine: Machine) -> str:
    """A machine's address with the prefix of the machines' network, as ``ip`` writes it."""
    return f"{machine.address}/{settings.network.machines.prefixlen}"


def _card(settings: Settings, machine: Machine) -> Step:
    address = network_address(settings, machine)
    mac = (machine.mac or "").lower()

    def check(_: Settings, world: World) -> Judgement:
        network = world.machine(machine.name).get(Network)
        name, card = _card_with(network, address)
        if card is None:
            return Missing(f"no card has {address}")
        if not card.up:
            return Missing(f"{name} has {address}, but it is down")
        if not mac:
            return Satisfied(f"{name} has {address}")
        if name != "kube" or card.mac.lower() != mac:
            return Missing(f"{address} is on {name} ({card.mac}), not on kube ({mac})")
        if network.kept.lower() != f"{mac} {address}":
            return Missing("it would not come back after a boot")
        return Satisfied(f"kube has {address}, after a boot too")

    return Step(
        name=f"card@{machine.name}",
        title=f"the private card has {address}",
        lane="system",
        machine=machine.name,
        needs=(f"up@{machine.name}",),
        reads=frozenset({"network"}),
        changes=("network",),
        check=check,
        scripts=(ScriptCall(template="linux/10-network-card.sh", parameters={"mac": mac, "address": address}),),
        timeout=180,
    )


def _card_with(network: Network, address: str) -> tuple[str, Card | None]:
    for name, card in network.cards.items():
        if address in card.addresses:
            return name, card
    return "", None


def _host_name(machine: Machine) -> Step:
    def check(_: Settings, world: World) -> Judgement:
        name = world.machine(machine.name).get(Os).hostname
        return Satisfied(f"it is {name}") if name == machine.name else Missing(f"it is {name}")

    return Step(
        name=f"host-name@{machine.name}",
        title=f"the host name is {machine.name}",
        lane="system",
        machine=machine.name,
        needs=(f"up@{machine.name}",),
        reads=frozenset({"os"}),
        changes=("os",),
        check=check,
        scripts=(
            ScriptCall(
                template="linux/20-host-name.sh",
                parameters={"name": machine.name, "address": str(machine.address)},
            ),
        ),
        timeout=120,
    )


def _old_cgroups(settings: Settings, world: World, machine: Machine) -> str:
    """Why kubelet and kubeadm refuse the machine's control groups; empty when they take them."""
    version = settings.kubernetes.version
    allowed = knowledge.kubernetes(version).cgroup_v1 or settings.kubernetes.kubelet_config.get("failCgroupV1") is False
    if allowed or world.machine(machine.name).get(Os).cgroup != 1:
        return ""
    return f"it runs with cgroup v1, on which kubelet {version} does not start"


def _kernel(settings: Settings, machine: Machine) -> Step:
    script = ScriptCall(template="linux/30-kernel.sh")

    def apply(ctx: Context) -> None:
        old = _old_cgroups(settings, ctx.world, machine)
        if old:
            raise StepFailed(
                f"{machine.name}: {old}",
                remedy="boot it with `systemd.unified_cgroup_hierarchy=1` on the kernel's command line or take a newer "
                "box; or set `kubernetes.kubelet_config.failCgroupV1: false`",
            )
        ctx.run(script)

    def check(_: Settings, world: World) -> Judgement:
        old = _old_cgroups(settings, world, machine)
        if old:
            return Missing(old)
        kernel = world.machine(machine.name).get(Kernel)
        wanted = {
            "overlay": kernel.overlay,
            "br_netfilter": kernel.bridge_filter,
            "net.ipv4.ip_forward": kernel.ip_forward,
            "net.bridge.bridge-nf-call-iptables": kernel.bridge_iptables,
            "no swap": not kernel.swap,
            "modules after a boot": kernel.modules_kept,
            "sysctls after a boot": kernel.sysctls_kept,
            "no swap after a boot": kernel.swap_kept_off,
        }
        lacking = [name for name, there in wanted.items() if not there]
        return Missing(f"lacking: {', '.join(lacking)}") if lacking else Satisfied("modules, sysctls and no swap")

    return Step(
        name=f"kernel@{machine.name}",
        title="the kernel is ready for pods, swap is off",
        lane="system",
        machine=machine.name,
        needs=(f"up@{machine.name}",),
        reads=frozenset({"os", "kernel"}),
        changes=("kernel",),
        check=check,
        scripts=(script,),
        apply=apply,
        timeout=120,
    )


def _programs(settings: Settings, machine: Machine) -> Step:
    needed = dict(PROGRAMS)
    if settings.network.ca is not None:
        needed["update-ca-certificates"] = "ca-certificates"
    if machine.role == "control-plane" and settings.windows:
        needed["python3"] = "python3"
        if settings.network.egress == "control-plane":
            needed["nft"] = "nftables"

    def check(_: Settings, world: World) -> Judgement:
        missing = [name for name in world.machine(machine.name).get(Programs).missing if name in needed]
        return Missing(f"missing: {', '.join(missing)}") if missing else Satisfied("every program is there")

    return Step(
        name=f"programs@{machine.name}",
        title="the programs that kubeadm and we call are there",
        lane="system",
        machine=machine.name,
        needs=(f"up@{machine.name}",),
        reads=frozenset({"programs"}),
        changes=("programs",),
        check=check,
        scripts=(
            ScriptCall(
                template="linux/40-programs.sh",
                parameters={
                    "needs": [f"{program}={package}" for program, package in needed.items()],
                    "proxy": settings.network.proxy or "",
                    "limit": int(settings.timeouts.step / 3),
                },
            ),
        ),
        timeout=settings.timeouts.step,
    )


def _faults(world: World, machine: Machine, component: str, artifacts: tuple[str, ...]) -> list[str]:
    return component_faults(world.machine(machine.name).get(Installed), component, wanted_digests(world, artifacts))


def containerd_config(settings: Settings) -> str:
    """containerd's config.toml of a Linux node."""
    row = knowledge.containerd(settings.containerd.linux)
    text = render(
        "linux/containerd.toml",
        config_version=row.config_version,
        bin_dirs=row.bin_dirs,
        pause=knowledge.pause_image(settings.kubernetes.version),
    )
    return merged(text, settings.containerd.config)


def _containerd(settings: Settings, machine: Machine) -> Step:
    config = containerd_config(settings)
    environment = proxy_environment(settings)
    own = own_containerd(settings, "linux")
    digest = hashlib.sha256(config.encode()).hexdigest()

    def check(_: Settings, world: World) -> Judgement:
        wrong = _faults(world, machine, "containerd", (*CONTAINERD, *own))
        if wrong:
            return verdict(wrong, "")
        facts = world.machine(machine.name)
        runtime = facts.get(Containerd)
        if runtime.config_digest != digest:
            return Missing("it has another configuration")
        if runtime.environment != environment:
            return Missing("its service does not know the proxy" if environment else "its service knows a proxy")
        unit = facts.get(Services).units.get("containerd")
        if unit is None or unit.active != "active" or unit.enabled != "enabled":
            return Missing("its service does not run" if unit else "it has no service")
        if not runtime.version:
            return Missing("it does not answer")
        return (
            Satisfied(f"{runtime.version} answers") if runtime.cri else Missing("its Kubernetes plug-in does not work")
        )

    return Step(
        name=f"containerd@{machine.name}",
        title=f"containerd {settings.containerd.linux} runs",
        lane="system",
        machine=machine.name,
        needs=(f"deliver@{machine.name}", f"kernel@{machine.name}", f"registries@{machine.name}"),
        reads=frozenset({"installed", "containerd", "services"}),
        changes=("installed", "containerd", "services"),
        check=check,
        scripts=(
            ScriptCall(
                template="linux/51-containerd.sh",
                parameters={"config": config, "environment": list(environment), "own": list(own)},
                documents={"config.toml": config},
            ),
        ),
        timeout=settings.timeouts.step,
    )


def _cni_plugins(machine: Machine) -> Step:
    def check(_: Settings, world: World) -> Judgement:
        wrong = _faults(world, machine, "cni-plugins", CNI_PLUGINS)
        return verdict(wrong, "they are in /opt/cni/bin")

    return Step(
        name=f"cni-plugins@{machine.name}",
        title="the CNI plugins are installed",
        lane="system",
        machine=machine.name,
        needs=(f"deliver@{machine.name}", f"programs@{machine.name}"),
        reads=frozenset({"installed"}),
        changes=("installed",),
        check=check,
        scripts=(ScriptCall(template="linux/52-cni-plugins.sh"),),
    )


def _kubernetes(machine: Machine) -> Step:
    def check(_: Settings, world: World) -> Judgement:
        wrong = _faults(world, machine, "kubernetes", KUBERNETES)
        if wrong:
            return verdict(wrong, "")
        unit = world.machine(machine.name).get(Services).units.get("kubelet")
        if unit is None or unit.enabled != "enabled":
            return Missing("kubelet is not a service that starts with the machine")
        return Satisfied("kubelet, kubeadm, kubectl and crictl are installed")

    return Step(
        name=f"kubernetes@{machine.name}",
        title="kubelet, kubeadm, kubectl and crictl are installed",
        lane="system",
        machine=machine.name,
        needs=(f"deliver@{machine.name}", f"programs@{machine.name}"),
        reads=frozenset({"installed", "services"}),
        changes=("installed", "services"),
        check=check,
        scripts=(ScriptCall(template="linux/53-kubernetes.sh"),),
    )


def egress_step(settings: Settings, machine: Machine) -> Step:
    """The control plane forwards and masquerades for the machines' network."""
    network = settings.network

    def check(_: Settings, world: World) -> Judgement:
        egress = world.machine(machine.name).get(Egress)
        wanted = {"forwarding": egress.forwarding, "masquerading": egress.masquerade, "a boot unit": egress.kept}
        lacking = [name for name, there in wanted.items() if not there]
        return Missing(f"lacking: {', '.join(lacking)}") if lacking else Satisfied("it forwards and masquerades")

    return Step(
        name="egress",
        title="the machines' network gets out through the control plane",
        lane="system",
        machine=machine.name,
        needs=(f"card@{machine.name}", f"kernel@{machine.name}", f"programs@{machine.name}"),
        reads=frozenset({"egress"}),
        changes=("egress",),
        check=check,
        scripts=(
            ScriptCall(
                template="linux/65-egress.sh",
                parameters={
                    "machines": str(network.machines),
                    "inside": ", ".join(str(part) for part in (network.machines, network.pods, network.services)),
                },
            ),
        ),
        timeout=120,
    )
