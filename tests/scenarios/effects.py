"""What the Windows scripts do, as data: said, read, and changed on a machine, from many beginnings.

A beginning is a machine in some state and the scripts that run on it, one after another.  The golden files
(``tests/golden/effects/``) hold what the scripts of the repository do there; `effects_judge.Judge` runs a changed
template from the same states and says what differs.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from provision.rehearsal.contract import Streams
from provision.rehearsal.faults import Fault
from provision.rehearsal.models.windows_process import WindowsProcess
from provision.render.engine import environment, render
from provision.steps.windows_files import CONTAINERD_FILES, KUBERNETES_FILES
from provision.steps.windows_join import join_config
from tests.go_programs import go_program
from tests.scenarios import effects_guests, effects_images
from tests.scenarios.windows_bench import CA_HASH, MASTER, TOKEN, Bench

GOLDEN = Path(__file__).parents[1] / "golden" / "effects"
# What scripts may expect of the way to run programs: text from both streams, and the exit code.
PROGRAM = """# Usage: by the tests
{% include 'windows/_start.ps1' %}
$run = Invoke-Program 'curl.exe' @('--nonsense')
foreach ($line in $run.Lines) { Write-Output "$($line -is [string]): $line" }
exit $run.Code
"""
# Seconds that a script may take here; the slowest takes a quarter of one.
PATIENCE = 60.0
HERE = "C:\\scripts\\x.ps1"

Data = dict[str, Any]
Prepare = Callable[[Bench], None]


@dataclass(frozen=True)
class Call:
    """One script of a beginning.

    Args:
        script: the step's name without its machine, or ``probe``, ``collect``, ``kube-proxy``, ``program``, ``reboot``.
        given: parameters that are other ones than the step's.
        before: what happens to the machine before it.
    """

    script: str
    given: Mapping[str, object] = field(default_factory=dict)
    before: Prepare | None = None


@dataclass(frozen=True)
class Beginning:
    """A machine's state and what runs on it.

    Args:
        start: ``box`` (fresh), or the name of a script of the beginning ``fresh``: the machine as that one left it.
    """

    name: str
    start: str
    calls: Sequence[Call]


def after(script: str, *prepares: Prepare, **given: object) -> Call:
    """A script that runs after something has happened to the machine."""

    def before(bench: Bench) -> None:
        for prepare in prepares:
            prepare(bench)

    return Call(script, given, before)


def one(name: str, start: str, script: str, *prepares: Prepare, **given: object) -> Beginning:
    """A beginning with one script."""
    return Beginning(name, start, (after(script, *prepares, **given),))


@dataclass(frozen=True)
class Snapshot:
    """A machine's memory and what is around it, to be taken up again."""

    data: Data
    nodes: Data
    served: dict[str, bytes]
    refuses: bool
    faults: list[Fault]

    @classmethod
    def of(cls, bench: Bench) -> Snapshot:
        """The machine as it is; files that are still written to are closed."""
        data = copy.deepcopy(bench.machine.state.data)
        for entry in data["files"].values():
            if "part" in entry:
                digest, size = bench.machine.state.blobs.seal(entry.pop("part"))
                entry.update(sha256=digest, size=size)
        master = bench.master
        faults = list(bench.machine.faults.faults)
        return cls(data, dict(master.api.nodes), dict(master.files_served), master.refuses, faults)

    def restore(self, bench: Bench) -> None:
        """Put the machine back into this state; nothing of what ran meanwhile is left."""
        state = bench.machine.state
        with state.change():
            state.data.clear()
            state.data.update(copy.deepcopy(self.data))
        bench.machine.proxies.clear()
        bench.machine.faults.faults = list(self.faults)
        bench.master.api.nodes = dict(self.nodes)
        bench.master.files_served = dict(self.served)
        bench.master.refuses = self.refuses


class Stopped(threading.Event):
    """What ends a container: set as soon as its program has nothing to do but to serve."""

    def wait(self, timeout: float | None = None) -> bool:
        self.set()
        return True


# Programs that somebody has built in place of a release's.
OWN = {name: go_program(name, "2.3.4", size=64) for name in ("containerd-shim-runhcs-v1.exe", "ctr.exe")}


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class _Serving:
    """A kube-proxy.exe that runs until somebody ends it."""

    def __init__(self) -> None:
        self.killed = threading.Event()


class Stage:
    """Runs beginnings on one modelled machine and observes them."""

    def __init__(self, folder: Path) -> None:
        self.bench = Bench(folder)
        self.starts = {"box": Snapshot.of(self.bench)}
        self._names = {digest: name for name, digest in self.bench.world.host.digests.items()}

    def run(self, beginning: Beginning) -> Iterator[tuple[Call, Snapshot, Data]]:
        """Run a beginning; gives each script, the state before it and what was observed."""
        self.starts[beginning.start].restore(self.bench)
        for call in beginning.calls:
            if call.before:
                call.before(self.bench)
            before = Snapshot.of(self.bench)
            before.restore(self.bench)
            yield call, before, self.observe(call)
            if beginning.name == "fresh":
                self.starts[call.script] = Snapshot.of(self.bench)

    def observe(self, call: Call) -> Data:
        """Run one script on the machine as it is."""
        before = _leaves(self._visible())
        out, err = bytearray(), bytearray()
        proxy = _Serving()
        if call.script == "kubernetes":
            self.bench.machine.proxies[:] = [cast(WindowsProcess, proxy)]
        code = self._run(call, out.extend, err.extend)
        after = _leaves(self._visible())
        lines = out.decode("utf-8", "backslashreplace").splitlines()
        facts: object = {}
        if lines and lines[-1].startswith('{"facts":'):
            facts = _json(lines.pop())
        changed = {key: after.get(key, "(gone)") for key in sorted(before.keys() | after.keys())
                   if before.get(key) != after.get(key)}  # fmt: skip
        found = {
            "exit": code,
            "said": lines,
            "failed": _message(err.decode("utf-8", "backslashreplace")),
            "facts": facts,
            "changed": changed,
            "ended": ["kube-proxy"] if proxy.killed.is_set() else [],
        }
        return {key: value for key, value in self._steady(found).items() if value not in ([], {}, "")}

    def text(self, call: Call) -> str:
        """The rendered script of a call."""
        if call.script == "probe":
            return render("facts/windows/probe.ps1", sections=sections(), **call.given)
        if call.script == "collect":
            return render("windows/90-collect.ps1")
        if call.script == "program":
            return environment().from_string(PROGRAM).render()
        if call.script == "kube-proxy":
            values: Data = {"server": f"https://{MASTER}:6443", "feature_gates": "", "verbosity": 2, **call.given}
            return render("cni/kube-proxy-windows/start.ps1", **values)
        if call.script in effects_images.TEMPLATES:
            return effects_images.text(call.script, call.given)
        step = self.bench.named(call.script)
        script = step.scripts[-1]
        values = {**script.parameters, **self._runtime(call), **call.given}
        return render(script.template, sections=list(step.changes), **values)

    def _runtime(self, call: Call) -> Data:
        script, digests = call.script, self.bench.world.host.digests
        names = CONTAINERD_FILES if script.endswith("containerd") else KUBERNETES_FILES
        if script.startswith("deliver-"):
            return {"files": [{"name": n, "url": self.bench.url(n), "digest": digests[n]} for n in names]}
        if script in ("containerd", "kubernetes"):
            own = {name: _digest(data) for name, data in OWN.items() if name in call.given.get("own", ())}  # type: ignore[operator]
            return {"digests": {**{name: digests[name] for name in names}, **own}}
        if script == "join":
            settings = self.bench.settings
            material = {"endpoint": f"{MASTER}:6443", "token": TOKEN, "ca_hash": CA_HASH}
            return {"join_config": join_config(settings, settings.machine("winw1"), **material), "leave": False}
        return {}

    def _run(self, call: Call, out: Callable[[bytes], object], err: Callable[[bytes], object]) -> int:
        bench = self.bench
        if call.script == "reboot":
            bench.reboot(bench.deadline)
            return 0
        text = "" if call.script in effects_guests.CALLS else self.text(call)
        killed = Stopped() if call.script == "kube-proxy" else threading.Event()
        watch = threading.Timer(PATIENCE, killed.set)
        watch.daemon = True
        watch.start()
        try:
            if call.script in effects_guests.CALLS:
                return effects_guests.CALLS[call.script](bench, out, err, killed)
            if call.script == "kube-proxy":
                entry = "& $env:CONTAINER_SANDBOX_MOUNT_POINT/hybrid/start.ps1; exit $LASTEXITCODE"
                command = ("powershell.exe", "-NoProfile", "-ExecutionPolicy", "Bypass", "-Command", entry)
                mounts = {"/hybrid/start.ps1": text.encode()}
                return bench.machine.host_process(command, {"NODE_NAME": "winw1-rehearsal"}, mounts, killed, out)
            bench.machine.files.make_folders("C:\\scripts")
            bench.machine.files.write(HERE, text.encode())
            line = f"powershell.exe -NoProfile -NonInteractive -ExecutionPolicy Bypass -File {HERE}"
            return bench.machine.execute(line, Streams(_Nothing(), out, err, killed))  # type: ignore[arg-type]
        finally:
            watch.cancel()
            killed.set()

    def _visible(self) -> Data:
        """The machine's state as a person would look at it: lists by name, files by content."""
        state = self.bench.machine.state
        with state.reading():
            data = {key: value for key, value in state.data.items() if key not in _HIDDEN}
            seen: Data = copy.deepcopy(data)
            seen["adapters"] = {str(row["index"]): row for row in seen["adapters"]}
            for part in ("addresses", "routes", "firewall"):
                seen[part] = {_title(row): row for row in seen.get(part, [])}
            for part, rows in seen.get("hns", {}).items():
                seen["hns"][part] = {_title(row): row for row in rows}
            seen["events"] = [f"{event['source']}: {event['text']}" for event in seen.get("events", [])]
            for service in seen["services"].values():
                if not service.get("images"):
                    service.pop("images", None)
            seen["boots"] = data["power"]["boots"]
            del seen["power"]
            # Our own scripts are kept under the digest of their text, which is another one for each mutant.
            hidden = ("C:\\scripts", "C:\\hpc", *effects_guests.own_files())
            seen["files"] = {
                e["path"]: self._content(e) for e in state.data["files"].values() if not e["path"].startswith(hidden)
            }
        return seen

    def _content(self, entry: Data) -> Data:
        if entry.get("folder"):
            return {"kind": "folder"}
        if entry["path"].startswith(f"{effects_guests.KEPT}\\") and entry["path"].endswith(".ps1"):
            return {"content": "a kept script", "written": entry["mtime"]}
        blobs = self.bench.machine.state.blobs
        data = blobs.part(entry["part"]).read_bytes() if "part" in entry else blobs.get(entry["sha256"])
        shown: object = entry.get("sha256", "")
        if len(data) < 5000 and entry.get("sha256") not in self._names:
            shown = _json(data.decode("utf-8", "backslashreplace"))
        return {"content": shown if isinstance(shown, str) else json.dumps(shown), "written": entry["mtime"]}

    def _steady(self, found: Data) -> Data:
        """Without what differs from run to run; digests of known files by the file's name."""
        text = json.dumps(found)
        authority = hashlib.sha256(self.bench.master.api.ca.encode()).hexdigest()
        names = self._names | effects_guests.digests() | {authority: "the cluster's CA"}
        text = re.sub(r"\b[0-9a-f]{64}\b", lambda m: f"<{names[m[0]]}>" if m[0] in names else m[0][:12], text)
        for pattern, word in _VOLATILE:
            text = pattern.sub(word, text)
        steady: Data = json.loads(text)
        return steady


# Not what a script did: the harness's own, or said elsewhere.
_HIDDEN = {"format", "name", "spec", "files", "faults"}
_VOLATILE = (
    (re.compile(r"I\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ "), "I<time> "),
    (re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----"), "<certificate>"),
    (re.compile(r"At [^ \"]*:\d+ char:"), "At <line> char:"),
    (re.compile(r'("[^"]*/written": )[\d.]+'), r'\1"now"'),
    (re.compile(r'(\\*"(?:mtime|boot)\\*": ?\\*")\d{14,}'), r"\1<time>"),
    (re.compile(r'("[^"]*/(?:settled|identified_at|ran)": )\d{6,}[\d.]*'), r'\1"<time>"'),
    (re.compile(r"\b\d{4}-\d\d-\d\dT[0-9:.]+(?:Z|[+-]\d\d:\d\d)?"), "<time>"),
    (re.compile(r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"), "<id>"),
)


def sections() -> list[str]:
    """All sections of a Windows machine's facts."""
    from provision.facts import windows

    return [kind.name for kind in windows.SECTIONS]


def _title(row: Data) -> str:
    """What tells one row of a list from the others."""
    name = row.get("Name") or row.get("name") or row.get("ID")
    return str(name or f"{row.get('index')} {row.get('address') or row.get('prefix')} {row.get('hop', '')}".strip())


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _leaves(value: object, path: str = "") -> dict[str, object]:
    """A tree as path -> leaf."""
    if isinstance(value, dict) and value:
        found: dict[str, object] = {}
        for key, below in value.items():
            found |= _leaves(below, f"{path}/{key}" if path else str(key))
        return found
    return {path: value}


def _message(text: str) -> str:
    """An error's message, without the place in the script that follows it."""
    return re.split(r"\r?\n?At [^\n]*:\d+ char:\d+|, line \d+", text)[0].strip()


class _Nothing:
    def read(self, size: int = -1) -> bytes:
        return b""


def golden_file(beginning: str) -> Path:
    """Where it is written down what the scripts do from a beginning."""
    return GOLDEN / f"{beginning}.json"
