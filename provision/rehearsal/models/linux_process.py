# ruff: noqa: ARG001 - programs and services have one signature
"""Programs that run programs, and those that tell about the system."""

from __future__ import annotations

import re

from provision.rehearsal.models.linux_box import PATH, LinuxBox, register
from provision.rehearsal.models.linux_program import Failed, Usage, options, path_of
from provision.rehearsal.shell import Call, Unsupported

KERNEL = "6.1.0-40-amd64"
TIMED_OUT = 124


def _nested(call: Call, argv: list[str] | tuple[str, ...], **env: str) -> Call:
    return Call(tuple(argv), {**call.env, **env}, call.stdin, call.stdout, call.stderr, call.cwd)


def run_nested(box: LinuxBox, call: Call) -> int:
    """Run what a program was told to run; missing and broken files give 127 and 126, as their callers do."""
    try:
        return box.program(call)
    except FileNotFoundError:
        call.err(f"{call.argv[0]}: No such file or directory\n")
        return 127
    except PermissionError as error:
        call.err(f"{call.argv[0]}: {error.strerror}\n")
        return 126


def bash(box: LinuxBox, call: Call) -> int:
    """``bash FILE``, ``bash -s``, ``bash -c TEXT NAME ARGUMENT...``, with ``-e -u``."""
    rest = list(call.argv[1:])
    prefix = ""
    source = ""
    while rest and rest[0].startswith("-") and rest[0] != "-":
        option = rest.pop(0)
        if option == "--":
            break
        if option == "-c":
            source = "-c"
        elif option == "-s":
            source = "-s"
        elif re.fullmatch(r"-[eu]+", option):
            prefix += f"set {option}; "
        elif option == "-n":
            raise Unsupported("bash -n", 0)
        else:
            raise Usage(f"bash: {option}: invalid option", 2)
    process = box.child()
    if source == "-c":
        text, *arguments = rest
        name = arguments.pop(0) if arguments else "bash"
    elif source == "-s" or not rest:
        text, arguments, name = call.stdin.read().decode(), rest, "bash"
    else:
        name, *arguments = rest
        try:
            text = box.files.read(path_of(call, name)).decode()
        except FileNotFoundError:
            raise Failed(f"bash: {name}: No such file or directory", 127) from None
    return process.bash(prefix + text, call, name, tuple(arguments))


def sudo(box: LinuxBox, call: Call) -> int:
    """``sudo -n COMMAND``: the machine's own user may do everything without a password."""
    given = options(call, ["-n|--non-interactive", "-H", "-E"], ["-u|--user"], mixed=False)
    if not given.operands:
        raise Usage("usage: sudo -h | -K | -k | -V")
    process = box.child(user=given.get("-u", "root"))
    argv = given.operands
    env: dict[str, str] = {}
    while argv and (found := re.fullmatch(r"(\w+)=(.*)", argv[0], re.S)):
        env[found[1]] = found[2]
        argv = argv[1:]
    home = "/root" if process.user == "root" else f"/home/{process.user}"
    inner = _nested(call, argv, **{"HOME": home, "USER": process.user, "PATH": PATH, **env})  # its secure_path
    if box.which(argv[0]) is None:
        raise Failed(f"sudo: {argv[0]}: command not found")
    return run_nested(process, inner)


def timeout(box: LinuxBox, call: Call) -> int:
    """124 when the time is over."""
    given = options(
        call, ["--foreground", "--preserve-status"], ["-k|--kill-after", "-s|--signal"], usage=125, mixed=False
    )
    if len(given.operands) < 2:
        raise Usage("timeout: missing operand", 125)
    seconds = duration(given.operands[0])
    if seconds is None:
        raise Usage(f"timeout: invalid time interval '{given.operands[0]}'", 125)
    process = box.child(seconds=seconds)
    code = run_nested(process, _nested(call, given.operands[1:]))
    if process.killed.is_set() and not any(event.is_set() for event in process.events):
        return TIMED_OUT
    return code


def duration(text: str) -> float | None:
    """Seconds of ``30``, ``1.5``, ``2m``; None for anything else."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", text)
    if not found:
        return None
    return float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}[found[2]]


def sleep(box: LinuxBox, call: Call) -> int:
    given = options(call)
    total = 0.0
    for text in given.operands:
        seconds = duration(text)
        if seconds is None:
            raise Usage(f"sleep: invalid time interval '{text}'")
        total += seconds
    if not given.operands:
        raise Usage("sleep: missing operand")
    box.sleep(total)
    return 0


def env(box: LinuxBox, call: Call) -> int:
    rest = list(call.argv[1:])
    added: dict[str, str] = {}
    while rest and (found := re.fullmatch(r"(\w+)=(.*)", rest[0], re.S)):
        added[found[1]] = found[2]
        rest.pop(0)
    if not rest:
        for name, value in {**call.env, **added}.items():
            call.out(f"{name}={value}\n")
        return 0
    if rest[0].startswith("-"):
        raise Usage(f"env: invalid option -- '{rest[0][1:]}'", 125)
    return run_nested(box, _nested(call, rest, **added))


def nice(box: LinuxBox, call: Call) -> int:
    given = options(call, [], ["-n|--adjustment"], usage=125, mixed=False)
    return run_nested(box, _nested(call, given.operands))


def kill(box: LinuxBox, call: Call) -> int:
    """Ends processes, and groups by a negative number, that this machine started."""
    numbers = [word for word in call.argv[1:] if re.fullmatch(r"-?\d+", word)]
    other = [word for word in call.argv[1:] if word not in numbers]
    if any(word not in ("-KILL", "-TERM", "-9", "-15", "--", "-s", "KILL") for word in other):
        raise Unsupported(f"kill {' '.join(other)}", 0)
    code = 0
    for number in numbers:
        if not box.machine.end_process(abs(int(number))):
            call.err(f"kill: ({number}): No such process\n")
            code = 1
    return code


def uname(box: LinuxBox, call: Call) -> int:
    given = options(call, ["-r", "-m", "-n", "-s", "-a"])
    values = {"-s": "Linux", "-n": box.hostname, "-r": KERNEL, "-m": "x86_64"}
    wanted = list(values) if "-a" in given else [name for name in values if name in given] or ["-s"]
    call.out(" ".join(values[name] for name in wanted) + "\n")
    return 0


def hostname(box: LinuxBox, call: Call) -> int:
    options(call, ["-s"])
    if len(call.argv) > 2:
        raise Unsupported("setting the name with hostname (use hostnamectl)", 0)
    call.out(box.hostname + "\n")
    return 0


def whoami(box: LinuxBox, call: Call) -> int:
    call.out(box.user + "\n")
    return 0


def id_(box: LinuxBox, call: Call) -> int:
    given = options(call, ["-u", "-n", "-un", "-g"])
    number = "0" if box.user == "root" else "1000"
    if "-n" in given or "-un" in given:
        number = box.user
    elif not given.given:
        number = f"uid={number}({box.user}) gid={number}({box.user}) groups={number}({box.user})"
    call.out(number + "\n")
    return 0


def nproc(box: LinuxBox, call: Call) -> int:
    call.out(f"{box.machine.spec.get('cpus', 2)}\n")
    return 0


def df(box: LinuxBox, call: Call) -> int:
    given = options(call, ["-h", "-P", "-k", "-B1"], ["--output"])
    call.out("Filesystem      Size  Used Avail Use% Mounted on\n")
    for _ in given.operands or ["/"]:
        call.out("/dev/sda1        62G  2.1G   57G   4% /\n")
    return 0


def timedatectl(box: LinuxBox, call: Call) -> int:
    given = options(call, ["--value"], ["--property|-p"])
    if given.operands != ["show"] or given.get("--property") != "NTPSynchronized":
        raise Unsupported(" ".join(call.argv), 0)
    synchronised = "no" if box.machine.faults.lasting("clock-gone") else "yes"
    call.out(synchronised + "\n" if "--value" in given else f"NTPSynchronized={synchronised}\n")
    return 0


register(
    {
        "bash": bash,
        "sudo": sudo,
        "timeout": timeout,
        "sleep": sleep,
        "env": env,
        "nice": nice,
        "kill": kill,
        "uname": uname,
        "hostname": hostname,
        "whoami": whoami,
        "id": id_,
        "nproc": nproc,
        "df": df,
        "timedatectl": timedatectl,
    }
)
