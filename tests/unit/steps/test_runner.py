"""The runner: order, lanes, judgement after application, failure, budget, lost connections."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import MagicMock

import pytest

from provision.clock import monotonic
from provision.errors import StepFailed, Unreachable
from provision.facts.base import HostFacts, MachineFacts, World
from provision.settings.model import Machine, ProviderName, Settings
from provision.steps.base import Context, Judgement, Missing, Plan, Satisfied, Step
from provision.steps.context import Tools
from provision.steps.host import up_step
from provision.steps.lanes import Budget, lane_key
from provision.steps.runner import Runner, StepEnd
from provision.steps.world import WorldHolder
from tests.waiting import PATIENCE


@dataclass
class Watch:
    events: list[tuple[str, str]] = field(default_factory=list)

    def step_started(self, step: Step, reason: str) -> None:
        self.events.append(("start", step.name))

    def step_ended(self, end: StepEnd) -> None:
        self.events.append((end.outcome, end.step.name))

    def line(self, step: str, text: str) -> None:
        self.events.append(("line", f"{step}: {text}"))

    def waits(self, step: str, what: str) -> None:
        """Not looked at here."""


class Bench:
    """Steps whose truth is a set of names in the host facts."""

    def __init__(self, *, parallel: bool = True) -> None:
        self.watch = Watch()
        self.world = WorldHolder(World(machines={"m": MachineFacts(state="running", sections={"os": {}})}))
        self.tools = Tools(
            settings=Settings(),
            provider=cast(Any, SimpleNamespace(parallel=parallel)),
            store=cast(Any, None),
            world=self.world,
            says=self.watch,
        )
        self.applied: list[str] = []

    def true(self, name: str) -> None:
        self.world.update(lambda w: World(w.machines, w.cluster, HostFacts(cached=w.host.cached | {name})))

    def step(self, name: str, *needs: str, apply: Callable[[Context], None] | None = None, **more: Any) -> Step:
        def check(_: Settings, world: World) -> Judgement:
            return Satisfied("it is") if name in world.host.cached else Missing("it is not")

        def do(ctx: Context) -> None:
            self.applied.append(name)
            if apply:
                apply(ctx)
            self.true(name)

        return Step(name=name, title=name, lane=more.pop("lane", "host"), needs=needs, check=check, apply=do, **more)

    def runner(self, *steps: Step, **more: Any) -> Runner:
        return Runner(Plan(steps), self.tools, self.watch, **more)


def test_what_is_true_already_is_never_applied() -> None:
    bench = Bench()
    bench.true("a")
    result = bench.runner(bench.step("a"), bench.step("b", "a")).run()
    assert bench.applied == ["b"]
    assert result.ends["a"].outcome == "already"
    assert result.ends["b"].outcome == "done"


def test_needs_come_first() -> None:
    bench = Bench()
    bench.runner(bench.step("a"), bench.step("b", "a"), bench.step("c", "b")).run()
    assert bench.applied == ["a", "b", "c"]


def test_an_exit_without_effect_is_a_failure() -> None:
    bench = Bench()
    lie = Step(name="lie", title="", lane="host", check=lambda _s, _w: Missing("still not"), apply=lambda _: None)
    result = bench.runner(lie).run()
    assert isinstance(result.failures[0].error, StepFailed)
    assert "still not" in result.failures[0].reason


def test_the_first_failure_stops_what_depends_and_lets_running_steps_end() -> None:
    bench = Bench()
    failed = threading.Event()
    slow_started = threading.Event()

    def fail(_: Context) -> None:
        assert slow_started.wait(PATIENCE)
        failed.set()
        raise StepFailed("broken")

    def slow(_: Context) -> None:
        slow_started.set()
        assert failed.wait(PATIENCE)

    result = bench.runner(
        bench.step("bad", lane="system", machine="m", apply=fail),
        bench.step("slow", lane="system", machine="n", apply=slow),
        bench.step("after-bad", "bad"),
        bench.step("after-slow", "slow", lane="system", machine="n"),
    ).run()
    assert result.ends["slow"].outcome == "done"
    assert [end.step.name for end in result.failures] == ["bad"]
    assert result.blocked == ["after-bad", "after-slow"]


def test_a_step_that_waits_in_its_lane_is_not_started_after_a_failure() -> None:
    bench = Bench()

    def fail(_: Context) -> None:
        raise StepFailed("broken")

    first = bench.step("first", lane="system", machine="m", apply=fail)
    result = bench.runner(first, bench.step("second", lane="system", machine="m")).run()
    assert bench.applied == ["first"]
    assert result.blocked == ["second"]


def test_steps_of_one_lane_never_overlap_and_lanes_do() -> None:
    bench = Bench()
    busy: dict[str, int] = {}
    both = threading.Barrier(2, timeout=PATIENCE)

    def work(lane: str, meet: bool) -> Callable[[Context], None]:
        def apply(_: Context) -> None:
            busy[lane] = busy.get(lane, 0) + 1
            assert busy[lane] == 1
            if meet:
                both.wait()  # only passes when the other lane is at work too
            busy[lane] -= 1

        return apply

    bench.runner(
        bench.step("s1", lane="system", machine="m", apply=work("system", True)),
        bench.step("f1", lane="files", machine="m", apply=work("files", True)),
        bench.step("s2", lane="system", machine="m", apply=work("system", False)),
    ).run()
    assert sorted(bench.applied) == ["f1", "s1", "s2"]


def test_a_lost_connection_is_met_again_and_the_step_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    met: list[str] = []
    monkeypatch.setattr("provision.steps.context.StepContext.meet", lambda self, deadline: met.append("met"))
    tries: list[int] = []

    def drop_once(_: Context) -> None:
        tries.append(1)
        if len(tries) == 1:
            raise Unreachable("connection reset")

    result = bench.runner(bench.step("s", lane="system", machine="m", apply=drop_once)).run()
    assert result.ends["s"].outcome == "done"
    assert met == ["met"]


def test_a_connection_that_never_comes_back_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    monkeypatch.setattr("provision.steps.context.StepContext.meet", lambda self, deadline: None)

    def drop(_: Context) -> None:
        raise Unreachable("connection reset")

    result = bench.runner(bench.step("s", lane="system", machine="m", apply=drop)).run()
    assert isinstance(result.failures[0].error, Unreachable)
    assert len(bench.applied) == 4


def test_a_bug_in_a_step_fails_the_step_and_not_the_runner() -> None:
    bench = Bench()

    def bug(_: Context) -> None:
        raise KeyError("oops")

    result = bench.runner(bench.step("s", apply=bug)).run()
    assert isinstance(result.failures[0].error, KeyError)


def test_an_unknown_fact_is_never_satisfied() -> None:
    from provision.facts.base import Section

    class Os(Section):
        name = "os-of-nobody"

    step = Step(
        name="s",
        title="",
        lane="host",
        check=lambda _s, w: Satisfied(str(w.machine("m").get(Os))),
        apply=lambda _: None,
    )
    judged = step.judge(Settings(), Bench().world.now)
    assert judged == Missing("os-of-nobody was not read")


def test_chosen_steps_need_the_others_to_be_true() -> None:
    bench = Bench()
    result = bench.runner(bench.step("a"), bench.step("b", "a")).run(frozenset({"b"}))
    assert bench.applied == []
    assert "not chosen" in str(result.failures[0].error)


def test_the_budget_holds_back_what_does_not_fit_but_never_for_ever() -> None:
    bench = Bench()
    budget = Budget(1000)
    big, small = bench.step("big", costs=5000), bench.step("small", costs=10)
    assert budget.take(big)
    assert not budget.take(small)
    budget.give_back(big)
    assert budget.take(small)


@pytest.mark.parametrize(
    ("lane", "machine", "parallel", "key"),
    [
        ("host", None, True, "host"),
        ("machine", "a", True, "machine@a"),
        ("machine", "a", False, "machine"),
        ("system", "a", False, "system@a"),
        ("files", "a", False, "files@a"),
        ("cluster", "a", False, "cluster"),
    ],
)
def test_lane_keys(lane: Any, machine: str | None, parallel: bool, key: str) -> None:
    step = Bench().step("s", lane=lane, machine=machine)
    assert lane_key(step, parallel_machines=parallel) == key


def test_a_plan_refuses_needs_that_point_forwards_and_doubles() -> None:
    bench = Bench()
    with pytest.raises(ValueError, match="does not stand before it"):
        Plan((bench.step("b", "a"), bench.step("a")))
    with pytest.raises(ValueError, match="twice"):
        Plan((bench.step("a"), bench.step("a")))


def test_connections_are_closed_at_the_end_each_on_its_own_thread() -> None:
    bench, closed = Bench(), dict[str, MagicMock]()

    def use(ctx: Context) -> None:
        guest = MagicMock()
        guest.close.side_effect = lambda: closed.update({threading.current_thread().name: guest})
        ctx._connections.put(ctx._name(None), guest)  # type: ignore[attr-defined]

    runner = bench.runner(
        bench.step("a", lane="system", machine="m", apply=use),
        bench.step("b", lane="system", machine="n", apply=use),
        bench.step("c"),
    )
    runner.run()
    runner.close()
    assert set(closed) == {"system@m#0", "system@n#0"}
    assert all(guest.close.call_count == 1 for guest in closed.values())


def test_a_machine_that_does_not_answer_does_not_hold_the_end_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provision.steps.runner.CLOSING", 0.05)
    bench, never = Bench(), threading.Event()

    def hang(ctx: Context) -> None:
        ctx._connections.put("m", MagicMock(close=MagicMock(side_effect=lambda: never.wait(PATIENCE))))  # type: ignore[attr-defined]

    runner = bench.runner(bench.step("a", lane="system", machine="m", apply=hang))
    runner.run()
    began = monotonic()
    runner.close()
    assert monotonic() - began < PATIENCE / 2
    never.set()


@pytest.mark.parametrize(("provider", "costs"), [("virtualbox", 4096), ("existing", 0), ("rehearsal", 0)])
def test_only_a_machine_on_this_computer_takes_its_memory(provider: ProviderName, costs: int) -> None:
    machine = Machine(name="winw1", os="windows", memory=4096)
    assert up_step(Settings(provider=provider), machine).costs == costs
