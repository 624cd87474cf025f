"""THE list: settings to steps. Reads like a runbook; pure."""

from __future__ import annotations

from provision.artifacts.catalog import needed
from provision.errors import Refused
from provision.settings.model import Settings
from provision.steps.base import Plan, Step
from provision.steps.build import build_steps
from provision.steps.cni_calico import calico_steps
from provision.steps.control_plane import control_plane_steps
from provision.steps.delivery import depot_steps
from provision.steps.host import fetch_steps, prepare_step, up_step
from provision.steps.images import depot_images_step
from provision.steps.linux_node import linux_steps
from provision.steps.prepull import prepull_steps
from provision.steps.ready import ready_steps
from provision.steps.windows_node import windows_steps


def plan(settings: Settings) -> Plan:
    """All steps of a run, in an order that a person can read.

    Raises:
        Refused: the settings ask for something that this version does not build.
    """
    refuse_what_is_not_built(settings)
    steps: list[Step] = []

    # Machines start first, because they take longest; files are built and come into the cache beside them.
    steps += [prepare_step(settings)]
    steps += [up_step(settings, machine) for machine in settings.machines]
    steps += build_steps(needed(settings))
    steps += fetch_steps(needed(settings))

    # Linux machines become able to run Kubernetes.
    for machine in settings.machines:
        if machine.os == "linux":
            steps += linux_steps(settings, machine)

    # The control plane, and the network's Linux side.
    steps += control_plane_steps(settings)
    steps += calico_steps(settings)

    # Windows machines, prepared beside all that; they join when the network allows it.
    if settings.windows:
        steps += depot_steps(settings)
        steps += depot_images_step(settings)
    for machine in settings.windows:
        steps += windows_steps(settings, machine)

    steps += prepull_steps(settings)

    # Nodes, kube-proxy, DNS and a Windows pod that answers.
    steps += ready_steps(settings)
    return Plan(tuple(steps))


def refuse_what_is_not_built(settings: Settings) -> None:
    """One clear line before anything starts.

    Raises:
        Refused: a network that this version cannot do.
    """
    if settings.cni != "calico":
        raise Refused(
            f"`cni: {settings.cni}` is not built into this version yet",
            remedy="use `cni: calico` (`--set cni=calico`)",
        )
