"""Use cases that change nothing on machines: plan, render, settings."""

from __future__ import annotations

import json as json_format
import sys
from collections.abc import Sequence
from pathlib import Path

from provision.app.archives import with_archives
from provision.app.meant import kubernetes_row, meant
from provision.app.rendered import write_rendered
from provision.app.session import named, open_session
from provision.app.world import look
from provision.console import Screen
from provision.errors import SettingsError
from provision.plan import plan as make_plan
from provision.settings.load import load
from provision.settings.report import effective
from provision.settings.today import write_today
from provision.steps.base import Missing
from provision.steps.made_with import refusal


def plan(
    variables: str = "",
    set: Sequence[str] = (),
    json: bool = False,
    offline: bool = False,
    sha: str = "",
    ref: str = "",
    path: str = "",
    remote: str = "",
) -> int:
    """Print each step with what is true or missing and why; exit code 0 whatever is missing."""
    opened = open_session(variables, [*set, *named(sha, ref, path, remote)], offline=offline, words="resolved")
    session = with_archives(opened)
    made = make_plan(session.settings)
    world = look(session).world
    judged = [(step, step.judge(session.settings, world)) for step in made.steps]
    missing = [step for step, judgement in judged if isinstance(judgement, Missing)]
    refused = refusal(session.settings, world)
    screen = Screen(stream=sys.stderr if json else None, rehearsed=session.rehearsed)
    for notice in session.notices:
        screen.say(notice, "yellow")
    if json:
        rows = [
            {
                "step": step.name,
                "title": step.title,
                "true": not isinstance(judgement, Missing),
                "reason": judgement.reason,
                "needs": list(step.needs),
            }
            for step, judgement in judged
        ]
        document = {
            "cluster": session.settings.cluster.name,
            "rehearsed": session.rehearsed,
            "kubernetes": kubernetes_row(session.settings),
            "steps": rows,
            "refused": f"{refused.what}: {refused.details}" if refused else None,
        } | ({"missing_offline": session.store().missing()} if session.offline else {})
        print(json_format.dumps(document, indent=2))
        return 0
    rows_shown = [
        ("missing" if isinstance(judgement, Missing) else "true", step.name, judgement.reason)
        for step, judgement in judged
    ]
    label = "rehearsal " if session.rehearsed else ""
    screen.table("", ("", "step", "why"), rows_shown)
    screen.say(meant(session.settings))
    if session.offline and (lines := session.store().missing()):
        screen.say("\n".join(["missing, and --offline forbids to fetch it:", *lines]), "yellow")
    screen.say(f"{label}plan: {len(judged)} steps, {len(missing)} missing; nothing was changed")
    if refused:
        screen.say(f"`invoke up` refuses: {refused.what}\n{refused.details}", "yellow")
        screen.say(f"to do: {refused.remedy}")
    elif missing:
        screen.say("next: invoke up")
    return 0


def render(variables: str = "", set: Sequence[str] = (), to: str = "") -> int:
    """Write what would be used into a folder."""
    session = open_session(variables, set, words="resolved")
    folder = Path(to).resolve() if to else session.workspace.rendered
    count = write_rendered(session.settings, folder)
    label = " (rehearsal)" if session.rehearsed else ""
    print(f"{count} files in {folder}{label}; secrets and run-time values are placeholders in <angle brackets>")
    return 0


def settings(variables: str = "", set: Sequence[str] = (), json: bool = False, write: bool = False) -> int:
    """Print the effective settings and their origins, or write the file in today's form."""
    import os

    file = Path(variables).resolve() if variables else None
    root = file.parent if file else Path.cwd()
    loaded = load(file, overrides=tuple(set), environment=os.environ, workspace=root, judged=not write)
    for notice in loaded.notices:
        print(notice, file=sys.stderr)
    if write:
        target = file or root / "variables.yaml"
        if set and not target.exists():
            raise SettingsError(f"{target} does not exist", remedy="name a file with --variables")
        kept = write_today(loaded, target)
        if json:
            print(json_format.dumps({"settings": str(target), "kept": str(kept) if kept else None}))
        else:
            print(f"{target} is in today's form{f'; the old file is {kept.name} beside it' if kept else ''}")
        return 0
    rows = effective(loaded)
    if json:
        print(json_format.dumps({row.key: {"value": row.plain, "origin": row.origin} for row in rows}, indent=2))
        return 0
    Screen().table("", ("key", "value", "from"), [(row.key, row.value, row.origin) for row in rows])
    return 0
