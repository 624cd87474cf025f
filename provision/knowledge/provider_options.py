"""``provider_options``: the keys that each Vagrant provider understands. Vagrant judges only the one it runs with."""

from __future__ import annotations

from collections.abc import Mapping

TABLES = ("vm", "ssh", "winrm")
"""Vagrant's own settings of a machine, tables below each provider."""
RESERVED: Mapping[str, frozenset[str]] = {
    "virtualbox": frozenset({*TABLES, "network", "machines"}),
    "vmware_desktop": frozenset({*TABLES, "network", "machines", "vmx"}),
    "hyperv": frozenset({*TABLES, "machines", "switch", "private_switch"}),
    "libvirt": frozenset({*TABLES, "network", "machines"}),
}
"""Keys of ours beside the provider's own; `provision.machines.options` says what they become."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


NEWER: Mapping[str, frozenset[str]] = {
    "libvirt": _words(
        """clock_absolute clock_adjustment clock_basis clock_timezone management_network_iface_name
        management_network_model_type"""
    )
}
"""What came later than the releases that `OPTIONS` was read from. Source: config.rb of vagrant-libvirt 0.12.2."""

# Sources: the config.rb of each provider: vagrant 2.3.4 (virtualbox, hyperv), vagrant-vmware-desktop 3.0,
# vagrant-libvirt 0.11.2.
OPTIONS: Mapping[str, frozenset[str]] = {
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
        graphics_websocket host host_device_exclude_prefixes hyperv_feature id_ssh_key_file initrd input kernel
        keymap kvm_hidden launchsecurity loader machine_arch machine_type machine_virtual_size
        management_network_address management_network_autostart management_network_device
        management_network_domain management_network_driver_iommu management_network_guest_ipv6
        management_network_keep management_network_mac management_network_mode management_network_mtu
        management_network_name management_network_pci_bus management_network_pci_slot memballoon_enabled
        memballoon_model memballoon_pci_bus memballoon_pci_slot memory memorybacking memtune mgmt_attach nested
        nic_adapter_count nic_model_type nodeset numa_nodes nvram password pci port proxy_command
        qemu_use_agent qemu_use_session qemuargs qemuenv random random_hostname redirdev redirfilter serial
        shares smartcard snapshot_pool_name socket sound_type storage storage_pool_name storage_pool_path
        suspend_mode sysinfo system_uri title tpm_model tpm_path tpm_type tpm_version uri usb usb_controller
        username uuid video_accel3d video_type video_vram volume_cache watchdog"""
    )
    | NEWER["libvirt"],
}
