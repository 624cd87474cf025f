"""HTTP for artifacts: proxies, certificate authorities, and what an answer means."""

from __future__ import annotations

import email.utils
import ipaddress
import re
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.utils import should_bypass_proxies
from urllib3.exceptions import HTTPError
from urllib3.util import create_urllib3_context

from provision import clock
from provision.errors import ArtifactError

_CONNECT, _READ = 10.0, 60.0  # seconds
_REDIRECTS = 10
# Answers that asking again does not change.
_FINAL = frozenset({400, 401, 403, 404, 405, 407, 410, 451})
# What a server's request to wait is followed for, in seconds; a longer one is said.
LONGEST_WAIT = 60.0
# A page for people, or the XML with which object stores complain; no artifact begins like that.
_PAGE = re.compile(
    rb"\s*(?:\xef\xbb\xbf)?\s*(?:<!doctype\s+html|<html|<head|<body|<\?xml[^>]*\?>\s*<(?:error|html))", re.I
)
_WAYS = "look at `network.proxy` and `mirrors` in the settings"


class Again(Exception):
    """The attempt failed in a way that another may mend.

    Args:
        wait: seconds that the server asks us to wait; None when it does not say.
    """

    def __init__(self, what: str, *, wait: float | None = None) -> None:
        super().__init__(what)
        self.wait = wait


@dataclass(frozen=True)
class Web:
    """How the publishers are reached.

    Attributes:
        proxy: URL of an HTTP proxy; None leaves it to ``HTTPS_PROXY`` and the like. ``NO_PROXY`` counts for
            both, and this computer itself is never asked through a proxy.
        ca: PEM file with certificate authorities to trust besides the usual ones (or those that
            ``REQUESTS_CA_BUNDLE`` names).
    """

    proxy: str | None = None
    ca: Path | None = None

    @contextmanager
    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Iterator[requests.Response]:
        """An answer of 200 or 206, its body not yet read.

        Raises:
            Again: the connection broke, or the server is busy; another attempt may succeed.
            ArtifactError: the server refuses, cannot be trusted, or sends us in circles.
        """
        with self._session() as session:
            try:
                with self._ask(session, url, headers or {}) as answer:
                    _judge(url, answer)
                    yield answer
            except requests.TooManyRedirects as error:
                raise ArtifactError(
                    f"{shown(url)}: the server sends us in circles",
                    details=f"more than {_REDIRECTS} redirects",
                    remedy=f"open it with a browser; {_WAYS}",
                ) from error
            except requests.exceptions.SSLError as error:
                if "CERTIFICATE_VERIFY_FAILED" not in str(error):
                    raise Again(_brief(error)) from error
                raise ArtifactError(
                    f"{shown(url)}: its certificate is not trusted here",
                    details=_brief(error),
                    remedy="name the authority that signs for your proxy or mirror: `network.ca` (a PEM file), or "
                    "REQUESTS_CA_BUNDLE; if there should be none, somebody stands between",
                ) from error
            except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema) as error:
                raise ArtifactError(
                    f"{shown(url)} is, or leads to, no address that can be asked",
                    details=_brief(error),
                    remedy="look at `mirrors` and `network.proxy` in the settings",
                ) from error
            except (requests.RequestException, HTTPError) as error:
                raise Again(_brief(error)) from error

    def _ask(self, session: requests.Session, url: str, headers: Mapping[str, str]) -> requests.Response:
        try:
            return session.get(
                url,
                headers={"Accept-Encoding": "identity", **headers},
                stream=True,
                timeout=(_CONNECT, _READ),
                proxies=self._proxies(url),
            )
        except ValueError as error:
            if isinstance(error, requests.RequestException):
                raise
            # Of an address that no library can take apart: a redirect's, or one in the settings.
            raise requests.exceptions.InvalidURL(str(error)) from error

    def _session(self) -> requests.Session:
        session = requests.Session()
        session.max_redirects = _REDIRECTS
        session.headers["User-Agent"] = "hybrid-provision"
        if self.ca is not None:
            session.mount("https://", _Trusting(self.ca))
        return session

    def _proxies(self, url: str) -> dict[str, str] | None:
        if _is_here(url):
            return {"no_proxy": "*"}
        if self.proxy and not should_bypass_proxies(url, no_proxy=None):
            return {"http": self.proxy, "https": self.proxy}
        return None


class _Trusting(HTTPAdapter):
    """Trusts authorities of the user's besides the usual ones, which requests adds itself."""

    def __init__(self, ca: Path) -> None:
        self._context = create_urllib3_context()
        try:
            self._context.load_verify_locations(cafile=ca)
        except (OSError, ssl.SSLError) as error:
            raise ArtifactError(
                f"{ca} holds no certificate that can be used",
                details=str(error),
                remedy="`network.ca` names a PEM file with certificates (BEGIN CERTIFICATE)",
            ) from error
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        return super().proxy_manager_for(proxy, ssl_context=self._context, **kwargs)


def shown(url: str) -> str:
    """A URL as it may stand in an error: without the user and password of a private mirror."""
    return re.sub(r"(?<=://)[^/@]*@", "", url)


def is_page(data: bytes) -> bool:
    """Whether these first bytes are a page for people (or a store's complaint), and no artifact."""
    return _PAGE.match(data[:512]) is not None


def page_came(url: str, seen: str) -> ArtifactError:
    """The error for a web page in place of a file."""
    return ArtifactError(
        f"{shown(url)}: a web page came instead of the file",
        details=seen,
        remedy=f"a login page or proxy stands between; {_WAYS}",
    )


def _judge(url: str, answer: requests.Response) -> None:
    last = answer.url or url
    if url.startswith("https://") and not last.startswith("https://"):
        raise ArtifactError(
            f"{shown(url)}: the server leads us from https to {shown(last)}",
            details="what comes from there could have been changed on its way",
            remedy=_WAYS,
        )
    says = f"the server says {answer.status_code} {answer.reason}".rstrip()
    if answer.status_code in _FINAL:
        if answer.status_code in (401, 407):
            remedy = "a mirror or proxy wants a password: write it into its URL (user:password@host)"
        else:
            remedy = "does this version exist? look at the settings and at `mirrors`"
        raise ArtifactError(f"{shown(url)}: {says}", remedy=remedy)
    if answer.status_code not in (200, 206, 416):
        raise Again(says, wait=_retry_after(answer.headers.get("Retry-After")))
    kind = answer.headers.get("Content-Type", "")
    if answer.status_code != 416 and kind.startswith("text/html"):
        raise page_came(url, f"Content-Type: {kind}")


def _retry_after(text: str | None) -> float | None:
    """Seconds of a Retry-After header, which holds seconds or a date."""
    if not text:
        return None
    if text.strip().isdecimal():
        return float(text)
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (moment - clock.utc_now()).total_seconds()) if moment.tzinfo else None


def _is_here(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _brief(error: Exception) -> str:
    """The innermost reason: what libraries wrap around it says nothing more."""
    text = str(error)
    reason = re.search(r"\(Caused by \w+\((?:'|\"|<[^>]*>: )?(.*?)(?:'|\")?\)\)", text)
    return re.sub(r"<urllib3[^>]*>:? ?", "", reason[1] if reason else text)
