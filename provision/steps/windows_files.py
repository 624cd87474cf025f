"""Files of a Windows machine: pulled from the control plane, unpacked, containerd running from them."""

from __future__ import annotations

import hashlib
from typing import cast

from provision import knowledge
from provision.artifacts.catalog import own_containerd
from provision.errors import StepFailed
from provision.facts.base import World
from provision.facts.windows import Containerd, Delivered, Installed, Kubelet, Os
from provision.render.engine import render
from provision.settings.model import Machine, Settings
from provision.steps.base import Context, Judgement, ScriptCall, Step
from provision.steps.build import brought_by
from provision.steps.components import component_faults, wanted_digests
from provision.steps.containerd_config import merged
from provision.steps.delivery import Depot, served_by
from provision.steps.proxy import proxy_environment
from provision.steps.verdict import verdict

CONTAINERD_FILES = ("containerd-windows.tar.gz", "crictl-windows.tar.gz")
KUBERNETES_FILES = ("kubelet.exe", "kubeadm.exe", "kubectl.exe", "kube-proxy.exe", "kube-log-runner.exe")

# Seconds from the service's start to containerd's first answer.
CONTAINERD_LIMIT = 120
LOG_FILE = "C:\\var\\log\\containerd\\containerd.log"


def deliver_step(settings: Settings, machine: Machine, component: str, names: tuple[str, ...]) -> Step:
    """A component's files lie on the machine with the right digests, or it is installed from them already."""

    def lacking(world: World) -> list[str]:
        facts = world.machine(machine.name)
        wanted = wanted_digests(world, names)
        if not component_faults(facts.get(Installed), component, wanted):
            return []
        return facts.get(Delivered).lacks(wanted)

    def check(_: Settings, world: World) -> Judgement:
        absent = lacking(world)
        return verdict([f"not there: {', '.join(absent)}"] if absent else [], f"{', '.join(names)}: there or installed")

    call = ScriptCall(
        template="windows/50-deliver.ps1",
        runtime={
            "files": [{"name": n, "url": f"http://<control plane>/<path>/{n}", "digest": "<sha256>"} for n in names]
        },
    )

    def apply(ctx: Context) -> None:
        depot = cast(Depot, ctx.shared["depot"])
        digests = wanted_digests(ctx.world, names)
        files = [{"name": n, "url": depot.url(n), "digest": digests[n]} for n in lacking(ctx.world)]
        booted = ctx.world.machine(machine.name).get(Os).boot_time
        try:
            ctx.run(call, files=files)
        except StepFailed:
            # The other lane may have restarted Windows under us; the pull goes on where it was.
            ctx.refresh("os")
            if ctx.world.machine(machine.name).get(Os).boot_time == booted:
                raise
            ctx.on_line("Windows was restarted meanwhile; going on")
            ctx.run(call, files=files)

    return Step(
        name=f"deliver-{component}@{machine.name}",
        title=f"files of {component} are on the machine",
        lane="files",
        machine=machine.name,
        needs=(f"card@{machine.name}", *served_by(settings, names), *brought_by(settings, names)),
        reads=frozenset({"delivered", "installed"}),
        changes=("delivered",),
        check=check,
        scripts=(call,),
        apply=apply,
        timeout=settings.timeouts.step,
    )


def containerd_files(settings: Settings) -> tuple[str, ...]:
    """What containerd is installed from: its release, and what was built in place of its programs."""
    return (*CONTAINERD_FILES, *own_containerd(settings, "windows"))


def containerd_config(settings: Settings) -> str:
    """config.toml as containerd's release and the pause image need it."""
    row = knowledge.containerd(settings.containerd.windows)
    text = render(
        "windows/containerd.toml",
        config_version=row.config_version,
        bin_dirs=row.bin_dirs,
        pause=knowledge.pause_image(settings.kubernetes.version),
    )
    return merged(text, settings.containerd.config)


def containerd_step(settings: Settings, machine: Machine) -> Step:
    """containerd and crictl are installed, configured, and the service answers."""
    config = containerd_config(settings)
    crictl_config = render("windows/crictl.yaml")
    version = f"v{settings.containerd.windows}"
    environment = proxy_environment(settings)
    names = containerd_files(settings)

    def check(_: Settings, world: World) -> Judgement:
        facts = world.machine(machine.name)
        wrong = component_faults(facts.get(Installed), "containerd", wanted_digests(world, names))
        now = facts.get(Containerd)
        if now.config != _digest(config):
            wrong.append("config.toml is another one" if now.config else "there is no config.toml")
        if now.crictl_config != _digest(crictl_config):
            wrong.append("crictl is not configured")
        if not now.on_path:
            wrong.append("it is not on PATH")
        if now.service != "absent" and f"--log-file={LOG_FILE}" not in now.command:
            wrong.append("its service keeps no log where we look for it")
        if now.service != "absent" and now.environment != environment:
            wrong.append("its service does not know the proxy" if environment else "its service knows a proxy")
        if now.service != "Running":
            wrong.append(f"its service is {now.service}")
        elif now.start != "Auto":
            wrong.append("its service does not start with Windows")
        elif now.version != version:
            wrong.append(f"it answers {now.version or now.detail or 'nothing'}, not {version}")
        return verdict(wrong, f"containerd {version} answers")

    call = ScriptCall(
        template="windows/60-containerd.ps1",
        parameters={
            "config": config,
            "crictl_config": crictl_config,
            "environment": environment,
            "limit": CONTAINERD_LIMIT,
            "own": list(own_containerd(settings, "windows")),
        },
        runtime={"digests": dict.fromkeys(names, "<sha256>")},
        documents={"config.toml": config, "crictl.yaml": crictl_config},
    )
    return Step(
        name=f"containerd@{machine.name}",
        title=f"containerd {version} runs",
        lane="system",
        machine=machine.name,
        needs=(f"reboot@{machine.name}", f"deliver-containerd@{machine.name}", f"registries@{machine.name}"),
        reads=frozenset({"installed", "containerd"}),
        changes=("installed", "containerd"),
        check=check,
        scripts=(call,),
        apply=lambda ctx: _run(ctx, call, names),
        timeout=settings.timeouts.step,
    )


def kubernetes_step(settings: Settings, machine: Machine) -> Step:
    """The Kubernetes programs lie in C:\\k, on PATH; a running kubelet runs from them."""

    def check(_: Settings, world: World) -> Judgement:
        facts = world.machine(machine.name)
        wrong = component_faults(facts.get(Installed), "kubernetes", wanted_digests(world, KUBERNETES_FILES))
        if not facts.get(Kubelet).on_path:
            wrong.append("C:\\k is not on PATH")
        return verdict(wrong, f"Kubernetes {settings.kubernetes.version} is in C:\\k")

    call = ScriptCall(
        template="windows/65-kubernetes.ps1",
        runtime={"digests": dict.fromkeys(KUBERNETES_FILES, "<sha256>")},
    )
    return Step(
        name=f"kubernetes@{machine.name}",
        title="Kubernetes' programs are in C:\\k",
        lane="system",
        machine=machine.name,
        needs=(f"reboot@{machine.name}", f"deliver-kubernetes@{machine.name}"),
        reads=frozenset({"installed", "kubelet"}),
        changes=("installed", "kubelet"),
        check=check,
        scripts=(call,),
        apply=lambda ctx: _run(ctx, call, KUBERNETES_FILES),
        timeout=settings.timeouts.step,
    )


def _run(ctx: Context, call: ScriptCall, names: tuple[str, ...]) -> None:
    ctx.run(call, digests=wanted_digests(ctx.world, names))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
