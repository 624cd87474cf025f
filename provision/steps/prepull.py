"""The images that tests start, pulled before they are needed (``features.prepull``)."""

from __future__ import annotations

from provision.facts.base import World
from provision.facts.files import Images
from provision.settings.model import Machine, Settings
from provision.steps.base import Judgement, Missing, Satisfied, ScriptCall, Step
from provision.steps.images import images_needed
from provision.steps.images_needed import test_images

# Seconds in which a pull that breaks off is tried again; a registry that is not there fails it then.
_LIMIT = 120


def prepull_steps(settings: Settings) -> tuple[Step, ...]:
    """One step a machine; none unless the settings ask for it."""
    return tuple(_prepull(settings, machine) for machine in settings.machines) if settings.features.prepull else ()


def _prepull(settings: Settings, machine: Machine) -> Step:
    names = test_images(machine.os)

    def check(_: Settings, world: World) -> Judgement:
        there = world.machine(machine.name).get(Images).names
        absent = [name for name in names if name not in there]
        return Missing(f"not here: {', '.join(absent)}") if absent else Satisfied(f"{len(names)} images are here")

    return Step(
        name=f"prepull@{machine.name}",
        title="the images of tests are here",
        lane="files",
        machine=machine.name,
        # crictl comes with Kubernetes' programs on Linux, with containerd on Windows.
        needs=(f"containerd@{machine.name}", f"kubernetes@{machine.name}", *images_needed(settings, machine)),
        reads=frozenset({"images"}),
        changes=("images",),
        check=check,
        scripts=(
            ScriptCall(
                template="windows/66-prepull.ps1" if machine.os == "windows" else "linux/56-prepull.sh",
                parameters={"images": list(names), "limit": _LIMIT},
            ),
        ),
        detached=True,
        timeout=7200,
    )
