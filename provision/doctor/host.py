"""Probes of this computer: what is there and what works. They change nothing and judge nothing."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from provision.clock import Deadline
from provision.errors import ProvisionError
from provision.host.commands import run
from provision.machines.vagrant import Driver
from provision.machines.vagrantfile import box_of
from provision.settings.model import Settings

System = Literal["linux", "macos", "wsl2", "windows", "other"]

_WINDOWS_ROOT = Path("/mnt/c/Windows/System32/WindowsPowerShell/v1.0/powershell.exe")
# Vagrant's catalogue; a box without a URL of its own is looked up there, or at the server that Vagrant is told to use.
CATALOGUE = "https://vagrantcloud.com"


@dataclass(frozen=True)
class Host:
    """What this computer is like.

    Attributes:
        memory: MiB in all; ``memory_free``: MiB that could be had now; 0 when nobody says.
        disk_free: MiB where Vagrant keeps boxes and machines.
        tools: program -> its path, of those looked for.
        vagrant: its version; empty when it is not there.
        plugins: Vagrant's plugins, by name; empty when Vagrant is not there or was not asked.
        winrm_gem: whether this Vagrant can speak WinRM; None when nobody has asked.
        vagrant_error: why Vagrant could not answer.
        virtualisation, kvm: ``works``, or why a hypervisor of its own (VirtualBox, VMware) or KVM cannot run
            guests here; empty when nobody has looked.
        libvirt: whether libvirt's socket takes connections from this user.
        boxes: (name, provider) of the boxes imported.
        answering: URLs that answered, of those asked.
    """

    system: System
    memory: int
    memory_free: int
    cpus: int
    disk_free: int
    tools: Mapping[str, str] = field(default_factory=dict)
    vagrant: str = ""
    plugins: frozenset[str] = frozenset()
    winrm_gem: bool | None = None
    vagrant_error: str = ""
    virtualisation: str = ""
    kvm: str = ""
    libvirt: bool = False
    boxes: frozenset[tuple[str, str]] = frozenset()
    answering: frozenset[str] = frozenset()


PROGRAMS = ("vagrant", "VBoxManage", "virsh", "qemu-system-x86_64", "vmrun", "powershell.exe")


def look(settings: Settings, root: Path, *, whole: bool = False) -> Host:
    """Look at this computer: cheap questions first, dear ones only where the cheap ones gave hope.

    Args:
        root: the workspace; its disk is looked at beside Vagrant's home.
        whole: ask the dear ones, too, where there is no hope: whoever mends one thing wants to know of all.
    """
    system = system_of(platform.system(), platform.release(), os.environ)
    memory, free = memory_mib()
    tools = {name: path for name in PROGRAMS if (path := shutil.which(name))}
    vbox = os.environ.get("VBOX_MSI_INSTALL_PATH")
    if "VBoxManage" not in tools and vbox and Path(vbox, "VBoxManage.exe").is_file():
        tools["VBoxManage"] = str(Path(vbox, "VBoxManage.exe"))
    if system == "wsl2" and "powershell.exe" not in tools and _WINDOWS_ROOT.is_file():
        tools["powershell.exe"] = str(_WINDOWS_ROOT)
    host = Host(
        system=system,
        memory=memory,
        memory_free=free,
        cpus=os.cpu_count() or 1,
        disk_free=min(_disk_free(root), _disk_free(vagrant_home())),
        tools=tools,
    )
    if "vagrant" not in tools and not whole:
        return host
    host = replace(host, virtualisation=virtualisation(system), kvm=kvm(system), libvirt=_libvirt_answers(system))
    hope = "works" in (host.virtualisation, host.kvm) or software_only(settings)
    return _ask_vagrant(host, settings, root) if "vagrant" in tools and (hope or whole) else host


def look_whole(settings: Settings, root: Path) -> Host:
    """As `look`, with every question."""
    return look(settings, root, whole=True)


def system_of(kernel: str, release: str, environment: Mapping[str, str]) -> System:
    """Which kind of computer this is, from ``uname`` and the environment; pure."""
    if kernel == "Linux":
        # WSL1 has no kernel of its own and says "Microsoft" with a capital letter: nothing runs there.
        if "Microsoft" in release:
            return "other"
        return "wsl2" if "microsoft" in release or environment.get("WSL_DISTRO_NAME") else "linux"
    known: Mapping[str, System] = {"Darwin": "macos", "Windows": "windows"}
    return known.get(kernel, "other")


def virtualisation(system: System) -> str:
    """``works`` when the processor's virtualisation can be used by a hypervisor; otherwise why not."""
    if system == "macos":
        done = run(["sysctl", "-n", "kern.hv_support"], timeout=5)
        return "works" if done.out.strip() == "1" else "the processor or macOS does not support it"
    if system in ("wsl2", "windows"):
        # Windows virtualises WSL2 itself: that it runs at all is the proof.
        return "works"
    said = processor_offers(Path("/proc/cpuinfo").read_text())
    if said == "works" and os.access("/dev/kvm", os.R_OK | os.W_OK):
        return kvm(system)
    # VirtualBox and VMware bring their own module and need no /dev/kvm.
    return said


def kvm(system: System) -> str:
    """``works`` when KVM was seen running a guest; otherwise why not."""
    if system not in ("linux", "wsl2"):
        return "there is no KVM on this system"
    if platform.machine() not in ("x86_64", "AMD64"):
        return f"the boxes are for x86-64, this computer is {platform.machine()}"
    if not Path("/dev/kvm").exists():
        said = processor_offers(Path("/proc/cpuinfo").read_text())
        return "there is no /dev/kvm (`sudo modprobe kvm_intel` or `kvm_amd`)" if said == "works" else said
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "this user may not use /dev/kvm (`sudo usermod -aG kvm $USER`, then log in again)"
    try:
        proof = run([sys.executable, "-I", str(Path(__file__).with_name("kvm.py"))], timeout=5)
    except ProvisionError as error:
        return f"/dev/kvm is there, but the proof did not end: {error.what}"
    said = proof.out.strip() or "the proof ended without a word"
    return said if said == "works" else f"/dev/kvm is there, but {said}"


def processor_offers(cpuinfo: str) -> str:
    """``works`` when the processor's flags have VT-x or AMD-V; otherwise why not. Pure."""
    if {"vmx", "svm"} & set(cpuinfo.split()):
        return "works"
    return "the processor does not offer VT-x or AMD-V (switched off in the firmware, or this is a VM without it)"


def software_only(settings: Settings) -> bool:
    """Whether the settings ask libvirt for QEMU without KVM."""
    return settings.provider_options.get("libvirt", {}).get("driver") == "qemu"


def _ask_vagrant(host: Host, settings: Settings, root: Path) -> Host:
    driver = Driver(root, Deadline(30, "vagrant"), lambda _: None, Path(os.devnull))
    try:
        version, plugins, boxes = driver.about()
    except ProvisionError as error:
        return replace(host, vagrant_error=error.what)
    wanted = {box_of(settings, machine) for machine in settings.machines}
    imported = {name for name, _ in boxes}
    urls = {url_of(name, source) for name, source in wanted if name and name not in imported}
    return replace(
        host,
        vagrant=version,
        plugins=plugins,
        boxes=boxes,
        winrm_gem=_winrm_gem(),
        answering=frozenset(url for url in urls if _answers(url)),
    )


def url_of(name: str, source: str | None) -> str:
    """Where a box would come from: its own URL or file, or the catalogue's page about it."""
    return source or f"{os.environ.get('VAGRANT_SERVER_URL', CATALOGUE)}/{name}"


def _answers(url: str) -> bool:
    if "://" not in url or url.startswith("file://"):
        return Path(url.removeprefix("file://")).is_file()
    import requests  # slow to import, and mostly nothing is asked

    try:
        return requests.head(url, timeout=4, allow_redirects=True).status_code < 400
    except requests.RequestException:
        return False


def _winrm_gem() -> bool:
    """Debian's Vagrant leaves the gem out; HashiCorp's carries it in its own folder."""
    folders = [Path("/opt/vagrant/embedded/gems"), Path("/usr/share/rubygems-integration/all/gems")]
    folders += [Path("/var/lib/gems"), vagrant_home() / "gems", Path("/usr/lib/ruby/vendor_ruby")]
    folders += [Path(folder) for folder in os.environ.get("RUBYLIB", "").split(os.pathsep) if folder]
    patterns = ("winrm.rb", "winrm-[0-9]*", "*/gems/winrm-[0-9]*", "*/*/gems/winrm-[0-9]*")
    found = (next(folder.glob(pattern), None) for folder in folders if folder.is_dir() for pattern in patterns)
    on_path = any(found)
    # An unknown layout (macOS, Windows) is HashiCorp's own package, which has it.
    return on_path or not Path("/usr/share/rubygems-integration/all/gems").is_dir()


def _libvirt_answers(system: System) -> bool:
    if system not in ("linux", "wsl2"):
        return False
    sockets = (Path("/run/libvirt/libvirt-sock"), Path("/run/libvirt/virtqemud-sock"))
    return any(path.exists() and os.access(path, os.R_OK | os.W_OK) for path in sockets)


def memory_mib() -> tuple[int, int]:
    """(all, free) memory in MiB; free counts what the system would give back. Zeros when nobody says."""
    try:
        rows = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines() if ":" in line)
        return int(rows["MemTotal"].split()[0]) // 1024, int(rows["MemAvailable"].split()[0]) // 1024
    except (OSError, KeyError, ValueError):
        pass
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // (1 << 20)
        return total, 0
    except (ValueError, OSError, AttributeError):
        return 0, 0


def vagrant_home() -> Path:
    """Where Vagrant keeps its boxes."""
    return Path(os.environ.get("VAGRANT_HOME") or Path.home() / ".vagrant.d")


def _disk_free(path: Path) -> int:
    existing: Iterable[Path] = (folder for folder in (path, *path.parents) if folder.exists())
    return shutil.disk_usage(next(iter(existing))).free // (1 << 20)
