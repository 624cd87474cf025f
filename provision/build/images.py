"""Container images as archives, without Docker. The front of its parts; see their modules."""

from __future__ import annotations

from provision.build.images_check import ArchiveImage, read_archive
from provision.build.images_names import CONTROL_PLANE, image_tag, images_for, nearest_release, reference

__all__ = [
    "CONTROL_PLANE",
    "ArchiveImage",
    "image_tag",
    "images_for",
    "nearest_release",
    "read_archive",
    "reference",
]
