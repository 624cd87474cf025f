"""Machines that cannot be made, reached, or joined."""

from __future__ import annotations

from collections.abc import Iterator

from provision import knowledge
from provision.settings.checks import Finding
from provision.settings.model import Settings
from provision.settings.problems import Path
from provision.settings.values import as_label, is_label

# NetBIOS; CAPZ's documentation and Windows itself.
WINDOWS_NAME = 15
# kubeadm's preflight checks Mem and NumCPU.  Source: kubernetes cmd/kubeadm/app/constants.
PLANE_MEMORY, PLANE_CPUS = 1700, 2
# Windows Server's own minimum (2 GiB with Desktop Experience), before containers.
WINDOWS_MEMORY = 2048


def _at(index: int, key: str = "") -> Path:
    return ("machines", str(index), key) if key else ("machines", str(index))


def one_control_plane(settings: Settings) -> Iterator[Finding]:
    """Exactly one machine has the control plane, and it runs Linux."""
    planes = [index for index, machine in enumerate(settings.machines) if machine.role == "control-plane"]
    if not planes:
        yield Finding(
            ("machines",), "no machine has the control plane", "write role: control-plane at one Linux machine"
        )
    for index in planes[1:]:
        first = settings.machines[planes[0]].name
        yield Finding(
            _at(index, "role"),
            f"{first} has the control plane already; only one is supported",
            "write role: worker",
            (_at(index),),
        )
    for index in planes:
        if settings.machines[index].os == "windows":
            yield Finding(
                _at(index, "role"), "Kubernetes has no control plane on Windows", "write role: worker", (_at(index),)
            )


def names(settings: Settings) -> Iterator[Finding]:
    """Host names are valid, short enough for Windows, and each there once."""
    seen: set[str] = set()
    for index, machine in enumerate(settings.machines):
        path, name = _at(index, "name"), machine.name
        limit = WINDOWS_NAME if machine.os == "windows" else 63
        if not is_label(name):
            fixed = as_label(name)[:limit].strip("-")
            yield Finding(
                path,
                f"{name!r} is no host name: lower-case letters, digits and dashes only",
                f"write name: {fixed}",
                (_at(index),),
            )
        elif len(name) > limit:
            yield Finding(
                path,
                f"{name} has {len(name)} characters; Windows host names have at most {limit}",
                f"write a shorter one, such as {name[:limit].strip('-')}",
                (_at(index),),
            )
        elif name.isdigit():
            yield Finding(
                path, f"{name} is all digits, which Windows refuses", f"write name: node{name}", (_at(index),)
            )
        if name in seen:
            yield Finding(path, f"there are two machines {name}", "give each its own name", (_at(index),))
        seen.add(name)


def transports(settings: Settings) -> Iterator[Finding]:
    """WinRM goes to Windows only."""
    for index, machine in enumerate(settings.machines):
        if machine.os == "linux" and machine.transport == "winrm":
            yield Finding(_at(index, "transport"), "Linux does not speak WinRM", "write transport: ssh", (_at(index),))


def sizes(settings: Settings) -> Iterator[Finding]:
    """Machines are large enough for what they run."""
    for index, machine in enumerate(settings.machines):
        if settings.provider == "existing":
            return
        if machine.role == "control-plane" and machine.memory < PLANE_MEMORY:
            yield Finding(
                _at(index, "memory"),
                f"{machine.memory} MiB are too little for a control plane; kubeadm refuses less than {PLANE_MEMORY}",
                "write memory: 2048 or more",
                (_at(index),),
            )
        if machine.role == "control-plane" and machine.cpus < PLANE_CPUS:
            yield Finding(
                _at(index, "cpus"),
                f"kubeadm refuses a control plane with less than {PLANE_CPUS} processors",
                f"write cpus: {PLANE_CPUS}",
                (_at(index),),
            )
        if machine.os == "windows" and machine.memory < WINDOWS_MEMORY:
            yield Finding(
                _at(index, "memory"),
                f"{machine.memory} MiB are too little for Windows Server",
                "write memory: 4096 or more",
                (_at(index),),
            )


def boxes(settings: Settings) -> Iterator[Finding]:
    """Every machine of a Vagrant provider has a box, from somewhere."""
    for index, machine in enumerate(settings.machines):
        if machine.box_version and machine.box and machine.box.endswith(".box"):
            yield Finding(_at(index, "box_version"), "a box file has no versions", "delete box_version", (_at(index),))
        if machine.box and knowledge.stale(machine.box):
            row = knowledge.box("virtualbox", machine.os, machine.windows_version)
            instead = f"; {row.name} is maintained" if row else ""
            yield Finding(
                _at(index, "box"), f"machines.{machine.name}.box: {machine.box} {knowledge.stale(machine.box)}{instead}"
            )
        if settings.provider in knowledge.VAGRANT_PROVIDERS and machine.box is None and machine.box_url is None:
            yield Finding(
                _at(index, "box"),
                f"no maintained box of Windows Server {machine.windows_version} is published for {settings.provider}",
                "name a box of your own by box or box_url, or write another windows_version",
                (_at(index, "windows_version"), _at(index)),
            )


def existing(settings: Settings) -> Iterator[Finding]:
    """Machines that exist are told apart from machines that are made."""
    for index, machine in enumerate(settings.machines):
        if settings.provider == "existing":
            for key in ("host", "user"):
                if getattr(machine, key) is None:
                    yield Finding(
                        _at(index, key),
                        f"provider existing needs the {key} of {machine.name}",
                        f"add {key}: to this machine",
                        (_at(index), ("provider",)),
                    )
        elif settings.provider != "auto":
            for key in ("host", "port", "user", "key"):
                if getattr(machine, key) is not None:
                    yield Finding(
                        _at(index, key),
                        f"{key} is for provider existing only; {settings.provider} knows how to reach its machines",
                        "delete it, or write provider: existing",
                    )
        if machine.key is not None and machine.transport == "winrm":
            yield Finding(
                _at(index, "key"),
                "WinRM takes a password, not a key",
                "delete it, or write transport: ssh",
                (_at(index),),
            )


def windows_versions(settings: Settings) -> Iterator[Finding]:
    """What Kubernetes no longer lists still runs, but should be known."""
    for version in sorted({machine.windows_version for machine in settings.windows}):
        if not knowledge.windows(version).listed:
            yield Finding(
                ("machines",),
                f"Windows Server {version} is no longer among the versions that Kubernetes' documentation lists",
            )
