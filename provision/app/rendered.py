"""Everything that would be used, as a folder that a person can read."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from provision.errors import Refused
from provision.machines.vagrantfile import vagrantfile
from provision.plan import plan
from provision.render.engine import render
from provision.settings.model import Settings
from provision.steps.base import Plan, ScriptCall, Step
from provision.steps.probe import probe_script


def rendered_files(settings: Settings) -> dict[str, str]:
    """Relative path -> text: the Vagrantfile, and a folder a machine with its scripts in the plan's order.

    Values that are known only while running are the placeholders of their `ScriptCall`; secrets never
    are in a plan.
    """
    made = plan(settings)
    files: dict[str, str] = {}
    if settings.provider not in ("existing", "rehearsal"):
        files["Vagrantfile"] = vagrantfile(settings)
    for machine in settings.machines:
        suffix = "ps1" if machine.os == "windows" else "sh"
        files[f"{machine.name}/00-probe.{suffix}"] = probe_script(machine).text
    scripts: dict[str, list[str]] = {}
    for number, step in enumerate((step for step in made.steps if step.scripts), start=1):
        for call in step.scripts:
            written = _of_call(number, step, call)
            files |= written
            script, *documents = written
            with_them = f", with {', '.join(documents)}" if documents else ""
            scripts.setdefault(step.name, []).append(f"{script}, of templates/{call.template}{with_them}")
    return {"plan.txt": _runbook(made, scripts), **files}


def _of_call(number: int, step: Step, call: ScriptCall) -> dict[str, str]:
    machine = call.machine or step.machine or "host"
    own = machine == step.machine
    text = render(call.template, sections=step.sections(call), **call.parameters, **call.runtime)
    name = f"{machine}/{number:02d}-{step.name.split('@')[0]}"
    if not own:
        name += f"-for-{step.machine}"
    script = Path(call.template)
    stem = name if script.stem.split("-", 1)[-1] in name else f"{name}-{script.stem.split('-', 1)[-1]}"
    files = {f"{stem}{script.suffix}": text}
    return files | {f"{name}/{document}": content for document, content in call.documents.items()}


_ABOUT = """\
# The steps in the order in which they are listed; each starts as soon as what it needs is true.
#
# Below a step stands what it runs: files of this folder, one folder a machine. Each script is as it will run there,
# with the values of the settings at its top. Documents (config.toml, join.yaml) are part of the script that writes
# them; they lie beside it to be read. <Angle brackets> stand for what is known only while it runs (a token, a digest,
# the depot's address) and for secrets; a script without them can be run by hand, as root or an administrator.
# 00-probe reads the facts of a machine before anything else, and changes nothing.
"""


def _runbook(made: Plan, scripts: Mapping[str, Sequence[str]]) -> str:
    lines = [*_ABOUT.splitlines(), ""]
    for number, step in enumerate(made.steps, start=1):
        lines.append(f"{number:3}. {step.name}: {step.title}")
        if step.needs:
            lines.append(f"     needs {', '.join(step.needs)}")
        lines += [f"     runs {script}" for script in scripts.get(step.name, ())]
    return "\n".join(lines) + "\n"


def write_rendered(settings: Settings, folder: Path) -> int:
    """Write the files beside, then put the whole folder in place; returns their number.

    An existing folder is replaced only if it was written by this command.
    """
    mark = ".rendered"
    if folder.exists() and any(folder.iterdir()) and not (folder / mark).exists():
        raise Refused(f"{folder} holds other files", remedy="name an empty or new folder with --to")
    files = rendered_files(settings)
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        for name, text in files.items():
            target = made / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        (made / mark).write_text("written by `invoke render`; replaced by the next one\n")
        made.chmod(0o755)
        if folder.exists():
            shutil.rmtree(folder)
        made.replace(folder)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
    return len(files)
