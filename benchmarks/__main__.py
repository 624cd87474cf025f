"""`invoke bench`: run the benchmarks, print the table, end with 1 when a budget is not met."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict

from benchmarks import build, makespan, scale, second_run, startup, transfer
from benchmarks.measure import Failed, Row, as_installed, table

ALL = {
    "startup": startup.rows,
    "second-run": second_run.rows,
    "makespan": makespan.rows,
    "scale": scale.rows,
    "transfer": transfer.rows,
    "build": build.rows,
}


def main() -> int:
    """Run all, or those whose name contains ``--only``."""
    parser = argparse.ArgumentParser(prog="benchmarks")
    parser.add_argument("--only", default="")
    parser.add_argument("--json", action="store_true")
    flags = parser.parse_args()
    chosen = {name: rows for name, rows in ALL.items() if flags.only in name}
    if not chosen:
        print(f"no benchmark has {flags.only} in its name: {', '.join(ALL)}", file=sys.stderr)
        return 1
    found: list[Row] = []
    failed = False
    try:
        with as_installed():
            for name, rows in chosen.items():
                print(f"measuring {name}", file=sys.stderr, flush=True)
                try:
                    found += rows()
                except Failed as error:
                    failed = True
                    print(f"{name}: {error}", file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    print(json.dumps([{**asdict(row), "met": row.met} for row in found], indent=2) if flags.json else table(found))
    return 1 if failed or not all(row.met for row in found) else 0


if __name__ == "__main__":
    raise SystemExit(main())
