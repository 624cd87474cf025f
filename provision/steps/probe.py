"""The probe: one script a machine that reads sections and changes nothing."""

from __future__ import annotations

from collections.abc import Sequence

from provision.facts import cluster, linux, windows
from provision.facts.base import Section
from provision.guests.base import Script
from provision.render.engine import render
from provision.settings.model import Machine


def all_sections(machine: Machine) -> tuple[str, ...]:
    """Every section that a machine can say; the control plane also speaks for the cluster."""
    kinds: tuple[type[Section], ...] = windows.SECTIONS if machine.os == "windows" else linux.SECTIONS
    names = tuple(kind.name for kind in kinds)
    if machine.role == "control-plane":
        names += tuple(kind.name for kind in cluster.SECTIONS)
    return names


def probe_script(machine: Machine, sections: Sequence[str] = ()) -> Script:
    """The probe of a machine for some sections, all by default."""
    template = f"facts/{machine.os}/probe.{'ps1' if machine.os == 'windows' else 'sh'}"
    wanted = list(sections) or list(all_sections(machine))
    return Script(f"probe-{machine.name}", render(template, sections=wanted))
