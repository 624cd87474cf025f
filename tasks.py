"""Invoke tasks: flags in, exit codes out. Imports nothing but invoke at start, so that `--list` is quick."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.parser.argument import Argument
from invoke.tasks import Task
from invoke.tasks import task as invoke_task

# The same letter means the same everywhere; all other flags are written out.
_LETTERS = {"json": "j", "set": "s", "verbose": "v", "yes": "y"}

_SETTINGS = {
    "variables": "the settings file (default: variables.yaml in this folder)",
    "set": "one setting, as a.b=value; repeatable",
}
_OFFLINE = "open no connection to a publisher: only the cache and folders in `mirrors`"
_BUILD = {
    "sha": "build this commit of Kubernetes for the Windows nodes (as --set kubernetes.sha=...)",
    "ref": "build this branch, tag or pull/12345",
    "path": "build this local checkout, uncommitted changes included",
    "remote": "the git repository that --sha and --ref are fetched from",
}
_RUN = {
    "json": "machine-readable: one JSON document on stdout, words on stderr",
    "verbose": "show every line that the scripts print",
}


class _Task(Task[Callable[..., None]]):
    """A task whose flags have only the letters of `_LETTERS`, and whose repeatable flags want a value."""

    def get_arguments(self, ignore_unknown_help: bool | None = None) -> list[Argument]:
        found = super().get_arguments(ignore_unknown_help)
        for argument in found:
            if argument.kind is list:
                argument.raw_value = None  # invoke takes its empty list for a value that was given
        return found

    def arg_opts(self, name: str, default: str, taken_names: set[str]) -> dict[str, Any]:
        options = super().arg_opts(name, default, taken_names)
        options["names"] = [options["names"][0], *_LETTERS.get(name, "")]
        return options


task = partial(invoke_task, klass=_Task)


def _call(command: str, **flags: object) -> None:
    # invoke keeps no compiled modules unless asked to; ours are many, and would be compiled at each call.
    sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
    from provision.app.edge import call

    code = call(command, flags)
    if code:
        raise Exit(code=code)


@task(
    iterable=["set", "only"],
    help={
        **_SETTINGS,
        **_RUN,
        **_BUILD,
        "only": "only this step (name, or name@machine); all others must be true already; repeatable",
        "from_": "only this step and those after it in the plan",
        "offline": _OFFLINE,
    },
)
def up(
    c: Context,
    verbose: bool = False,
    json: bool = False,
    variables: str = "",
    set: Sequence[str] | None = None,
    only: Sequence[str] | None = None,
    from_: str = "",
    offline: bool = False,
    sha: str = "",
    ref: str = "",
    path: str = "",
    remote: str = "",
) -> None:
    """Take the cluster from variables.yaml to Ready; goes on from what the machines say."""
    source = {"sha": sha, "ref": ref, "path": path, "remote": remote}
    flags = {"variables": variables, "set": set or (), "only": only or (), "from_": from_, "offline": offline}
    _call("up", json=json, verbose=verbose, **source, **flags)


@task(iterable=["set"], help={**_SETTINGS, **_BUILD, "json": _RUN["json"], "offline": _OFFLINE})
def plan(
    c: Context,
    variables: str = "",
    set: Sequence[str] | None = None,
    json: bool = False,
    offline: bool = False,
    sha: str = "",
    ref: str = "",
    path: str = "",
    remote: str = "",
) -> None:
    """Show what is true, what is missing and why; changes nothing."""
    source = {"sha": sha, "ref": ref, "path": path, "remote": remote}
    _call("plan", variables=variables, set=set or (), json=json, offline=offline, **source)


@task(
    iterable=["set", "component"],
    help={
        **_SETTINGS,
        "json": _RUN["json"],
        "offline": "open no connection: a commit and a compiler that were fetched before are there",
        "sha": "the commit to build, 7 to 40 digits (without any of these: what the settings name)",
        "ref": "the branch, tag or pull request (pull/12345) to build",
        "path": "a local checkout to build, uncommitted changes included",
        "remote": "the git repository of --sha or --ref (default: kubernetes.remote)",
        "component": "a program (kubelet.exe) or a group: windows, linux, tests, all; repeatable "
        "(default: kubelet.exe and kube-proxy.exe)",
        "to": "a folder that gets a copy of each program, under its name",
        "debug": "keep symbols and paths, and do not optimise: for a debugger",
        "list": "show what has been built",
    },
)
def build(
    c: Context,
    variables: str = "",
    set: Sequence[str] | None = None,
    sha: str = "",
    ref: str = "",
    path: str = "",
    remote: str = "",
    component: Sequence[str] | None = None,
    to: str = "",
    debug: bool = False,
    list: bool = False,
    json: bool = False,
    offline: bool = False,
) -> None:
    """Build Kubernetes from a commit, branch, pull request or checkout; what was built before is there at once."""
    source = {"sha": sha, "ref": ref, "path": path, "remote": remote}
    flags = {"component": component or (), "to": to, "debug": debug, "list": list, "offline": offline}
    _call("build", variables=variables, set=set or (), json=json, **source, **flags)


@task(iterable=["set"], help={**_SETTINGS, "json": _RUN["json"]})
def status(c: Context, variables: str = "", set: Sequence[str] | None = None, json: bool = False) -> None:
    """Show machines, nodes, versions, and what is stale or broken by time."""
    _call("status", variables=variables, set=set or (), json=json)


@task(iterable=["set"], help={**_SETTINGS, "to": "the folder to write (default: .cluster/<name>/rendered)"})
def render(c: Context, variables: str = "", set: Sequence[str] | None = None, to: str = "") -> None:
    """Write everything that would be used (Vagrantfile, scripts, configuration) to a folder."""
    _call("render", variables=variables, set=set or (), to=to)


@task(
    iterable=["set"],
    help={**_SETTINGS, "json": _RUN["json"], "write": "write the settings to the file in today's form"},
)
def settings(
    c: Context, variables: str = "", set: Sequence[str] | None = None, json: bool = False, write: bool = False
) -> None:
    """Show the effective settings and where each came from."""
    _call("settings", variables=variables, set=set or (), json=json, write=write)


@task(
    iterable=["set"],
    help={**_SETTINGS, **_RUN, "export": "bring each image into the cache as an archive, for `up --offline`"},
)
def images(
    c: Context,
    variables: str = "",
    set: Sequence[str] | None = None,
    export: bool = False,
    json: bool = False,
    verbose: bool = False,
) -> None:
    """List the container images of the cluster's machines, or keep them for a cluster without registries."""
    _call("images", variables=variables, set=set or (), export=export, json=json, verbose=verbose)


@task(iterable=["set"], help={**_SETTINGS, "to": "the file to write (default: .cluster/<name>/kubeconfig)"})
def kubeconfig(c: Context, variables: str = "", set: Sequence[str] | None = None, to: str = "") -> None:
    """Save the cluster's kubeconfig, once it is reachable from here."""
    _call("kubeconfig", variables=variables, set=set or (), to=to)


@task(iterable=["set"], help=dict(_SETTINGS))
def halt(c: Context, variables: str = "", set: Sequence[str] | None = None) -> None:
    """Stop the machines; `up` starts them again."""
    _call("halt", variables=variables, set=set or ())


@task(iterable=["set"], help={**_SETTINGS, "yes": "do not ask"})
def destroy(c: Context, variables: str = "", set: Sequence[str] | None = None, yes: bool = False) -> None:
    """Delete the machines and what belongs to them; downloads stay in the cache."""
    _call("destroy", variables=variables, set=set or (), yes=yes)


@task(iterable=["set"], help={**_SETTINGS, "run": "a run's id (default: the last one)", "to": "the file to write"})
def report(c: Context, variables: str = "", set: Sequence[str] | None = None, run: str = "", to: str = "") -> None:
    """Write the last run as one HTML file: timeline, versions, log tails."""
    _call("report", variables=variables, set=set or (), run=run, to=to)


@task(
    iterable=["set"],
    help={
        **_SETTINGS,
        "json": _RUN["json"],
        "check": "only show what would change",
        "offline": "only complete the lock from the cache and folders in `mirrors`",
    },
)
def lock(
    c: Context,
    variables: str = "",
    set: Sequence[str] | None = None,
    check: bool = False,
    offline: bool = False,
    json: bool = False,
) -> None:
    """Ask the publishers what is newest and pin it in artifacts.lock.yaml; shows what changes."""
    _call("lock", variables=variables, set=set or (), check=check, offline=offline, json=json)


@task(
    help={
        "variables": "the settings file whose folder's lock counts (default: variables.yaml in this folder)",
        "prune": "delete the files and results of builds that no lock needs",
        "older-than": "delete what was not used for so many days, whoever needs it",
        "all": "delete everything, repositories, toolchains and the compiler's cache included",
        "json": _RUN["json"],
    }
)
def cache(
    c: Context, variables: str = "", prune: bool = False, older_than: str = "", all: bool = False, json: bool = False
) -> None:
    """List what this computer keeps of downloads and builds, or prune it; what a run at work holds stays."""
    _call("cache", variables=variables, prune=prune, older_than=older_than, all=all, json=json)


@task(
    help={
        "mutations": "delete each command of each Windows script in turn and see that a test fails",
        "sample": "with --mutations: only this many, spread evenly (0: all)",
        "args": "further arguments for pytest, as one text: --args='-k console'",
    }
)
def test(c: Context, mutations: bool = False, sample: int = 0, args: str = "") -> None:
    """Run the tests."""
    _call("test", mutations=mutations, sample=sample, args=args)


@task()
def lint(c: Context) -> None:
    """ruff, mypy, import-linter, shellcheck."""
    _call("lint")


@task(help={"only": "the benchmarks whose name contains this", "json": _RUN["json"]})
def bench(c: Context, only: str = "", json: bool = False) -> None:
    """Measure the performance budgets, as ratios in one run."""
    _call("bench", only=only, json=json)
