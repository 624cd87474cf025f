"""What Vagrant's and the hypervisors' words mean, and what to do about them. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from provision.errors import HostError, MachineError


@dataclass(frozen=True)
class Cause:
    """A cause that we recognise in a tool's output.

    Attributes:
        host: it lies on this computer (`HostError`), not with one machine (`MachineError`).
    """

    pattern: re.Pattern[str]
    what: str
    remedy: str
    host: bool = True


def _cause(pattern: str, what: str, remedy: str, *, host: bool = True) -> Cause:
    return Cause(re.compile(pattern, re.IGNORECASE | re.DOTALL), what, remedy, host)


LOCKED = _cause(
    r"(another process is already executing an action on the machine|an action '\w+' is already|locked the machine)",
    "another Vagrant process works on this machine",
    "wait until it has ended (`ps -ef | grep vagrant` shows it), then run the same command again",
    host=False,
)

# The first that fits wins: the more specific stand first.
CAUSES: tuple[Cause, ...] = (
    LOCKED,
    _cause(
        r"cannot load such file -- winrm",
        "this Vagrant lacks the winrm gem, without which it cannot start Windows machines",
        "install Vagrant from HashiCorp's packages (Debian's build leaves the gem out), "
        "or `gem install winrm winrm-elevated winrm-fs` for the Ruby that it runs with",
    ),
    _cause(
        r"(VT-x is (not available|disabled)|VERR_(VMX|SVM)_(NO_|DISABLED|MSR)|AMD-V is disabled"
        r"|hardware virtualization .{0,40}(not|disabled)|VT-x/AMD-V hardware acceleration is not available)",
        "hardware virtualisation is not available to the hypervisor",
        "switch on VT-x or AMD-V in the firmware, and switch off what else uses it (Hyper-V, another hypervisor); "
        "inside a VM, switch on nested virtualisation",
    ),
    _cause(
        r"(could not access KVM kernel module|failed to initialize kvm|KVM is not available"
        r"|domain type 'kvm' is not supported|no domain matching .*kvm)",
        "KVM does not work on this computer",
        "load kvm_intel or kvm_amd (`sudo modprobe`), join the kvm group, switch on virtualisation in the firmware; "
        "without it: `provider_options: {libvirt: {driver: qemu}}` works, slowly",
    ),
    _cause(
        r"(virConnectOpen failed|failed to connect( socket)? to .*libvirt|error while connecting to libvirt)",
        "libvirtd does not answer",
        "start it (`sudo systemctl start libvirtd`) and be a member of its group "
        "(`sudo usermod -aG libvirt $USER`, then log in again)",
    ),
    _cause(
        r"(not within the allowed ranges|host-only network is not within)",
        "VirtualBox does not allow host-only networks with these addresses",
        "set `network.machines` to a network in 192.168.56.0/21, or allow yours in /etc/vbox/networks.conf",
    ),
    _cause(
        r"(vboxdrv|kernel module is not loaded|NS_ERROR_FAILURE.*VBoxNetAdp|rc=-1908)",
        "VirtualBox's kernel module is not loaded",
        "run `sudo /sbin/vboxconfig` (with Secure Boot the module must be signed), or install virtualbox-dkms",
    ),
    _cause(
        r"(could not detect VirtualBox|VBoxManage.{0,40}(not found|could not be found)"
        r"|VirtualBox .{0,60}not .{0,20}installed|is not usable on this system|No usable default provider)",
        "Vagrant finds no usable hypervisor for this provider",
        "install the provider named in the output, or choose another with `--set provider=...`",
    ),
    _cause(
        r"provider '[\w-]+' could not be found",
        "Vagrant has no plugin for this provider",
        "`vagrant plugin install vagrant-libvirt` or `vagrant plugin install vagrant-vmware-desktop`, as needed",
    ),
    _cause(
        r"(run .{0,30}(with administrative|as an? administrator)|requires? administrative privileges|elevated"
        r"|Hyper-V Administrators)",
        "Hyper-V refuses: not enough rights",
        "run from an elevated shell, or join the group Hyper-V Administrators",
    ),
    _cause(
        r"(No space left on device|VERR_DISK_FULL|not enough (free )?(disk )?space|ENOSPC)",
        "the disk is full",
        "free some space: `vagrant box prune` removes old boxes, `invoke destroy` the machines",
    ),
    _cause(
        r"(cannot set up guest memory|Cannot allocate memory|VERR_NO_MEMORY|Not enough memory"
        r"|insufficient (free )?memory|NoMemoryError)",
        "there is not enough free memory for this machine",
        "close something, or lower `machines[].memory`",
    ),
    _cause(
        r"(box '?[\w/.-]+'? (could not be found|you're attempting to add)|couldn't open file"
        r"|The requested URL returned error: 404|could not resolve host|box .{0,80}could not be (found|accessed))",
        "the box could not be got",
        "check `machines[].box`, `box_version` and `box_url`, and the network; a .box file on disk works too",
    ),
    _cause(
        r"(box .{0,200}doesn't support the provider|not available for the provider|No compatible box)",
        "this box is not published for this provider",
        "choose a box that is, with `machines[].box`",
    ),
    _cause(
        r"(name `?[\w.-]+`? of domain about to create is already taken|machine with the name '[\w.-]+' already exists"
        r"|VM with the name.{0,60}already exists)",
        "a machine of that name exists already and is not this cluster's",
        "choose another `cluster.name`, or delete that machine with its hypervisor's own tool",
        host=False,
    ),
    _cause(
        r"(forwarded port to \d+ is already in use|port collision|Address already in use"
        r"|Could not set up host forwarding rule)",
        "a port that the machine needs on this computer is in use",
        "stop what listens there, or halt the other cluster",
        host=False,
    ),
    _cause(
        r"(timed out while waiting for the machine to boot|Timed out while waiting for|boot_timeout)",
        "the machine did not answer in time after its start",
        "look at its screen in the hypervisor; `invoke halt`, then `invoke up`, starts it anew; if it is only slow, "
        "raise `timeouts.boot`",
        host=False,
    ),
    _cause(
        r"(Authentication failure|WinRMAuthorizationError|authentication attempts failed)",
        "the machine refused Vagrant's user, key or password",
        "the box must let user vagrant in; for another user set `provider_options.<provider>.ssh` or `.winrm`",
        host=False,
    ),
    _cause(
        r"(Vagrantfile.{0,80}(syntax error|error in)|There is a syntax error in)",
        "Vagrant does not understand the Vagrantfile",
        "look at `provider_options` in variables.yaml; `invoke render` shows what becomes of it",
    ),
)


def recognise(output: str) -> Cause | None:
    """The first known cause in a tool's output."""
    return next((cause for cause in CAUSES if cause.pattern.search(output)), None)


def error_for(what: str, output: str, tail: str) -> HostError | MachineError:
    """The error of a command that failed: the cause if we know it, always the tail of the output."""
    cause = recognise(output)
    if cause is None:
        return MachineError(
            what, details=tail, remedy="the output above says why; the whole of it is in vagrant.log of the cluster"
        )
    kind = HostError if cause.host else MachineError
    return kind(f"{what}: {cause.what}", details=tail, remedy=cause.remedy)
