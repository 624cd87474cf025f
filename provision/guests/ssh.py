"""Guests over SSH (paramiko), Linux and Windows alike."""

from __future__ import annotations

import hashlib
import io
import logging
import selectors
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

import paramiko

from provision.clock import Deadline
from provision.errors import ProvisionError, StepFailed, Unreachable
from provision.guests.base import Endpoint, OnLine, Result, Script
from provision.guests.common import CommonGuest, Ran
from provision.guests.output import Output
from provision.guests.recipes import WRONG_UPLOAD, Invocation, Upload
from provision.guests.ssh_login import LOGIN, login

# paramiko logs its tracebacks; what they mean is raised as our errors.
logging.getLogger("paramiko").addHandler(logging.NullHandler())

# Seconds that output may still come after the exit code, when a process left behind holds the streams open.
AFTER_EXIT = 2.0
CHUNK = 32 * 1024


class SshGuest(CommonGuest):
    """One SSH connection to one machine, made at the first command and made again after it broke."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint)
        self._client: paramiko.SSHClient | None = None

    def reset(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()

    # -- the connection ------------------------------------------------------------------------------------------

    def connect(self, deadline: Deadline) -> paramiko.SSHClient:
        """The open connection, made now if there is none.

        Raises:
            Unreachable, AuthenticationRefused, HostChanged: as named.
            HostError: the key file or the file of pinned host keys cannot be used.
        """
        transport = self._client.get_transport() if self._client is not None else None
        if self._client is not None and transport is not None and transport.is_active():
            return self._client
        self.reset()
        self._client = login(self.endpoint, deadline)
        self.traffic.connects += 1
        return self._client

    # -- commands ------------------------------------------------------------------------------------------------

    def invoke(
        self, invocation: Invocation, what: str, deadline: Deadline, output: Output, stdout: Callable[[bytes], None]
    ) -> Ran:
        client = self.connect(deadline)
        transport = client.get_transport()
        assert transport is not None
        heard = bytearray()  # the first words of stderr: the number of the process is among them
        try:
            channel = transport.open_session(timeout=max(0.1, min(LOGIN, deadline.remaining())))
        except (paramiko.SSHException, OSError, EOFError) as error:
            self.reset()
            raise Unreachable(
                f"{self.endpoint.machine}: the connection to {self.endpoint.host}:{self.endpoint.port} is gone",
                details=f"{error or type(error).__name__}; {what} was not started",
                remedy="run the same command again",
            ) from error
        try:
            channel.settimeout(max(0.1, deadline.remaining()))
            channel.exec_command(invocation.command)
            self._feed(channel, invocation.stdin)
            code = self._drain(channel, deadline, output, stdout, heard)
        except (paramiko.SSHException, OSError, EOFError) as error:
            if deadline.expired:
                raise self._stop(what, deadline, output, bytes(heard)) from error
            self.reset()
            raise self.broken(what, error or type(error).__name__) from error
        finally:
            channel.close()
        if code is None:
            raise self._stop(what, deadline, output, bytes(heard))
        return Ran(code)

    def _feed(self, channel: paramiko.Channel, data: bytes) -> None:
        self.traffic.bytes_up += len(data)
        try:
            channel.sendall(data)
            channel.shutdown_write()
        except TimeoutError:
            raise
        except OSError:
            # The command ended without reading (sudo wants a password, say): what it said is the answer.
            if channel.get_transport() is None or not channel.get_transport().is_active():
                raise

    def _drain(
        self,
        channel: paramiko.Channel,
        deadline: Deadline,
        output: Output,
        stdout: Callable[[bytes], None],
        heard: bytearray,
    ) -> int | None:
        """Both streams to their ends; the exit code, or None when the deadline passed."""
        with selectors.DefaultSelector() as selector:
            selector.register(channel, selectors.EVENT_READ)
            grace: Deadline | None = None
            while True:
                got = False
                while channel.recv_ready():
                    stdout(channel.recv(CHUNK * 8))
                    got = True
                while channel.recv_stderr_ready():
                    data = channel.recv_stderr(CHUNK * 8)
                    if len(heard) < 4096:
                        heard += data
                    output.stderr(data)
                    got = True
                if got:
                    grace = None
                    if deadline.expired:
                        return None
                    continue
                transport = channel.get_transport()
                if channel.exit_status_ready():
                    ended = channel.eof_received or channel.closed
                    grace = grace or Deadline(AFTER_EXIT)
                    if ended or grace.expired:
                        # An exit code is set just before the last data may be seen: look once more.
                        if channel.recv_ready() or channel.recv_stderr_ready():
                            continue
                        if channel.exit_status < 0:
                            raise EOFError("the connection ended before the command")
                        return int(channel.exit_status)
                elif channel.closed or transport is None or not transport.is_active():
                    raise EOFError("the connection ended before the command")
                if deadline.expired:
                    return None
                # At the end of the streams the channel is always readable: then only the exit code is waited for.
                if channel.eof_received:
                    channel.status_event.wait(min(0.5, deadline.remaining()))
                else:
                    selector.select(min(0.5, deadline.remaining()))

    def _stop(self, what: str, deadline: Deadline, output: Output, heard: bytes) -> ProvisionError:
        """End what runs too long, as far as the machine allows, and say so."""
        kill = self.recipes.kill(heard)
        if kill is not None and self._client is not None:
            transport = self._client.get_transport()
            try:
                if transport is not None and transport.is_active():
                    channel = transport.open_session(timeout=5)
                    channel.settimeout(5)
                    channel.exec_command(kill)
                    channel.recv_exit_status()
                    channel.close()
            except (paramiko.SSHException, OSError, EOFError):
                pass  # the machine has its own limit, a little later than ours
        self.reset()
        return self.late(what, deadline, output)

    # -- files ---------------------------------------------------------------------------------------------------

    def put_all(
        self,
        files: Mapping[str, Path | bytes],
        deadline: Deadline,
        on_bytes: Callable[[str, int], None] | None = None,
        then: Script | None = None,
        on_line: OnLine | None = None,
    ) -> Result:
        uploads: list[Upload] = []
        for target, source in files.items():
            progress = (lambda sent, target=target: on_bytes(target, sent)) if on_bytes is not None else None
            part = f"{self.recipes.incoming}/{uuid.uuid4().hex}.part"
            try:
                digest = self._upload(source, part, target, deadline, progress)
            except _NoFolder:
                # Made once a machine, by the first upload.
                self.run(self.recipes.prepare_upload(), deadline).require()
                digest = self._upload(source, part, target, deadline, progress)
            uploads.append(Upload(part, target, digest))
        script = self.recipes.finish_upload(uploads)
        if then is not None:
            script = Script(then.name, script.text + then.text)
        finished = self.run(script, deadline, on_line)
        if finished.code == WRONG_UPLOAD:
            wrong = next((u for u in uploads if u.target in finished.out.splitlines()), uploads[0])
            raise StepFailed(
                f"{self.endpoint.machine}: {wrong.target} arrived with another SHA-256 than it was sent with",
                details=f"sent: {wrong.digest}",
                remedy="run the same command again; if it happens twice, look at the machine's disk and network",
            )
        return finished.require()

    def get(self, source: str, target: Path, deadline: Deadline, on_bytes: Callable[[int], None] | None = None) -> str:
        client = self.connect(deadline)
        digest, got = hashlib.sha256(), 0
        part = target.with_name(f"{target.name}.part")
        try:
            with client.open_sftp() as sftp, sftp.open(source, "rb") as remote, part.open("wb") as stream:
                channel = sftp.get_channel()
                assert channel is not None
                channel.settimeout(30.0)
                # Many requests under way at once; without it every piece waits for the one before.
                remote.prefetch(remote.stat().st_size, 64)
                while data := remote.read(CHUNK):
                    if deadline.expired:
                        self.reset()
                        raise deadline.error(f"{got} bytes of {source} had come")
                    digest.update(data)
                    stream.write(data)
                    got += len(data)
                    if on_bytes is not None:
                        on_bytes(got)
        except (paramiko.SSHException, EOFError, OSError) as error:
            if isinstance(error, OSError) and not _is_break(error):
                raise StepFailed(
                    f"{self.endpoint.machine}: {source} could not be read",
                    details=f"{error} (after {got} bytes)",
                    remedy="run the same command again",
                ) from error
            self.reset()
            raise self.broken(f"the download of {source}", error) from error
        part.replace(target)
        return digest.hexdigest()

    def _upload(
        self,
        source: Path | bytes,
        part: str,
        target: str,
        deadline: Deadline,
        on_bytes: Callable[[int], None] | None,
    ) -> str:
        client = self.connect(deadline)
        digest, sent = hashlib.sha256(), 0
        try:
            with (
                client.open_sftp() as sftp,
                io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as stream,
            ):
                channel = sftp.get_channel()
                assert channel is not None
                channel.settimeout(30.0)
                with _opened(sftp, part) as remote:
                    remote.set_pipelined(True)
                    while data := stream.read(CHUNK):
                        if deadline.expired:
                            self.reset()
                            raise deadline.error(f"{sent} bytes of {target} had been sent")
                        digest.update(data)
                        remote.write(data)
                        sent += len(data)
                        self.traffic.bytes_up += len(data)
                        if on_bytes is not None:
                            on_bytes(sent)
        except (paramiko.SSHException, EOFError, OSError) as error:
            if isinstance(error, OSError) and not _is_break(error):
                raise StepFailed(
                    f"{self.endpoint.machine}: {target} could not be written",
                    details=f"{error} (after {sent} bytes)",
                    remedy="is the disk of the machine full?",
                ) from error
            self.reset()
            raise self.broken(f"the upload of {target}", error) from error
        return digest.hexdigest()


class _NoFolder(Exception):
    """The folder for uploads is not there yet, or is not ours to write to."""


def _opened(sftp: paramiko.SFTPClient, part: str) -> paramiko.SFTPFile:
    try:
        return sftp.open(part, "wb")
    except (FileNotFoundError, PermissionError) as error:
        raise _NoFolder(part) from error


def _is_break(error: OSError) -> bool:
    """Whether this is the connection's error, not one that the machine's file system answered with."""
    return isinstance(error, (ConnectionError, TimeoutError)) or "closed" in str(error)
