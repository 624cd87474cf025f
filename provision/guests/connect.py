"""From an endpoint to a guest, and the wait for a machine that starts."""

from __future__ import annotations

import socket
from collections.abc import Callable

from provision.clock import Deadline, sleep
from provision.errors import AuthenticationRefused, ConnectionFailed, DeadlineExceeded, HostChanged
from provision.guests.base import Endpoint, Guest
from provision.guests.common import CommonGuest

# Seconds in which a starting machine may refuse a right password (services start before accounts are ready).
AUTH_GRACE = 300.0
# Pauses after refused logins, in seconds: few enough of them that no account is locked out (Windows locks a local
# account after ten wrong passwords within ten minutes).
_AUTH_PAUSES = (2.0, 8.0, 20.0, 40.0, 60.0)
PACE = 1.0

RUNGS = ("name", "TCP", "banner", "login", "shell")

# Seconds for the first command of a machine that has just booted.
FIRST_LIMIT = 120.0


def connect(
    endpoint: Endpoint, *, operation_timeout: int | None = None, read_timeout: int | None = None
) -> CommonGuest:
    """The guest of an endpoint; the connection is made by its first command.

    Args:
        operation_timeout, read_timeout: whole seconds, WinRM only; see `provision.guests.winrm.WinrmGuest`.

    Raises:
        Refused: WinRM over HTTPS without a pinned certificate.
        AuthenticationRefused: WinRM without a password.
    """
    # The libraries are slow to import (0.2 s each): only the one that is needed, when it is needed.
    if endpoint.transport == "ssh":
        from provision.guests.ssh import SshGuest

        return SshGuest(endpoint)
    from provision.guests.winrm import OPERATION_TIMEOUT, READ_TIMEOUT, WinrmGuest

    return WinrmGuest(
        endpoint,
        operation_timeout=operation_timeout or OPERATION_TIMEOUT,
        read_timeout=read_timeout or READ_TIMEOUT,
    )


def wait_for(
    endpoint: Endpoint,
    deadline: Deadline,
    on_seen: Callable[[str], None] | None = None,
    *,
    first: Callable[[Guest, Deadline], object] | None = None,
    auth_grace: float = AUTH_GRACE,
    make: Callable[[Endpoint], CommonGuest] = connect,
) -> Guest:
    """Wait until a starting machine runs a command of ours; the guest is ready for use.

    The wait climbs rungs: the name resolves, TCP connects, the server speaks (SSH banner, HTTP 401), the login is
    taken, a shell runs a command.  ``on_seen`` is told each time that the highest rung, or what stops it, changes.

    Args:
        first: the command that proves the last rung, given the guest and a limit of its own; a short one by default.
        auth_grace: seconds in which refused logins count as a machine that is not ready yet.

    Raises:
        DeadlineExceeded: with the rung that was not reached and what was seen there.
        AuthenticationRefused: still refused after the grace.
        HostChanged: at once.
    """
    machine = endpoint.machine
    guest = make(endpoint)
    last = ""
    refused: Deadline | None = None
    refusals = 0

    def see(rung: str, what: str) -> None:
        nonlocal last
        said = f"{rung}: {what}"
        if said != last and on_seen is not None:
            on_seen(said)
        last = said

    waiting = Deadline(deadline.remaining(), f"{machine}: the wait for {endpoint.host}:{endpoint.port}")
    while True:
        pause = PACE
        try:
            rung, what = _lower_rungs(endpoint, waiting)
            if rung is None:
                limit = waiting.at_most(FIRST_LIMIT, f"{machine}: a first command")
                guest.boot_id(limit) if first is None else first(guest, limit)
                see("shell", "runs commands")
                return guest
            see(rung, what)
        except HostChanged:
            raise
        except AuthenticationRefused as error:
            see("login", error.what)
            refused = refused or Deadline(auth_grace)
            if refused.expired:
                raise
            pause = min(_AUTH_PAUSES[min(refusals, len(_AUTH_PAUSES) - 1)], max(0.05, refused.remaining()))
            refusals += 1
        except (ConnectionFailed, DeadlineExceeded) as error:
            see("shell" if "did not end" in error.what else "banner", f"{error.what} {error.details}".strip())
        guest.reset()
        if waiting.expired:
            raise waiting.error(last)
        sleep(min(pause, waiting.remaining()))


def _lower_rungs(endpoint: Endpoint, deadline: Deadline) -> tuple[str | None, str]:
    """The first of the rungs name and TCP that does not hold, and why; None when both do."""
    try:
        socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    except OSError as error:
        return "name", f"{endpoint.host} does not resolve ({error})"
    try:
        socket.create_connection(
            (endpoint.host, endpoint.port), timeout=max(0.1, min(5.0, deadline.remaining()))
        ).close()
    except OSError as error:
        return "TCP", f"{endpoint.host}:{endpoint.port} does not take connections ({error})"
    return None, ""
