"""containerd on a modelled Windows: its service, its configuration, and ctr.exe."""

from __future__ import annotations

import ntpath
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from provision import knowledge
from provision.rehearsal.image_store import ImageError, ImageStore
from provision.rehearsal.models.container_clients import WrongUse, ctr_images
from provision.rehearsal.models.windows_cmd import join_arguments
from provision.rehearsal.models.windows_features import active
from provision.rehearsal.models.windows_process import Program
from provision.rehearsal.models.windows_registry import MachineRegistry
from provision.rehearsal.models.windows_scm import (
    KEYS,
    ServiceDies,
    ServiceError,
    Started,
    add,
    remove,
    service_main,
    services,
)
from provision.rehearsal.models.windows_table import ProgramError, program

if TYPE_CHECKING:
    from provision.rehearsal.models.windows import WindowsMachine

PIPE = "\\\\.\\pipe\\containerd-containerd"
ENDPOINTS = frozenset({"npipe:////./pipe/containerd-containerd", "npipe://./pipe/containerd-containerd"})
# Flags of containerd.exe (cmd/containerd, main_windows.go and service_windows.go).
_VALUES = {"--config": "config", "-c": "config", "--log-file": "log", "--log-level": "level", "-l": "level",
           "--address": "address", "-a": "address", "--root": "root", "--state": "state",
           "--service-name": "service"}  # fmt: skip
_SWITCHES = {"--register-service": "register", "--unregister-service": "unregister", "--run-service": "run",
             "--version": "version", "-v": "version", "--help": "help", "-h": "help"}  # fmt: skip


@dataclass(frozen=True)
class Config:
    """What a containerd's configuration comes to.

    Attributes:
        sandbox: the pause image.
        bin_dirs, conf_dir: where CNI plugins and their configuration are looked for.
        config_path: the folder of hosts.toml files; empty for none.
    """

    sandbox: str
    bin_dirs: tuple[str, ...]
    conf_dir: str
    config_path: str = ""


class BadConfig(Exception):
    """containerd does not start with this configuration."""


def parse_config(text: str, version: str) -> Config:
    """Judge a config.toml as that containerd would.

    Args:
        version: of containerd, with ``v``.

    Raises:
        BadConfig: it is no TOML, or a version or a combination that this containerd refuses.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadConfig(f"failed to unmarshal TOML: {error}") from error
    known = {"version", "root", "state", "temp", "plugin_dir", "grpc", "ttrpc", "debug", "metrics", "disabled_plugins",
             "required_plugins", "plugins", "oom_score", "cgroup", "proxy_plugins", "timeouts", "imports",
             "stream_processors"}  # fmt: skip
    strange = sorted(set(document) - known)
    if strange:
        raise BadConfig(f"strict mode: fields in the document are missing in the target struct: {', '.join(strange)}")
    major = int(version.removeprefix("v").split(".")[0])
    number = document.get("version", 1)
    newest = 3 if major >= 2 else 2
    if number not in (1, 2, 3) or number > newest:
        raise BadConfig(f"expected containerd config version equal to or less than `{newest}`, got `{number}`")
    if number == 1:
        raise BadConfig("containerd config version `1` is no longer supported")
    plugins: Mapping[str, Any] = document.get("plugins", {})
    default = f"registry.k8s.io/pause:{knowledge.containerd(version.removeprefix('v')).pause}"
    if number == 3:
        images = plugins.get("io.containerd.cri.v1.images", {})
        sandbox = images.get("pinned_images", {}).get("sandbox", default)
        cni = plugins.get("io.containerd.cri.v1.runtime", {}).get("cni", {})
        registry = images.get("registry", {})
    else:
        cri = plugins.get("io.containerd.grpc.v1.cri", {})
        sandbox, cni, registry = cri.get("sandbox_image", default), cri.get("cni", {}), cri.get("registry", {})
    hosts = str(registry.get("config_path", ""))
    if hosts and registry.get("mirrors"):
        raise BadConfig("invalid plugin config: `mirrors` cannot be set when `config_path` is provided")
    conf_dir = str(cni.get("conf_dir", "C:/Program Files/containerd/cni/conf"))
    return Config(sandbox, _bin_dirs(cni, version), conf_dir, hosts)


def _bin_dirs(cni: Mapping[str, Any], version: str) -> tuple[str, ...]:
    one, several = cni.get("bin_dir"), cni.get("bin_dirs")
    major, minor = (int(part) for part in version.removeprefix("v").split(".")[:2])
    if one and several:
        raise BadConfig("invalid cni config: `cni.bin_dir` and `cni.bin_dirs` cannot be set at the same time")
    if several is not None and not isinstance(several, list):
        raise BadConfig("toml: cannot decode TOML string into struct field CniConfig.NetworkPluginBinDirs")
    if several and (major, minor) >= (2, 1):
        return tuple(str(path) for path in several)
    return (str(one),) if one else ("C:/Program Files/containerd/cni/bin",)


@dataclass(frozen=True)
class Flags:
    switches: frozenset[str]
    values: Mapping[str, str]
    words: tuple[str, ...]


def parse_flags(arguments: list[str]) -> Flags:
    """containerd's own flags.

    Raises:
        ProgramError: a flag is unknown.
    """
    switches, values, words = set(), {}, []
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        if name in _VALUES:
            if not equals and not rest:
                raise ProgramError(1, f"flag needs an argument: {name}")
            values[_VALUES[name]] = value if equals else rest.pop(0)
        elif word in _SWITCHES:
            switches.add(_SWITCHES[word])
        elif word.startswith("-"):
            raise ProgramError(1, f"Incorrect Usage: flag provided but not defined: {name}")
        else:
            words.append(word)
    return Flags(frozenset(switches), values, tuple(words))


@program("containerd")
def containerd(call: Program) -> int:
    """containerd.exe by hand: --version, config default, --register-service, --unregister-service."""
    flags = parse_flags(call.arguments)
    name = flags.values.get("service", "containerd")
    if "version" in flags.switches:
        call.out(f"containerd github.com/containerd/containerd/v2 {call.what.version} rehearsal")
        return 0
    if "register" in flags.switches:
        kept = [word for word in call.arguments if word not in ("--register-service", "--run-service")]
        line = join_arguments([call.path, "--run-service", *kept])
        # Go's CreateService quotes the path whenever it has a blank.
        with call.machine.state.change():
            try:
                add(call.machine, name, line, "containerd", "Auto", description="Container runtime")
            except ServiceError as error:
                raise ProgramError(1, f"containerd: {error}") from error
        return 0
    if "unregister" in flags.switches:
        with call.machine.state.change():
            try:
                remove(call.machine, name)
            except ServiceError as error:
                raise ProgramError(1, f"containerd: {error}") from error
        return 0
    if flags.words == ("config", "default"):
        call.out("version = 3\n# hybrid rehearsal: the defaults, not written out")
        return 0
    raise ProgramError(1, "rehearsal: containerd.exe in the foreground is not modelled")


@service_main("containerd")
def containerd_service(started: Started) -> None:
    """containerd as a service: flags, log file, configuration; then it listens on its pipe."""
    machine = started.machine
    try:
        flags = parse_flags(started.arguments)
    except ProgramError as error:
        raise ServiceDies(error.text) from error
    if "run" not in flags.switches:
        raise ServiceDies("containerd was not started with --run-service")
    folder = ntpath.dirname(started.path)
    log = flags.values.get("log")
    config_path = flags.values.get("config", ntpath.join(folder, "config.toml"))
    if log and not machine.files.is_folder(ntpath.dirname(log)):
        raise ServiceDies(f"open {log}: The system cannot find the path specified.")
    try:
        text = machine.files.read(config_path).decode() if machine.files.exists(config_path) else "version = 3"
        if not machine.files.exists(config_path) and started.what.version.startswith("v1."):
            text = "version = 2"
        if text.startswith("\ufeff"):
            raise BadConfig("failed to load TOML: invalid character at start of key (a byte order mark)")
        config = parse_config(text, started.what.version)
    except (BadConfig, UnicodeDecodeError) as error:
        _log(machine, log, f'level=error msg="failed to load config" error="{error}" path="{config_path}"')
        raise ServiceDies(f"containerd: failed to load TOML from {config_path}: {error}") from error
    for folder_made in ("C:\\ProgramData\\containerd\\root", "C:\\ProgramData\\containerd\\state"):
        machine.files.make_folders(folder_made)
    _log(machine, log, f'level=info msg="starting containerd" version={started.what.version}')
    environment = MachineRegistry(machine.state).value(f"{KEYS}\\{started.service}", "Environment", [])
    machine.state.data["containerd"] = {
        "version": started.what.version, "sandbox": config.sandbox, "bin_dirs": list(config.bin_dirs),
        "conf_dir": config.conf_dir, "config_path": config.config_path,
        "address": flags.values.get("address", PIPE), "environment": environment,
    }  # fmt: skip


def _log(machine: WindowsMachine, path: str | None, text: str) -> None:
    if path:
        machine.files.append(path, f'time="rehearsal" {text}\n'.encode())


def runtime(machine: WindowsMachine) -> Mapping[str, Any] | None:
    """What the running containerd says of itself; None when its service does not run."""
    if services(machine).get("containerd", {}).get("state") != "Running":
        return None
    found: Mapping[str, Any] | None = machine.state.data.get("containerd")
    return found


def cri_fault(machine: WindowsMachine) -> str:
    """Why the container runtime interface does not answer; empty when it does."""
    if runtime(machine) is None:
        return f"open {PIPE}: The system cannot find the file specified."
    if not active(machine, "Containers"):
        return "rpc error: code = Unimplemented desc = unknown service runtime.v1.RuntimeService"
    return ""


@program("ctr")
def ctr(call: Program) -> int:
    """ctr.exe: version, plugins ls, and images of the namespace k8s.io."""
    words = list(call.arguments)
    address, names = PIPE, {"--address": "address", "-a": "address", "--namespace": "namespace", "-n": "namespace",
                            "--connect-timeout": "wait", "--timeout": "wait"}  # fmt: skip
    given: dict[str, str] = {}
    while words and words[0].startswith("-"):
        word, equals, value = words.pop(0).partition("=")
        if word not in names or (not equals and not words):
            raise ProgramError(1, f"Incorrect Usage: flag provided but not defined: {word}")
        given[names[word]] = value if equals else words.pop(0)
    state = runtime(call.machine)
    if state is None or given.get("address", address) != state["address"]:
        where = given.get("address", address)
        raise ProgramError(
            1, f'ctr: failed to dial "{where}": open {where}: The system cannot find the file specified.'
        )
    if words == ["version"]:
        # The client's version comes first, the server's after it.
        one = "  Version:  {}\n  Revision: rehearsal"
        client, server = one.format(call.what.version), one.format(state["version"])
        call.out(f"Client:\n{client}\n  Go version: go1.26\n\nServer:\n{server}\n  UUID: rehearsal")
        return 0
    if words[:1] in (["images"], ["image"], ["i"]) and given.get("namespace") == "k8s.io":
        return _images(call, words[1:])
    if words[:1] == ["plugins"]:
        cri = "ok" if not cri_fault(call.machine) else "error"
        call.out(f"TYPE ID PLATFORMS STATUS\nio.containerd.cri.v1 runtime windows/amd64 {cri}")
        return 0
    raise ProgramError(1, f"rehearsal: ctr.exe {' '.join(words)} is not modelled")


def images(machine: WindowsMachine) -> ImageStore:
    """The images of the machine, pulled as the running containerd was told."""
    return ImageStore(machine, str((runtime(machine) or {}).get("config_path", "")))


@dataclass(frozen=True)
class _Files:
    """The machine's files, by paths as a call writes them."""

    call: Program

    def read(self, path: str) -> bytes:
        return self.call.machine.files.read(self.call.path_of(path))

    def write(self, path: str, data: bytes) -> None:
        self.call.machine.files.write(self.call.path_of(path), data)


def _images(call: Program, words: list[str]) -> int:
    machine = call.machine
    if words[:1] in (["pull"], ["import"]) and cri_fault(machine):
        raise ProgramError(1, "ctr: snapshotter not loaded: windows")
    try:
        ctr_images(
            images(machine),
            words,
            _Files(call),
            call.out,
            lambda: machine.latencies.wait("windows-image-pull", call.process.killed),
        )
    except WrongUse as error:
        raise ProgramError(1, str(error)) from error
    except ImageError as error:
        raise ProgramError(1, f"ctr: {error}") from error
    except FileNotFoundError as error:
        raise ProgramError(1, f"ctr: open {error.filename}: The system cannot find the file specified.") from error
    return 0
