"""Settings to the text of the Vagrantfile. Pure."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from provision import knowledge
from provision.errors import SettingsError
from provision.machines.options import Options
from provision.render.engine import render_vagrantfile
from provision.settings.checks.options import options
from provision.settings.complete import complete
from provision.settings.model import Machine, Settings
from provision.settings.problems import dotted

# Without an entry in /etc/vbox/networks.conf VirtualBox allows host-only addresses in this range alone.
# Source: VirtualBox manual, "Host-Only Networking".
VIRTUALBOX_RANGE = IPv4Network("192.168.56.0/21", strict=False)
_VMWARE_MAC = "00:50:56"
_MEND = "use a network inside, or allow yours in /etc/vbox/networks.conf"
HostOnly = tuple[IPv4Network, ...]


def vagrantfile(settings: Settings, host_only: HostOnly = (VIRTUALBOX_RANGE,)) -> str:
    """The Vagrantfile of these settings; ``settings.provider`` names a Vagrant provider.

    Args:
        host_only: the networks that VirtualBox allows here.

    Raises:
        SettingsError: options or addresses that this provider cannot take, all of them at once.
    """
    settings = complete(settings)
    found = problems(settings, host_only)
    if found:
        raise SettingsError(
            f"these settings cannot become a Vagrantfile for {settings.provider}",
            details="\n".join(found),
            remedy="mend them in variables.yaml",
        )
    provider = settings.provider
    network = settings.network.machines
    hyperv = settings.provider_options.get("hyperv", {})
    return render_vagrantfile(
        cluster=settings.cluster.name,
        provider=provider,
        prefix_of_names=f"{settings.cluster.name}-",
        switch=hyperv.get("switch", "Default Switch"),
        private_switch=hyperv.get("private_switch", f"hybrid-{settings.cluster.name}"),
        host_address=str(network.network_address + 1),
        prefix=network.prefixlen,
        machines=[_machine(settings, machine) for machine in settings.machines],
    )


def box_of(settings: Settings, machine: Machine) -> tuple[str, str | None]:
    """The box's name in Vagrant and where it comes from (None: Vagrant's own catalogue).

    A path of a ``.box`` file is added under a name made of its own, so that it is imported once.
    """
    source = machine.box_url
    name = machine.box
    if name and (name.endswith(".box") or name.startswith(("/", "./", "~"))):
        source, name = source or name, None
    if source and "://" not in source:
        source = str(Path(source).expanduser().resolve())
    if not name and source:
        name = f"hybrid/{Path(source).name.removesuffix('.box')}"
    if not name:
        row = knowledge.box(settings.provider, machine.os, machine.windows_version)
        name = row.name if row else ""
    return name or "", source


def box_version(machine: Machine, source: str | None) -> str | None:
    """The version to ask for: a plain ``.box`` file has none of its own, whatever the settings say."""
    return None if source and source.endswith(".box") else machine.box_version


def problems(settings: Settings, host_only: HostOnly = (VIRTUALBOX_RANGE,)) -> list[str]:
    """What stands against a Vagrantfile: options, boxes and addresses; Vagrant itself judges few of these."""
    found = [f"{dotted(finding.path)}: {finding.what}; {finding.remedy}" for finding in options(settings)]
    provider = settings.provider
    network = settings.network.machines
    for machine in settings.machines:
        path = f"machines.{machine.name}"
        if not box_of(settings, machine)[0]:
            found.append(f"{path}.box: no maintained box is known for {machine.os} on {provider}; name one")
        found += [f"{path}.{problem}" for problem in _address_problems(machine.address, network, provider, host_only)]
        if not machine.mac:
            found.append(f"{path}.mac: it is missing")
        elif provider == "vmware_desktop" and not machine.mac.lower().startswith(_VMWARE_MAC):
            found.append(f"{path}.mac: VMware takes only {_VMWARE_MAC}:00:00:00 to {_VMWARE_MAC}:3f:ff:ff")
    return found


def _address_problems(
    address: IPv4Address | None, network: IPv4Network, provider: str, host_only: HostOnly
) -> list[str]:
    if address is None:
        return [f"address: no address is left in {network}"]
    if address not in network:
        return [f"address: {address} is not in network.machines {network}"]
    if address in (network.network_address, network.broadcast_address):
        return [f"address: {address} is the network's or the broadcast address of {network}"]
    if address == network.network_address + 1:
        return [f"address: {address} belongs to this computer; take {network.network_address + 10} or higher"]
    if provider == "virtualbox" and not any(network.subnet_of(allowed) for allowed in host_only):
        ranges = ", ".join(str(allowed) for allowed in host_only)
        return [f"address: VirtualBox here allows host-only networks in {ranges}, and {network} is not inside; {_MEND}"]
    return []


def allowed_by_virtualbox(networks_conf: str | None) -> tuple[IPv4Network, ...]:
    """The host-only networks that VirtualBox allows, from the text of ``/etc/vbox/networks.conf`` (None: no file).

    Source: VirtualBox manual, "Host-Only Networking": lines ``* 10.0.0.0/8 192.168.0.0/16``; a lone ``*`` is all.
    """
    if networks_conf is None:
        return (VIRTUALBOX_RANGE,)
    found: list[IPv4Network] = []
    for line in networks_conf.splitlines():
        text = line.split("#")[0].strip()
        if not text.startswith("*"):
            continue
        words = text[1:].split()
        if not words:
            return (IPv4Network("0.0.0.0/0"),)
        for word in words:
            try:
                found.append(IPv4Network(word, strict=False))
            except ValueError:
                continue  # an IPv6 range, or a line that VirtualBox does not understand either
    return tuple(found)


def _machine(settings: Settings, machine: Machine) -> dict[str, object]:
    provider = settings.provider
    own = Options(settings, provider, machine.name)
    name, url = box_of(settings, machine)
    row = knowledge.box(provider, machine.os, machine.windows_version)
    assert machine.mac is not None
    digits = machine.mac.replace(":", "").replace("-", "").upper()
    network: dict[str, object] = {"ip": str(machine.address), "mac": digits, "auto_config": False}
    network["netmask"] = str(settings.network.machines.netmask)
    if provider == "libvirt":
        network |= {
            "libvirt__network_name": f"{settings.cluster.name}-kube",
            "libvirt__dhcp_enabled": False,
            "libvirt__forward_mode": "none",
        }
    return {
        "name": machine.name,
        "os": machine.os,
        "role": machine.role,
        "box": name,
        "box_version": box_version(machine, url),
        "box_url": f"file://{url}" if url and "://" not in url else url,
        "boot_timeout": int(settings.timeouts.boot),
        "communicator": "ssh" if machine.transport == "ssh" else "winrm",
        "user": row.user if row else "vagrant",
        "password": row.password if row else "vagrant",
        "network": network | own.table("network"),
        "mac_digits": digits,
        "vm_name": f"{settings.cluster.name}-{machine.name}",
        "memory": machine.memory,
        "cpus": machine.cpus,
        "nested": settings.features.hyperv_isolation and machine.os == "windows",
        "general": own.general_lines(),
        "options": own.provider_lines(),
    }
