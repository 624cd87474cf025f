"""`invoke status`: machines, nodes, versions, and what is stale or broken by time."""

from __future__ import annotations

import json as json_format
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from provision.app.meant import kubernetes_row, meant, plain
from provision.app.nodes import for_people, node_rows
from provision.app.session import STRAY, Session, open_session
from provision.app.world import Observation, look
from provision.clock import utc_now
from provision.console import Screen
from provision.errors import ProvisionError
from provision.facts import cluster, linux, windows
from provision.facts.base import UnknownFact, World
from provision.facts.files import Stamp as StampFact
from provision.plan import plan as make_plan
from provision.settings.model import Machine
from provision.settings.stamp import Stamp, compare
from provision.steps.base import Missing
from provision.steps.made_with import refusal, way

# A clock that is further off breaks certificates' and tokens' time checks sooner or later.
CLOCK_LIMIT = 30.0  # seconds
CERTIFICATE_WARNING = 30  # days


def status(variables: str = "", set: Sequence[str] = (), json: bool = False) -> int:
    """Print what there is; changes nothing. Exit code 0: it could be said."""
    session = open_session(variables, set, words="pinned")
    seen = look(session)
    findings = judged(session, seen)
    columns, nodes = node_rows(session, seen.world)
    machines = [_machine_row(machine, seen) for machine in session.settings.machines]
    screen = Screen(stream=sys.stderr if json else None, rehearsed=session.rehearsed)
    for notice in session.notices:
        screen.say(notice, "yellow")
    if json:
        document = {
            "cluster": session.settings.cluster.name,
            "provider": session.settings.provider,
            "rehearsed": session.rehearsed,
            "kubernetes": kubernetes_row(session.settings),
            "machines": [dict(zip(("name", "state", "version", "since"), row, strict=True)) for row in machines],
            "nodes": [dict(zip(columns, row, strict=True)) for row in nodes],
            "findings": findings,
        }
        print(json_format.dumps(document, indent=2))
        return 0
    label = " (rehearsal)" if session.rehearsed else ""
    screen.say(f"cluster {session.settings.cluster.name}, provider {session.settings.provider}{label}", "bold")
    if not plain(session.settings):
        screen.say(meant(session.settings))
    screen.table("", ("machine", "state", "version", "up since"), for_people(machines))
    screen.say("")
    screen.table("", columns, for_people(nodes))
    screen.say("")
    for finding in findings:
        screen.say(f"! {finding}", "yellow")
    refused = refusal(session.settings, seen.world)
    todo = f"to do: {refused.remedy}" if refused else "next: invoke up"
    screen.say("nothing stale, nothing broken" if not findings else todo)
    return 0


def _machine_row(machine: Machine, seen: Observation) -> tuple[str, str, str, str]:
    facts = seen.world.machine(machine.name)
    try:
        if machine.os == "windows":
            seen_os = facts.get(windows.Os)
            return machine.name, facts.state, f"{seen_os.product} {seen_os.build}.{seen_os.ubr}", seen_os.boot_time
        host = facts.get(linux.Os)
        return machine.name, facts.state, f"{host.id} {host.version}, {host.kernel}", host.boot_time
    except UnknownFact as unknown:
        return machine.name, facts.state, "" if facts.state != "running" else str(unknown), ""


def judged(session: Session, seen: Observation) -> list[str]:
    """What a user should know: machines that the settings have lost, unreachable ones, wrong clocks, ending
    certificates, changed settings, and how much of the plan is not true."""
    world = seen.world
    findings = [STRAY.format(name) for name in session.strays()]
    findings += [f"{name}: {error.what}" for name, error in seen.unread.items() if isinstance(error, ProvisionError)]
    for machine in session.settings.machines:
        findings += _clock(machine, world)
        findings += _stamp(session, machine, world)
    findings += _certificates(world)
    steps = make_plan(session.settings).steps
    missing = [s.name for s in steps if isinstance(s.judge(session.settings, world), Missing) and not s.transient]
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        findings.append(f"not true: {', '.join(missing[:3])}{more} (`invoke plan` says why)")
    return findings


def _clock(machine: Machine, world: World) -> list[str]:
    facts = world.machine(machine.name)
    try:
        # None: nobody can say, which is no reason to warn.
        kept = machine.os == "windows" or facts.get(linux.Os).clock_synchronised is not False
        said = facts.get(windows.Os).time if machine.os == "windows" else facts.get(linux.Os).time
        there = datetime.fromisoformat(said)
    except (UnknownFact, ValueError):
        return []
    there = there if there.tzinfo else there.replace(tzinfo=UTC)
    off = (there - utc_now()).total_seconds()
    findings = [] if kept else [f"{machine.name}: no time service keeps its clock right (see `timedatectl` on it)"]
    if abs(off) > CLOCK_LIMIT:
        side = "ahead" if off > 0 else "behind"
        findings.append(f"{machine.name}: its clock is {abs(off):.0f} s {side} of this computer's")
    return findings


def _stamp(session: Session, machine: Machine, world: World) -> list[str]:
    try:
        text = world.machine(machine.name).get(StampFact).text
    except UnknownFact:
        return []
    if not text:
        return []
    try:
        old = Stamp.from_json(text)
    except ValueError as error:
        return [f"{machine.name}: its stamp cannot be read: {error}"]
    return [
        f"{machine.name}: {change.field} is {change.now}, it was made with {change.before}: "
        + way(session.settings, change)
        for change in compare(old, session.settings, machine.name)
    ]


def _certificates(world: World) -> list[str]:
    try:
        found = world.cluster.get(cluster.Certificates).certificates
    except UnknownFact:
        return []
    return [f"certificate {row.name} ends in {row.days} days" for row in found if row.days <= CERTIFICATE_WARNING]
