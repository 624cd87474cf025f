"""The scripts that no Windows step of the settings here has (images, registries, deleted nodes), with their values."""

from __future__ import annotations

from collections.abc import Mapping

from provision.render.engine import render

PAUSE = "registry.k8s.io/pause:3.10.2"
# script -> its template, the sections that it prints, values that a beginning may leave out
TEMPLATES: Mapping[str, tuple[str, tuple[str, ...], Mapping[str, object]]] = {
    "images": ("windows/62-images.ps1", ("images", "delivered"), {"archives": []}),
    "export": (
        "windows/92-images-export.ps1",
        ("images",),
        {"images": [{"file": "pause.tar", "name": PAUSE}], "folder": "C:\\ProgramData\\hybrid\\export", "address": ""},
    ),
    "folder-gone": ("windows/93-folder-gone.ps1", (), {"folder": "C:\\ProgramData\\hybrid\\export"}),
    "kubelet-again": ("windows/71-kubelet-again.ps1", ("kubelet",), {}),
    "prepull": ("windows/66-prepull.ps1", ("images",), {"images": [PAUSE], "limit": 4}),
    "registries": ("windows/45-registries.ps1", ("registries",), {"authorities": [], "folders": []}),
}


def text(script: str, given: Mapping[str, object]) -> str:
    """The rendered script."""
    template, sections, values = TEMPLATES[script]
    return render(template, sections=list(sections), **{**values, **given})
