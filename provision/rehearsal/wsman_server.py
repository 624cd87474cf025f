"""A modelled machine behind a real WS-Management server: HTTP, NTLM with message encryption, remote shells."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass

from provision.rehearsal.contract import ModelledMachine
from provision.rehearsal.serving import Faults, LoopThread, Presence, Served
from provision.rehearsal.wsman_server_auth import CONTENT_TYPE, LoginRefused, NtlmLogin
from provision.rehearsal.wsman_server_shells import Dropped, Shells
from provision.rehearsal.wsman_server_soap import ACCESS_DENIED, TOO_LARGE, WsmanFault, fault, parse

WATCH = 0.2
# Defaults of winrm/config and winrm/config/winrs on Windows Server 2016 and later.
MAX_ENVELOPE = 153_600
MAX_SHELLS = 30
MAX_PROCESSES = 25
# A sealed body is the message, its signature and about 300 bytes of MIME headers.
_SEALING = 1024


@dataclass(frozen=True)
class _HttpRequest:
    path: str
    headers: dict[str, str]
    body: bytes


async def _read_request(reader: asyncio.StreamReader, most: int) -> _HttpRequest | None:
    """One request, None at the end of the connection; a body over ``most`` bytes is read and thrown away."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return None
    lines = head.decode("latin-1").split("\r\n")
    parts = lines[0].split(" ")
    headers = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    length = int(headers.get("content-length") or 0)
    if length > 8 * most:
        return None
    body = await reader.readexactly(length)
    return _HttpRequest(parts[1] if len(parts) > 1 else "", headers, body)


def _reply(status: str, body: bytes = b"", content_type: str = "", authenticate: str = "") -> bytes:
    """A whole HTTP reply, so that it leaves in one write."""
    lines = [f"HTTP/1.1 {status}", "Server: Microsoft-HTTPAPI/2.0", f"Content-Length: {len(body)}"]
    if content_type:
        lines.append(f"Content-Type: {content_type}")
    if authenticate:
        lines.append(f"WWW-Authenticate: {authenticate}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


class _WsmanServer:
    def __init__(
        self, machine: ModelledMachine, faults: Faults, max_shells: int, max_processes: int, encrypted: bool
    ) -> None:
        self.machine = machine
        self.faults = faults
        self.encrypted = encrypted
        self.shells = Shells(machine, faults, max_shells=max_shells, max_processes=max_processes)
        self.connections: dict[asyncio.StreamWriter, Presence] = {}

    async def watch(self) -> None:
        while True:
            for writer, presence in list(self.connections.items()):
                if presence.lost():
                    writer.transport.abort()
            await asyncio.sleep(WATCH)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One TCP connection, to its end. (asyncio's streams have TCP_NODELAY set.)"""
        if not self.machine.answers:
            writer.transport.abort()
            return
        presence = self.connections[writer] = Presence(self.machine, self.faults)
        login = NtlmLogin(self.machine)
        try:
            while (request := await _read_request(reader, MAX_ENVELOPE)) is not None:
                if not self.machine.answers and not self.faults.answers_once_more():
                    break
                reply = await self._answer(request, login)
                if presence.lost():
                    break
                if self.faults.slow:
                    await asyncio.sleep(self.faults.slow)
                writer.write(reply)
                await writer.drain()
        except (Dropped, ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass  # the client has gone, or a fault says so
        finally:
            self.connections.pop(writer, None)
            writer.transport.abort()

    async def _answer(self, request: _HttpRequest, login: NtlmLogin) -> bytes:
        if request.path != "/wsman":
            return _reply("404 Not Found")
        authorization = request.headers.get("authorization", "")
        if authorization:
            if not authorization.lower().startswith(("negotiate ", "ntlm ")):
                return _reply("401 Unauthorized", authenticate="Negotiate")
            try:
                challenge = login.step(authorization)
                if challenge is None and self.faults.refuses_login():
                    raise LoginRefused("the machine is still starting")
            except LoginRefused:
                login.user = None
                return _reply("401 Unauthorized", authenticate="Negotiate")
            if challenge is not None:
                return _reply("401 Unauthorized", authenticate=f"Negotiate {challenge}")
        if login.user is None:
            return _reply("401 Unauthorized", authenticate="Negotiate")
        if not request.body:
            return _reply("200 OK")
        message = request.body
        if self.encrypted:
            try:
                message = login.unseal(request.body)
            except LoginRefused:
                # What WinRM says to a message that it cannot decrypt.
                return _reply("400 Bad Request")
        status, answer = await self._operation(message, login.user)
        if self.encrypted:
            return _reply(status, login.seal(answer), CONTENT_TYPE)
        return _reply(status, answer, "application/soap+xml;charset=UTF-8")

    async def _operation(self, message: bytes, user: str) -> tuple[str, bytes]:
        message_id = ""
        try:
            if len(message) > MAX_ENVELOPE:
                raise WsmanFault(
                    TOO_LARGE, "w:EncodingLimit", "The WS-Management service cannot process the request because the "
                    f"request is larger than the maximum envelope size of {MAX_ENVELOPE}.",
                )  # fmt: skip
            request = parse(message)
            message_id = request.message_id
            # The registry value LocalAccountTokenFilterPolicy: without it, local administrators other than the
            # built-in one get a filtered token over the network.  A model without the question allows all.
            admits = getattr(self.machine, "admits_remote_administrator", None)
            if admits is not None and not admits(user):
                raise WsmanFault(ACCESS_DENIED, "w:AccessDenied", "Access is denied. ")
            return "200 OK", await self.shells.answer(request, user)
        except WsmanFault as error:
            return "500 Internal Server Error", fault(error, message_id)


def serve_wsman(
    machine: ModelledMachine,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    loop: LoopThread,
    faults: Faults | None = None,
    tls: ssl.SSLContext | None = None,
    max_shells: int = MAX_SHELLS,
    max_processes: int = MAX_PROCESSES,
) -> Served:
    """Serve a machine over WS-Management (WinRM).

    Args:
        machine: what runs the commands; it may have ``admits_remote_administrator(user) -> bool``.
        host: loopback address to listen on.
        port: 0 takes a free one.
        loop: the loop that all servers of this process share.
        faults: switches that may be changed while it runs.
        tls: makes it HTTPS; messages are then not sealed a second time.
        max_shells, max_processes: the quotas MaxShellsPerUser and MaxProcessesPerShell.

    Raises:
        OSError: the port is taken.
    """
    server = _WsmanServer(machine, faults or Faults(), max_shells, max_processes, encrypted=tls is None)

    async def start() -> tuple[asyncio.Server, asyncio.Task[None]]:
        listening = await asyncio.start_server(server.serve, host, port, ssl=tls, limit=1024 * 1024)
        return listening, asyncio.get_running_loop().create_task(server.watch())

    listening, watch = loop.call(start())

    async def stop() -> None:
        watch.cancel()
        listening.close()
        for writer in list(server.connections):
            writer.transport.abort()
        server.shells.clear()

    return Served(listening.sockets[0].getsockname()[1], lambda: loop.call(stop()))
