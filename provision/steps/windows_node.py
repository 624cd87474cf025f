"""What makes a Windows machine a node, step by step."""

from __future__ import annotations

from provision.settings.model import Machine, Settings
from provision.steps.base import Step
from provision.steps.images import image_steps
from provision.steps.registries import registries_step
from provision.steps.stamp import stamp_step
from provision.steps.windows_files import (
    KUBERNETES_FILES,
    containerd_files,
    containerd_step,
    deliver_step,
    kubernetes_step,
)
from provision.steps.windows_join import calico_step, join_step, kubelet_service_step
from provision.steps.windows_network import card_step, egress_step, firewall_step
from provision.steps.windows_system import (
    features_step,
    host_name_step,
    reboot_step,
    release_step,
    settings_step,
)


def windows_steps(settings: Settings, machine: Machine) -> tuple[Step, ...]:
    """Every step of a Windows worker, in the order in which a person would do them.

    Needs from elsewhere: ``up@<machine>``, ``fetch-<artifact>``, ``depot``, ``control-plane``, ``strict-affinity``.
    """
    steps = [
        # The Windows that we have, and its way to the other nodes.
        release_step(machine),
        card_step(settings, machine),
        # Everything that wants a restart, then one restart. Files are pulled meanwhile, in a lane of their own.
        settings_step(settings, machine),
        host_name_step(settings, machine),
        features_step(settings, machine),
        registries_step(settings, machine),
        deliver_step(settings, machine, "containerd", containerd_files(settings)),
        deliver_step(settings, machine, "kubernetes", KUBERNETES_FILES),
        reboot_step(settings, machine),
        # What a node needs.
        firewall_step(settings, machine),
        containerd_step(settings, machine),
        *image_steps(settings, machine),
        kubernetes_step(settings, machine),
        kubelet_service_step(settings, machine),
    ]
    if settings.network.egress != "none":
        # Before the join: Calico's virtual switch looks for the card's gateway when it is made.
        steps += [egress_step(settings, machine)]
    steps += [
        join_step(settings, machine),
        calico_step(settings, machine),
        stamp_step(settings, machine, f"calico-windows@{machine.name}"),
    ]
    return tuple(steps)
