"""Settings in which every step of images and registries has something to do, and the plan of an export."""

from __future__ import annotations

from pathlib import Path

from provision.secrets import Secret
from provision.settings.model import Features, ImageArchive, Settings
from provision.steps.base import Plan
from provision.steps.images_export import Export, export_plan
from tests.unit.steps.linux_facts import SETTINGS

CA = Path("/etc/ours/ca.pem")
PEM = """-----BEGIN CERTIFICATE-----
MAAwAA==
-----END CERTIFICATE-----
"""
PAUSE = "registry.k8s.io/pause:3.10.2"
REGISTRIES = {
    "registry.k8s.io": "https://mirror.example/k8s",
    "quay.io": {"mirrors": ["https://harbor.example/v2/quay", "http://plain.example:5000"], "skip_verify": True},
    "registry.example:5000": [],
}


def archive(os: str, images: tuple[str, ...] = (PAUSE,), **given: object) -> ImageArchive:
    """An archive that was exported before."""
    return ImageArchive.model_validate(
        {
            "name": f"image-{os}-pause.tar",
            "version": "3.10.2",
            "url": f"image:{images[0]}?platform={os}/amd64",
            "os": os,
            "images": images,
            **given,
        }
    )


WITH_IMAGES: Settings = SETTINGS.model_copy(
    update={
        "network": SETTINGS.network.model_copy(
            update={
                "ca": CA,
                "registries": REGISTRIES,
                "authorities": {str(CA): (PEM,)},
                "pull_secrets": {"mirror.example": Secret("joe:it's $secret"), "registry.example:5000": Secret("a:b")},
            }
        ),
        "features": Features(prepull=True),
        "archives": (archive("linux"), archive("windows")),
    }
)


def exports(settings: Settings) -> Plan:
    """The plan of `invoke images --export` on these machines."""
    wanted = [(machine, [Export(PAUSE, f"{machine.name}.tar", machine.os)]) for machine in settings.machines]
    return export_plan(settings, wanted)
