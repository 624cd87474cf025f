"""Commands on files and folders, on the machine's file system."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from provision.rehearsal.powershell.box import Bound, CommandError
from provision.rehearsal.powershell.convert import text, to_number
from provision.rehearsal.powershell.faults import Unsupported
from provision.rehearsal.powershell.natives import ENCODINGS, TextEncoding
from provision.rehearsal.powershell.text_tools import has_wildcards, wildcard
from provision.rehearsal.powershell.values import Record

if TYPE_CHECKING:
    from provision.rehearsal.powershell.runtime import Runtime
    from provision.rehearsal.powershell.stages import BoundStage

_MISSING = "System.Management.Automation.ItemNotFoundException"


class Failure(CommandError):
    """A file command's error; ``__class__`` names of compiled commands stand behind the comma of its id."""


def missing(path: str) -> Failure:
    return Failure(
        f"Cannot find path '{path}' because it does not exist.",
        "PathNotFound",
        category="ObjectNotFound",
        exception=_MISSING,
    )


def encoding(name: object, default: str) -> TextEncoding:
    """One of 5.1's encodings by its name in a command.

    Raises:
        Unsupported: one that scripts do not use.
    """
    folded = text(name).lower() if name is not None else default
    if folded in ("string", "unknown"):
        folded = default
    if folded not in ENCODINGS:
        raise Unsupported(f"-Encoding {text(name)}")
    return ENCODINGS[folded]


def decoded(raw: bytes, chosen: TextEncoding) -> str:
    """Text of a file: by its mark, else as ``chosen`` says."""
    for mark, codec in ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le")):
        if raw.startswith(mark):
            return raw[len(mark) :].decode(codec, "replace")
    return raw.decode(chosen.codec, "replace")


def lines_of(content: str) -> list[str]:
    parts = content.replace("\r\n", "\n").split("\n")
    return parts[:-1] if parts[-1] == "" else parts


def read_lines(rt: Runtime, path: str) -> list[str]:
    """The lines of a file, ANSI without a mark.

    Raises:
        CommandError: it is not there.
    """
    try:
        return lines_of(decoded(rt.box.files.read(path), ENCODINGS["default"]))
    except FileNotFoundError:
        raise missing(path) from None


def stat(rt: Runtime, path: str) -> object:
    """What is at a path, None when nothing is."""
    try:
        return rt.box.files.stat(path)
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        return None


def is_folder(rt: Runtime, path: str) -> bool:
    found = stat(rt, path)
    return bool(getattr(found, "folder", False))


def paths(rt: Runtime, bound: Bound, *, must: bool = True) -> Iterator[str]:
    """The files that ``-LiteralPath`` or ``-Path`` mean.

    Raises:
        CommandError: one is not there.
    """
    literal = "LiteralPath" in bound
    for given in bound.texts("LiteralPath") if literal else bound.texts("Path"):
        full = rt.resolve(given)
        if not literal and has_wildcards(given):
            yield from matching(rt, full)
        elif must and stat(rt, full) is None:
            raise missing(full)
        else:
            yield full


def matching(rt: Runtime, full: str) -> list[str]:
    """The paths that a pattern in the last part of a path means."""
    folder, _, pattern = full.rpartition("\\")
    if has_wildcards(folder):
        raise Unsupported("wildcards in the name of a folder")
    expression = wildcard(pattern)
    try:
        names = rt.box.files.list(folder + "\\" if len(folder) == 2 else folder)
    except FileNotFoundError:
        return []
    return [f"{folder}\\{name}" for name in sorted(names, key=str.lower) if expression.match(name)]


def item_record(rt: Runtime, path: str, shown: str = "") -> Record:
    """A FileInfo or DirectoryInfo."""
    found = rt.box.files.stat(path)
    name = path.rstrip("\\").rpartition("\\")[2] or path
    moment = datetime.fromtimestamp(found.mtime, UTC)
    stem, dot, extension = name.rpartition(".")
    properties: dict[str, object] = {
        "Name": name, "FullName": path, "PSPath": f"Microsoft.PowerShell.Core\\FileSystem::{path}",
        "PSIsContainer": found.folder, "Exists": True, "BaseName": stem if dot and not found.folder else name,
        "Extension": dot + extension if dot else "", "LastWriteTime": moment.replace(tzinfo=None),
        "LastWriteTimeUtc": moment, "CreationTimeUtc": moment,
    }  # fmt: skip
    if not found.folder:
        properties["Length"] = found.size
        properties["DirectoryName"] = path.rpartition("\\")[0]
    kind = "System.IO.DirectoryInfo" if found.folder else "System.IO.FileInfo"
    return Record(properties, type_name=kind, text=shown or path)


# --- commands that run for each bound call


def test_path(stage: BoundStage, bound: Bound) -> None:
    rt = stage.rt
    kind = bound.text("PathType", "Any").lower()
    for given in bound.texts("LiteralPath") or bound.texts("Path"):
        drive, colon, rest = given.partition(":")
        folded = drive.lower()
        if colon and folded in ("env", "variable", "function"):
            name = rest.lstrip("\\")
            if folded == "env":
                stage.emit(rt.environment(name) is not None)
            elif folded == "variable":
                stage.emit(rt.scope.find(name.lower()) is not None)
            else:
                stage.emit(rt.scope.function(name) is not None)
            continue
        full = rt.resolve(given)
        wild = "LiteralPath" not in bound and has_wildcards(given)
        found = [stat(rt, path) for path in (matching(rt, full) if wild else [full])]
        stage.emit(
            any(
                one is not None and (kind == "any" or bool(getattr(one, "folder", False)) == (kind == "container"))
                for one in found
            )
        )


def get_content(stage: BoundStage, bound: Bound) -> None:
    refuse(bound, "Wait", "Delimiter", "Stream", "ReadCount", "Filter", "Include", "Exclude")
    rt = stage.rt
    for path in paths(rt, bound):
        if is_folder(rt, path):
            message = f"Access to the path '{path}' is denied."
            exception = "System.UnauthorizedAccessException"
            raise Failure(message, "GetContentReaderUnauthorizedAccessError", exception=exception)
        content = decoded(read(rt, path), encoding(bound.get("Encoding"), "default"))
        if bound.on("Raw"):
            if content:
                stage.emit(content)
            continue
        lines = lines_of(content)
        if "TotalCount" in bound:
            lines = lines[: int(to_number(bound.get("TotalCount")))]
        if "Tail" in bound:
            count = int(to_number(bound.get("Tail")))
            lines = lines[-count:] if count else []
        for line in lines:
            stage.emit(line)


def read(rt: Runtime, path: str) -> bytes:
    try:
        return rt.box.files.read(path)
    except FileNotFoundError:
        raise missing(path) from None
    except OSError as problem:
        raise denied(problem, path, "GetContentReaderIOError") from problem


def denied(problem: OSError, path: str, id: str) -> Failure:
    """What the file system refused."""
    name = "System.UnauthorizedAccessException" if isinstance(problem, PermissionError) else "System.IO.IOException"
    return Failure(f"{path}: {problem.strerror or problem}", id, category="WriteError", exception=name)


def refuse(bound: Bound, *names: str) -> None:
    """Refuse parameters that are not reproduced."""
    for name in names:
        if name in bound:
            raise Unsupported(f"parameter -{name}", bound.line)


def get_item(stage: BoundStage, bound: Bound) -> None:
    for path in paths(stage.rt, bound):
        stage.emit(item_record(stage.rt, path))


def get_child_item(stage: BoundStage, bound: Bound) -> None:
    refuse(bound, "Include", "Exclude", "Depth", "Attributes")
    rt = stage.rt
    if not bound.texts("LiteralPath") and not bound.texts("Path"):
        bound = Bound({**bound.values, "Path": [rt.folder]}, bound.parameter_set, bound.line)
    for path in paths(rt, bound):
        if is_folder(rt, path):
            _children(stage, bound, path)
        else:
            _child(stage, bound, path)


def _children(stage: BoundStage, bound: Bound, folder: str) -> None:
    rt = stage.rt
    pattern = wildcard(bound.text("Filter", "*"))
    names = sorted(rt.box.files.list(folder), key=str.lower)
    full = [(f"{folder.rstrip(chr(92))}\\{name}", name) for name in names]
    full.sort(key=lambda pair: not is_folder(rt, pair[0]))
    for path, name in full:
        if pattern.match(name):
            _child(stage, bound, path)
    if bound.on("Recurse"):
        for path, _ in full:
            if is_folder(rt, path):
                _children(stage, bound, path)


def _child(stage: BoundStage, bound: Bound, path: str) -> None:
    folder = is_folder(stage.rt, path)
    if (bound.on("File") and folder) or (bound.on("Directory") and not folder):
        return
    name = path.rpartition("\\")[2]
    stage.emit(name if bound.on("Name") else item_record(stage.rt, path, name))


def new_item(stage: BoundStage, bound: Bound) -> None:
    rt = stage.rt
    kind = bound.text("ItemType", "File").lower()
    for given in bound.texts("Path") or [rt.folder]:
        path = rt.resolve(given)
        if bound.text("Name"):
            path = f"{path.rstrip(chr(92))}\\{bound.text('Name')}"
        known = stat(rt, path)
        if kind in ("directory", "container"):
            if known is not None and not bound.on("Force"):
                message = f"An item with the specified name {path} already exists."
                raise Failure(message, "DirectoryExist", category="ResourceExists", exception="System.IO.IOException")
            rt.make_folders(path)
        elif kind in ("file", "leaf"):
            if known is not None and not bound.on("Force"):
                message = f"The file '{path}' already exists."
                raise Failure(message, "NewItemIOError", category="WriteError", exception="System.IO.IOException")
            if bound.on("Force"):
                rt.make_folders(path.rpartition("\\")[0])
            write(rt, path, text(bound.get("Value")).encode("cp1252", "replace"), "NewItemIOError")
        else:
            raise Unsupported(f"New-Item -ItemType {kind}", bound.line)
        stage.emit(item_record(rt, path))


def write(rt: Runtime, path: str, data: bytes, id: str, append: bool = False) -> None:
    """Write a file.

    Raises:
        CommandError: its folder is missing, or the file system refuses.
    """
    try:
        if append:
            rt.box.files.append(path, data)
        else:
            rt.box.files.write(path, data)
    except FileNotFoundError:
        message = f"Could not find a part of the path '{path}'."
        raise Failure(
            message, id, category="ObjectNotFound", exception="System.IO.DirectoryNotFoundException"
        ) from None
    except OSError as problem:
        raise denied(problem, path, id) from problem


def remove_item(stage: BoundStage, bound: Bound) -> None:
    refuse(bound, "WhatIf", "Filter", "Include", "Exclude")
    rt = stage.rt
    for given in bound.texts("LiteralPath") or bound.texts("Path"):
        drive, colon, name = given.partition(":")
        if colon and drive.lower() == "env":
            rt.set_environment(name.lstrip("\\"), "")
            return
    for path in list(paths(rt, bound)):
        if is_folder(rt, path) and rt.box.files.list(path) and not bound.on("Recurse"):
            message = f"The item at {path} has children and the Recurse parameter was not specified."
            raise Failure(message, "DirectoryNotEmpty", terminating=True, exception="System.IO.IOException")
        remove_tree(rt, path)


def remove_tree(rt: Runtime, path: str) -> None:
    """Remove a file, or a folder with all that is in it."""
    try:
        if is_folder(rt, path):
            for name in rt.box.files.list(path):
                remove_tree(rt, f"{path.rstrip(chr(92))}\\{name}")
        rt.box.files.remove(path)
    except OSError as problem:
        raise denied(problem, path, "RemoveFileSystemItemIOError") from problem


def _target(rt: Runtime, source: str, destination: str) -> str:
    full = rt.resolve(destination)
    return f"{full.rstrip(chr(92))}\\{source.rpartition(chr(92))[2]}" if is_folder(rt, full) else full


def move_item(stage: BoundStage, bound: Bound) -> None:
    refuse(bound, "WhatIf", "Filter", "Include", "Exclude")
    rt = stage.rt
    for path in list(paths(rt, bound)):
        target = _target(rt, path, bound.text("Destination", "."))
        other = stat(rt, target) is not None and target.lower() != path.lower()
        if other and (not bound.on("Force") or is_folder(rt, target)):
            message = "Cannot create a file when that file already exists."
            id = "MoveFileInfoItemIOError"
            raise Failure(message, id, category="WriteError", exception="System.IO.IOException")
        try:
            rt.box.files.rename(path, target)
        except OSError as problem:
            raise denied(problem, path, "MoveFileInfoItemIOError") from problem


def rename_item(stage: BoundStage, bound: Bound) -> None:
    rt = stage.rt
    for path in list(paths(rt, bound)):
        target = f"{path.rpartition(chr(92))[0]}\\{bound.text('NewName')}"
        if stat(rt, target) is not None:
            message = "Cannot create a file when that file already exists."
            raise Failure(message, "RenameItemIOError", category="WriteError", exception="System.IO.IOException")
        rt.box.files.rename(path, target)


def copy_item(stage: BoundStage, bound: Bound) -> None:
    refuse(bound, "WhatIf", "Filter", "Include", "Exclude", "Container")
    rt = stage.rt
    for path in list(paths(rt, bound)):
        copy_tree(rt, path, _target(rt, path, bound.text("Destination", ".")), bound.on("Recurse"))


def copy_tree(rt: Runtime, source: str, target: str, recurse: bool) -> None:
    """Copy a file, or a folder and, when asked to, what is in it."""
    if not is_folder(rt, source):
        write(rt, target, read(rt, source), "CopyFileInfoItemIOError")
        return
    rt.make_folders(target)
    for name in rt.box.files.list(source) if recurse else []:
        copy_tree(rt, f"{source}\\{name}", f"{target}\\{name}", True)


def get_file_hash(stage: BoundStage, bound: Bound) -> None:
    refuse(bound, "InputStream")
    algorithm = bound.text("Algorithm", "SHA256").upper()
    for path in paths(stage.rt, bound):
        digest = hashlib.new(algorithm.lower(), read(stage.rt, path), usedforsecurity=False).hexdigest().upper()
        stage.emit(
            Record(
                {"Algorithm": algorithm, "Hash": digest, "Path": path},
                type_name="Microsoft.Powershell.Utility.FileHash",
            )
        )


COMMANDS: dict[str, Callable[[BoundStage, Bound], None]] = {
    "Test-Path": test_path,
    "Get-Content": get_content,
    "Get-Item": get_item,
    "Get-ChildItem": get_child_item,
    "New-Item": new_item,
    "Remove-Item": remove_item,
    "Move-Item": move_item,
    "Rename-Item": rename_item,
    "Copy-Item": copy_item,
    "Get-FileHash": get_file_hash,
}
