"""Whole rendered trees of a few variants that matter: what `invoke render` writes, file by file."""

from __future__ import annotations

from pathlib import Path

import pytest

from provision.app.rendered import rendered_files
from provision.settings.complete import complete
from provision.settings.model import Machine, Settings
from tests.golden.golden import same_as

TREES = Path(__file__).with_name("rendered")

BASE = Settings()
VARIANTS: dict[str, Settings] = {
    "default-virtualbox": Settings(provider="virtualbox"),
    # Windows over SSH, a Linux worker, no way out, another way in than the default for everything that can differ.
    "ssh-hyperv-isolation": Settings(
        provider="libvirt",
        machines=(
            Machine(name="cp1", os="linux", role="control-plane"),
            Machine(name="lin1", os="linux"),
            Machine(name="winw1", os="windows", transport="ssh", memory=6144),
        ),
        network=BASE.network.model_copy(update={"egress": "none"}),
        features=BASE.features.model_copy(update={"hyperv_isolation": True}),
    ),
    # The oldest that the knowledge has together: containerd's old configuration, flags that were still there.
    "1.34-containerd-1.7": Settings(
        provider="virtualbox",
        kubernetes=BASE.kubernetes.model_copy(update={"version": "1.34"}),
        containerd=BASE.containerd.model_copy(update={"linux": "1.7", "windows": "1.7"}),
    ),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_rendered_tree(variant: str) -> None:
    files = rendered_files(complete(VARIANTS[variant]))
    folder = TREES / variant
    kept = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    for name, text in files.items():
        same_as(folder / name, text)
    stale = sorted(kept - set(files))
    assert not stale, f"no longer rendered, delete them: {stale}"
