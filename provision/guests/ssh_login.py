"""Logging in over SSH: one connection, with the machine's host key pinned at the first contact."""

from __future__ import annotations

import base64
import socket

import paramiko

from provision.clock import Deadline
from provision.errors import AuthenticationRefused, HostChanged, HostError, Unreachable
from provision.guests import known_hosts
from provision.guests.base import Endpoint

KEEPALIVE = 15
CONNECT = 15.0
BANNER = 20.0
LOGIN = 30.0


def login(endpoint: Endpoint, deadline: Deadline) -> paramiko.SSHClient:
    """A new connection, logged in.

    Raises:
        Unreachable, AuthenticationRefused, HostChanged: as named.
        HostError: the key file or the file of pinned host keys cannot be used.
    """
    sock = _socket(endpoint, deadline)
    client = paramiko.SSHClient()
    try:
        _log_in(endpoint, client, sock, deadline)
    except BaseException:
        client.close()
        sock.close()
        raise
    active = client.get_transport()
    assert active is not None
    active.set_keepalive(KEEPALIVE)
    return client


def _socket(endpoint: Endpoint, deadline: Deadline) -> socket.socket:
    where = f"{endpoint.host}:{endpoint.port}"
    try:
        sock = socket.create_connection(
            (endpoint.host, endpoint.port), timeout=max(0.1, min(CONNECT, deadline.remaining()))
        )
    except OSError as error:
        raise Unreachable(
            f"{endpoint.machine}: nothing answers at {where}",
            details=str(error),
            remedy="is the machine running? `invoke status` shows what its provider says",
        ) from error
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        # A machine that vanished without a word is noticed after 30 s, not after the system's quarter of an hour.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 30_000)
    return sock


def _log_in(endpoint: Endpoint, client: paramiko.SSHClient, sock: socket.socket, deadline: Deadline) -> None:
    name, file = endpoint.machine, endpoint.known_hosts
    seen: list[paramiko.PKey] = []
    pin = known_hosts.pinned(file, name) if file is not None else None
    if pin is not None:
        client.get_host_keys().add(name, pin[0], _pinned_key(endpoint, *pin))
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
        raise _changed(endpoint) from error
    except paramiko.AuthenticationException as error:
        _require_key(endpoint)
        raise AuthenticationRefused(
            f"{name}: SSH at {endpoint.host}:{endpoint.port} refused the login of {endpoint.user}",
            details=str(error),
            remedy="check user, key and password of this machine in the settings",
        ) from error
    except (paramiko.SSHException, OSError, EOFError, ValueError) as error:
        _require_key(endpoint)
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
            raise _changed(endpoint)


def _pinned_key(endpoint: Endpoint, kind: str, key: str) -> paramiko.PKey:
    try:
        return paramiko.PKey.from_type_string(kind, base64.b64decode(key))
    except (ValueError, paramiko.SSHException, paramiko.pkey.UnknownKeyType) as error:
        assert endpoint.known_hosts is not None
        what = f"the key of {endpoint.machine} in it is none"
        raise known_hosts.damaged(endpoint.known_hosts, what) from error


def _require_key(endpoint: Endpoint) -> None:
    """After a login that failed: a key that nobody can read is told as that, and waiting does not mend it.

    Raises:
        HostError: the endpoint's key file is not there, is no key, or wants a passphrase that it does not get.
    """
    file, password = endpoint.key_file, endpoint.password
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
        f"{endpoint.machine}: the key {file} {'wants a passphrase' if protected else 'cannot be used'}",
        details="" if protected else str(seen),
        remedy=f"{takes_off if protected else 'put the right private key there, or '}name another one as `key`",
    ) from seen


def _changed(endpoint: Endpoint) -> HostChanged:
    return HostChanged(
        f"{endpoint.machine}: {endpoint.host}:{endpoint.port} has another host key than the one pinned",
        details=f"pinned in {endpoint.known_hosts}",
        remedy=f"if the machine was made again, remove the line of {endpoint.machine} from that file; "
        "if not, something else answers at its address",
    )


class _Remember(paramiko.MissingHostKeyPolicy):
    """Takes the key of a first contact, to be pinned once the login has succeeded."""

    def __init__(self, seen: list[paramiko.PKey]) -> None:
        self._seen = seen

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:  # noqa: ARG002
        self._seen.append(key)
