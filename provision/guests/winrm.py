"""Guests over WinRM (pywinrm): NTLM with message encryption over HTTP, or HTTPS with a pinned certificate."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable
from contextlib import suppress

import requests
import winrm.exceptions
import winrm.protocol

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
from provision.guests.certificates import PinnedAdapter, is_mismatch
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
# Seconds between two tries; a wrong password is no cause of a break, so no account is locked by them.
_MEND_PACE = 0.5
# Seconds for letting go of a command or a shell.
LET_GO = 5
# The machine ends a shell that nobody has asked for so long (xs:duration). A run that was killed could not delete its
# shells; Windows keeps them for two hours otherwise, and refuses a user's thirty-first.
IDLE = "PT600S"
_ACCESS_DENIED = 5
# HTTP status for a message that was sealed with the key of another connection.
_SEALED_FOR_ANOTHER = 400
_SHELL_NOT_FOUND = 2150858843
_NOTE_HOLE = "hybrid: the connection broke while output was on its way; a part of it may be missing"

# What pywinrm lets through when a connection breaks; WinRMTransportError is an HTTP error without a SOAP fault,
# which is what a message sealed for another connection gets.
_TRANSPORT = (requests.RequestException, winrm.exceptions.WinRMTransportError, OSError)


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
                remedy="read it with provision.guests.certificates.read_certificate and pin it",
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
            session.mount("https://", PinnedAdapter(endpoint.certificate))
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
        self.farewell()
        protocol, shell = self._protocol, self._shell
        if protocol is not None and shell is not None:
            protocol.operation_timeout_sec = LET_GO - 2
            protocol.transport.read_timeout_sec = LET_GO
            with suppress(*_TRANSPORT, winrm.exceptions.WinRMError, AssertionError):
                protocol.close_shell(shell)
                self._shell = None
        self._delete_shell()

    def _delete_shell(self) -> None:
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
                remedy="look at the machine's event log Microsoft-Windows-WinRM/Operational, then run it again",
            )
        if is_mismatch(error):
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

    # -- commands ------------------------------------------------------------------------------------------------

    def invoke(
        self, invocation: Invocation, what: str, deadline: Deadline, output: Output, stdout: Callable[[bytes], None]
    ) -> Ran:
        command, input_ended = self._start(invocation, what, deadline)
        try:
            ran = self._receive(command, input_ended, what, deadline, output, stdout)
        except DeadlineExceeded:
            # Ending a command may leave its children; deleting the shell ends all that runs in it.
            self._delete_shell()
            raise
        except ConnectionFailed:
            self.reset()
            raise
        except BaseException:
            self._hang_up()
            raise
        self._release(command)
        return ran

    def _start(self, invocation: Invocation, what: str, deadline: Deadline) -> tuple[str, bool]:
        """Start the bootstrap and send its input; the command's id, and whether the end of the input came through.

        The bootstrap runs nothing before its input has ended: until then a loss can be begun again, in a new shell,
        because nobody can say what the old one has got.
        """
        for attempt in itertools.count(1):
            kept = self._protocol is not None
            try:
                return self._begin(invocation)
            except (winrm.exceptions.WinRMError, *_TRANSPORT) as error:
                refused = isinstance(error, winrm.exceptions.InvalidCredentialsError)
                shell_is_gone = _is_fault(error, _SHELL_NOT_FOUND)
                # A kept connection that the machine has closed meanwhile is the common case: once more, from new.
                again = shell_is_gone or (refused and kept)
                if isinstance(error, _TRANSPORT):
                    again = self._shell is not None
                if not refused and not shell_is_gone:
                    self._delete_shell()
                self.reset()
                if attempt == 2 or not again or deadline.expired:
                    raise self._error(error, f"start {what}") from error
        raise AssertionError("counted to the end")

    def _begin(self, invocation: Invocation) -> tuple[str, bool]:
        protocol = self._talk()
        if self._shell is None:
            self._shell = protocol.open_shell(codepage=CODE_PAGE, idle_timeout=IDLE)
        try:
            command = protocol.run_command(self._shell, invocation.command, console_mode_stdin=False)
        except winrm.exceptions.WinRMTransportError as error:
            if error.code != _SEALED_FOR_ANOTHER:
                raise
            # The machine had closed the kept connection: the message never got further than its HTTP service.
            self._hang_up()
            protocol = self._talk()
            command = protocol.run_command(self._shell, invocation.command, console_mode_stdin=False)
        data = invocation.stdin
        pieces = [data[start : start + PIECE] for start in range(0, len(data), PIECE)] or [b""]
        try:
            for piece in pieces[:-1]:
                protocol.send_command_input(self._shell, command, piece)
                self.traffic.bytes_up += len(piece)
            try:
                protocol.send_command_input(self._shell, command, pieces[-1], end=True)
            except (winrm.exceptions.InvalidCredentialsError, *_TRANSPORT):
                # It may have come whole: from here on nothing is begun again.
                self._hang_up()
                return command, False
            self.traffic.bytes_up += len(pieces[-1])
        except winrm.exceptions.WSManFaultError as error:
            if _is_fault(error, _SHELL_NOT_FOUND):
                raise
            # The command ended without reading its input: what it said is the answer.
        return command, True

    def _end_input(self, shell: str, command: str) -> None:
        """Say once more that the input has ended: a script that did not come whole is not run, and says so."""
        try:
            self._talk().send_command_input(shell, command, b"", end=True)
        except winrm.exceptions.WSManFaultError as error:
            if _is_fault(error, _SHELL_NOT_FOUND):
                raise  # otherwise the input had ended already, or the command has

    def _receive(
        self,
        command: str,
        input_ended: bool,
        what: str,
        deadline: Deadline,
        output: Output,
        stdout: Callable[[bytes], None],
    ) -> Ran:
        """Take the output to its end; a broken connection is made anew and goes on with the same command."""
        shell = self._shell
        assert shell is not None
        note = ""
        mending: Deadline | None = None
        while True:
            if deadline.expired:
                raise self.late(what, deadline, output)
            asked = False
            try:
                protocol = self._talk()
                if not input_ended:
                    self._end_input(shell, command)
                    input_ended = True
                protocol.operation_timeout_sec = max(1, min(self._operation_timeout, int(deadline.remaining())))
                asked = True
                out, err, code, done = protocol.get_command_output_raw(shell, command)
            except winrm.exceptions.WinRMOperationTimeoutError:
                mending = None
                continue
            except winrm.exceptions.WSManFaultError as error:
                raise self.broken(what, _short(error)) from error
            except (*_TRANSPORT, winrm.exceptions.WinRMError) as error:
                # The machine knew us a moment ago: a refused login is one more sign of a connection that broke.
                self._hang_up()
                if asked and not (
                    isinstance(error, winrm.exceptions.WinRMTransportError) and error.code == _SEALED_FOR_ANOTHER
                ):
                    note = _NOTE_HOLE
                mending = mending or Deadline(min(MEND, deadline.remaining()))
                if deadline.expired:
                    raise self.late(what, deadline, output) from error
                if mending.expired:
                    raise self.broken(what, _short(error)) from error
                sleep(min(_MEND_PACE, mending.remaining()))
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
