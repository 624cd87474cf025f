"""Remote shells of WS-Management: what Create, Command, Send, Receive, Signal and Delete do."""

from __future__ import annotations

import asyncio
import re
import threading
import uuid
from dataclasses import dataclass, field

from provision.rehearsal.contract import ModelledMachine, Streams
from provision.rehearsal.serving import Faults, Pipe, execute
from provision.rehearsal.wsman_server_soap import (
    COMMAND,
    CREATE,
    DELETE,
    INVALID_PARAMETER,
    OPERATION_TIMEOUT,
    PIPE_CLOSED,
    QUOTA,
    RECEIVE,
    RSP,
    SEND,
    SHELL_NOT_FOUND,
    SIGNAL,
    Request,
    WsmanFault,
    created,
    decode,
    envelope,
    received,
)

# cmd.exe takes command lines of at most this many characters.
COMMAND_LINE = 8191
# Seconds that WinRM keeps a shell that nobody asks for anything, unless the client wants less (winrs' IdleTimeout).
IDLE = 7200.0
# A command whose output nobody fetches waits, as it would on a full pipe.
UNREAD = 1024 * 1024


class Dropped(Exception):
    """The connection has to be dropped without a reply (a fault was switched on)."""


class Command:
    """One command of a shell, run by the model in a thread of its own."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.id = str(uuid.uuid4()).upper()
        self.stdin = Pipe()
        self.killed = threading.Event()
        self.code: int | None = None
        self.taken = 0
        self._loop = loop
        self._pending: list[tuple[str, bytes]] = []
        self._unread = 0
        self._room = threading.Condition()
        self._news = asyncio.Event()

    def start(self, machine: ModelledMachine, line: str) -> None:
        streams = Streams(
            self.stdin, lambda data: self._write("stdout", data), lambda data: self._write("stderr", data), self.killed
        )

        def work() -> None:
            code = 1
            try:
                code = execute(machine, line, streams)
            except BrokenPipeError:
                code = 1
            finally:
                self.finish(code)

        threading.Thread(target=work, name=f"winrm {machine.name}", daemon=True).start()

    def finish(self, code: int) -> None:
        self.code = code
        self._tell()

    def say(self, name: str, data: bytes) -> None:
        """Output that the server itself has for the client (cmd.exe's own complaints)."""
        self._pending.append((name, data))

    def _tell(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._news.set)

    def _write(self, name: str, data: bytes) -> None:
        with self._room:
            self._room.wait_for(lambda: self._unread < UNREAD or self.killed.is_set())
            if self.killed.is_set():
                raise BrokenPipeError("the command was ended")
            self._pending.append((name, data))
            self._unread += len(data)
        self._tell()

    async def take(self, most: int, wait: float) -> tuple[list[tuple[str, bytes]], int | None]:
        """Up to ``most`` bytes of output and, when nothing more will come, the exit code.

        Raises:
            TimeoutError: there was nothing to say within ``wait`` seconds.
        """
        end = self._loop.time() + wait
        while not self._pending and self.code is None:
            self._news.clear()
            if self._pending or self.code is not None:
                break
            await asyncio.wait_for(self._news.wait(), end - self._loop.time())
        taken: list[tuple[str, bytes]] = []
        with self._room:
            while self._pending and most > 0:
                name, data = self._pending.pop(0)
                if len(data) > most:
                    self._pending.insert(0, (name, data[most:]))
                    data = data[:most]
                if taken and taken[-1][0] == name:
                    # One stream element for what was written in many small pieces: their tags would outweigh them.
                    data_before = taken.pop()[1]
                    taken.append((name, data_before + data))
                else:
                    taken.append((name, data))
                most -= len(data)
                self._unread -= len(data)
            self._room.notify_all()
            rest = bool(self._pending)
        return taken, None if rest else self.code

    def give_back(self, streams: list[tuple[str, bytes]]) -> None:
        """Output that could not be handed over is kept for the next Receive."""
        with self._room:
            self._pending[:0] = streams

    def kill(self) -> None:
        self.killed.set()
        self.stdin.end()
        with self._room:
            self._room.notify_all()


@dataclass
class Shell:
    """One open shell of WS-Management, with the commands that run in it."""

    id: str
    owner: str
    code_page: str
    idle: float
    asked: float
    commands: dict[str, Command] = field(default_factory=dict)


class Shells:
    """All shells of one machine; they end with its boot."""

    def __init__(self, machine: ModelledMachine, faults: Faults, *, max_shells: int, max_processes: int) -> None:
        self.machine = machine
        self.faults = faults
        self.max_shells = max_shells
        self.max_processes = max_processes
        self._shells: dict[str, Shell] = {}
        self._boot = machine.boot_count

    def clear(self) -> None:
        for shell in self._shells.values():
            for command in shell.commands.values():
                command.kill()
        self._shells.clear()

    def _forget_earlier_boot(self) -> None:
        if self.machine.boot_count != self._boot:
            self.clear()
            self._boot = self.machine.boot_count

    def _end_idle_ones(self, now: float) -> None:
        for shell in list(self._shells.values()):
            if now - shell.asked > shell.idle:
                self._end(shell)

    def _end(self, shell: Shell) -> None:
        del self._shells[shell.id]
        for command in shell.commands.values():
            command.kill()

    async def answer(self, request: Request, user: str) -> bytes:
        """The reply to one request.

        Raises:
            WsmanFault: the request is refused.
            Dropped: the connection has to go.
        """
        self._forget_earlier_boot()
        now = asyncio.get_running_loop().time()
        self._end_idle_ones(now)
        if request.action == CREATE:
            return self._create(request, user)
        shell = self._shells.get(request.shell_id)
        if shell is None or shell.owner != user:
            raise WsmanFault(
                SHELL_NOT_FOUND, "w:InvalidSelectors", "The request for the Windows Remote Shell with ShellId "
                f"{request.shell_id} failed because the shell was not found on the server.",
            )  # fmt: skip
        shell.asked = now
        if request.action == DELETE:
            self._end(shell)
            return envelope(f"{DELETE}Response", request.message_id, "")
        if request.action == COMMAND:
            return self._command(request, shell)
        if request.action == SEND:
            return self._send(request, shell)
        if request.action == RECEIVE:
            return await self._receive(request, shell)
        if request.action == SIGNAL:
            # Ends the command and frees its place; unknown ones are answered alike, as WinRM does.
            gone = shell.commands.pop(request.find("Signal").get("CommandId", ""), None)
            if gone is not None:
                gone.kill()
            return envelope(f"{SIGNAL}Response", request.message_id, "<rsp:SignalResponse/>")
        raise WsmanFault(INVALID_PARAMETER, "a:ActionNotSupported", f"the action {request.action} is not supported")

    def _create(self, request: Request, user: str) -> bytes:
        if len(self._shells) >= self.max_shells:
            raise WsmanFault(
                QUOTA, "w:QuotaLimit", "The WS-Management service cannot process the request. The maximum number of "
                "concurrent shells for this user has been exceeded. Close existing shells or raise the quota for this "
                "user.",
            )  # fmt: skip
        wanted = next((element.text for element in request.body.iter(f"{{{RSP}}}IdleTimeOut")), None)
        seconds = re.fullmatch(r"PT([0-9.]+)S", wanted or "")
        if wanted is not None and seconds is None:
            raise WsmanFault(INVALID_PARAMETER, "w:InvalidParameter", f"{wanted} is no idle timeout")
        shell = Shell(
            str(uuid.uuid4()).upper(),
            user,
            request.options.get("WINRS_CODEPAGE", "437"),
            float(seconds.group(1)) if seconds else IDLE,
            asyncio.get_running_loop().time(),
        )
        self._shells[shell.id] = shell
        return created(request, shell.id)

    def _command(self, request: Request, shell: Shell) -> bytes:
        if len(shell.commands) >= self.max_processes:
            raise WsmanFault(
                QUOTA, "w:QuotaLimit", "The maximum number of concurrent operations for this shell has been exceeded."
            )  # fmt: skip
        words = [request.find("Command").text or ""]
        words += [argument.text or "" for argument in request.body.iter(f"{{{RSP}}}Arguments")]
        line = " ".join(word for word in words if word)
        command = Command(asyncio.get_running_loop())
        shell.commands[command.id] = command
        if self.faults.drops_command():
            command.start(self.machine, line)
            raise Dropped
        if len(line) > COMMAND_LINE and request.options.get("WINRS_SKIP_CMD_SHELL", "FALSE").upper() != "TRUE":
            command.say("stderr", b"The command line is too long.\r\n")
            command.finish(1)
        else:
            command.start(self.machine, line)
        return envelope(
            f"{COMMAND}Response",
            request.message_id,
            f"<rsp:CommandResponse><rsp:CommandId>{command.id}</rsp:CommandId></rsp:CommandResponse>",
        )

    @staticmethod
    def _of(shell: Shell, command_id: str) -> Command:
        command = shell.commands.get(command_id)
        if command is None:
            raise WsmanFault(INVALID_PARAMETER, "w:InvalidParameter", f"the shell has no command {command_id}")
        return command

    def _send(self, request: Request, shell: Shell) -> bytes:
        for stream in request.body.iter(f"{{{RSP}}}Stream"):
            command = self._of(shell, stream.get("CommandId", ""))
            if command.stdin.ended or command.code is not None:
                raise WsmanFault(PIPE_CLOSED, "w:InternalError", "The pipe is being closed.")
            command.stdin.feed(decode(stream))
            if stream.get("End", "").lower() == "true":
                command.stdin.end()
        return envelope(f"{SEND}Response", request.message_id, "<rsp:SendResponse/>")

    async def _receive(self, request: Request, shell: Shell) -> bytes:
        command = self._of(shell, request.find("DesiredStream").get("CommandId", ""))
        # base64 makes four bytes of three; the envelope around the streams takes about two thousand.
        most = (request.max_envelope - 4096) * 3 // 4
        try:
            streams, code = await command.take(most, request.operation_timeout)
        except TimeoutError:
            raise WsmanFault(
                OPERATION_TIMEOUT, "w:TimedOut", "The WS-Management service cannot complete the operation within the "
                "time specified in OperationTimeout.",
            ) from None  # fmt: skip
        command.taken += sum(len(data) for _, data in streams)
        if self.faults.cuts_output(command.taken):
            command.give_back(streams)
            raise Dropped
        return received(request, command.id, streams, code)
