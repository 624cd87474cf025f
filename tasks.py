"""Invoke tasks: flags in, exit codes out. Imports nothing but invoke at start, so that `--list` is quick."""

from __future__ import annotations

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

_SETTINGS = {
    "variables": "the settings file (default: variables.yaml in this folder)",
    "set": "one setting, as a.b=value; may be given several times",
}
_RUN = {
    "json": "machine-readable: one JSON document on stdout, words on stderr",
    "verbose": "show every line that the scripts print (-v)",
}


def _call(command: str, **flags: object) -> None:
    from provision.app.edge import call

    code = call(command, flags)
    if code:
        raise Exit(code=code)


@task(
    iterable=["set", "only"],
    help={
        **_SETTINGS,
        **_RUN,
        "only": "only this step (name, or name@machine); all others must be true already; repeatable",
        "from_": "only this step and those after it in the plan",
    },
)
def up(c: Context, verbose=False, json=False, variables="", set=(), only=(), from_=""):  # type: ignore[no-untyped-def]
    """Take the cluster from variables.yaml to Ready; goes on from what the machines say."""
    _call("up", variables=variables, set=set, only=only, from_=from_, json=json, verbose=verbose)


@task(iterable=["set"], help={**_SETTINGS, "json": _RUN["json"]})
def plan(c: Context, variables="", set=(), json=False):  # type: ignore[no-untyped-def]
    """Show what is true, what is missing and why; changes nothing."""
    _call("plan", variables=variables, set=set, json=json)


@task(iterable=["set"], help={**_SETTINGS, "json": _RUN["json"]})
def status(c: Context, variables="", set=(), json=False):  # type: ignore[no-untyped-def]
    """Show machines, nodes, versions, and what is stale or broken by time."""
    _call("status", variables=variables, set=set, json=json)


@task(iterable=["set"], help={**_SETTINGS, "to": "the folder to write (default: .cluster/<name>/rendered)"})
def render(c: Context, variables="", set=(), to=""):  # type: ignore[no-untyped-def]
    """Write everything that would be used (Vagrantfile, scripts, configuration) to a folder."""
    _call("render", variables=variables, set=set, to=to)


@task(
    iterable=["set"],
    help={**_SETTINGS, "json": _RUN["json"], "write": "write the settings to the file in today's form"},
)
def settings(c: Context, variables="", set=(), json=False, write=False):  # type: ignore[no-untyped-def]
    """Show the effective settings and where each came from."""
    _call("settings", variables=variables, set=set, json=json, write=write)


@task(iterable=["set"], help={**_SETTINGS, "to": "the file to write (default: .cluster/<name>/kubeconfig)"})
def kubeconfig(c: Context, variables="", set=(), to=""):  # type: ignore[no-untyped-def]
    """Save the cluster's kubeconfig, once it is reachable from here."""
    _call("kubeconfig", variables=variables, set=set, to=to)


@task(iterable=["set"], help=_SETTINGS)
def halt(c: Context, variables="", set=()):  # type: ignore[no-untyped-def]
    """Stop the machines; `up` starts them again."""
    _call("halt", variables=variables, set=set)


@task(iterable=["set"], help={**_SETTINGS, "yes": "do not ask (-y)"})
def destroy(c: Context, variables="", set=(), yes=False):  # type: ignore[no-untyped-def]
    """Delete the machines and what belongs to them; downloads stay in the cache."""
    _call("destroy", variables=variables, set=set, yes=yes)


@task(iterable=["set"], help={**_SETTINGS, "run": "a run's id (default: the last one)", "to": "the file to write"})
def report(c: Context, variables="", set=(), run="", to=""):  # type: ignore[no-untyped-def]
    """Write the last run as one HTML file: timeline, versions, log tails."""
    _call("report", variables=variables, set=set, run=run, to=to)


@task(
    help={
        "mutations": "delete each command of each Windows script in turn and see that a test fails",
        "sample": "with --mutations: only this many, spread evenly (0: all)",
        "args": "further arguments for pytest, as one text",
    }
)
def test(c: Context, mutations=False, sample=0, args=""):  # type: ignore[no-untyped-def]
    """Run the tests."""
    _call("test", mutations=mutations, sample=sample, args=args)


@task
def lint(c: Context):  # type: ignore[no-untyped-def]
    """ruff, mypy, import-linter, shellcheck."""
    _call("lint")


@task(help={"only": "the benchmarks whose name contains this", "json": _RUN["json"]})
def bench(c: Context, only="", json=False):  # type: ignore[no-untyped-def]
    """Measure the performance budgets, as ratios in one run."""
    _call("bench", only=only, json=json)
