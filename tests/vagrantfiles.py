"""Settings whose Vagrantfiles are compared, parsed and validated by several tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from provision.settings.complete import complete
from provision.settings.model import Features, Machine, Settings

_LIBVIRT: Mapping[str, Any] = {
    "driver": "qemu",
    "cpu_mode": "custom",
    "cpu_model": "qemu64",
    "qemuargs": [{"value": "-snapshot"}],
    "network": {"libvirt__network_name": "lab"},
    "ssh": {"insert_key": False},
    "machines": {"winw1": {"machine_type": "q35", "loader": "/OVMF.fd", "nvram": "/var/lib/it's #{mine}.fd"}},
}

VARIANTS: Mapping[str, Settings] = {
    **{
        f"{provider}-default": complete(Settings(provider=provider))
        for provider in ("virtualbox", "vmware_desktop", "hyperv", "libvirt")
    },
    "virtualbox-options": complete(
        Settings(
            provider="virtualbox",
            features=Features(hyperv_isolation=True),
            provider_options={
                "virtualbox": {
                    "gui": True,
                    "customize": [["modifyvm", ":id", "--audio", "none"]],
                    "vm": {"hostname": "x"},
                }
            },
            machines=(
                Machine(name="cp1", os="linux", role="control-plane", box="lab/debian", box_version="12.1"),
                Machine(name="winw1", os="windows", box_url="https://boxes.example/win.json", box="lab/win"),
                Machine(name="winw2", os="windows", box="/boxes/win2022.box", transport="ssh", cpus=4),
            ),
        )
    ),
    "vmware_desktop-options": complete(
        Settings(
            provider="vmware_desktop",
            features=Features(hyperv_isolation=True),
            provider_options={"vmware_desktop": {"vmx": {"svga.autodetect": "TRUE"}, "gui": True}},
        )
    ),
    "hyperv-options": complete(
        Settings(
            provider="hyperv",
            features=Features(hyperv_isolation=True),
            provider_options={
                "hyperv": {"switch": "Lab's switch", "private_switch": "kube", "auto_stop_action": "Save"}
            },
        )
    ),
    "libvirt-options": complete(Settings(provider="libvirt", provider_options={"libvirt": _LIBVIRT})),
}
