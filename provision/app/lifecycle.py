"""Use cases of a cluster's life: kubeconfig, halt, destroy."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from provision.app.session import Session, open_session
from provision.app.world import make_tools
from provision.clock import Deadline
from provision.cluster.kubeconfig import local_kubeconfig, require_reachable
from provision.errors import MachineError, ProvisionError, Refused, RehearsedOnly
from provision.guests.base import Script
from provision.host.files import write_atomically
from provision.rehearsal.provider import RehearsalProvider
from provision.render.engine import render
from provision.settings.model import Machine


class _Spoken:
    """Prints what a provider says."""

    def line(self, step: str, text: str) -> None:
        print(f"{step}: {text}", file=sys.stderr, flush=True)

    def waits(self, step: str, what: str) -> None:
        """Short commands wait without words."""


def kubeconfig(variables: str = "", set: Sequence[str] = (), to: str = "") -> int:
    """Save the kubeconfig of the cluster's administrator, once the API answers from here."""
    session = open_session(variables, set)
    if session.rehearsed:
        raise RehearsedOnly(
            "the cluster is a rehearsal: there is no API to talk to, so no kubeconfig is written",
            remedy='make a real cluster (README.md, "A real cluster")',
        )
    machine = session.settings.control_plane
    if session.provider.states().get(machine.name) != "running":
        raise MachineError(f"{machine.name} does not run", remedy="invoke up")
    tools = make_tools(session, _Spoken())
    guest = tools.open_guest(tools, machine.name)
    try:
        script = Script("admin-conf", render("linux/80-admin-conf.sh"))
        admin = guest.run(script, Deadline(60, "reading admin.conf")).require("invoke up").out
    finally:
        guest.close()
    name = session.settings.cluster.name
    text = local_kubeconfig(admin, context=name, server=f"https://{machine.address}:6443")
    require_reachable(text, Deadline(20, "the API"))
    target = Path(to).resolve() if to else session.workspace.kubeconfig
    write_atomically(target, text, mode=0o600)
    print(f"saved {target} (context {name}); the API answers from here")
    print(f"next: export KUBECONFIG={target}")
    return 0


def halt(variables: str = "", set: Sequence[str] = ()) -> int:
    """Stop every machine."""
    session = open_session(variables, set)
    with session.locked("invoke halt"):
        states = session.provider.states()
        running = [m for m in session.settings.machines if states.get(m.name) in ("running", "unreachable")]
        for machine in running:
            session.provider.halt(machine, Deadline(600, f"halt of {machine.name}"), _line)
    label = " (rehearsal)" if session.rehearsed else ""
    print(f"halted {', '.join(m.name for m in running)}{label}" if running else f"nothing runs{label}")
    return 0


def destroy(variables: str = "", set: Sequence[str] = (), yes: bool = False) -> int:
    """Delete machines and the cluster's folder; downloads stay in the cache."""
    session = open_session(variables, set)
    if not session.workspace.folder.exists():
        print("there is no cluster of this name here: nothing to destroy")
        return 0
    if not yes and not session.rehearsed:
        _ask(session.settings.cluster.name)
    strays = session.strays()
    if strays and not session.rehearsed:
        raise Refused(
            f"made for this cluster, but not in the settings any more: {', '.join(strays)}",
            details="nothing was destroyed: without its settings a machine would be left behind",
            remedy="put it back into `machines`, then run `invoke destroy`",
        )
    with session.locked("invoke destroy"):
        try:
            _destroy_machines(session, strays)
        except ProvisionError as error:
            if not isinstance(session.provider, RehearsalProvider):
                raise
            # There is nothing of it but its process and its folder: both go, in whatever state they are.
            _line(f"rehearsal: {error.what}; it is removed all the same")
            session.provider.discard()
        shutil.rmtree(session.workspace.folder, ignore_errors=True)
        with suppress(OSError):  # other clusters may live there
            session.workspace.folder.parent.rmdir()
    label = " (rehearsal)" if session.rehearsed else ""
    print(f"destroyed cluster {session.settings.cluster.name}{label}")
    return 0


def _destroy_machines(session: Session, strays: Sequence[str]) -> None:
    for name in strays:
        session.provider.destroy(Machine(name=name, os="linux"), Deadline(600, f"destroying {name}"), _line)
    states = session.provider.states()
    for machine in session.settings.machines:
        if states.get(machine.name, "absent") != "absent":
            session.provider.destroy(machine, Deadline(600, f"destroying {machine.name}"), _line)
    left = {n: s for n, s in session.provider.states().items() if s != "absent"}
    if left:
        raise MachineError(f"still there after destroying: {', '.join(left)}", remedy="run it again")


def _ask(name: str) -> None:
    if not sys.stdin.isatty():
        raise Refused(f"destroying cluster {name} needs a yes", remedy="add --yes")
    if input(f"destroy cluster {name} and all its machines? [y/N] ").strip().lower() not in ("y", "yes"):
        raise Refused("nothing was destroyed")


def _line(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
