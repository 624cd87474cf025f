"""The stamp: what a machine says of the settings that shaped it."""

from __future__ import annotations

from provision.facts.base import World
from provision.facts.files import Stamp
from provision.settings.model import Machine, Settings
from provision.settings.stamp import stamp
from provision.steps.base import Judgement, Missing, Satisfied, ScriptCall, Step


def stamp_step(settings: Settings, machine: Machine, needs: str) -> Step:
    """The machine carries a note of the settings that shaped it, so that a later run can say what has changed."""
    text = stamp(settings, machine.name).to_json()
    template = "windows/95-stamp.ps1" if machine.os == "windows" else "linux/95-stamp.sh"

    def check(_: Settings, world: World) -> Judgement:
        now = (world.machine(machine.name).get(Stamp).text or "").strip()
        if now != text:
            return Missing("it carries the stamp of other settings" if now else "it carries no stamp yet")
        return Satisfied("it carries the stamp of these settings")

    return Step(
        name=f"stamp@{machine.name}",
        title="the machine says which settings shaped it",
        lane="system",
        machine=machine.name,
        needs=(needs,),
        reads=frozenset({"stamp"}),
        changes=("stamp",),
        check=check,
        scripts=(ScriptCall(template=template, parameters={"stamp": text}),),
        timeout=settings.timeouts.step,
    )
