"""tar on the machine's files: really unpacks what was delivered."""

from __future__ import annotations

import io
import posixpath
import tarfile

from provision.rehearsal.models.linux_box import LinuxBox, register
from provision.rehearsal.models.linux_program import Failed, Usage, options, path_of
from provision.rehearsal.shell import Call


def tar(box: LinuxBox, call: Call) -> int:
    """``-x`` and ``-t`` with -z, -v, -f, -C, --strip-components."""
    flags = ["-x|--extract", "-t|--list", "-z|--gzip", "-v|--verbose", "--no-same-owner", "--no-same-permissions"]
    values = ["-f|--file", "-C|--directory", "--strip-components"]
    given = options(call, [*flags, "--overwrite", "--no-overwrite-dir"], values, usage=64)
    if ("-x" in given) == ("-t" in given):
        raise Usage("tar: You must specify one of the '-Acdtrux', '--delete' or '--test-label' options", 2)
    name = given.get("-f", "-")
    try:
        data = call.stdin.read() if name == "-" else box.files.read(path_of(call, name))
    except FileNotFoundError:
        raise Failed(
            f"tar: {name}: Cannot open: No such file or directory\ntar: Error is not recoverable: exiting now", 2
        ) from None
    folder = path_of(call, given.get("-C", call.cwd))
    if not box.files.is_folder(folder):
        raise Failed(f"tar: {given.get('-C')}: Cannot open: No such file or directory", 2)
    if "-x" in given:
        box.latency("linux-unpack")
    strip = int(given.get("--strip-components", "0"))
    wanted = set(given.operands)
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz" if "-z" in given else "r:*") as archive:
            for member in archive:
                _member(box, call, archive, member, folder, strip, wanted, extract="-x" in given, verbose="-v" in given)
    except (tarfile.TarError, OSError, EOFError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise Failed(
            f"gzip: stdin: {error}\ntar: Child returned status 1\ntar: Error is not recoverable: exiting now", 2
        ) from None
    if wanted:
        raise Failed("".join(f"tar: {name}: Not found in archive\n" for name in sorted(wanted)), 2)
    return 0


def _member(
    box: LinuxBox,
    call: Call,
    archive: tarfile.TarFile,
    member: tarfile.TarInfo,
    folder: str,
    strip: int,
    wanted: set[str],
    *,
    extract: bool,
    verbose: bool,
) -> None:
    if call.argv and wanted and member.name not in wanted:
        return
    wanted.discard(member.name)
    shown = member.name + ("/" if member.isdir() else "")
    if not extract or verbose:
        call.out(shown + "\n")
    if not extract:
        return
    parts = [part for part in member.name.split("/") if part not in ("", ".")][strip:]
    if not parts:
        return
    if ".." in parts:
        raise Failed(f"tar: {member.name}: Member name contains '..'", 2)
    target = posixpath.join(folder, *parts)
    if member.isdir():
        box.files.make_folders(target)
        return
    box.files.make_folders(posixpath.dirname(target))
    if member.issym():
        box.files.link(target, member.linkname)
        return
    stream = archive.extractfile(member)
    assert stream is not None
    box.files.write(target, stream.read(), member.mode & 0o755 or 0o644)
    box.files.chmod(target, member.mode & 0o755)
    if member.mtime:
        box.files.touch_time(target, float(member.mtime))


register({"tar": tar})
