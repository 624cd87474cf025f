"""Archives whose bytes were changed at random: good or refused in words, never a crash."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
import zipfile
from pathlib import Path

import pytest

from provision.artifacts.base import ArtifactSpec
from provision.artifacts.verify import require_usable
from provision.errors import ArtifactError


def _tar() -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in ("bin/x", "a/" * 100 + "long"):
            member = tarfile.TarInfo(name)
            member.size = 30
            tar.addfile(member, io.BytesIO(bytes(30)))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "bin/x"
        tar.addfile(link)
    return data.getvalue()


def _zip() -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bin/x", b"x" * 300)
        archive.writestr("caf\u00e9", b"y" * 50)
    return data.getvalue()


@pytest.mark.parametrize("kind", ["tar.gz", "zip"])
def test_any_bytes_are_good_or_refused_in_words(tmp_path: Path, kind: str) -> None:
    raw, chance, file = _zip() if kind == "zip" else _tar(), random.Random(5), tmp_path / "file"
    spec = ArtifactSpec(name="x", version="1", url=f"https://up/x.{kind}", checksum_url=None, member="bin/x")
    refused = 0
    for _ in range(400):
        data = bytearray(raw)
        for _ in range(chance.choice((1, 2, 5))):
            data[chance.randrange(len(data))] = chance.randrange(256)
        file.write_bytes(bytes(data) if kind == "zip" else gzip.compress(data, 1))
        try:
            require_usable(spec, file)
        except ArtifactError as error:
            assert error.what.startswith("x 1: ")
            refused += 1
    assert refused > 20
