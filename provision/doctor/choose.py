"""``provider: auto``: the first real provider that works here, else the rehearsal, and the words that say so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from provision.doctor.host import Host, look, look_whole
from provision.doctor.judge import CANDIDATES, Finding, findings, works
from provision.errors import HostError
from provision.host.workspace import Workspace
from provision.settings.model import Settings

Look = Callable[[Settings, Path], Host]


@dataclass(frozen=True)
class Choice:
    """The provider to use and what the user should know about the choice.

    Attributes:
        provider: never ``auto``.
        notices: lines for the user; empty when there is nothing to explain.
    """

    provider: str
    notices: tuple[str, ...] = ()


def choose(settings: Settings, workspace: Workspace, look: Look = look) -> Choice:
    """Choose the provider.

    A provider that is named is taken as it is: it never falls back.  A workspace whose cluster exists stays
    with the provider that made it.  Only ``auto`` in a workspace without a cluster looks at this computer.
    """
    if settings.provider != "auto":
        return Choice(settings.provider)
    file = workspace.provider_file
    if file.is_file() and (made_by := file.read_text().strip()):
        if made_by == "rehearsal":
            return Choice(
                made_by, ("This workspace's cluster is a rehearsal; after `invoke destroy` a real one is tried.",)
            )
        return Choice(made_by)
    return decide(look(settings, workspace.root), settings)


def decide(host: Host, settings: Settings) -> Choice:
    """The choice of ``auto``, from what is known of this computer; pure."""
    looked: list[str] = []
    for provider in CANDIDATES[host.system]:
        found = findings(host, settings, provider)
        if works(found):
            warnings = tuple(f"warning: {finding}" for finding in found)
            return Choice(provider, (f"provider {provider} works here and is used", *warnings))
        looked.append(_line(provider, found))
    return Choice(
        "rehearsal",
        (
            "This is a REHEARSAL: no real provider works on this computer, so every machine is modelled. Looked for:",
            *looked,
            "To have a real cluster, mend one of these; to ask for one and see every problem: `--set provider=<name>`.",
        ),
    )


def _line(provider: str, found: tuple[Finding, ...]) -> str:
    first, *more = [finding for finding in found if finding.fatal]
    others = f" (and {len(more)} more)" if more else ""
    return f"  {provider}: {first}{others}"


def require(settings: Settings, root: Path, look: Look = look_whole) -> tuple[str, ...]:
    """Before machines are made: everything that stands in the way of ``settings.provider``, at once.

    Returns the warnings.

    Raises:
        HostError: something fatal was found; its details list every problem with its remedy.
    """
    if settings.provider in ("rehearsal", "existing"):
        return ()
    found = findings(look(settings, root), settings, settings.provider)
    if not works(found):
        raise HostError(
            f"provider {settings.provider} does not work on this computer",
            details="\n".join(f"{finding.what}\n  -> {finding.remedy}" for finding in found),
            remedy="mend what is listed, or rehearse: `--set provider=rehearsal`",
        )
    return tuple(str(finding) for finding in found)
