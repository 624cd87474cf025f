"""curl.exe on a modelled Windows, pulling from the services of its neighbours; exit codes are curl's own."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from provision.rehearsal.models.neighbours import HttpAnswer, HttpRequest, HttpService, http_at
from provision.rehearsal.models.windows_process import Program
from provision.rehearsal.models.windows_table import ProgramError, program

URL, RESOLVE, CONNECT, HTTP, WRITE, READ, TIMEOUT = 3, 6, 7, 22, 23, 26, 28
RANGE, RESUME, PARTIAL, OPTION = 33, 36, 18, 2
_SWITCHES = {
    "--fail": "fail", "-f": "fail", "--location": "location", "-L": "location", "--silent": "silent", "-s": "silent",
    "--show-error": "show", "-S": "show", "--retry-connrefused": "refused", "--retry-all-errors": "all",
    "--create-dirs": "folders",
}  # fmt: skip
_VALUES = {
    "--output": "output", "-o": "output", "--continue-at": "resume", "-C": "resume", "--connect-timeout": "connect",
    "--retry": "retry", "--retry-delay": "delay", "--retry-max-time": "most", "--max-time": "time", "-m": "time",
    "--upload-file": "upload", "-T": "upload",
    "--noproxy": "noproxy", "--speed-limit": "slow", "-Y": "slow", "--speed-time": "slowfor", "-y": "slowfor",
}  # fmt: skip
PIECES = 4  # a transfer comes in that many pieces, so that it can be cut in the middle


@dataclass
class _Wish:
    urls: list[str] = field(default_factory=list)
    options: dict[str, str] = field(default_factory=dict)


def _parse(arguments: list[str]) -> _Wish:
    wish = _Wish()
    words = list(arguments)
    while words:
        word = words.pop(0)
        if word in _SWITCHES:
            wish.options[_SWITCHES[word]] = "1"
        elif word in _VALUES:
            if not words:
                raise ProgramError(OPTION, f"curl: option {word}: requires parameter")
            wish.options[_VALUES[word]] = words.pop(0)
        elif word.startswith("-") and word != "-":
            raise ProgramError(OPTION, f"curl: option {word}: is unknown\ncurl: try 'curl --help' for more information")
        else:
            wish.urls.append(word)
    if not wish.urls:
        raise ProgramError(OPTION, "curl: no URL specified!")
    return wish


@program("curl")
def curl(call: Program) -> int:
    """Fetch one URL into a file (or to standard output), resumed by ``--continue-at -``."""
    wish = _parse(call.arguments)
    tries = int(wish.options.get("retry", "0")) + 1
    failure = ProgramError(URL)
    for number in range(tries):
        if number:
            call.process.sleep(min(2.0 ** (number - 1), 60.0))
        if call.process.killed.is_set():
            return PARTIAL
        try:
            return _fetch(call, wish)
        except ProgramError as error:
            failure = error
            # A transfer that breaks off (18) is no reason for another try (curl's tool_operate.c, seen with 7.88).
            again = error.code == TIMEOUT or (error.code == CONNECT and "refused" in wish.options)
            if not again and not ("all" in wish.options and error.code != WRITE):
                break
    quiet = "silent" in wish.options and "show" not in wish.options
    raise ProgramError(failure.code, "" if quiet else failure.text)


def _fetch(call: Program, wish: _Wish) -> int:
    url = wish.urls[0]
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise ProgramError(1 if parts.scheme else URL, f'curl: (1) Protocol "{parts.scheme}" not supported (rehearsal)')
    if call.process.environment.get("http_proxy") and wish.options.get("noproxy") != "*":
        raise ProgramError(5, "curl: (5) Could not resolve proxy")
    service = _connect(call, parts.hostname, parts.port or 80)
    output = call.path_of(wish.options["output"]) if "output" in wish.options else ""
    files = call.machine.files
    have = 0
    if wish.options.get("resume") == "-" and output and files.exists(output):
        have = files.stat(output).size
    headers = {"range": f"bytes={have}-"} if have else {}
    sources = [a for a in call.machine.addresses() if a != "10.0.2.15"] or ["10.0.2.15"]
    asked = parts.path + (f"?{parts.query}" if parts.query else "")
    if "upload" in wish.options:
        source = call.path_of(wish.options["upload"])
        if not files.exists(source):
            raise ProgramError(READ, f"curl: cannot open '{wish.options['upload']}'")
        call.machine.latencies.wait("windows-pull-file", call.process.killed)
        answer = service(HttpRequest(asked, sources[0], {}, files.read(source)))
        if answer.status >= 400 and "fail" in wish.options:
            raise ProgramError(HTTP, _http_error(answer))
        return 0
    answer = service(HttpRequest(asked, sources[0], headers))
    if have and answer.status == 416:
        raise ProgramError(HTTP if "fail" in wish.options else RANGE, _http_error(answer))
    if answer.status >= 400 and "fail" in wish.options:
        raise ProgramError(HTTP, _http_error(answer))
    if have and answer.status != 206:
        raise ProgramError(RANGE, "curl: (33) HTTP server does not seem to support byte ranges. Cannot resume.")
    return _store(call, answer, output, have)


def _http_error(answer: HttpAnswer) -> str:
    return f"curl: (22) The requested URL returned error: {answer.status}"


def _connect(call: Program, host: str, port: int) -> HttpService:
    if not re.fullmatch(r"[\d.]+", host):
        raise ProgramError(RESOLVE, f"curl: (6) Could not resolve host: {host}")
    try:
        service = http_at(call.machine.neighbours, host, port)
    except TimeoutError:
        raise ProgramError(TIMEOUT, f"curl: (28) Failed to connect to {host} port {port}: Timed out") from None
    if service is None or call.machine.faults.strikes("depot-gone"):
        raise ProgramError(CONNECT, f"curl: (7) Failed to connect to {host} port {port}: Connection refused")
    return service


def _store(call: Program, answer: HttpAnswer, output: str, have: int) -> int:
    body = answer.body
    if output and call.machine.faults.strikes("corrupt") and len(body) > 10:
        body = body[:-1] + bytes([body[-1] ^ 0xFF])
    if not output:
        call.on_stdout(body)
        return 0
    files = call.machine.files
    size = max(1, -(-len(body) // PIECES))
    cut = bool(output) and call.machine.faults.strikes("pull-cut")
    body = body[: len(body) // 2] if cut else body
    try:
        if not have:
            files.write(output, b"")
        for start in range(0, len(body), size):
            if not call.machine.latencies.wait("windows-pull-file", call.process.killed, times=1 / PIECES):
                return PARTIAL
            files.append(output, body[start : start + size])
    except OSError as error:
        raise ProgramError(WRITE, f"curl: (23) Failure writing output to destination: {error.strerror}") from error
    length = answer.headers.get("content-length")
    if length is not None and int(length) != len(answer.body):
        raise ProgramError(PARTIAL, "curl: (18) end of response with bytes missing")
    if cut:
        lacking = len(answer.body) - len(body)
        raise ProgramError(PARTIAL, f"curl: (18) transfer closed with {lacking} bytes remaining to read")
    return 0
