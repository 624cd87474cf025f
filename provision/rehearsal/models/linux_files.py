"""Coreutils that make, move, copy and describe files and folders."""

from __future__ import annotations

import posixpath
import re

from provision.rehearsal.models.linux_coreutils import read_input, stat_error
from provision.rehearsal.models.linux_program import Failed, FileHost, Usage, options, path_of
from provision.rehearsal.shell import Call, Unsupported


def mkdir(host: FileHost, call: Call) -> int:
    given = options(call, ["-p|--parents"], ["-m|--mode"])
    for name in given.operands:
        path = path_of(call, name)
        try:
            if "-p" in given:
                host.files.make_folders(path)
            else:
                host.files.make_folder(path)
        except FileExistsError:
            raise Failed(stat_error(call, "cannot create directory", name, "File exists")) from None
        except NotADirectoryError:
            raise Failed(stat_error(call, "cannot create directory", name, "Not a directory")) from None
        except FileNotFoundError:
            raise Failed(stat_error(call, "cannot create directory", name)) from None
        if "-m" in given:
            host.files.chmod(path, int(given.get("-m"), 8))
    if not given.operands:
        raise Usage("mkdir: missing operand")
    return 0


def rmdir(host: FileHost, call: Call) -> int:
    for name in options(call).operands:
        host.files.remove(path_of(call, name))
    return 0


def rm(host: FileHost, call: Call) -> int:
    given = options(call, ["-f|--force", "-r|-R|--recursive"])
    code = 0
    for name in given.operands:
        path = path_of(call, name)
        try:
            linked = host.files.read_link(path) is not None
            if not linked and host.files.is_folder(path):
                if "-r" not in given:
                    raise Failed(stat_error(call, "cannot remove", name, "Is a directory"))
                host.files.remove_tree(path)
            else:
                host.files.remove(path)
        except (FileNotFoundError, NotADirectoryError):
            if "-f" not in given:
                call.err(stat_error(call, "cannot remove", name) + "\n")
                code = 1
        except Failed as error:
            call.err(f"{error}\n")
            code = 1
    if not given.operands and "-f" not in given:
        raise Usage("rm: missing operand")
    return code


def _target(host: FileHost, call: Call, name: str, target: str, as_file: bool) -> str:
    path = path_of(call, target)
    if not as_file and host.files.is_folder(path):
        return posixpath.join(path, posixpath.basename(name.rstrip("/")))
    if target.endswith("/"):
        raise Failed(stat_error(call, "cannot create regular file", target, "Not a directory"))
    return path


def mv(host: FileHost, call: Call) -> int:
    given = options(call, ["-f|--force", "-T|--no-target-directory", "-n"])
    *names, target = given.operands
    if not names:
        raise Usage("mv: missing file operand")
    for name in names:
        place = _target(host, call, name, target, "-T" in given)
        try:
            host.files.rename(path_of(call, name), place)
        except FileNotFoundError:
            missing = name if not _there(host, path_of(call, name)) else f"{name}' to '{target}"
            verb = "cannot stat" if missing == name else "cannot move"
            raise Failed(stat_error(call, verb, missing)) from None
    return 0


def _there(host: FileHost, path: str) -> bool:
    try:
        host.files.read_link(path)
    except OSError:
        return False
    return True


def copy_file(host: FileHost, source: str, target: str, mode: int | None = None) -> None:
    """One file, its mode kept unless another is given."""
    found = host.files.stat(source)
    host.files.write(target, host.files.read(source), found.mode & 0o777 if mode is None else mode)
    if mode is not None:
        host.files.chmod(target, mode)


def cp(host: FileHost, call: Call) -> int:
    flags = ["-f|--force", "-r|-R|--recursive", "-a|--archive", "-p|--preserve", "-T|--no-target-directory", "-L"]
    given = options(call, flags)
    *names, target = given.operands
    if not names:
        raise Usage("cp: missing file operand")
    for name in names:
        source = path_of(call, name)
        if not host.files.exists(source):
            raise Failed(stat_error(call, "cannot stat", name))
        place = _target(host, call, name, target, "-T" in given)
        if host.files.is_folder(source):
            if "-r" not in given and "-a" not in given:
                raise Failed(f"cp: -r not specified; omitting directory '{name}'")
            host.files.make_folders(place)
            for below in host.files.walk(source):
                there = place + below[len(posixpath.normpath(source)) :]
                if host.files.is_folder(below):
                    host.files.make_folders(there)
                else:
                    copy_file(host, below, there)
        else:
            copy_file(host, source, place)
            if "-a" in given or "-p" in given:
                host.files.touch_time(place, host.files.stat(source).mtime)
    return 0


def install(host: FileHost, call: Call) -> int:
    flags = ["-d|--directory", "-D", "-T|--no-target-directory", "-p|--preserve-timestamps"]
    given = options(call, flags, ["-m|--mode", "-o|--owner", "-g|--group", "-t|--target-directory"])
    mode = int(given.get("-m", "755"), 8)
    for owner in ("-o", "-g"):
        if given.get(owner, "root") != "root":
            raise Unsupported(f"install {owner} {given.get(owner)}", 0)
    if "-d" in given:
        for name in given.operands:
            host.files.make_folders(path_of(call, name))
            host.files.chmod(path_of(call, name), mode)
        return 0
    names = list(given.operands)
    target = given.get("-t") or (names.pop() if len(names) > 1 else "")
    if not names or not target:
        raise Usage("install: missing file operand")
    for name in names:
        source = path_of(call, name)
        place = _target(host, call, name, target, "-T" in given)
        if "-D" in given:
            host.files.make_folders(posixpath.dirname(place))
        data = read_input(host, call, name) if name == "/dev/stdin" else None
        if data is None and not host.files.exists(source):
            raise Failed(stat_error(call, "cannot stat", name))
        try:
            if data is not None:
                host.files.write(place, data, mode)
            else:
                copy_file(host, source, place, mode)
        except FileNotFoundError:
            raise Failed(stat_error(call, "cannot create regular file", target)) from None
        host.files.chmod(place, mode)
        if "-p" in given:
            host.files.touch_time(place, host.files.stat(source).mtime)
    return 0


def chmod(host: FileHost, call: Call) -> int:
    mode, *names = call.argv[1:] or [""]
    if not names or (mode.startswith("-") and mode not in ("-x", "-w")):
        raise Usage("chmod: missing operand") if not names else Usage(f"chmod: invalid option -- '{mode[1:]}'")
    for name in names:
        path = path_of(call, name)
        if not host.files.exists(path):
            raise Failed(stat_error(call, "cannot access", name))
        old = host.files.stat(path).mode & 0o7777
        host.files.chmod(path, _new_mode(mode, old))
    return 0


def _new_mode(text: str, old: int) -> int:
    if re.fullmatch(r"[0-7]{3,4}", text):
        return int(text, 8)
    found = re.fullmatch(r"([ugoa]*)([-+=])([rwx]+)", text)
    if not found:
        raise Usage(f"chmod: invalid mode: '{text}'")
    who = found[1].replace("a", "ugo") or "ugo"
    bits = 0
    for w in who:
        for b in found[3]:
            bits |= {"r": 4, "w": 2, "x": 1}[b] << {"u": 6, "g": 3, "o": 0}[w]
    if found[2] == "=":
        raise Unsupported("chmod with =", 0)
    return old | bits if found[2] == "+" else old & ~bits


def chown(host: FileHost, call: Call) -> int:
    """Owners are not modelled: the files must be there and the owner must be one that this machine has."""
    given = options(call, ["-R|--recursive", "-h"])
    owner, *names = given.operands
    user = owner.split(":")[0]
    accounts = host.files.read("/etc/passwd").decode() if host.files.exists("/etc/passwd") else "root:"
    if user and not re.search(rf"^{re.escape(user)}:", accounts, re.M):
        raise Failed(f"chown: invalid user: '{owner}'")
    for name in names:
        if not host.files.exists(path_of(call, name)):
            raise Failed(stat_error(call, "cannot access", name))
    return 0


def ln(host: FileHost, call: Call) -> int:
    given = options(call, ["-s|--symbolic", "-f|--force", "-n|--no-dereference", "-T|--no-target-directory"])
    if "-s" not in given:
        raise Unsupported("ln without -s", 0)
    source, target = given.operands
    path = path_of(call, target)
    if host.files.is_folder(path) and "-T" not in given and not ("-n" in given and host.files.read_link(path)):
        path = posixpath.join(path, posixpath.basename(source))
    if "-f" in given and _there(host, path):
        host.files.remove(path)
    try:
        host.files.link(path, source)
    except FileExistsError:
        raise Failed(stat_error(call, "failed to create symbolic link", target, "File exists")) from None
    return 0


def readlink(host: FileHost, call: Call) -> int:
    given = options(call, ["-f|--canonicalize", "-e"])
    for name in given.operands:
        path = path_of(call, name)
        if "-f" in given or "-e" in given:
            call.out(host.files.resolve(path) + "\n")
            continue
        target = host.files.read_link(path) if _there(host, path) else None
        if target is None:
            return 1
        call.out(target + "\n")
    return 0


def touch(host: FileHost, call: Call) -> int:
    given = options(call, ["-c"], ["-d|--date", "-m"])
    for name in given.operands:
        path = path_of(call, name)
        if not host.files.exists(path):
            if "-c" in given:
                continue
            host.files.write(path, b"")
        text = given.get("-d")
        when = float(text[1:]) if text.startswith("@") else host.clock()
        if text and not text.startswith("@"):
            raise Unsupported(f"touch -d {text}", 0)
        host.files.touch_time(path, when)
    return 0


def stat(host: FileHost, call: Call) -> int:
    given = options(call, ["-L"], ["-c|--format"])
    if "-c" not in given:
        raise Unsupported("stat without -c", 0)
    code = 0
    for name in given.operands:
        try:
            found = host.files.stat(path_of(call, name))
        except (FileNotFoundError, NotADirectoryError):
            call.err(f"stat: cannot statx '{name}': No such file or directory\n")
            code = 1
            continue
        values = {"s": str(found.size), "Y": str(int(found.mtime)), "n": name, "a": f"{found.mode & 0o7777:o}"}
        values |= {"%": "%", "F": "directory" if found.folder else "regular file", "U": "root", "G": "root"}

        def one(directive: re.Match[str], values: dict[str, str] = values) -> str:
            if directive[1] not in values:
                raise Unsupported(f"stat -c %{directive[1]}", 0)
            return values[directive[1]]

        call.out(re.sub(r"%(.)", one, given.get("-c")) + "\n")
    return code


def ls(host: FileHost, call: Call) -> int:
    given = options(call, ["-1", "-A", "-a"], usage=2)
    for name in given.operands or ["."]:
        path = path_of(call, name)
        if not host.files.exists(path):
            raise Failed(f"ls: cannot access '{name}': No such file or directory", 2)
        names = host.files.list(path) if host.files.is_folder(path) else [name]
        for found in sorted(names):
            if "-A" in given or not posixpath.basename(found).startswith("."):
                call.out(found + "\n")
    return 0


def mktemp(host: FileHost, call: Call) -> int:
    given = options(call, ["-d|--directory"], ["-p|--tmpdir"])
    template = given.operands[0] if given.operands else "tmp.XXXXXXXXXX"
    if not template.endswith("XXX"):
        raise Failed(f"mktemp: too few X's in template '{template}'")
    folder = given.get("-p") or ("" if given.operands else "/tmp")  # noqa: S108
    stem = template.rstrip("X")
    for number in range(1, 10000):
        shown = posixpath.join(folder, f"{stem}{number:0{len(template) - len(stem)}d}")
        path = path_of(call, shown)
        if not host.files.exists(path):
            if "-d" in given:
                host.files.make_folder(path)
                host.files.chmod(path, 0o700)
            else:
                host.files.write(path, b"", 0o600)
            call.out(shown + "\n")
            return 0
    raise Failed("mktemp: failed to create file")


PROGRAMS = {
    "mkdir": mkdir,
    "rmdir": rmdir,
    "rm": rm,
    "mv": mv,
    "cp": cp,
    "install": install,
    "chmod": chmod,
    "chown": chown,
    "ln": ln,
    "readlink": readlink,
    "touch": touch,
    "stat": stat,
    "ls": ls,
    "mktemp": mktemp,
}
