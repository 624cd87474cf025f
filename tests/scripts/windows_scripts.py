"""Every PowerShell script that we run on Windows, as it would run."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from provision.facts import windows
from provision.plan import plan
from provision.render.engine import render
from provision.settings.complete import complete
from provision.settings.model import Containerd, Features, Kubernetes, Network, Settings
from provision.steps.base import ScriptCall, Step
from tests.unit.steps.image_settings import WITH_IMAGES, exports
from tests.unit.steps.linux_facts import SETTINGS

GUESTS = Path(__file__).parents[2] / "provision" / "guests"
AWKWARD = 'it\'s "quoted" $HOME `x` 1.30'


def _variants() -> dict[str, Settings]:
    def changed(**update: object) -> Settings:
        return complete(SETTINGS.model_copy(update=update))

    return {
        "default": SETTINGS,
        "images": WITH_IMAGES,
        "no-egress": changed(network=Network(egress="none", proxy="http://proxy.example:3128")),
        "older": changed(kubernetes=Kubernetes(version="1.33.13"), containerd=Containerd(windows="1.7.34")),
        "configured": changed(
            kubernetes=Kubernetes(
                version="1.36.4",
                feature_gates={"A": True, "B": False},
                extra_args={"kubelet": {"note": AWKWARD}},
                kubelet_config={"maxPods": 20},
            ),
            features=Features(),
        ),
    }


def _calls(settings: Settings) -> Iterator[tuple[Step, ScriptCall]]:
    for step in (*plan(settings).steps, *exports(settings).steps):
        for call in step.scripts:
            if call.template.endswith(".ps1"):
                yield step, call


def _text(step: Step, call: ScriptCall) -> str:
    return render(call.template, sections=step.sections(call), **call.parameters, **call.runtime)


@lru_cache(maxsize=1)
def rendered_windows_scripts() -> dict[str, str]:
    """Name -> text: the scripts of every step in a few variants, the probe whole and by section, the guests' own."""
    found: dict[str, str] = {}
    for variant, settings in _variants().items():
        for step, call in _calls(settings):
            text = _text(step, call)
            if text not in found.values():
                found[f"{variant}-{step.name}-{Path(call.template).name}"] = text
    sections = [kind.name for kind in windows.SECTIONS]
    for chosen in (sections, *([name] for name in sections)):
        name = "probe" if len(chosen) > 1 else f"probe-{chosen[0]}"
        found[name] = render("facts/windows/probe.ps1", sections=chosen)
    found["collect"] = render("windows/90-collect.ps1")
    found["kube-proxy"] = render(
        "cni/kube-proxy-windows/start.ps1", server="https://10.0.0.5:6443", feature_gates="A=true", verbosity=2
    )
    for path in sorted(GUESTS.glob("*.ps1")):
        found[f"guests-{path.name}"] = path.read_text(encoding="utf-8")
    return found
