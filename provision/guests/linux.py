"""How scripts are run on a Linux machine: the command lines, and what goes through their standard input."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from provision.guests.base import Script
from provision.guests.output import Output
from provision.guests.recipes import Invocation, LogReader, Recipes, Upload

_BOOTSTRAP = Path(__file__).with_name("bootstrap.sh").read_text()
_FOLLOW = Path(__file__).with_name("follow.sh").read_text()
_PID = re.compile(rb"^hybrid-pid (\d+)\n", re.MULTILINE)


def _bash(user: str, text: str, *words: object) -> str:
    sudo = "" if user == "root" else "sudo -n "
    return f"exec {sudo}bash -c {shlex.quote(text)} hybrid {' '.join(shlex.quote(str(word)) for word in words)}"


class _RawLog(LogReader):
    """On Linux the followed log comes as it is; its offset is what has come."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self.stdout = output.stdout

    @property
    def offset(self) -> int:
        return self._output.received

    @property
    def complete(self) -> bool:
        return True

    def resume(self) -> None:
        """Nothing waits for its other half: every byte that came was passed on."""


_FINISH = """\
finish() {
  if [ "$(sha256sum "$1" | cut -d ' ' -f 1)" != "$3" ]; then
    rm -f "$1"
    echo "$2"
    exit 96
  fi
  mkdir -p "$4"
  chown root:root "$1"
  chmod 644 "$1"
  mv -f "$1" "$2"
}"""


class LinuxRecipes(Recipes):
    """Bash as root: directly, or through ``sudo -n`` for another user."""

    incoming = "/var/lib/hybrid/incoming"

    def __init__(self, user: str) -> None:
        self._user = user

    def run(self, script: Script, seconds: float, forget: Sequence[Script]) -> Invocation:
        # The machine's own limit is a little later than ours: it ends what nobody could end for us.
        words = [script.digest, int(seconds) + 30, *(taken.digest for taken in forget)]
        return Invocation(_bash(self._user, _BOOTSTRAP, *words), script.text.encode())

    def follow(self, script: Script, offset: int, forget: Sequence[Script]) -> Invocation:
        words = [script.digest, offset, *(taken.digest for taken in forget)]
        return Invocation(_bash(self._user, _FOLLOW, *words), script.text.encode())

    def log_reader(self, output: Output) -> LogReader:
        return _RawLog(output)

    def stop_detached(self, script: Script) -> Script:
        return Script("stop-detached", f"systemctl stop hybrid-{script.digest[:12]} || true\n")

    def boot(self) -> Script:
        return Script(
            "boot-id", 'printf \'{"boot": "%s", "pending": ""}\\n\' "$(cat /proc/sys/kernel/random/boot_id)"\n'
        )

    def restart(self) -> Script:
        return Script("restart", self.boot().text + "systemctl --no-block reboot\n")

    def kill(self, stderr: bytes) -> str | None:
        """The command line that ends a script, from the process number that it announced; None when it has not."""
        found = _PID.search(stderr)
        if found is None:
            return None
        sudo = "" if self._user == "root" else "sudo -n "
        number = found.group(1).decode()
        return f"{sudo}kill -KILL -- -{number} {number}"

    def clean_stderr(self, text: str) -> str:
        return re.sub(r"^hybrid-pid \d+\n", "", text, count=1, flags=re.MULTILINE)

    def prepare_upload(self) -> Script:
        folder = self.incoming
        # Scripts are kept with a narrow umask, so the folder above may be closed to a login that is not root.
        user = shlex.quote(self._user)
        text = f"mkdir -p {folder}\nchmod 711 /var/lib/hybrid\nchown {user} {folder}\nchmod 700 {folder}\n"
        return Script("prepare-upload", text)

    def finish_upload(self, uploads: Sequence[Upload]) -> Script:
        lines = ["set -euo pipefail", _FINISH]
        for upload in uploads:
            words = (upload.part, upload.target, upload.digest, upload.target.rpartition("/")[0] or "/")
            lines.append("finish " + " ".join(shlex.quote(word) for word in words))
        return Script("finish-upload", "\n".join(lines) + "\n")
