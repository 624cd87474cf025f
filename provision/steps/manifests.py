"""Manifests of ours, with the digest by which a later run sees whether they are still the same."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from provision.render.engine import render


@dataclass(frozen=True)
class Manifest:
    """A rendered manifest; its annotation ``hybrid/digest`` holds ``digest``."""

    text: str
    digest: str


def manifest(template: str, **values: object) -> Manifest:
    """Render a manifest template with the digest of its own content."""
    digest = hashlib.sha256(render(template, digest="", **values).encode()).hexdigest()[:16]
    return Manifest(render(template, digest=digest, **values), digest)
