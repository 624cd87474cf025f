"""A modelled machine behind a real SSH server (asyncssh), with SFTP on the machine's own files."""

from __future__ import annotations

import asyncio
import threading
from typing import cast

import asyncssh

from provision.rehearsal.contract import ModelledMachine, Streams
from provision.rehearsal.serving import Faults, LoopThread, Pipe, Presence, Served, execute
from provision.rehearsal.ssh_server_files import ModelSftp

# How often open connections are compared with the machine's state, in seconds.
WATCH = 0.2
# Reads of a client's get are answered at most this many at a time (see asyncssh's read-ahead).
CHUNK = 64 * 1024


def make_host_key() -> bytes:
    """A new ed25519 host key (OpenSSH private key format), to be kept with the machine's state."""
    return asyncssh.generate_private_key("ssh-ed25519").export_private_key()


class _Login(asyncssh.SSHServer):
    """One connection's login: the model says which keys and passwords are right."""

    def __init__(self, server: _SshServer) -> None:
        self._server = server
        self._connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        if not self._server.machine.answers:
            conn.abort()
            return
        self._connection = conn
        self._server.connections[conn] = Presence(self._server.machine, self._server.faults)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        if self._connection is not None:
            self._server.connections.pop(self._connection, None)

    def password_auth_supported(self) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def kbdint_auth_supported(self) -> bool:
        return False

    def validate_password(self, username: str, password: str) -> bool:
        if self._server.faults.refuses_login():
            return False
        expected = self._server.machine.password(username)
        return expected is not None and expected == password

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        if self._server.faults.refuses_login():
            return False
        return self._server.machine.authorized_key(username, key.export_public_key().decode().strip())


class _SshServer:
    def __init__(self, machine: ModelledMachine, loop: LoopThread, faults: Faults) -> None:
        self.machine = machine
        self.loop = loop
        self.faults = faults
        self.connections: dict[asyncssh.SSHServerConnection, Presence] = {}
        self.killed: set[threading.Event] = set()

    async def start(self, host: str, port: int, host_key: bytes) -> tuple[asyncssh.SSHAcceptor, asyncio.Task[None]]:
        acceptor = await asyncssh.create_server(
            lambda: _Login(self),
            host,
            port,
            server_host_keys=[asyncssh.import_private_key(host_key)],
            process_factory=self._run,
            sftp_factory=lambda channel: ModelSftp(channel, self.machine.files),
            encoding=None,
            line_editor=False,
            login_timeout=30,
            keepalive_interval=0,
            gss_host=None,
            # Nagle's algorithm costs 40 ms a command; asyncssh switches it off by this option.
            tcp_keepalive=True,
            allow_scp=False,
            agent_forwarding=False,
            x11_forwarding=False,
        )
        return acceptor, asyncio.get_running_loop().create_task(self._watch())

    async def _watch(self) -> None:
        while True:
            for connection, presence in list(self.connections.items()):
                if presence.lost():
                    connection.abort()
            await asyncio.sleep(WATCH)

    async def _run(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        """One exec request: the model runs it in a thread, its streams are the channel."""
        loop = asyncio.get_running_loop()
        connection = cast(asyncssh.SSHServerConnection, process.channel.get_connection())
        if self.faults.slow:
            await asyncio.sleep(self.faults.slow)
        if not self.machine.answers and not self.faults.answers_once_more():
            connection.abort()
            return
        drop = self.faults.drops_command()
        stdin, killed, ended = Pipe(), threading.Event(), asyncio.Event()
        self.killed.add(killed)
        sent = 0

        async def deliver(data: bytes, stderr: bool) -> None:
            nonlocal sent
            if process.is_closing():
                killed.set()
                raise BrokenPipeError("the client has gone")
            writer = process.stderr if stderr else process.stdout
            writer.write(data)
            sent += len(data)
            if self.faults.cuts_output(sent):
                connection.abort()
            try:
                await writer.drain()
            except (asyncssh.Error, OSError) as error:
                killed.set()
                raise BrokenPipeError("the client has gone") from error

        def write(data: bytes, stderr: bool) -> None:
            # In pieces, so that one huge write cannot fill the memory of a slow client's connection.
            for start in range(0, len(data), CHUNK):
                asyncio.run_coroutine_threadsafe(deliver(data[start : start + CHUNK], stderr), loop).result()

        code = 255

        def work() -> None:
            nonlocal code
            try:
                code = execute(
                    self.machine,
                    process.command or "",
                    Streams(stdin, lambda data: write(data, False), lambda data: write(data, True), killed),
                )
            except BrokenPipeError:
                code = 141
            finally:
                loop.call_soon_threadsafe(ended.set)

        threading.Thread(target=work, name=f"ssh {self.machine.name}", daemon=True).start()
        feeder = loop.create_task(self._feed(process, stdin, killed))
        try:
            if drop:
                await asyncio.sleep(0.05)
                connection.abort()
            await ended.wait()
        finally:
            feeder.cancel()
            killed.set()
            self.killed.discard(killed)
        presence = self.connections.get(connection)
        if presence is None or presence.lost():
            # A machine that went down says nothing any more, not even that its processes have ended.
            connection.abort()
        elif not process.is_closing():
            process.exit(code & 0xFFFFFFFF)

    @staticmethod
    async def _feed(process: asyncssh.SSHServerProcess[bytes], stdin: Pipe, killed: threading.Event) -> None:
        try:
            while data := await process.stdin.read(CHUNK):
                stdin.feed(data)
            stdin.end()
            # The end of the input is not the end of the client: the command dies with its channel.
            await process.channel.wait_closed()
        except (asyncssh.Error, OSError):
            pass
        finally:
            stdin.end()
        killed.set()


def serve_ssh(
    machine: ModelledMachine,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    host_key: bytes,
    loop: LoopThread,
    faults: Faults | None = None,
) -> Served:
    """Serve a machine over SSH.

    Args:
        machine: what runs the commands and holds the files.
        host: loopback address to listen on.
        port: 0 takes a free one.
        host_key: private key of `make_host_key`, kept with the machine so that it stays the same.
        loop: the loop that all servers of this process share.
        faults: switches that may be changed while it runs.

    Raises:
        OSError: the port is taken.
    """
    server = _SshServer(machine, loop, faults or Faults())
    acceptor, watch = loop.call(server.start(host, port, host_key))

    async def stop() -> None:
        watch.cancel()
        acceptor.close()
        for connection in list(server.connections):
            connection.abort()
        for killed in list(server.killed):
            killed.set()

    return Served(acceptor.get_port(), lambda: loop.call(stop()))
