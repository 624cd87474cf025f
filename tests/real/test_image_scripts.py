"""The Linux scripts of images against a real containerd: imported, listed in the facts, exported, read again."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from provision.build.images import read_archive
from provision.facts.base import MachineFacts, parse_facts
from provision.facts.files import Images
from provision.render.engine import render
from tests.image_parts import archive, image, index, layout
from tests.needs import need
from tests.real.image_programs import Containerd, containerd

pytestmark = pytest.mark.real

NAME = "registry.example/some/thing:v1"


class Machine:
    """A folder in place of the machine's own, and a real containerd behind ``ctr``."""

    def __init__(self, folder: Path, runtime: Containerd) -> None:
        self.home = folder / "hybrid"
        self.programs = folder / "bin"
        self.programs.mkdir()
        wrapper = self.programs / "ctr"
        # No overlay here; on machines it is containerd's own choice.
        own = f'CONTAINERD_SNAPSHOTTER=native exec {need("ctr", "containerd")} --address {runtime.address} "$@"'
        wrapper.write_text(f"#!/bin/sh\n{own}\n")
        wrapper.chmod(0o755)

    def run(self, template: str, **given: object) -> Images:
        text = render(template, sections=["images"], **given)
        text = text.replace("PATH=/usr/local/sbin", f"PATH={self.programs}:/usr/local/sbin")
        text = text.replace("/var/lib/hybrid", str(self.home))
        done = subprocess.run(["bash", "-c", text], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return MachineFacts("running", parse_facts(done.stdout)).get(Images)

    def deliver(self, path: Path) -> str:
        """Put an archive where delivered files are; returns its digest."""
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        for folder, content in (("files", path.read_bytes()), ("delivered", digest.encode())):
            (self.home / folder).mkdir(parents=True, exist_ok=True)
            (self.home / folder / path.name).write_bytes(content)
        return digest


def test_an_archive_is_imported_listed_exported_and_imported_again(tmp_path: Path) -> None:
    # As an export of one platform of a larger image is: the list names platforms whose blobs are not in it.
    linux, other = image(b"linux"), image(b"arm", architecture="arm64")
    made = index(linux, other)
    made.blobs = {name: blob for name, blob in made.blobs.items() if name not in other.blobs}
    own = archive(tmp_path / "own.tar", layout(made, NAME))
    with containerd() as runtime:
        machine = Machine(tmp_path, runtime)
        assert machine.run("facts/linux/probe.sh").names == {}
        digest = machine.deliver(own)
        facts = machine.run("linux/54-images.sh", archives=[f"own.tar={digest}"])
        assert facts.names == {NAME: made.digest}
        assert facts.imported == {"own.tar": digest}
        assert not (machine.home / "files" / "own.tar").exists()
        out = machine.home / "export" / "out"
        machine.run("linux/92-images-export.sh", images=[f"again.tar={NAME}"], folder=str(out))
        (found,) = read_archive(out / "again.tar")
        assert (found.names, found.os, found.digest) == ((NAME,), "linux", linux.digest)
        runtime.ctr("images", "rm", NAME)
        assert machine.run("facts/linux/probe.sh").names == {}
        digest = machine.deliver(out / "again.tar")
        assert machine.run("linux/54-images.sh", archives=[f"again.tar={digest}"]).has_all((NAME,))
