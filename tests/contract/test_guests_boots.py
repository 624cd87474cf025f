"""The guests' contract: restarts that are proved, and the wait for a machine that starts."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from provision.clock import Deadline
from provision.errors import AuthenticationRefused, DeadlineExceeded, Unreachable
from provision.guests.base import Boot, Guest
from provision.guests.connect import wait_for
from provision.secrets import Secret
from tests.waiting import PATIENCE

from .conftest import Rig

pytestmark = pytest.mark.usefixtures("brisk")


def test_boot_id_changes_with_each_boot(rig: Rig) -> None:
    guest = rig.guest()
    before = guest.boot_id(Deadline(20))
    assert guest.boot_id(Deadline(20)) == before
    guest.reboot(Deadline(30))
    assert guest.boot_id(Deadline(20)) != before


def test_reboot_is_not_believed_before_the_boot_changed(rig: Rig) -> None:
    rig.box.more_answers = 3
    guest = rig.guest()
    said: list[str] = []
    guest.reboot(Deadline(30), said.append)
    assert rig.box.boots == 2
    assert said == ["restarting", "restarted"]


def test_a_reboot_is_one_command_and_the_answers_that_it_waits_for(rig: Rig) -> None:
    guest = rig.guest()
    guest.run(rig.script(rig.say("x")), Deadline(20))
    asked: list[Boot] = []

    def ask(of: Guest, deadline: Deadline) -> Boot:
        of.run(rig.script(rig.say("facts"), name="facts"), deadline)
        asked.append(Boot(of.boot_id(deadline)))
        return asked[-1]

    before = guest.boot_id(Deadline(20))
    count = len(guest.traffic.scripts)
    booted = guest.reboot(Deadline(30), ask=ask)
    assert booted.id != before
    # A question that meets the machine while it goes down has no answer and is none.
    ran = Counter(guest.traffic.scripts[count:])
    restart, boot = guest.recipes.restart().name, guest.recipes.boot().name
    assert (ran[restart], ran[boot]) == (1, len(asked))
    assert len(asked) <= ran["facts"] <= len(asked) + 1
    assert set(ran) == {restart, "facts", boot}


def test_a_restart_whose_answer_is_lost_is_not_believed(rig: Rig) -> None:
    guest = rig.guest()
    guest.run(rig.script(rig.say("x")), Deadline(20))
    rig.box.up = False
    with pytest.raises(Unreachable):
        guest.reboot(Deadline(10))
    assert rig.box.boots == 1


def test_what_stays_pending_after_a_restart_is_told(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provision.guests.common.SETTLE", 0.3)
    guest = rig.guest()
    booted = guest.reboot(Deadline(30), ask=lambda of, limit: Boot(of.boot_id(limit), "updates"))
    assert booted.pending == "updates"
    assert rig.box.boots == 2


def test_a_machine_that_does_not_go_down(rig: Rig) -> None:
    rig.box.more_answers = 1000
    guest = rig.guest()
    guest.run(rig.script(rig.say("x")), Deadline(20))
    for seconds in (2, 10, 50):  # a slow computer needs longer for the first answer
        with pytest.raises((DeadlineExceeded, Unreachable)) as caught:
            guest.reboot(Deadline(seconds))
        if "still answers with the boot" in caught.value.details:
            break
    assert isinstance(caught.value, DeadlineExceeded)
    assert "the restart" in caught.value.what
    assert "still answers with the boot" in caught.value.details


def test_wait_for_climbs_the_rungs(rig: Rig) -> None:
    rig.faults.refuse_logins = 1
    rig.box.up = False
    rig.box.boots += 1
    seen: list[str] = []

    def see(said: str) -> None:
        seen.append(said)
        rig.box.up = True

    guest = wait_for(rig.endpoint, Deadline(PATIENCE), see, auth_grace=PATIENCE)
    assert guest.run(rig.script(rig.say("up")), Deadline(20)).code == 0
    guest.close()
    assert seen[0].startswith("banner: ")
    assert any(said.startswith("login: ") for said in seen)
    assert seen[-1] == "shell: runs commands"


def test_wait_for_gives_up_on_a_wrong_password_after_the_grace(rig: Rig) -> None:
    endpoint = replace(rig.endpoint, password=Secret("wrong-for-good"))
    with pytest.raises(AuthenticationRefused):
        wait_for(endpoint, Deadline(40), auth_grace=0.3)


def test_wait_for_names_the_rung_that_was_not_reached(rig: Rig) -> None:
    rig.served.close()
    with pytest.raises(DeadlineExceeded) as caught:
        wait_for(rig.endpoint, Deadline(0.5))
    assert "last seen: TCP: " in caught.value.details
