"""variables.yaml, the environment and ``--set`` to Settings: every problem at once, each with its place.

Later ones win: defaults, the file, the environment (``HYBRID_KUBERNETES__VERSION=1.35``: two underscores
between levels; ``HYBRID_MACHINES__WINW1__MEMORY=8192``), ``--set machines.winw1.memory=8192``.
``HYBRID_PASSWORD_<MACHINE>`` is a machine's password and has no key in the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path as FilePath

from provision.host.workspace import PRODUCT
from provision.secrets import Secret
from provision.settings import older
from provision.settings.complete import complete
from provision.settings.document import Document, read
from provision.settings.judge import judge
from provision.settings.layers import apply_environment, apply_overrides, password_variable
from provision.settings.model import Machine, ProviderName, Settings
from provision.settings.problems import DEFAULT, BadSettings, Origin, Path, Problem, dotted
from provision.settings.trust import with_trust
from provision.settings.validate import validate

FILE_NAME = "variables.yaml"
_LARGEST = 1 << 20  # bytes; reading YAML takes a second a megabyte and more
TEMPLATE = PRODUCT / FILE_NAME
NETWORKS_CONF = FilePath("/etc/vbox/networks.conf")
"""Where VirtualBox is told of more host-only ranges (VirtualBox manual, "Host-Only Networking")."""


@dataclass(frozen=True)
class Loaded:
    """Settings, complete and judged, and how they came to be.

    Attributes:
        settings: what everything else works with.
        origins: dotted key (machines by name) -> where its value came from; absent keys are defaults.
        notices: what the user should know, each a paragraph; nothing in them stops a run.
        written: the settings before anything was filled in, without passwords: what a file would say.
        file: the file that was read; None when there was none.
        older: the file is in an older form.
        places: as ``origins``, but by path, with machines by number; for judging again.
    """

    settings: Settings
    origins: Mapping[str, Origin]
    notices: tuple[str, ...]
    written: Settings
    file: FilePath | None = None
    older: bool = False
    places: Mapping[Path, Origin] = field(default_factory=dict)


def load(
    file: FilePath | None,
    *,
    overrides: Sequence[str] = (),
    environment: Mapping[str, str],
    workspace: FilePath,
    judged: bool = True,
    networks_conf: FilePath = NETWORKS_CONF,
) -> Loaded:
    """Read, check and complete the settings.

    Args:
        file: the settings file; None takes the workspace's ``variables.yaml`` where there is one.
        overrides: the values of ``--set``, each ``key.path=value``.
        environment: the variables to look at, usually ``os.environ``.
        workspace: the folder of the cluster's files; relative paths outside a file start here.
        judged: False leaves contradictions out (``invoke settings --write`` of an old file).
        networks_conf: VirtualBox's list of permitted ranges; looked at for its existence only.

    Raises:
        SettingsError: with every problem found (`BadSettings`), or because the file cannot be read.
    """
    workspace = workspace.absolute()
    path = file or _own_file(workspace)
    document, notices, is_older = _read_file(path, workspace) if path else (Document(), [], False)
    _default_machines(document)
    passwords = apply_environment(document, environment, base=workspace)
    apply_overrides(document, overrides, base=workspace)
    settings, broken = validate(document)
    problems = list(document.problems)
    if settings is None:
        raise BadSettings([_named(problem, _machine_names(document)) for problem in problems])
    written, settings = settings, _with_passwords(settings, passwords)
    settings, wrong = with_trust(settings, environment, document, workspace)
    problems += wrong
    done, unreadable = complete(settings), bool(problems)
    if judged:
        limited = not networks_conf.exists()
        verdict = judge(done, given=document.origins, broken=broken, limited=limited)
        problems += verdict.problems
        notices += verdict.notices
    if problems:
        # A form that cannot be read cannot be written either: only contradictions go away there.
        only_judged = is_older and not unreadable
        raise BadSettings([_named(problem, _machine_names(document)) for problem in problems], older=only_judged)
    return Loaded(
        settings=done,
        origins=_origins(document, settings, done),
        notices=tuple(notices),
        written=written,
        file=path,
        older=is_older,
        places=document.origins,
    )


def with_provider(loaded: Loaded, provider: ProviderName, *, networks_conf: FilePath = NETWORKS_CONF) -> Loaded:
    """The same settings once ``auto`` has chosen: completed and judged again for that provider.

    Raises:
        SettingsError: what the chosen provider cannot do.
    """
    settings = complete(loaded.settings.model_copy(update={"provider": provider}))
    return judged_again(loaded, settings, networks_conf=networks_conf)[0]


def judged_again(
    loaded: Loaded, settings: Settings, *, networks_conf: FilePath = NETWORKS_CONF
) -> tuple[Loaded, tuple[str, ...]]:
    """The same settings once their words have been resolved, and the notices that came with it.

    Raises:
        SettingsError: what the words mean contradicts the rest.
    """
    verdict = judge(settings, given=loaded.places, limited=not networks_conf.exists())
    if verdict.problems:
        names = [machine.name for machine in settings.machines]
        raise BadSettings([_named(problem, names) for problem in verdict.problems])
    new = tuple(notice for notice in verdict.notices if notice not in loaded.notices)
    return replace(loaded, settings=settings, notices=loaded.notices + new), new


def _own_file(workspace: FilePath) -> FilePath | None:
    """The workspace's file, None where there is none; what has its name and is no file is a mistake."""
    path = workspace / FILE_NAME
    if path.is_file():
        return path
    if path.exists() or path.is_symlink():
        what = "a link that leads nowhere" if path.is_symlink() and not path.exists() else "not a file"
        raise BadSettings([Problem(Origin("file", str(path)), (), what, "put the settings there, or delete it")])
    return None


def _read_file(path: FilePath, workspace: FilePath) -> tuple[Document, list[str], bool]:
    shown = _shown(path, workspace)
    try:
        with path.open("rb") as stream:
            data = stream.read(_LARGEST + 1)
        if len(data) > _LARGEST:
            what = f"the file is larger than {_LARGEST >> 10} KiB"
            raise BadSettings([Problem(Origin("file", shown), (), what, "is it the right one? Settings are a few KiB")])
        text = data.decode("utf-8-sig")
    except OSError as error:
        what = f"cannot be read: {error.strerror or error}"
        raise BadSettings(
            [Problem(Origin("file", str(path)), (), what, "check the name given with --variables, and who may read it")]
        ) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        problem = Problem(Origin("file", shown, line), (), "the file is not UTF-8", "save it as UTF-8")
        raise BadSettings([problem]) from error
    translated = older.translate(text, shown, base=path.parent.absolute())
    if translated is not None:
        return translated.document, [translated.notice], True
    return read(text, shown, base=path.parent.absolute(), hints=older.SPELLINGS), [], False


def _shown(path: FilePath, workspace: FilePath) -> str:
    try:
        return str(path.relative_to(workspace))
    except ValueError:
        return str(path)


def _default_machines(document: Document) -> None:
    # The default machines are written out, so that overrides find them; their addresses follow
    # network.machines like everybody's.
    if document.values.get("machines") is None:
        document.values["machines"] = [
            machine.model_dump(exclude_unset=True, exclude={"address"}) for machine in Settings().machines
        ]


def _with_passwords(settings: Settings, passwords: Mapping[str, Secret]) -> Settings:
    if not passwords:
        return settings
    machines = tuple(
        machine.model_copy(update={"password": passwords[machine.name]}) if machine.name in passwords else machine
        for machine in settings.machines
    )
    return settings.model_copy(update={"machines": machines})


def _by_name(path: Path, names: Sequence[str]) -> Path:
    """A path with the machine's name in place of its number; a machine without a name is counted from 1."""
    if len(path) >= 2 and path[0] == "machines" and path[1].isdecimal():
        index = int(path[1])
        name = names[index] if index < len(names) else ""
        return (path[0], name or str(index + 1), *path[2:])
    return path


def _machine_names(document: Document) -> list[str]:
    machines = document.values.get("machines")
    if not isinstance(machines, list):
        return []
    return [str(machine.get("name") or "") if isinstance(machine, dict) else "" for machine in machines]


def _named(problem: Problem, names: Sequence[str]) -> Problem:
    return replace(problem, path=_by_name(problem.path, names))


def _origins(document: Document, before: Settings, after: Settings) -> dict[str, Origin]:
    names = _machine_names(document)
    made = {dotted(_by_name(path, names)): origin for path, origin in document.origins.items() if path}
    for key, old_version, new_version in (
        ("kubernetes.version", before.kubernetes.version, after.kubernetes.version),
        ("containerd.linux", before.containerd.linux, after.containerd.linux),
        ("containerd.windows", before.containerd.windows, after.containerd.windows),
        *(
            (f"{p}.version", getattr(before, p).version, getattr(after, p).version)
            for p in ("calico", "antrea", "flannel")
        ),
    ):
        if old_version != new_version:
            made[key] = replace(made.get(key, DEFAULT), note=f"latest known of {old_version}")
    for old, new in zip(before.machines, after.machines, strict=True):
        if new.password is not None:
            made[f"machines.{new.name}.password"] = Origin("environment", password_variable(new.name))
        for key in Machine.model_fields:
            if getattr(old, key) is None and getattr(new, key) is not None:
                made[f"machines.{new.name}.{key}"] = Origin("derived")
    return made
