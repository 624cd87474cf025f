"""Images of a working cluster, brought to this computer: one archive an image, exported where it runs.

From a Linux machine, and from a Windows machine reached over SSH, an archive comes over SFTP. WinRM carries no
files: such a machine puts its archives onto the control plane, each to an unguessable address that takes it once.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from provision.artifacts.base import Os
from provision.depot import PROGRAM
from provision.errors import StepFailed
from provision.facts.base import World
from provision.secrets import Secret
from provision.settings.model import Machine, Settings
from provision.steps.base import Context, Judgement, Missing, Plan, ScriptCall, Step, Uploads
from provision.steps.delivery import DEPOT_PORT, depot_list

LINUX_FOLDER = "/var/lib/hybrid/export"
WINDOWS_FOLDER = "C:\\ProgramData\\hybrid\\export"
_DEPOT = "/var/lib/hybrid/depot"
_LIFE = 7200
_TIMEOUT = 7200.0
_MEBI = 1 << 20


@dataclass(frozen=True)
class Export:
    """One image that a machine exports.

    Attributes:
        image: its name, as containerd lists it.
        file: the archive's name.
        windows: the Windows Server release of the machine; None on Linux.
    """

    image: str
    file: str
    os: Os
    windows: str | None = None


@dataclass(frozen=True)
class Target:
    """Where archives come to, and who takes them; in ``ctx.shared["export"]``.

    Attributes:
        folder: an archive lies there as long as `adopt` looks at it.
        adopt: called with the export and its file, which it may move away; raises `ArtifactError`.
    """

    folder: Path
    adopt: Callable[[Export, Path], None]


def export_plan(settings: Settings, wanted: Sequence[tuple[Machine, Sequence[Export]]]) -> Plan:
    """The steps that bring these images here."""
    steps: list[Step] = []
    pushing = [machine for machine, exports in wanted if exports and machine.reached_over == "winrm"]
    if pushing:
        files = [export.file for machine, exports in wanted if machine in pushing for export in exports]
        steps.append(_open(settings, files))
    steps += [_export(settings, machine, exports) for machine, exports in wanted if exports]
    if pushing:
        steps.append(_close(settings, tuple(step.name for step in steps)))
    return Plan(tuple(steps))


def _always(_: Settings, __: World) -> Judgement:
    return Missing("it was asked for")


def _open(settings: Settings, files: Sequence[str]) -> Step:
    """The control plane takes the archives of machines that are reached over WinRM."""
    machine = settings.control_plane
    folder = ScriptCall(template="linux/92-export-folder.sh", parameters={"folder": f"{LINUX_FOLDER}/in"})
    serve = ScriptCall(template="linux/55-depot.sh", parameters={"life": _LIFE})

    def apply(ctx: Context) -> None:
        path = secrets.token_urlsafe(24)
        Secret(path)  # masked; it travels in a file, never on a command line of this computer
        wanted = depot_list(settings, path, {}) | {
            "uploads": {name: f"{LINUX_FOLDER}/in/{name}" for name in files},
            "life": _LIFE,
        }
        own = {
            f"{_DEPOT}/depot.py": PROGRAM.read_bytes(),
            f"{_DEPOT}/list.json": json.dumps(wanted, indent=2).encode(),
        }
        ctx.run(folder)
        ctx.run(serve, uploads=Uploads(own, lambda _, __: None))
        ctx.shared["export-address"] = f"http://{machine.address}:{DEPOT_PORT}/{path}"

    return Step(
        name="export-depot",
        title="the control plane takes the Windows machines' archives",
        lane="files",
        machine=machine.name,
        check=_always,
        scripts=(folder, serve),
        apply=apply,
        timeout=300,
        transient=True,
    )


def _export(settings: Settings, machine: Machine, exports: Sequence[Export]) -> Step:
    windows, pushes = machine.os == "windows", machine.reached_over == "winrm"
    folder = WINDOWS_FOLDER if windows else f"{LINUX_FOLDER}/out"
    if windows:
        images: object = [{"file": export.file, "name": export.image} for export in exports]
        shown = "http://<control plane>/<path>" if pushes else ""
        call = ScriptCall(
            template="windows/92-images-export.ps1",
            parameters={"images": images, "folder": folder},
            runtime={"address": shown},
        )
        gone = ScriptCall(template="windows/93-folder-gone.ps1", parameters={"folder": folder})
    else:
        images = [f"{export.file}={export.image}" for export in exports]
        call = ScriptCall(template="linux/92-images-export.sh", parameters={"images": images, "folder": folder})
        gone = ScriptCall(template="linux/93-folder-gone.sh", parameters={"folder": folder, "depot": "no"})

    def apply(ctx: Context) -> None:
        target = cast(Target, ctx.shared["export"])
        if windows:
            address = cast(str, ctx.shared["export-address"]) if pushes else ""
            digests = cast("dict[str, str]", ctx.run(call, address=address)["digests"])
        else:
            digests = {}
            ctx.run(call)
        place = f"{LINUX_FOLDER}/in" if pushes else f"/{folder.replace(chr(92), '/')}".replace("//", "/")
        guest = ctx.guest(settings.control_plane.name if pushes else machine.name)
        for export in exports:

            def progress(have: int, name: str = export.image) -> None:
                ctx.waits_for(f"{name}: {have / _MEBI:.0f} MiB")

            path = target.folder / export.file
            got = guest.get(f"{place}/{export.file}", path, ctx.deadline, progress)
            if digests.get(export.file, got) != got:
                raise StepFailed(
                    f"the archive of {export.image} arrived with SHA-256 {got} instead of {digests[export.file]}",
                    remedy="run the same command again",
                )
            target.adopt(export, path)
            ctx.on_line(f"{export.image} is here")
        ctx.run(gone)

    return Step(
        name=f"export@{machine.name}",
        title=f"{len(exports)} images are here",
        lane="files",
        machine=machine.name,
        needs=("export-depot",) if pushes else (),
        changes=("images",),
        check=_always,
        scripts=(call, gone),
        apply=apply,
        timeout=_TIMEOUT,
        transient=True,
    )


def _close(settings: Settings, needs: tuple[str, ...]) -> Step:
    return Step(
        name="export-depot-closed",
        title="the control plane takes nothing any more",
        lane="files",
        machine=settings.control_plane.name,
        needs=needs,
        check=_always,
        scripts=(ScriptCall(template="linux/93-folder-gone.sh", parameters={"folder": LINUX_FOLDER, "depot": "yes"}),),
        timeout=300,
        transient=True,
    )
