"""Which Kubernetes runs where, and why: one line for people, one object for programs."""

from __future__ import annotations

from provision.settings.model import Settings

_FROM = {"release": "a release", "ci": "a CI build", "source": "built from source"}


def plain(settings: Settings) -> bool:
    """Whether there is nothing to explain: one release everywhere."""
    chosen = settings.chosen
    if chosen is None:
        return True
    built = chosen.source or chosen.containerd or chosen.hcsshim or chosen.binaries
    return chosen.control_plane == "release" and not built


def meant(settings: Settings) -> str:
    """One line: the control plane's version, where it comes from, what the Windows nodes run, and why."""
    chosen = settings.chosen
    if chosen is None:
        return f"control plane {settings.kubernetes.version}, as the settings say"
    built = " (built)" if chosen.source else " (your own)" if "kubelet.exe" in chosen.binaries else ""
    nodes = f"; Windows nodes {chosen.nodes}{built}" if settings.windows else ""
    others = [(name, getattr(chosen, name)) for name in ("containerd", "hcsshim")]
    more = "".join(f"; {name} {source.version} (built)" for name, source in others if source is not None)
    return f"control plane {chosen.version}, {_FROM[chosen.control_plane]}{nodes}{more}: {chosen.why}"


def kubernetes_row(settings: Settings) -> dict[str, object]:
    """The same as an object."""
    chosen = settings.chosen
    if chosen is None:
        return {"version": settings.kubernetes.version, "control_plane": None, "nodes": None, "why": None}
    row: dict[str, object] = {
        "version": chosen.version,
        "control_plane": chosen.control_plane,
        "nodes": chosen.nodes,
        "why": chosen.why,
    }
    if chosen.source is not None:
        row |= {"commit": chosen.source.commit, "dirty": chosen.source.dirty, "remote": chosen.source.remote}
    return row
