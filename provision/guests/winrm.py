"""Guests over WinRM (pywinrm): NTLM with message encryption over HTTP, or HTTPS with a pinned certificate."""

from __future__ import annotations

import hashlib
import logging
import socket
import ssl
from collections.abc import Callable
from typing import Any

import requests
import requests.adapters
import winrm.exceptions
import winrm.protocol
from urllib3.connection import HTTPConnection

from provision.clock import Deadline, sleep
from provision.errors import (
    AuthenticationRefused,
    ConnectionFailed,
    DeadlineExceeded,
    HostChanged,
    ProvisionError,
    Refused,
    Unreachable,
)
from provision.guests.base import Endpoint
from provision.guests.common import CommonGuest, Ran
from provision.guests.output import Output
from provision.guests.recipes import NOT_WHOLE, Invocation

# urllib3 tells of every retry; what it means is raised as our errors.
logging.getLogger("urllib3").addHandler(logging.NullHandler())
logging.getLogger("spnego").addHandler(logging.NullHandler())

# Bytes of one piece of standard input: base64 in an envelope of at most 153,600 bytes.
PIECE = 100_000
CODE_PAGE = 65001
OPERATION_TIMEOUT = 10
READ_TIMEOUT = 15
# Seconds in which a broken connection may come back while a command runs.
MEND = 60.0
# Seconds for letting go of a command or a shell.
LET_GO = 5
_ACCESS_DENIED = 5
_SHELL_NOT_FOUND = 2150858843
_NOTE_HOLE = "hybrid: the connection broke while output was on its way; a part of it may be missing"

# What pywinrm lets through when a connection breaks; WinRMTransportError is an HTTP error without a SOAP fault,
# which is what a message sealed for another connection gets.
_TRANSPORT = (requests.RequestException, winrm.exceptions.WinRMTransportError, OSError)


class _Adapter(requests.adapters.HTTPAdapter):
    """Small messages leave at once; HTTPS is accepted from one certificate only."""

    def __init__(self, fingerprint: str | None) -> None:
        self._fingerprint = fingerprint
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        kwargs["socket_options"] = [
            *HTTPConnection.default_socket_options,
            (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
            (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        ]
        if self._fingerprint is not None:
            kwargs["assert_fingerprint"] = self._fingerprint
        super().init_poolmanager(*args, **kwargs)


def read_certificate(host: str, port: int, timeout: float = 15.0) -> str:
    """The SHA-256 fingerprint (hex) of the certificate that a server shows now, for pinning at first contact.

    Raises:
        Unreachable: nothing answers, or it does not speak TLS.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with socket.create_connection((host, port), timeout=timeout) as sock, context.wrap_socket(sock) as tls:
            certificate = tls.getpeercert(binary_form=True)
    except OSError as error:
        raise Unreachable(f"{host}:{port} shows no certificate", details=str(error)) from error
    return hashlib.sha256(certificate or b"").hexdigest()


class WinrmGuest(CommonGuest):
    """One kept remote shell on one Windows machine; a pywinrm Protocol belongs to one thread, so does this.

    Args:
        operation_timeout: whole seconds that the machine holds back an answer when there is no output.
        read_timeout: whole seconds until a silent connection counts as broken; more than operation_timeout.

    Raises:
        Refused: HTTPS without a pinned certificate.
    """

    def __init__(
        self, endpoint: Endpoint, *, operation_timeout: int = OPERATION_TIMEOUT, read_timeout: int = READ_TIMEOUT
    ) -> None:
        super().__init__(endpoint)
        if endpoint.https and endpoint.certificate is None:
            raise Refused(
                f"{endpoint.machine}: the certificate of {endpoint.host}:{endpoint.port} is not pinned",
                remedy="read it with provision.guests.winrm.read_certificate and pin it",
            )
        if endpoint.password is None:
            raise AuthenticationRefused(
                f"{endpoint.machine}: WinRM needs a password for {endpoint.user}",
                remedy="give the password of this machine by environment variable or prompt, or use SSH",
            )
        self._operation_timeout = operation_timeout
        self._read_timeout = read_timeout
        self._protocol: winrm.protocol.Protocol | None = None
        self._shell: str | None = None

    # -- the connection ------------------------------------------------------------------------------------------

    def _new_protocol(self, operation_timeout: int, read_timeout: int) -> winrm.protocol.Protocol:
        endpoint = self.endpoint
        assert endpoint.password is not None
        scheme = "https" if endpoint.https else "http"
        host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
        protocol = winrm.protocol.Protocol(
            f"{scheme}://{host}:{endpoint.port}/wsman",
            transport="ntlm",
            username=endpoint.user,
            password=endpoint.password.reveal(),
            # Certificates of Windows machines are self-signed: the pinned fingerprint is the check.
            server_cert_validation="ignore",
            message_encryption="auto" if endpoint.https else "always",
            operation_timeout_sec=operation_timeout,
            read_timeout_sec=read_timeout,
            proxy=None,
        )
        if endpoint.https:
            # No message leaves while a session for HTTPS is built; for HTTP, building it is the first message.
            session = protocol.transport.build_session()
            session.mount("https://", _Adapter(endpoint.certificate))
        self.traffic.connects += 1
        return protocol

    def _talk(self) -> winrm.protocol.Protocol:
        if self._protocol is None:
            self._protocol = self._new_protocol(self._operation_timeout, self._read_timeout)
        return self._protocol

    def _hang_up(self) -> None:
        """Close the connection; the shell on the machine stays."""
        protocol, self._protocol = self._protocol, None
        if protocol is not None:
            protocol.transport.close_session()

    def reset(self) -> None:
        self._hang_up()
        self._shell = None

    def close(self) -> None:
        """Delete the shell, with what still runs in it, and hang up."""
        shell, self._shell = self._shell, None
        if shell is not None:
            self._let_go(lambda protocol: protocol.close_shell(shell))
        self._hang_up()

    def _let_go(self, work: Callable[[winrm.protocol.Protocol], None]) -> None:
        """Clean up on the machine, quickly or not at all: its own limits do it later."""
        self._hang_up()
        try:
            protocol = self._new_protocol(LET_GO - 2, LET_GO)
            try:
                work(protocol)
            finally:
                protocol.transport.close_session()
        except (*_TRANSPORT, winrm.exceptions.WinRMError, AssertionError):
            return

    def _error(self, error: BaseException, doing: str) -> ProvisionError:
        """What a failure of pywinrm means."""
        endpoint = self.endpoint
        where = f"{endpoint.host}:{endpoint.port}"
        if isinstance(error, winrm.exceptions.InvalidCredentialsError):
            return AuthenticationRefused(
                f"{endpoint.machine}: WinRM at {where} refused the login of {endpoint.user}",
                details="HTTP 401",
                remedy="check user and password of this machine in the settings",
            )
        if isinstance(error, winrm.exceptions.WSManFaultError):
            if error.wsman_fault_code == _ACCESS_DENIED:
                return AuthenticationRefused(
                    f"{endpoint.machine}: WinRM at {where} knows {endpoint.user}, but denies access",
                    details=str(error.reason),
                    remedy="a local administrator other than the built-in one needs the registry value "
                    "LocalAccountTokenFilterPolicy = 1 (DWORD) under "
                    r"HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Policies\System; other users need to be "
                    "administrators",
                )
            return Unreachable(
                f"{endpoint.machine}: WinRM at {where} refused to {doing}",
                details=f"{error.reason} (fault {error.wsman_fault_code})",
                remedy="look at the machine's event log Microsoft-Windows-WinRM/Operational, then run the command again",
            )
        if isinstance(error, requests.exceptions.SSLError) and "ingerprint" in str(error):
            return HostChanged(
                f"{endpoint.machine}: {where} shows another certificate than the one pinned",
                details=f"pinned: SHA-256 {endpoint.certificate}",
                remedy="if the machine was made again, unpin its certificate; if not, something else answers there",
            )
        return Unreachable(
            f"{endpoint.machine}: no WinRM at {where}",
            details=f"could not {doing}: {_short(error)}",
            remedy="is the machine running? `invoke status` shows what its provider says",
        )

    def _ask(self, doing: str, work: Callable[[winrm.protocol.Protocol], Any]) -> Any:
        """One request whose loss does no harm: nothing has been started yet, or it may be sent twice.

        A kept connection that the machine has closed meanwhile is the common case: one more try on a new one.
        """
        for fresh in (self._protocol is None, True):
            try:
                return work(self._talk())
            except (winrm.exceptions.WinRMError, *_TRANSPORT) as error:
                self._hang_up()
                if fresh or isinstance(error, winrm.exceptions.WSManFaultError):
                    raise self._error(error, doing) from error
        raise AssertionError("unreachable")

    # -- commands ------------------------------------------------------------------------------------------------

    def invoke(
        self, invocation: Invocation, what: str, deadline: Deadline, output: Output, stdout: Callable[[bytes], None]
    ) -> Ran:
        command = self._start(invocation, what, deadline)
        try:
            ran = self._receive(command, invocation, what, deadline, output, stdout)
        except DeadlineExceeded:
            # Ending a command may leave its children; deleting the shell ends all that runs in it.
            self.close()
            raise
        except ConnectionFailed:
            self.reset()
            raise
        except BaseException:
            self._hang_up()
            raise
        self._release(command)
        return ran

    def _start(self, invocation: Invocation, what: str, deadline: Deadline) -> str:
        """Start the bootstrap and send its input but for the end of it.

        The bootstrap runs nothing before its input has ended: until then every loss can be begun again, in a new
        shell, because nobody can say what the old one has got.
        """
        for attempt in (1, 2, 3):
            try:
                return self._begin(invocation)
            except (winrm.exceptions.WinRMError, *_TRANSPORT) as error:
                shell_is_gone = _is_fault(error, _SHELL_NOT_FOUND)
                if not shell_is_gone and self._shell is not None:
                    self.close()
                self.reset()
                deadline_left = deadline.remaining() > 0
                again = shell_is_gone or isinstance(error, _TRANSPORT)
                if isinstance(error, winrm.exceptions.WSManFaultError) and not shell_is_gone:
                    again = False
                if attempt == 3 or not again or not deadline_left:
                    raise self._error(error, f"start {what}") from error
        raise AssertionError("unreachable")

    def _begin(self, invocation: Invocation) -> str:
        protocol = self._talk()
        if self._shell is None:
            self._shell = protocol.open_shell(codepage=CODE_PAGE)
        command = protocol.run_command(self._shell, invocation.command, console_mode_stdin=False)
        data = invocation.stdin
        pieces = [data[start : start + PIECE] for start in range(0, len(data), PIECE)] or [b""]
        for piece in pieces[:-1]:
            protocol.send_command_input(self._shell, command, piece)
            self.traffic.bytes_up += len(piece)
        try:
            protocol.send_command_input(self._shell, command, pieces[-1], end=True)
        except _TRANSPORT:
            # It may have come whole, or not at all.  The end of the input alone may be sent twice: a script that
            # did not come whole is not run, and says so.
            self._hang_up()
            self._end_input(command)
        self.traffic.bytes_up += len(pieces[-1])
        return command

    def _end_input(self, command: str) -> None:
        shell = self._shell
        assert shell is not None
        try:
            self._talk().send_command_input(shell, command, b"", end=True)
        except winrm.exceptions.WSManFaultError:
            return  # the input had ended already, and the command may have too

    def _receive(
        self,
        command: str,
        invocation: Invocation,
        what: str,
        deadline: Deadline,
        output: Output,
        stdout: Callable[[bytes], None],
    ) -> Ran:
        shell = self._shell
        assert shell is not None
        note = ""
        mending: Deadline | None = None
        while True:
            if deadline.expired:
                raise self.late(what, deadline, output)
            try:
                out, err, code, done = self._talk().get_command_output_raw(shell, command)
            except winrm.exceptions.WinRMOperationTimeoutError:
                mending = None
                continue
            except (winrm.exceptions.WSManFaultError, winrm.exceptions.InvalidCredentialsError) as error:
                if isinstance(error, winrm.exceptions.InvalidCredentialsError) and mending is not None:
                    # The machine knew us a moment ago; one that is going down or coming up may refuse for a while.
                    if not mending.expired:
                        self._hang_up()
                        sleep(min(1.0, mending.remaining()))
                        continue
                raise self.broken(what, _short(error)) from error
            except (*_TRANSPORT, winrm.exceptions.WinRMError) as error:
                # The command goes on in its shell: a new connection takes up its output where it is.
                self._hang_up()
                note = _NOTE_HOLE
                if mending is None:
                    mending = Deadline(min(MEND, deadline.remaining()))
                if deadline.expired:
                    raise self.late(what, deadline, output) from error
                if mending.expired:
                    raise self.broken(what, _short(error)) from error
                sleep(min(0.2, mending.remaining()))
                continue
            mending = None
            if out:
                stdout(out)
            if err:
                output.stderr(err)
            if done:
                return Ran(code & 0xFFFFFFFF if code < 0 else code, "" if code == NOT_WHOLE else note)

    def _release(self, command: str) -> None:
        """Free the command's place in the shell; its output has been taken whole."""
        shell = self._shell
        assert shell is not None
        try:
            self._talk().cleanup_command(shell, command)
        except (*_TRANSPORT, winrm.exceptions.WinRMError, AssertionError):
            # A shell that may still count the command is not worth keeping.
            self.reset()


def _is_fault(error: BaseException, code: int) -> bool:
    return isinstance(error, winrm.exceptions.WSManFaultError) and error.wsman_fault_code == code


def _short(error: BaseException) -> str:
    """The innermost cause that has something to say, without addresses of objects."""
    while error.__cause__ is not None or error.__context__ is not None:
        following = error.__cause__ or error.__context__
        assert following is not None
        error = following
    return str(error) or type(error).__name__
