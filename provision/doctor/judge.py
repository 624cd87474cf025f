"""What is known of a computer, judged: which provider works here, what is missing and how to get it. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from provision.doctor.host import Host, System, software_only, url_of
from provision.machines.vagrantfile import box_of
from provision.settings.model import Settings
from provision.settings.values import is_path

# A Windows machine's disk grows to this in use, a Linux machine's to this: MiB. Sources: the boxes' publishers
# (5 to 10 GB packed for Windows, 1 GB for Linux) and what images, page file and logs add.
WINDOWS_DISK = 30_000
LINUX_DISK = 10_000
# What this computer's own system needs beside the machines, MiB.
OWN_MEMORY = 2048


@dataclass(frozen=True)
class Finding:
    """Something that stands in the way, and its remedy.

    Attributes:
        fatal: nothing can work with it; otherwise it is a warning.
    """

    what: str
    remedy: str
    fatal: bool = True

    def __str__(self) -> str:
        return f"{self.what}; {self.remedy}" if self.remedy else self.what


# In the order in which `auto` tries them: what is built for the system comes first.
CANDIDATES: dict[System, tuple[str, ...]] = {
    "linux": ("libvirt", "virtualbox", "vmware_desktop"),
    "macos": ("virtualbox", "vmware_desktop"),
    "wsl2": ("hyperv", "virtualbox"),
    "windows": ("hyperv", "virtualbox", "vmware_desktop"),
    "other": (),
}


def findings(host: Host, settings: Settings, provider: str) -> tuple[Finding, ...]:
    """Everything that stands in the way of this provider here, most fundamental first; empty when it works."""
    if provider in ("rehearsal", "existing"):
        return ()
    if provider == "hyperv" and host.system not in ("wsl2", "windows"):
        return (Finding("Hyper-V is part of Windows, and this is not Windows", "choose another provider"),)
    found: list[Finding] = []
    if "vagrant" not in host.tools:
        found.append(Finding("Vagrant is not installed", "install it from HashiCorp's packages (2.3 or newer)"))
    elif host.vagrant_error:
        found.append(Finding(f"Vagrant does not answer: {host.vagrant_error}", "run `vagrant --version` and see"))
    found += _PROVIDERS[provider](host, settings)
    if "vagrant" in host.tools and host.vagrant:
        found += _boxes(host, settings, provider)
        if settings.windows and host.winrm_gem is False:
            found.append(
                Finding(
                    "this Vagrant lacks the winrm gem, without which it cannot start Windows machines",
                    "install Vagrant from HashiCorp's packages, or `gem install winrm winrm-elevated winrm-fs`",
                )
            )
    return (*found, *resources(host, settings))


def resources(host: Host, settings: Settings) -> tuple[Finding, ...]:
    """Memory, processors and disk against what the machines ask for."""
    found: list[Finding] = []
    asked = sum(machine.memory for machine in settings.machines)
    if host.memory and asked + OWN_MEMORY > host.memory:
        found.append(
            Finding(
                f"the machines ask for {asked} MiB, and this computer has {host.memory} MiB in all",
                "lower `machines[].memory` (4096 is enough for a Windows worker without many pods), or take one out",
            )
        )
    elif host.memory_free and asked > host.memory_free:
        found.append(
            Finding(
                f"the machines ask for {asked} MiB, and {host.memory_free} MiB are free right now",
                "close something, or lower `machines[].memory`",
                fatal=False,
            )
        )
    most = max(machine.cpus for machine in settings.machines)
    if most > host.cpus:
        found.append(
            Finding(
                f"a machine asks for {most} processors, and this computer has {host.cpus}", "lower `machines[].cpus`"
            )
        )
    needed = sum(WINDOWS_DISK if machine.os == "windows" else LINUX_DISK for machine in settings.machines)
    if host.disk_free < needed // 2:
        found.append(
            Finding(
                f"{host.disk_free} MiB of disk are free where Vagrant keeps machines; they grow to about {needed} MiB",
                "free some space, or point VAGRANT_HOME and this folder to another disk",
            )
        )
    elif host.disk_free < needed:
        found.append(
            Finding(
                f"{host.disk_free} MiB of disk are free, and the machines may grow to {needed} MiB",
                "free some space before long",
                fatal=False,
            )
        )
    return tuple(found)


def works(found: tuple[Finding, ...]) -> bool:
    """Whether nothing fatal was found."""
    return not any(finding.fatal for finding in found)


def _virtualisation(host: Host) -> list[Finding]:
    if host.virtualisation in ("works", ""):
        return []
    return [
        Finding(
            f"hardware virtualisation does not work here: {host.virtualisation}",
            "switch on VT-x or AMD-V in the firmware; inside a VM, nested virtualisation",
        )
    ]


def _libvirt(host: Host, settings: Settings) -> list[Finding]:
    found: list[Finding] = []
    if host.kvm not in ("works", "") and not software_only(settings):
        found.append(
            Finding(
                f"KVM cannot run machines here: {host.kvm}",
                "switch on VT-x or AMD-V in the firmware (inside a VM: nested virtualisation); without it "
                "`provider_options: {libvirt: {driver: qemu}}` works, slowly",
            )
        )
    if "qemu-system-x86_64" not in host.tools:
        found.append(Finding("QEMU is not installed", "`apt-get install qemu-system-x86 libvirt-daemon-system`"))
    if host.vagrant and "vagrant-libvirt" not in host.plugins:
        # It compiles ruby-libvirt. Source: vagrant-libvirt docs/installation.markdown.
        found.append(
            Finding(
                "Vagrant's plugin for libvirt is missing",
                "`apt-get install libvirt-dev build-essential`, then `vagrant plugin install vagrant-libvirt`",
            )
        )
    if host.kvm and not host.libvirt:  # without a word on KVM nobody has looked
        found.append(
            Finding(
                "libvirtd does not run, or this user may not use it",
                "`sudo systemctl start libvirtd`, `sudo usermod -aG libvirt $USER`, then log in again",
            )
        )
    return found


def _virtualbox(host: Host, _: Settings) -> list[Finding]:
    found = [] if host.system in ("wsl2", "windows") else _virtualisation(host)
    if "VBoxManage" not in host.tools:
        found.append(Finding("VirtualBox is not installed", "install VirtualBox 7 and run `VBoxManage --version`"))
    return found


def _vmware(host: Host, _: Settings) -> list[Finding]:
    found = _virtualisation(host)
    if "vmrun" not in host.tools:
        found.append(Finding("VMware is not installed", "install VMware Workstation or Fusion (vmrun on PATH)"))
    if host.vagrant and "vagrant-vmware-desktop" not in host.plugins:
        found.append(
            Finding(
                "Vagrant's plugin for VMware is missing",
                "install the Vagrant VMware utility, then `vagrant plugin install vagrant-vmware-desktop`",
            )
        )
    return found


def _hyperv(host: Host, _: Settings) -> list[Finding]:
    if "powershell.exe" not in host.tools:
        return [Finding("powershell.exe is not found", "switch on Windows interoperability in /etc/wsl.conf")]
    return []


_PROVIDERS: dict[str, Callable[[Host, Settings], list[Finding]]] = {
    "libvirt": _libvirt,
    "virtualbox": _virtualbox,
    "vmware_desktop": _vmware,
    "hyperv": _hyperv,
}


def _boxes(host: Host, settings: Settings, provider: str) -> list[Finding]:
    found: list[Finding] = []
    with_provider = settings.model_copy(update={"provider": provider})
    for machine in settings.machines:
        name, source = box_of(with_provider, machine)
        if not name:
            found.append(Finding(f"no box is known for {machine.name} on {provider}", "name one: `machines[].box`"))
        elif (name, provider) not in host.boxes and url_of(name, source) not in host.answering:
            url = url_of(name, source)
            if is_path(url):
                found.append(Finding(f"there is no file {url}", f"correct the box of {machine.name}"))
                continue
            found.append(
                Finding(
                    f"box {name} is not imported, and {url} does not answer",
                    "check the network or its proxy, or give a file or URL in `machines[].box_url`",
                )
            )
    return list(dict.fromkeys(found))
