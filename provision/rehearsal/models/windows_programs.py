"""cmd.exe, powershell.exe and the small programs of System32 on a modelled Windows."""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
from collections.abc import Callable, Iterable

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from provision.rehearsal.models.windows_cmd import (
    expand,
    redirections,
    special_characters,
    split_program,
)
from provision.rehearsal.models.windows_network import adapters, addresses
from provision.rehearsal.models.windows_powershell import run_powershell
from provision.rehearsal.models.windows_process import Program, WindowsProcess
from provision.rehearsal.models.windows_table import ProgramError, command, program
from provision.rehearsal.powershell.box import Bound, CommandError
from provision.rehearsal.powershell.native import split_arguments
from provision.rehearsal.powershell.values import Record

NOT_RECOGNIZED = 1


def run_command_line(process: WindowsProcess, line: str, stdin: bytes | None = None) -> int:
    """Run a line as ``cmd.exe /c`` does; the part of cmd.exe that anybody sends is modelled."""
    text, files = redirections(expand(line.strip(), process.environment))
    if special := special_characters(text):
        process.write_error(f"rehearsal: '{special}' in a command line is not modelled: {line}\r\n".encode())
        return 1
    name, rest = split_program(text)
    builtin = _builtin(process, name.lower(), rest)
    if builtin is not None:
        return builtin
    path = process.find_program(name)
    if path is None:
        said = f"'{name}' is not recognized as an internal or external command,\r\noperable program or batch file.\r\n"
        process.write_error(said.encode())
        return NOT_RECOGNIZED
    try:
        out, err = (_into(process, files[n]) if n in files else None for n in ("", "2"))
        return process.program(path, split_arguments(rest), stdin, out or process.write, err or process.write_error)
    except CommandError as error:
        process.write_error(f"{error.message}\r\n".encode())
        return NOT_RECOGNIZED


def _into(process: WindowsProcess, name: str) -> Callable[[bytes], None]:
    """What writes into a file that was made empty first, as cmd.exe's > does."""
    path = process.absolute(name)
    process.files.write(path, b"")
    return lambda data: process.files.append(path, data)


def _builtin(process: WindowsProcess, name: str, rest: str) -> int | None:
    if name == "echo":
        process.write(f"{rest}\r\n".encode())
        return 0
    if name == "exit":
        code = rest.removeprefix("/b").removeprefix("/B").strip()
        return int(code) if code.lstrip("-").isdigit() else 0
    if name == "ver":
        process.write(b"\r\nMicrosoft Windows [Version 10.0] (rehearsal)\r\n")
        return 0
    if name == "set":
        process.write("".join(f"{k}={v}\r\n" for k, v in sorted(process.environment.items())).encode())
        return 0
    if name == "cd":
        process.write(f"{process.folder}\r\n".encode())
        return 0
    if name == "type":
        return _type(process, rest)
    return None


def _type(process: WindowsProcess, rest: str) -> int:
    try:
        for argument in split_arguments(rest):
            process.write(process.files.read(process.absolute(argument)))
    except OSError:
        process.write_error(b"The system cannot find the file specified.\r\n")
        return 1
    return 0


@program("cmd")
def cmd(call: Program) -> int:
    """cmd.exe /c LINE."""
    words = call.arguments
    if not words or words[0].lower() not in ("/c", "/s", "/d"):
        raise ProgramError(1, "rehearsal: cmd.exe without /c is not modelled")
    while words and words[0].lower() in ("/c", "/s", "/d", "/q"):
        words = words[1:]
    process = _child(call)
    return run_command_line(process, " ".join(words), call.stdin)


def _child(call: Program) -> WindowsProcess:
    """A process of its own with the caller's environment and streams."""
    parent = call.process
    return WindowsProcess(
        call.machine,
        killed=parent.killed,
        write=call.on_stdout,
        write_error=call.on_stderr,
        read=parent.read_input if call.stdin is None else lambda: call.stdin or b"",
        user=parent.user,
        environment=parent.environment,
        folder=parent.folder,
        console=parent.console,
    )


@program("powershell")
def powershell(call: Program) -> int:
    """powershell.exe -File, -EncodedCommand or -Command."""
    process = _child(call)
    process.write_by_code_page()
    return run_powershell(process, call.arguments)


@program("chcp")
def chcp(call: Program) -> int:
    page = call.arguments[0] if call.arguments else str(call.process.console.page)
    if page not in ("65001", "437", "850", "1252"):
        call.out("Invalid code page")
        return 1
    call.process.console.page = int(page)
    call.out(f"Active code page: {page}")
    return 0


@program("whoami")
def whoami(call: Program) -> int:
    user = call.process.user
    call.out("nt authority\\system" if user == "SYSTEM" else f"{call.machine.computer_name.lower()}\\{user}")
    return 0


@program("tar")
def tar(call: Program) -> int:
    """bsdtar: -xf ARCHIVE [-C FOLDER] [--strip-components N], -tf ARCHIVE."""
    words = list(call.arguments)
    archive, folder, strip, mode = "", call.process.folder, 0, ""
    while words:
        word = words.pop(0)
        if re.fullmatch(r"-?[xtvzf]+", word) and not mode:
            mode = "t" if "t" in word else "x"
            archive = words.pop(0) if "f" in word and words else ""
        elif word == "-C" and words:
            folder = words.pop(0)
        elif word == "--strip-components" and words:
            strip = int(words.pop(0))
        elif word.startswith("--strip-components="):
            strip = int(word.partition("=")[2])
        else:
            raise ProgramError(1, f"tar.exe: Option {word} is not supported")
    source, target = call.path_of(archive), call.path_of(folder)
    if not mode or not call.machine.files.exists(source):
        raise ProgramError(1, f"tar.exe: Error opening archive: Failed to open '{archive}'")
    if not call.machine.files.is_folder(target):
        raise ProgramError(1, f"tar.exe: could not chdir to '{folder}'")
    if not call.machine.latencies.wait("windows-unpack", call.process.killed):
        return 1
    try:
        with tarfile.open(fileobj=io.BytesIO(call.machine.files.read(source))) as tape:
            for member in tape:
                _unpack(call, tape, member, target, strip, listing=mode == "t")
    except (tarfile.TarError, EOFError, OSError) as error:
        if isinstance(error, OSError) and error.errno:
            raise ProgramError(1, f"tar.exe: {error.strerror}") from error
        raise ProgramError(1, "tar.exe: Error opening archive: Unrecognized archive format") from error
    return 0


def _unpack(
    call: Program, tape: tarfile.TarFile, member: tarfile.TarInfo, target: str, strip: int, *, listing: bool
) -> None:
    if listing:
        call.out(member.name)
        return
    parts = [part for part in member.name.split("/") if part not in ("", ".")][strip:]
    if not parts:
        return
    files = call.machine.files
    path = "\\".join([target, *parts])
    if member.isdir():
        files.make_folders(path)
        return
    files.make_folders("\\".join([target, *parts[:-1]]))
    stream = tape.extractfile(member)
    files.write(path, stream.read() if stream else b"")
    files.touch_time(path, float(member.mtime))


@program("certutil")
def certutil(call: Program) -> int:
    """certutil.exe -hashfile FILE SHA256, and -addstore, -store, -delstore of the trusted roots."""
    words = [word for word in call.arguments if word.lower() != "-f"]
    if len(words) == 3 and words[0].lower() in ("-addstore", "-store", "-delstore") and words[1].lower() == "root":
        return _roots(call, words[0].lower(), words[2])
    if len(words) < 2 or words[0].lower() != "-hashfile":
        call.out(f"CertUtil: Unknown arg: {words[0] if words else ''}")
        return 0x80070057
    path = call.path_of(words[1])
    if not call.machine.files.exists(path):
        call.out("CertUtil: -hashfile command FAILED: 0x80070002 (WIN32: 2 ERROR_FILE_NOT_FOUND)\n"
                 "CertUtil: The system cannot find the file specified.")  # fmt: skip
        return 0x80070002
    kind = words[2].lower() if len(words) > 2 else "sha1"
    if kind not in ("sha1", "sha256", "md5", "sha512"):
        return 0x80090008
    digest = hashlib.new(kind, call.machine.files.read(path), usedforsecurity=False).hexdigest()
    call.out(f"{kind.upper()} hash of {words[1]}:\n{digest}\nCertUtil: -hashfile command completed successfully.")
    return 0


def _roots(call: Program, verb: str, what: str) -> int:
    """The machine's trusted roots, by thumbprint."""
    machine = call.machine
    with machine.state.change() as data:
        roots: list[str] = data.setdefault("trusted_roots", [])
        if verb == "-addstore":
            path = call.path_of(what)
            if not machine.files.exists(path):
                call.out("CertUtil: -addstore command FAILED: 0x80070002 (WIN32: 2 ERROR_FILE_NOT_FOUND)")
                return 0x80070002
            try:
                der = x509.load_pem_x509_certificate(machine.files.read(path)).public_bytes(Encoding.DER)
            except ValueError:
                call.out("CertUtil: -addstore command FAILED: 0x8009310b (ASN: 267 CRYPT_E_ASN1_BADTAG)")
                return 0x8009310B
            thumbprint = hashlib.sha1(der, usedforsecurity=False).hexdigest()
            if thumbprint not in roots:
                roots.append(thumbprint)
        elif what.lower() not in roots:
            call.out(f'Root "Trusted Root Certification Authorities"\nCertUtil: {verb} command FAILED: 0x80090011')
            return 0x80090011
        elif verb == "-delstore":
            roots.remove(what.lower())
    call.out(f"CertUtil: {verb} command completed successfully.")
    return 0


# Access lists: only whether a folder's rules are its own, and for whom.


@program("icacls")
def icacls(call: Program) -> int:
    """icacls.exe PATH /inheritance:r /grant[:r] WHO:RIGHTS..."""
    words = list(call.arguments)
    path = call.path_of(words.pop(0)) if words else ""
    if not path or not call.machine.files.exists(path):
        call.err(f"{path}: The system cannot find the file specified.")
        return 2
    with call.machine.state.change():
        rules = call.machine.state.section("access").setdefault(path.lower(), {"own": False, "grants": {}})
        if rules.get("locked"):
            # A policy, or another owner, keeps its rules.
            call.err(f"{path}: Access is denied.")
            return 5
        while words:
            word = words.pop(0).lower()
            if word in ("/inheritance:r", "/inheritance:d"):
                rules["own"] = True
            elif word == "/inheritance:e":
                rules["own"] = False
            elif word in ("/grant", "/grant:r"):
                if not words or ":" not in words[0]:
                    call.err('Invalid parameter "/grant"')
                    return 87
                while words and not words[0].startswith("/"):
                    who, _, rights = words.pop(0).rpartition(":")
                    if not re.fullmatch(r"\*S-1-[\d-]+|[\w .\\-]+", who):
                        call.err(f"{who}: No mapping between account names and security IDs was done.")
                        return 1332
                    rules["grants"][who.lower()] = rights
            elif word not in ("/t", "/c", "/q"):
                call.err(f'Invalid parameter "{word}"')
                return 87
    call.out(f"processed file: {path}\nSuccessfully processed 1 files; Failed processing 0 files")
    return 0


@command("Get-Acl")
def get_acl(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    path = process.absolute((bound.texts("LiteralPath") or bound.texts("Path"))[0])
    if not process.machine.files.exists(path):
        raise CommandError(f"Cannot find path '{path}' because it does not exist.", "GetAcl_PathNotFound_Exception",
                           category="ObjectNotFound")  # fmt: skip
    with process.machine.state.reading():
        rules = process.machine.state.section("access").get(path.lower(), {"own": False})
    names = {"AreAccessRulesProtected": rules["own"], "Owner": "BUILTIN\\Administrators", "Path": path}
    return [Record(names, type_name="System.Security.AccessControl.DirectorySecurity")]


@program("ipconfig")
def ipconfig(call: Program) -> int:
    with call.machine.state.reading():
        lines = ["", "Windows IP Configuration (rehearsal)", ""]
        for card in adapters(call.machine):
            own = [a["address"] for a in addresses(call.machine) if a["index"] == card["index"]]
            lines += [f"Ethernet adapter {card['name']}:", *(f"   IPv4 Address. . : {a}" for a in own), ""]
    call.out("\n".join(lines))
    return 0


@program("route")
def route(call: Program) -> int:
    if [word.lower() for word in call.arguments[:1]] != ["print"]:
        raise ProgramError(1, "rehearsal: route.exe knows print only")
    with call.machine.state.reading() as data:
        call.out("\n".join(["Active Routes:", *(f"{r['prefix']} {r['hop']} {r['metric']}" for r in data["routes"])]))
    return 0


@program("xcopy")
def xcopy(_: Program) -> int:
    raise ProgramError(4, "rehearsal: xcopy.exe is here for kubeadm's preflight only")
