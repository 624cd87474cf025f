"""Guests over SSH (paramiko), Linux and Windows alike."""

from __future__ import annotations

import base64
import hashlib
import io
import logging
import selectors
import socket
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

import paramiko

from provision.clock import Deadline
from provision.errors import AuthenticationRefused, HostChanged, HostError, ProvisionError, StepFailed, Unreachable
from provision.guests import known_hosts
from provision.guests.base import Endpoint, OnLine, Result, Script
from provision.guests.common import CommonGuest, Ran
from provision.guests.output import Output
from provision.guests.recipes import WRONG_UPLOAD, Invocation, Upload

# paramiko logs its tracebacks; what they mean is raised as our errors.
logging.getLogger("paramiko").addHandler(logging.NullHandler())

KEEPALIVE = 15
CONNECT = 15.0
BANNER = 20.0
LOGIN = 30.0
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
        sock = self._socket(deadline)
        client = paramiko.SSHClient()
        try:
            self._login(client, sock, deadline)
        except BaseException:
            client.close()
            sock.close()
            raise
        active = client.get_transport()
        assert active is not None
        active.set_keepalive(KEEPALIVE)
        self.traffic.connects += 1
        self._client = client
        return client

    def _socket(self, deadline: Deadline) -> socket.socket:
        where = f"{self.endpoint.host}:{self.endpoint.port}"
        try:
            sock = socket.create_connection(
                (self.endpoint.host, self.endpoint.port), timeout=max(0.1, min(CONNECT, deadline.remaining()))
            )
        except OSError as error:
            raise Unreachable(
                f"{self.endpoint.machine}: nothing answers at {where}",
                details=str(error),
                remedy="is the machine running? `invoke status` shows what its provider says",
            ) from error
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # A machine that vanished without a word is noticed after 30 s, not after the system's quarter of an hour.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 30_000)
        return sock

    def _login(self, client: paramiko.SSHClient, sock: socket.socket, deadline: Deadline) -> None:
        endpoint = self.endpoint
        name, file = endpoint.machine, endpoint.known_hosts
        seen: list[paramiko.PKey] = []
        pin = known_hosts.pinned(file, name) if file is not None else None
        if pin is not None:
            client.get_host_keys().add(name, pin[0], self._pinned_key(*pin))
        client.set_missing_host_key_policy(_Remember(seen))
        try:
            client.connect(
                name,  # the name under which the key is pinned; the socket is already connected
                sock=sock,
                username=endpoint.user,
                password=endpoint.password.reveal() if endpoint.password is not None else None,
                key_filename=str(endpoint.key_file) if endpoint.key_file is not None else None,
                allow_agent=False,
                look_for_keys=False,
                banner_timeout=max(0.1, min(BANNER, deadline.remaining())),
                auth_timeout=max(0.1, min(LOGIN, deadline.remaining())),
            )
        except paramiko.BadHostKeyException as error:
            raise self._changed() from error
        except paramiko.AuthenticationException as error:
            self._require_key()
            raise AuthenticationRefused(
                f"{name}: SSH at {endpoint.host}:{endpoint.port} refused the login of {endpoint.user}",
                details=str(error),
                remedy="check user, key and password of this machine in the settings",
            ) from error
        except (paramiko.SSHException, OSError, EOFError, ValueError) as error:
            self._require_key()
            if isinstance(error, ValueError):
                raise
            raise Unreachable(
                f"{name}: {endpoint.host}:{endpoint.port} takes connections but does not speak SSH to us",
                details=str(error) or type(error).__name__,
                remedy="the machine may still be starting; run the same command again",
            ) from error
        if seen and file is not None:
            kind, key = seen[0].get_name(), seen[0].get_base64()
            if known_hosts.pin(file, name, kind, key) != (kind, key):
                raise self._changed()

    def _pinned_key(self, kind: str, key: str) -> paramiko.PKey:
        try:
            return paramiko.PKey.from_type_string(kind, base64.b64decode(key))
        except (ValueError, paramiko.SSHException, paramiko.pkey.UnknownKeyType) as error:
            assert self.endpoint.known_hosts is not None
            what = f"the key of {self.endpoint.machine} in it is none"
            raise known_hosts.damaged(self.endpoint.known_hosts, what) from error

    def _require_key(self) -> None:
        """After a login that failed: a key that nobody can read is told as that, and waiting does not mend it.

        Raises:
            HostError: the endpoint's key file is not there, is no key, or wants a passphrase that it does not get.
        """
        file, password = self.endpoint.key_file, self.endpoint.password
        if file is None:
            return
        # As paramiko does, which takes the password for the passphrase of a key that wants one.
        passphrases = [None, *([password.reveal()] if password is not None else [])]
        seen: Exception | None = None
        for passphrase in passphrases:
            try:
                paramiko.PKey.from_path(file, passphrase)
            except (OSError, ValueError, TypeError, paramiko.SSHException, paramiko.pkey.UnknownKeyType) as error:
                seen = seen or error
            else:
                return
        protected = isinstance(seen, TypeError)  # cryptography's word for a passphrase that was not given
        takes_off = f"take its passphrase off (`ssh-keygen -p -f {file}`), or "
        raise HostError(
            f"{self.endpoint.machine}: the key {file} {'wants a passphrase' if protected else 'cannot be used'}",
            details="" if protected else str(seen),
            remedy=f"{takes_off if protected else 'put the right private key there, or '}name another one as `key`",
        ) from seen

    def _changed(self) -> HostChanged:
        endpoint = self.endpoint
        return HostChanged(
            f"{endpoint.machine}: {endpoint.host}:{endpoint.port} has another host key than the one pinned",
            details=f"pinned in {endpoint.known_hosts}",
            remedy=f"if the machine was made again, remove the line of {endpoint.machine} from that file; "
            "if not, something else answers at its address",
        )

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


class _Remember(paramiko.MissingHostKeyPolicy):
    """Takes the key of a first contact, to be pinned once the login has succeeded."""

    def __init__(self, seen: list[paramiko.PKey]) -> None:
        self._seen = seen

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:  # noqa: ARG002
        self._seen.append(key)
