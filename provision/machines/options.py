"""``provider_options``: what each Vagrant provider understands, and the Ruby lines that they become.

A key is set (``v.key = value``).  A list of lists or of tables is a call for each row
(``customize: [["modifyvm", ":id", "--usb", "off"]]``, ``qemuargs: [{value: "-snapshot"}]``).  Beside the
provider's own keys there are: ``network`` (options of the private card), ``vm``, ``ssh`` and ``winrm``
(Vagrant's own settings of the machine), ``vmx`` (VMware), ``switch`` and ``private_switch`` (Hyper-V), and
``machines``: a table of machine name to the same keys for that machine alone.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from provision.knowledge import VAGRANT_PROVIDERS
from provision.render.quoting import ruby, ruby_arguments
from provision.settings.model import Settings

_GENERAL = ("vm", "ssh", "winrm")
_RESERVED = {
    "virtualbox": frozenset({*_GENERAL, "network", "machines"}),
    "vmware_desktop": frozenset({*_GENERAL, "network", "machines", "vmx"}),
    "hyperv": frozenset({*_GENERAL, "machines", "switch", "private_switch"}),
    "libvirt": frozenset({*_GENERAL, "network", "machines"}),
}


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Sources: the config.rb of each provider: vagrant 2.3.4 (virtualbox, hyperv), vagrant-vmware-desktop 3.0,
# vagrant-libvirt 0.11.2.
KEYS: Mapping[str, frozenset[str]] = {
    "virtualbox": _words(
        """auto_nat_dns_proxy check_guest_additions cpus customize default_nic_type destroy_unused_network_interfaces
        functional_vboxsf gui linked_clone linked_clone_snapshot memory name network_adapter"""
    ),
    "vmware_desktop": _words(
        """allowlist_verified base_address base_mac clone_directory cpus enable_vmrun_ip_lookup force_vmware_license
        functional_hgfs gui linked_clone memory nat_device network_adapter port_forward_network_pause
        shared_folder_special_char ssh_info_public unmount_default_hgfs utility_certificate_path utility_host
        utility_port verify_vmnet"""
    ),
    "hyperv": _words(
        """auto_start_action auto_stop_action cpus enable_automatic_checkpoints enable_checkpoints
        enable_enhanced_session_mode enable_virtualization_extensions ip_address_timeout linked_clone mac maxmemory
        memory vlan_id vm_integration_services vmname"""
    ),
    "libvirt": _words(
        """autostart boot channel clock_offset clock_timer cmd_line connect_via_ssh cpu_fallback cpu_feature cpu_mode
        cpu_model cpuaffinitiy cpus cpuset cputopology default_prefix description disk_address_type disk_bus
        disk_controller_model disk_device disk_driver driver dtb emulator_path features features_hyperv
        forward_ssh_port graphics_autoport graphics_gl graphics_ip graphics_passwd graphics_port graphics_type
        graphics_websocket host host_device_exclude_prefixes hyperv_feature id_ssh_key_file initrd input kernel keymap
        kvm_hidden launchsecurity loader machine_arch machine_type machine_virtual_size management_network_address
        management_network_autostart management_network_device management_network_domain
        management_network_driver_iommu management_network_guest_ipv6 management_network_keep management_network_mac
        management_network_mode management_network_mtu management_network_name management_network_pci_bus
        management_network_pci_slot memballoon_enabled memballoon_model memballoon_pci_bus memballoon_pci_slot memory
        memorybacking memtune mgmt_attach nested nic_adapter_count nic_model_type nodeset numa_nodes nvram password
        pci port proxy_command qemu_use_agent qemu_use_session qemuargs qemuenv random random_hostname redirdev
        redirfilter serial shares smartcard snapshot_pool_name socket sound_type storage storage_pool_name
        storage_pool_path suspend_mode sysinfo system_uri title tpm_model tpm_path tpm_type tpm_version uri usb
        usb_controller username uuid video_accel3d video_type video_vram volume_cache watchdog"""
    ),
}


def problems(settings: Settings) -> list[str]:
    """What ``provider_options`` gets wrong, for every provider in it, the inactive ones too; pure.

    Vagrant itself only judges the provider that it runs with.
    """
    found: list[str] = []
    for provider, options in settings.provider_options.items():
        if provider not in KEYS:
            found.append(_unknown(f"provider_options.{provider}", provider, frozenset(VAGRANT_PROVIDERS)))
            continue
        found += _unknown_keys(f"provider_options.{provider}", provider, options)
        machines = options.get("machines") or {}
        if not isinstance(machines, Mapping):
            found.append(f"provider_options.{provider}.machines: a table of machine name to options is needed")
            continue
        names = frozenset(machine.name for machine in settings.machines)
        for name, own in machines.items():
            path = f"provider_options.{provider}.machines.{name}"
            if name not in names:
                found.append(_unknown(path, name, names, what="machine"))
            elif not isinstance(own, Mapping):
                found.append(f"{path}: a table of options is needed")
            else:
                found += _unknown_keys(path, provider, own, nested=True)
    return found


def _unknown_keys(path: str, provider: str, options: Mapping[str, Any], *, nested: bool = False) -> list[str]:
    known = KEYS[provider] | (_RESERVED[provider] - ({"machines", "switch", "private_switch"} if nested else set()))
    found = [_unknown(f"{path}.{key}", key, known) for key in options if key not in known]
    for key in (*_GENERAL, "network", "vmx"):
        if key in options and not isinstance(options[key], Mapping):
            found.append(f"{path}.{key}: a table is needed")
    return found


def _unknown(path: str, key: str, known: frozenset[str], what: str = "key") -> str:
    close = difflib.get_close_matches(key, sorted(known), n=1)
    return f"{path}: unknown {what}" + (f"; did you mean {close[0]}?" if close else "")


class Options:
    """The options of one machine: those of all machines, then its own."""

    def __init__(self, settings: Settings, provider: str, machine: str) -> None:
        every = settings.provider_options.get(provider, {})
        own = (every.get("machines") or {}).get(machine, {})
        self._layers: tuple[Mapping[str, Any], ...] = (every, own)
        self._reserved = _RESERVED[provider]

    def table(self, key: str) -> dict[str, Any]:
        """A reserved table, the machine's own values last."""
        merged: dict[str, Any] = {}
        for layer in self._layers:
            merged |= layer.get(key) or {}
        return merged

    def general_lines(self) -> list[str]:
        """``vm.x = y``, ``ssh.x = y``, ``winrm.x = y``."""
        return [f"{part}.{key} = {ruby(value)}" for part in _GENERAL for key, value in self.table(part).items()]

    def provider_lines(self) -> list[str]:
        """The lines of the provider's block, without the variable before them."""
        lines = [f"vmx[{ruby(key)}] = {ruby(value)}" for key, value in self.table("vmx").items()]
        for layer in self._layers:
            for key, value in layer.items():
                if key not in self._reserved:
                    lines += _lines(key, value)
        return lines


def _lines(key: str, value: Any) -> list[str]:
    if isinstance(value, list | tuple) and value and all(isinstance(row, Mapping) for row in value):
        return [f"{key} {ruby_arguments(row)}" for row in value]
    if isinstance(value, list | tuple) and value and all(isinstance(row, list | tuple) for row in value):
        return [f"{key} {ruby(row)}" for row in value]
    return [f"{key} = {ruby(value)}"]
