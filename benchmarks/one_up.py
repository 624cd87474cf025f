"""One `up` in this process, for measuring: prints its JSON answer with times and peak memory.

``--sequential`` runs the same steps one after another, as a Makefile would.
"""

from __future__ import annotations

import json
import resource
import sys
from time import perf_counter, process_time


def main() -> int:
    """Run `up` in the current folder."""
    sequential = "--sequential" in sys.argv
    from provision.app.session import open_session
    from provision.app.up import converge
    from provision.console import Screen
    from provision.errors import ProvisionError
    from provision.plan import plan

    started = perf_counter()
    try:
        session = open_session()
        made = plan(session.settings)
        screen = Screen(quiet=True, rehearsed=session.rehearsed)
        outcome = converge(session, made, None, screen, sequential=sequential)
    except ProvisionError as error:
        print(f"{error.what} {error.details}".replace("\n", " "), file=sys.stderr)
        return error.exit_code
    seconds = perf_counter() - started
    needs = {step.name: list(step.needs) for step in made.steps}
    spent = {name: end.seconds for name, end in outcome.result.ends.items() if end.outcome == "done"}
    print(
        json.dumps(
            {
                "seconds": seconds,
                "makespan": outcome.makespan,
                "commands": outcome.commands,
                "provider_seconds": outcome.provider_seconds,
                "spent": spent,
                "needs": needs,
                "processor": process_time(),
                "peak_kb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
            }
        )
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
