"""Windows itself: its release, settings, host name, features, one restart for all of them."""

from __future__ import annotations

from provision import knowledge
from provision.errors import StepFailed
from provision.facts.base import MachineFacts, World
from provision.facts.windows import Features, NodeSettings, Os
from provision.guests.base import Boot
from provision.settings.model import Machine, Settings
from provision.steps.base import Context, Judgement, Missing, Satisfied, ScriptCall, Step
from provision.steps.verdict import verdict

# Dynamic ports above the node ports (30000-32767). Source: kubernetes-sigs/image-builder, Windows systemprep.
PORT_START, PORT_COUNT = 34000, 31536
# Programs that read and write many files of containers. Sources: kubernetes-sigs/image-builder, CAPZ and WMCO.
DEFENDER_PROGRAMS = (
    "C:\\Program Files\\containerd\\containerd.exe",
    "C:\\Program Files\\containerd\\ctr.exe",
    "C:\\Program Files\\containerd\\containerd-shim-runhcs-v1.exe",
    "C:\\k\\kubelet.exe",
    "C:\\k\\kube-proxy.exe",
    "C:\\opt\\cni\\bin\\calico.exe",
    "C:\\opt\\cni\\bin\\calico-ipam.exe",
)

_UPDATES = "HKLM:\\SOFTWARE\\Policies\\Microsoft\\Windows\\WindowsUpdate\\AU"
# The policy for networks that Windows cannot identify, as a network without a gateway is: Category 1 is private.
_UNIDENTIFIED = (
    "HKLM:\\SOFTWARE\\Policies\\Microsoft\\Windows NT\\CurrentVersion\\NetworkList\\Signatures\\"
    "010103000F0000F0010000000F0000F0C967A3643C3AD745950DA7859209176EF5B87C875FA20DF21951640E807D7C24"
)


def release_step(machine: Machine) -> Step:
    """The Windows that runs is the one that the settings name, and has no update that is known to break nodes."""
    row = knowledge.windows(machine.windows_version)

    def check(_: Settings, world: World) -> Judgement:
        os = world.machine(machine.name).get(Os)
        wrong = []
        if os.build != row.build:
            wrong.append(f"its build is {os.build}, Windows Server {row.version} has {row.build}")
        elif os.ubr < row.least_revision:
            wrong.append(f"{os.build}.{os.ubr} is too old for containers on an overlay, from {row.least_revision} on")
        bad = knowledge.known_bad(os.build, os.ubr)
        if bad is not None:
            wrong.append(f"{bad.update} ({os.build}.{os.ubr}): {bad.why}; mended by {bad.mended_by}")
        return verdict(wrong, f"{os.product}, {os.build}.{os.ubr}")

    def apply(ctx: Context) -> None:
        judgement = check(ctx.settings, ctx.world)
        if isinstance(judgement, Missing):
            raise StepFailed(
                f"{machine.name} runs a Windows that cannot be used: {judgement.reason}",
                remedy="take another box (`box`, `box_url`), install updates, or correct `windows_version`",
            )

    return Step(
        name=f"windows-release@{machine.name}",
        title=f"Windows Server {row.version}, with no update that breaks nodes",
        lane="system",
        machine=machine.name,
        needs=(f"up@{machine.name}",),
        reads=frozenset({"os"}),
        check=check,
        apply=apply,
    )


def registry_values(machine: Machine) -> list[dict[str, object]]:
    """Every DWORD that this Windows needs; ``restart`` when it works only after a restart."""
    fixed: list[dict[str, object]] = [
        {"key": _UPDATES, "name": "NoAutoUpdate", "value": 1, "restart": False},
        {"key": _UPDATES, "name": "AUOptions", "value": 2, "restart": False},
        {"key": _UNIDENTIFIED, "name": "Category", "value": 1, "restart": False},
    ]
    return fixed + [
        {"key": f"HKLM:\\{row.key}", "name": row.name, "value": row.value, "restart": True}
        for row in knowledge.windows(machine.windows_version).registry
    ]


def settings_step(settings: Settings, machine: Machine) -> Step:
    """Registry values, no updates behind our back, ports, Defender, the clock, our folder."""
    values = registry_values(machine)

    def check(_: Settings, world: World) -> Judgement:
        facts = world.machine(machine.name).get(NodeSettings)
        wrong = [
            f"{row['name']} is not {row['value']}"
            for row in values
            if facts.registry.get(f"{row['key']}\\{row['name']}") != row["value"]
        ]
        for protocol in ("tcp", "udp"):
            ports = facts.ports[protocol]
            if (ports.start, ports.count) != (PORT_START, PORT_COUNT):
                wrong.append(f"dynamic {protocol} ports begin at {ports.start}, not above the node ports")
        if facts.defender_exclusions is not None:
            known = {program.lower() for program in facts.defender_exclusions}
            lacking = [p for p in DEFENDER_PROGRAMS if p.lower() not in known]
            if lacking:
                wrong.append(f"Defender watches {len(lacking)} of our programs")
        if facts.time_service.start != "Auto":
            wrong.append("the time service does not start with Windows")
        elif facts.time_service.triggered:
            wrong.append("Windows ends the time service after each boot, for want of a domain")
        elif facts.time_service.state != "Running":
            wrong.append(f"the time service is {facts.time_service.state}")
        if not facts.folder_private:
            wrong.append("our folder is open to every user")
        return verdict(wrong, "registry, ports, Defender, clock and folder are as nodes need them")

    return Step(
        name=f"settings@{machine.name}",
        title="Windows is set up for container networking",
        lane="system",
        machine=machine.name,
        needs=(f"card@{machine.name}",),
        reads=frozenset({"settings"}),
        changes=("settings", "os"),
        check=check,
        scripts=(
            ScriptCall(
                template="windows/20-settings.ps1",
                parameters={
                    "values": values,
                    "port_start": PORT_START,
                    "port_count": PORT_COUNT,
                    "programs": DEFENDER_PROGRAMS,
                },
            ),
        ),
        timeout=settings.timeouts.step,
    )


def host_name_step(settings: Settings, machine: Machine) -> Step:
    """The host name is the machine's; it becomes active with the restart."""

    def check(_: Settings, world: World) -> Judgement:
        os = world.machine(machine.name).get(Os)
        if os.pending_name != machine.name.lower():
            return Missing(f"it is called {os.pending_name}")
        active = os.active_name == os.pending_name
        return Satisfied(f"it is called {os.pending_name}" + ("" if active else " from the next restart on"))

    return Step(
        name=f"host-name@{machine.name}",
        title=f"the host name is {machine.name}",
        lane="system",
        machine=machine.name,
        needs=(f"settings@{machine.name}",),
        reads=frozenset({"os"}),
        changes=("os",),
        check=check,
        scripts=(ScriptCall(template="windows/30-host-name.ps1", parameters={"name": machine.name}),),
        timeout=settings.timeouts.step,
    )


def wanted_features(settings: Settings) -> tuple[str, ...]:
    """Windows features that the settings need. Containers alone is enough for process isolation and Calico."""
    hyperv = ("Hyper-V", "Hyper-V-PowerShell") if settings.features.hyperv_isolation else ()
    return ("Containers", *hyperv)


def features_step(settings: Settings, machine: Machine) -> Step:
    """Windows features are installed; they may still wait for the restart."""
    wanted = wanted_features(settings)

    def check(_: Settings, world: World) -> Judgement:
        states = world.machine(machine.name).get(Features).states
        wrong = [
            f"{name} is {states.get(name, 'absent')}"
            for name in wanted
            if states.get(name) not in ("enabled", "pending")
        ]
        return verdict(wrong, ", ".join(f"{name} is {states[name]}" for name in wanted if name in states))

    return Step(
        name=f"features@{machine.name}",
        title=f"Windows features: {', '.join(wanted)}",
        lane="system",
        machine=machine.name,
        needs=(f"host-name@{machine.name}",),
        reads=frozenset({"features"}),
        changes=("features", "os"),
        check=check,
        scripts=(ScriptCall(template="windows/40-features.ps1", parameters={"features": wanted}),),
        detached=True,
        timeout=settings.timeouts.features,
    )


def _boot(facts: MachineFacts) -> Boot:
    os = facts.get(Os)
    return Boot(os.boot_time, ", ".join(os.pending_reboot))


def reboot_step(settings: Settings, machine: Machine) -> Step:
    """One restart for all that waits for one."""
    wanted = wanted_features(settings)

    def check(_: Settings, world: World) -> Judgement:
        facts = world.machine(machine.name)
        os = facts.get(Os)
        states = facts.get(Features).states
        reasons = list(os.pending_reboot)
        if not reasons:
            reasons = [f"{name} is {states.get(name, 'absent')}" for name in wanted if states.get(name) != "enabled"]
        return verdict(reasons, f"nothing waits for a restart; booted {os.boot_time}")

    def apply(ctx: Context) -> None:
        ctx.waits_for("Windows to restart")
        ctx.restart(_boot)
        # Servicing sometimes asks for a second restart in the first one; not for a third.
        if ctx.world.machine(machine.name).get(Os).pending_reboot:
            ctx.on_line("Windows asks for another restart")
            ctx.restart(_boot)

    return Step(
        name=f"reboot@{machine.name}",
        title="nothing waits for a restart of Windows",
        lane="system",
        machine=machine.name,
        needs=(f"settings@{machine.name}", f"host-name@{machine.name}", f"features@{machine.name}"),
        reads=frozenset({"os", "features"}),
        changes=("os", "features"),
        check=check,
        apply=apply,
        timeout=settings.timeouts.reboot,
        reboots=True,
    )
