"""kubeadm's preflight checks that init and join share."""

from __future__ import annotations

import re

from provision import knowledge
from provision.rehearsal.models import linux_kernel
from provision.rehearsal.models.linux_box import LinuxBox
from provision.rehearsal.models.linux_containerd import ENDPOINTS, cri_problem
from provision.rehearsal.models.linux_kubeadm_config import Config
from provision.rehearsal.models.linux_program import Failed
from provision.rehearsal.shell import Call

KUBELET = "kubelet.service"


def refuse(problems: list[str]) -> None:
    """End with all fatal problems, if there are any.

    Raises:
        Failed: with kubeadm's words.
    """
    if problems:
        listed = "\n".join(f"\t[ERROR {problem}" for problem in problems)
        raise Failed(
            f"[preflight] Some fatal errors occurred:\n{listed}\n[preflight] If you know what you "
            "are doing, you can make "
            "a check non-fatal with `--ignore-preflight-errors=...`\nerror: error execution phase preflight: preflight "
            "checks failed"
        )


def common(box: LinuxBox, call: Call, config: Config) -> list[str]:
    """What init and join both look at."""
    problems = []
    machine = box.machine
    if config.socket not in ENDPOINTS:
        problems.append(
            f"CRI]: container runtime is not running: dial {config.socket}: connect: no such file or directory"
        )
    elif problem := cri_problem(machine):
        problems.append(f"CRI]: could not connect to the container runtime: {problem}")
    if linux_kernel.get(machine, "net/ipv4/ip_forward") != "1":
        problems.append(
            "FileContent--proc-sys-net-ipv4-ip_forward]: /proc/sys/net/ipv4/ip_forward contents are not set to 1"
        )
    # Checked until 1.29; since then it is left to the CNI (kubernetes pull request 123464).
    if knowledge.parse(box.version.lstrip("v")).minor < 30:
        path = "/proc/sys/net/bridge/bridge-nf-call-iptables"
        if linux_kernel.get(machine, "net/bridge/bridge-nf-call-iptables") != "1":
            problems.append(f"FileContent--proc-sys-net-bridge-bridge-nf-call-iptables]: {path} does not exist")
    for name in ("losetup", "mount", "cp"):
        if box.which(name) is None:
            problems.append(f"FileExisting-{name}]: {name} not found in system path")
    if linux_kernel.swapping(machine):
        call.err(
            "\t[WARNING Swap]: swap is supported for cgroup v2 only. The kubelet must be properly "
            "configured to use swap\n"
        )
    if machine.units.enabled(KUBELET) != "enabled":
        call.err(
            "\t[WARNING Service-Kubelet]: kubelet service is not enabled, please run 'systemctl "
            "enable kubelet.service'\n"
        )
    program = box.which("kubelet")
    if program is None:
        problems.append("FileExisting-kubelet]: kubelet not found in system path")
    else:
        try:
            kubelet = knowledge.parse(box.identify(program).version.lstrip("v"))
        except OSError as error:
            problems.append(f"KubeletVersion]: couldn't get kubelet version: fork/exec {program}: {error.strerror}")
        else:
            own = knowledge.parse(box.version.lstrip("v"))
            if kubelet.minor > own.minor:
                problems.append(
                    f"KubeletVersion]: the kubelet version is higher than the control plane version: {kubelet}"
                )
    if config.node_name != config.node_name.lower() or not re.fullmatch(
        r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", config.node_name
    ):
        problems.append(f"NodeName]: {config.node_name} is no valid node name")
    return problems
