"""The script that starts and follows detached work on Linux, run by real bash with a systemd of the test's own."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

FOLLOW = Path(__file__).parents[2] / "provision" / "guests" / "follow.sh"
WORK = "echo worked\n"

# The work ends just when somebody asks whether it is still going on.
_ENDS_WHEN_ASKED = """#!/bin/bash
printf 'worked\\n' > FOLDER/DIGEST.log
: > FOLDER/DIGEST.err
echo 7 > FOLDER/DIGEST.exit
exit 3
"""


@pytest.mark.parametrize("offset", [0, 3])
def test_work_that_ends_while_it_is_asked_for_is_neither_lost_nor_started_again(tmp_path: Path, offset: int) -> None:
    digest = hashlib.sha256(WORK.encode()).hexdigest()
    folder, tools = tmp_path / "hybrid" / "scripts", tmp_path / "tools"
    folder.mkdir(parents=True)
    tools.mkdir()
    programs = {"systemctl": _ENDS_WHEN_ASKED, "systemd-run": "#!/bin/bash\necho again >> FOLDER/started\n"}
    for name, text in programs.items():
        (tools / name).write_text(text.replace("FOLDER", str(folder)).replace("DIGEST", digest))
        (tools / name).chmod(0o755)
    script = FOLLOW.read_text().replace("/var/lib/hybrid", str(tmp_path / "hybrid"))
    done = subprocess.run(
        ["bash", "-c", script, "hybrid", digest, str(offset)],
        input=WORK,
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"},
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (7, "worked\n"[offset:]), done.stderr
    assert not (folder / "started").exists()
