"""One question to a registry: where it may be asked, tokens, redirects. The only door to HTTP for images.

Source: the OCI distribution specification 1.1, and distribution's "Token Authentication Specification".
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase, HTTPBasicAuth
from requests.utils import should_bypass_proxies

from provision.artifacts.web import shown
from provision.build.images_names import Reference
from provision.clock import Deadline
from provision.errors import ArtifactError
from provision.secrets import Secret

Credentials = Callable[[str], tuple[str, Secret] | None]
"""Registry host -> (user, password), or None for a registry that is asked without a name."""

Failed = requests.RequestException
"""What a broken connection raises; asking again may mend it."""

_CONNECT, _READ = 10.0, 60.0  # seconds
_HOPS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_PARAMETER = re.compile(r'([A-Za-z_]+)="([^"]*)"')


def anonymous(_: str) -> tuple[str, Secret] | None:
    """No credentials for any registry."""
    return None


@dataclass(frozen=True, kw_only=True)
class Access:
    """How registries are reached.

    Attributes:
        mirrors: gives base URL -> base URL or folder (a folder holds what the URLs below its base answer).
        registries: registry host -> base URLs that are asked before the registry itself.
        proxy: URL of an HTTP proxy; None leaves it to the environment's variables.
        ca: PEM file with authorities that are trusted besides the usual ones.
    """

    mirrors: Callable[[], Mapping[str, str]] = dict
    registries: Mapping[str, Sequence[str]] = field(default_factory=dict)
    proxy: str | None = None
    ca: Path | None = None
    credentials: Credentials = anonymous


def is_loopback(host: str) -> bool:
    """Whether a host (with or without a port) is this computer: there plain HTTP is right, as containerd does it."""
    return urlsplit(f"//{host}").hostname in _LOOPBACK


class _Header(AuthBase):
    """Sets the Authorization header, or none; being there, it keeps ``~/.netrc`` out."""

    def __init__(self, value: str = "") -> None:
        self._value = value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._value:
            request.headers["Authorization"] = self._value
        return request


class _Trusting(HTTPAdapter):
    """Trusts the settings' authorities besides the usual ones."""

    def __init__(self, ca: Path) -> None:
        try:
            self._context = ssl.create_default_context()
            self._context.load_verify_locations(ca)
        except OSError as error:  # ssl.SSLError is one
            raise ArtifactError(
                f"{ca} cannot be used as certificate authorities: {error}",
                remedy="network.ca in the settings: a PEM file with certificates",
            ) from error
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, ssl_context=self._context)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        return super().proxy_manager_for(*args, **kwargs, ssl_context=self._context)


class Conversation:
    """Questions about one image to its registry; for one thread.

    Args:
        image: its tag and digest do not matter here.
    """

    def __init__(self, image: Reference, access: Access) -> None:
        self.image = image
        self._access = access
        self._session = requests.Session()
        if access.ca is not None:
            self._session.mount("https://", _Trusting(access.ca))
        self._known: dict[tuple[str, str], AuthBase] = {}  # origin -> what it wants to see
        self._given: dict[tuple[str, str], tuple[str, Secret]] = {}  # origin -> what stood in its URL

    def close(self) -> None:
        """End it."""
        self._session.close()

    @contextmanager
    def get(self, url: str, headers: Mapping[str, str], deadline: Deadline) -> Iterator[requests.Response]:
        """Ask, with a token if the registry wants one; what it answers is the caller's to judge.

        Raises:
            ArtifactError: it does not let us in, or sends us to an unsafe place.
            Failed: the connection broke.
        """
        url, origin = self._nameless(url), _origin(url)
        answer = self._follow(url, headers, deadline)
        if answer.status_code == 401:
            challenge = answer.headers.get("WWW-Authenticate", "")
            answer.close()
            # Also when there was a token: tokens live minutes, and pulls may take longer.
            self._known[origin] = self._admission(url, challenge, deadline)
            answer = self._follow(url, headers, deadline)
        with answer:
            if answer.status_code in (401, 403):
                raise self._refused(url, f"it says {answer.status_code} {answer.reason}")
            yield answer

    def _nameless(self, url: str) -> str:
        """The URL without user and password, as those of private mirrors have them; they are kept for its origin."""
        parts = urlsplit(url)
        if parts.username is not None:
            self._given[_origin(url)] = unquote(parts.username), Secret(unquote(parts.password or ""))
        return shown(url)

    def _follow(self, url: str, headers: Mapping[str, str], deadline: Deadline) -> requests.Response:
        """Follow redirects ourselves: what lets us into one origin is shown to no other."""
        first, here = _origin(url), url
        for _ in range(_HOPS):
            auth = self._known.get(first) if _origin(here) == first else None
            answer = self._send(here, headers, auth or _Header(), deadline)
            if answer.status_code not in _REDIRECTS or "Location" not in answer.headers:
                return answer
            there = urljoin(here, answer.headers["Location"])
            answer.close()
            if not _is_web(there) or _is_downgrade(here, there):
                raise ArtifactError(
                    f"{self.image}: {_short(here)} sends us to {_short(there)}, which is not safe",
                    remedy="look at `mirrors` and `network.registries` in the settings",
                )
            here = there
        raise ArtifactError(f"{self.image}: {_short(url)} sends us round in circles", remedy="ask whoever keeps it")

    def _send(
        self,
        url: str,
        headers: Mapping[str, str],
        auth: AuthBase,
        deadline: Deadline,
        params: Mapping[str, str] | None = None,
    ) -> requests.Response:
        deadline.check(f"asking {_short(url)}")
        left = max(deadline.remaining(), 0.1)
        try:
            return self._session.get(
                url,
                # The bytes as they are: their digest is what counts.
                headers={"Accept-Encoding": "identity", **headers},
                params=params,
                auth=auth,
                stream=True,
                allow_redirects=False,
                proxies=self._proxies(url),
                timeout=(min(_CONNECT, left), min(_READ, left)),
            )
        except ValueError as error:
            if isinstance(error, Failed):
                raise
            raise ArtifactError(
                f"{self.image}: {_short(url)} is, or leads to, no address that can be asked",
                details=str(error),
                remedy="look at `mirrors` and `network.registries` in the settings",
            ) from error

    def _proxies(self, url: str) -> dict[str, str] | None:
        """Named with each request: requests lets the environment overrule what its session is told."""
        if is_loopback(urlsplit(url).netloc) or should_bypass_proxies(url, no_proxy=None):
            return {"http": "", "https": ""}
        return {"http": self._access.proxy, "https": self._access.proxy} if self._access.proxy else None

    def _admission(self, url: str, challenge: str, deadline: Deadline) -> AuthBase:
        """What the registry wants to see, made of its challenge."""
        kind = challenge.partition(" ")[0]
        bearer = re.search(r"(?i)\bbearer\s+(.*)", challenge)
        found = self._given.get(_origin(url)) or self._access.credentials(self._host(url))
        if bearer is not None:
            return self._token(url, dict(_PARAMETER.findall(bearer[1])), found, deadline)
        if kind.lower() != "basic" or found is None:
            raise self._refused(url, "it wants a user and a password" if found is None else f"it wants {kind or '?'}")
        return self._basic(url, found)

    def _token(
        self, url: str, wanted: Mapping[str, str], found: tuple[str, Secret] | None, deadline: Deadline
    ) -> AuthBase:
        realm = urljoin(url, wanted.get("realm", ""))
        if not _is_web(realm) or _is_downgrade(url, realm):
            raise self._refused(url, f"it sends us to {_short(realm)} for a token, which is not safe")
        params = {key: wanted[key] for key in ("service", "scope") if key in wanted}
        params.setdefault("scope", f"repository:{self.image.path}:pull")
        auth = self._basic(realm, found) if found else _Header()
        with self._send(realm, {}, auth, deadline, params) as answer:
            if answer.status_code in (400, 401, 403, 404):
                raise self._refused(url, f"{_short(realm)} says {answer.status_code} {answer.reason}")
            if answer.status_code != 200:
                raise Failed(f"{_short(realm)} says {answer.status_code} {answer.reason}")
            try:
                document = answer.json()
                token = document.get("token") or document.get("access_token")
            except (ValueError, AttributeError):
                token = None
        if not isinstance(token, str) or not token:
            raise self._refused(url, f"{_short(realm)} answers without a token")
        return _Header(f"Bearer {Secret(token).reveal()}")

    def _basic(self, url: str, found: tuple[str, Secret]) -> AuthBase:
        parts = urlsplit(url)
        if parts.scheme != "https" and not is_loopback(parts.netloc):
            raise self._refused(url, "a password is not sent over plain HTTP")
        return HTTPBasicAuth(found[0], found[1].reveal())

    def _host(self, url: str) -> str:
        """The host as people name it."""
        host = urlsplit(url).netloc
        return self.image.host if host == self.image.api_host else host

    def _refused(self, url: str, why: str) -> ArtifactError:
        return ArtifactError(
            f"{self.image}: {self._host(url)} does not let us in: {why}",
            details="a registry says this of images that do not exist, too",
            remedy="look at the image's name, and give a pull secret for this registry in the settings",
        )


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.rpartition("@")[2].lower()


def _is_web(url: str) -> bool:
    return urlsplit(url).scheme in ("http", "https")


def _is_downgrade(here: str, there: str) -> bool:
    """From HTTPS to plain HTTP, on other than this computer."""
    target = urlsplit(there)
    return urlsplit(here).scheme == "https" and target.scheme != "https" and not is_loopback(target.netloc)


def _short(url: str) -> str:
    """A URL without what may let others in: its query, which may carry a signature, its user and password."""
    parts = urlsplit(shown(url))
    return f"{parts.scheme}://{parts.netloc}{parts.path}"
