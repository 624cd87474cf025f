"""The project's own tasks: test, lint, bench."""

from __future__ import annotations

import shlex
import sys

from provision.errors import HostError
from provision.host.commands import passthrough
from provision.host.workspace import PRODUCT

# Most tests wait for servers, deadlines and the real machine, not for the processor.  A file stays in one worker, in
# its order: the real machine is one.
WORKERS = ("-n", "4", "--dist", "loadfile", "--no-loadscope-reorder")


def test(mutations: bool = False, sample: int = 0, args: str = "") -> int:
    """Run pytest (and, asked for, the mutation of every Windows script); returns its exit code."""
    if mutations:
        return passthrough(
            [sys.executable, "-m", "tests.mutations", *(["--sample", str(sample)] if sample else [])], cwd=PRODUCT
        )
    return passthrough([sys.executable, "-m", "pytest", *WORKERS, *shlex.split(args)], cwd=PRODUCT)


def lint() -> int:
    """Run every check; all are run, the first failure decides the exit code."""
    checks = [
        [sys.executable, "-m", "ruff", "check", "."],
        [sys.executable, "-m", "ruff", "format", "--check", "."],
        [sys.executable, "-m", "mypy"],
        [_tool("lint-imports")],
        [_tool("shellcheck"), "inv", ".ci/run"],
    ]
    codes = []
    for argv in checks:
        print(f"$ {' '.join(argv[:4])}", flush=True)
        codes.append(passthrough(argv, cwd=PRODUCT))
    failed = sum(1 for code in codes if code)
    print(f"lint: {len(checks) - failed} of {len(checks)} checks passed")
    return next((code for code in codes if code), 0)


def bench(only: str = "", json: bool = False) -> int:
    """Run the benchmarks in a process of their own; returns 1 when a budget is not met."""
    flags = ([f"--only={only}"] if only else []) + (["--json"] if json else [])
    return passthrough([sys.executable, "-m", "benchmarks", *flags], cwd=PRODUCT)


def _tool(name: str) -> str:
    from pathlib import Path

    tool = Path(sys.executable).parent / name
    if not tool.exists():
        raise HostError(f"{name} is not installed", remedy="run it through ./inv, which installs the tools")
    return str(tool)
