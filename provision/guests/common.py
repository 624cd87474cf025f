"""What every guest does alike, whatever carries it: run, follow detached work, prove a reboot."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path

from provision.clock import Deadline, sleep
from provision.errors import (
    ConnectionFailed,
    DeadlineExceeded,
    HostChanged,
    ProvisionError,
    Refused,
    StepFailed,
    Unreachable,
)
from provision.guests.base import Boot, Endpoint, Guest, OnLine, Result, Script, Traffic
from provision.guests.linux import LinuxRecipes
from provision.guests.output import Output
from provision.guests.powershell import WindowsRecipes
from provision.guests.recipes import NOT_WHOLE, STOPPED, Invocation, Recipes

# Seconds between two questions to a machine that restarts.
PACE = 1.0
# Seconds for telling the machine, when a guest is closed, that a recorded end was taken.
FAREWELL = 5.0
# Seconds for one question: a machine that goes down may take a connection and never answer.
QUESTION = 30.0
# Seconds for a question that is a whole probe, on a machine that has just started.
PROBE = 90.0
# Seconds in which a machine that has just started may still finish what asked for the restart.
SETTLE = 60.0
_NOT_WHOLE_TRIES = 3


class Ran:
    """What came of one invocation: its exit code, and what the transport has to add to stderr."""

    def __init__(self, code: int, note: str = "") -> None:
        self.code = code
        self.note = note


class CommonGuest(ABC):
    """A guest over some transport; see `provision.guests.base.Guest` for what the methods promise."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.traffic = Traffic()
        # Detached scripts whose recorded end we have: the machine is told with the next command.
        self._taken: list[Script] = []
        self.recipes: Recipes = WindowsRecipes() if endpoint.os == "windows" else LinuxRecipes(endpoint.user)

    @abstractmethod
    def invoke(
        self, invocation: Invocation, what: str, deadline: Deadline, output: Output, stdout: Callable[[bytes], None]
    ) -> Ran:
        """Run one remote command, its stdout to ``stdout`` and its stderr to ``output``.

        Raises:
            ConnectionFailed: it could not be run, or broke and its end cannot be known.
            DeadlineExceeded: it was stopped.
        """

    @abstractmethod
    def reset(self) -> None:
        """Forget the connection, so that the next command makes a new one; never raises."""

    def close(self) -> None:
        self.farewell()
        self.reset()

    def farewell(self) -> None:
        """Tell the machine what it may forget, if it has not been told yet; never raises."""
        if self._taken:
            try:
                self.run(Script("forget", "exit 0\n"), Deadline(FAREWELL, "the farewell"))
            except ProvisionError:
                self._taken.clear()  # the end is told again to whoever asks next

    def run(self, script: Script, deadline: Deadline, on_line: OnLine | None = None) -> Result:
        for attempt in range(1, _NOT_WHOLE_TRIES + 1):
            output = Output(on_line)
            taken = tuple(self._taken)
            invocation = self.recipes.run(script, deadline.remaining(), taken)
            ran = self.invoke(invocation, script.name, deadline, output, output.stdout)
            # Counted once it has come through: a question to a machine that is down costs nobody a command.
            self._count(script)
            # The bootstrap has run nothing when the script did not come whole: that may be tried again.
            if ran.code != NOT_WHOLE or output.received or attempt == _NOT_WHOLE_TRIES:
                break
        self._taken = [script for script in self._taken if script not in taken]
        return self._result(script, ran, output)

    def _count(self, script: Script) -> None:
        self.traffic.commands += 1
        self.traffic.scripts.append(script.name)

    def _result(self, script: Script, ran: Ran, output: Output) -> Result:
        output.end()
        err = self.recipes.clean_stderr(output.err)
        if ran.note:
            err = f"{err}{'' if not err or err.endswith(chr(10)) else chr(10)}{ran.note}\n"
        return Result(self.endpoint.machine, script.name, ran.code, output.out, err)

    def run_detached(self, script: Script, deadline: Deadline, on_line: OnLine | None = None) -> Result:
        output = Output(on_line)
        reader = self.recipes.log_reader(output)
        self._count(script)
        tries = _NOT_WHOLE_TRIES
        while True:
            try:
                taken = tuple(self._taken)
                offset = reader.offset
                invocation = self.recipes.follow(script, offset, taken)
                ran = self.invoke(invocation, script.name, deadline, output, reader.stdout)
                self._taken = [old for old in self._taken if old not in taken]
                if reader.complete and ran.code != STOPPED:
                    self._taken.append(script)
                # A follower that fails says no end; what came on from where it was is a loss on the way, though.
                tries = _NOT_WHOLE_TRIES if reader.offset > offset else tries - 1
                if reader.complete or not tries:
                    return self._result(script, ran, output)
                output.forget_stderr()
                reader.resume()
            except HostChanged:
                raise
            except ConnectionFailed as error:
                # The work goes on without us; it is followed again from where it was left.
                self.reset()
                if deadline.expired:
                    raise deadline.error(f"{error.what}; before that: {output.tail()}") from error
                sleep(min(PACE, deadline.remaining()))
                output.forget_stderr()
                reader.resume()
            except DeadlineExceeded:
                self._stop_detached(script)
                raise

    def _stop_detached(self, script: Script) -> None:
        try:
            self.run(
                self.recipes.stop_detached(script), Deadline(QUESTION, f"{self.endpoint.machine}: stop {script.name}")
            )
        except (ConnectionFailed, DeadlineExceeded):
            self.reset()  # as far as the machine allows

    def boot_id(self, deadline: Deadline) -> str:
        return self._boot(self, deadline).id

    @staticmethod
    def _boot(guest: Guest, deadline: Deadline) -> Boot:
        assert isinstance(guest, CommonGuest)
        result = guest.run(guest.recipes.boot(), deadline).require()
        return guest.booted(result.out, result.err)

    def booted(self, out: str, err: str = "") -> Boot:
        """The boot that a machine's answer to `Recipes.boot` or `Recipes.restart` says.

        Raises:
            StepFailed: it says none.
        """
        for line in out.splitlines():
            try:
                said = json.loads(line)
                return Boot(str(said["boot"]), str(said["pending"]))
            except (ValueError, KeyError, TypeError):
                continue
        raise StepFailed(
            f"{self.endpoint.machine}: the machine did not say when it was started",
            details=out[-500:] + err[-500:],
            remedy="run the same command again; the machine may not have been ready yet",
        )

    def reboot(
        self,
        deadline: Deadline,
        on_line: OnLine | None = None,
        ask: Callable[[Guest, Deadline], Boot] | None = None,
    ) -> Boot:
        say = on_line or (lambda _: None)
        before = self._restart(deadline)
        say("restarting")
        seen = "it has not gone down yet"
        waiting = Deadline(deadline.remaining(), f"{self.endpoint.machine}: the restart")
        settling: Deadline | None = None
        while not waiting.expired:
            self.reset()
            sleep(min(PACE, waiting.remaining()))
            try:
                boot = (ask or self._boot)(self, waiting.at_most(QUESTION if ask is None else PROBE))
            except HostChanged:
                raise
            except (ConnectionFailed, DeadlineExceeded, StepFailed) as error:
                if not waiting.expired:  # a question cut short by the end of the wait says nothing about the machine
                    seen = error.what
                continue
            if boot.id == before.id:
                seen = f"it still answers with the boot of {before.id}"
                continue
            settling = settling or Deadline(SETTLE)
            if not boot.pending or settling.expired:
                say(f"restarted; another restart is pending: {boot.pending}" if boot.pending else "restarted")
                return boot
            seen = f"it has restarted and says that another restart is pending ({boot.pending})"
        raise waiting.error(seen)

    def _restart(self, deadline: Deadline) -> Boot:
        """Send the restart; the boot that it ends, as its answer says."""
        script, heard = self.recipes.restart(), list[str]()
        limit = deadline.at_most(QUESTION, "the restart command")
        try:
            ran = self.run(script, limit, heard.append)
        except (ConnectionFailed, DeadlineExceeded) as error:
            # It may go down before all of the answer is here: what counts is the first line.
            if not heard:
                raise Unreachable(error.what, details=error.details, remedy=error.remedy) from error
            self._count(script)
            return self.booted("\n".join(heard))
        ran.require("restart the machine by hand, then run the same command again")
        return self.booted(ran.out, ran.err)

    def put(
        self, source: Path | bytes, target: str, deadline: Deadline, on_bytes: Callable[[int], None] | None = None
    ) -> None:
        self.put_all({target: source}, deadline, (lambda _, sent: on_bytes(sent)) if on_bytes is not None else None)

    def get(
        self,
        source: str,
        target: Path,  # noqa: ARG002 (refused whatever it is)
        deadline: Deadline,  # noqa: ARG002
        on_bytes: Callable[[int], None] | None = None,  # noqa: ARG002
    ) -> str:
        raise Refused(
            f"{self.endpoint.machine}: files do not travel over {self.endpoint.transport}",
            details=f"asked for: {source}",
            remedy="let the machine put the file onto the control plane",
        )

    def put_all(
        self,
        files: Mapping[str, Path | bytes],
        deadline: Deadline,  # noqa: ARG002 (refused whatever it is)
        on_bytes: Callable[[str, int], None] | None = None,  # noqa: ARG002
        then: Script | None = None,  # noqa: ARG002
        on_line: OnLine | None = None,  # noqa: ARG002
    ) -> Result:
        raise Refused(
            f"{self.endpoint.machine}: files do not travel over {self.endpoint.transport}",
            details=f"asked for: {', '.join(files)}",
            remedy="deliver the file through the depot",
        )

    def broken(self, what: str, error: BaseException | str) -> Unreachable:
        """The error of a connection that broke while a command ran."""
        return Unreachable(
            f"{self.endpoint.machine}: the connection to {self.endpoint.host}:{self.endpoint.port} broke during {what}",
            details=f"{error}\n{what} had been started; whether it ended cannot be known from here",
            remedy="run the same command again: what is done already is seen and not repeated",
        )

    def late(self, what: str, deadline: Deadline, output: Output) -> DeadlineExceeded:
        """The error of a command that did not end in time."""
        return DeadlineExceeded(
            f"{self.endpoint.machine}: {what} did not end within {deadline.seconds:.0f} s and was stopped",
            details=output.tail(),
            remedy="look at the output; raise `timeouts` if the machine is only slow, then run the same command again",
        )
