"""What the words of the settings mean: resolved once, pinned, and the control plane that goes with a source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from provision.app.resolve import PLANE, Asked, Resolved, Unresolved, resolve, stand_in, with_chosen
from provision.build.base import Source
from provision.errors import ArtifactError
from provision.plan import plan
from provision.settings.complete import complete
from provision.settings.judge import judge
from provision.settings.model import Settings

MASTER = "1.38.0-alpha.0.12+0123456789abcd"
BRANCH = "1.36.5-rc.0.3+0123456789abcd"
CI = "1.38.0-alpha.0.40+fedcba98765432"


@dataclass
class Pins:
    """A lock in memory."""

    words: dict[str, str] = field(default_factory=dict)
    sources: dict[str, Mapping[str, object]] = field(default_factory=dict)

    def word(self, key: str) -> str | None:
        return self.words.get(key)

    def pin_word(self, key: str, meaning: str) -> None:
        self.words[key] = meaning

    def source(self, project: str) -> Mapping[str, object] | None:
        return self.sources.get(project)

    def pin_source(self, project: str, row: Mapping[str, object]) -> None:
        self.sources[project] = dict(row)


@dataclass
class World:
    """What is published and what lies on the disk, and what of it was asked for."""

    state: Source = field(default_factory=lambda: source(MASTER))
    ci_builds: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def source(self, asked: Asked) -> Source:
        self.asked.append(f"{asked.project} {asked.word}")
        return replace(self.state, project=asked.project, remote=asked.remote)

    def ci(self, word: str) -> str:
        self.asked.append(word)
        if word not in self.ci_builds:
            raise ArtifactError(f"there is no CI build {word}")
        return self.ci_builds[word]

    def program(self, path: Path, name: str) -> str:
        self.asked.append(name)
        return path.read_text().split()[-1]


def source(version: str, tree: str = "a" * 40) -> Source:
    return Source(
        project="kubernetes",
        remote="",
        commit="0123456789abcdef0123456789abcdef01234567",
        tree=tree,
        dirty="dirty" in version,
        version=version,
        committed=1_780_000_000,
        go="1.26.4",
    )


def settings(**kubernetes: Any) -> Settings:
    return complete(Settings.model_validate({"kubernetes": kubernetes}))


def run(made: Settings, pins: Pins, world: World, word: str = "1.36", *, exists: bool = False) -> Resolved:
    found = resolve(made, word, pins, world, made=exists)
    found.pin(pins)
    return found


def problems(made: Settings, found: Resolved) -> list[str]:
    return [problem.what for problem in judge(with_chosen(made, found.chosen), given={}).problems]


def test_a_release_needs_nobody_and_keeps_its_meaning() -> None:
    pins, world = Pins(), World()
    found = run(settings(), pins, world)
    assert (found.chosen.control_plane, found.chosen.version, found.chosen.nodes) == ("release", "1.36.4", "1.36.4")
    assert pins.words == {"kubernetes.version 1.36": "1.36.4"}
    pins.words["kubernetes.version 1.36"] = "1.36.2"  # as an older knowledge pinned it
    again = run(settings(), pins, world)
    assert again.chosen.version == "1.36.2" and not again.words and not world.asked


def test_the_source_of_a_released_minor_gets_its_latest_patch() -> None:
    world = World(source(BRANCH))
    found = run(settings(sha="abcdef1"), Pins(), world)
    assert (found.chosen.control_plane, found.chosen.version, found.chosen.nodes) == ("release", "1.36.4", BRANCH)
    assert found.chosen.plane_source is None and "1.36 is released" in found.chosen.why
    assert world.asked == ["kubernetes sha abcdef1"]


def test_masters_source_gets_the_newest_ci_build_and_is_not_refused() -> None:
    made, world, pins = settings(sha="abcdef1"), World(ci_builds={"latest-1.38": CI}), Pins()
    found = run(made, pins, world)
    assert (found.chosen.control_plane, found.chosen.version, found.chosen.nodes) == ("ci", CI, MASTER)
    assert problems(made, found) == []
    assert pins.words["kubernetes.control_plane auto 1.38"] == f"ci {CI}"
    world.ci_builds["latest-1.38"] = "1.38.0-alpha.0.99+1111111111111"
    assert run(made, pins, world).chosen == found.chosen
    assert world.asked == ["kubernetes sha abcdef1", "latest-1.38"]


def test_without_a_ci_build_the_control_plane_is_built_and_the_reason_says_so() -> None:
    made, pins = settings(ref="master"), Pins()
    found = run(made, pins, World())
    assert (found.chosen.control_plane, found.chosen.version) == ("source", MASTER)
    assert found.chosen.plane_source == found.chosen.source
    assert "no CI build of it could be had (there is no CI build latest-1.38)" in found.chosen.why
    assert problems(made, found) == []


def test_a_commit_is_resolved_once_and_another_word_again() -> None:
    pins, world = Pins(), World(source(BRANCH))
    first = run(settings(ref="release-1.36"), pins, world)
    world.state = source("1.36.5-rc.0.9+ffffffffffffff", tree="b" * 40)
    assert run(settings(ref="release-1.36"), pins, world).chosen == first.chosen
    assert run(settings(sha="fffffff"), pins, world).chosen.nodes == "1.36.5-rc.0.9+ffffffffffffff"
    other = settings(ref="release-1.36", remote="https://example.org/fork")
    assert run(other, pins, world).chosen.source.remote == "https://example.org/fork"  # type: ignore[union-attr]


def test_a_checkout_is_looked_at_each_time() -> None:
    pins, world, made = Pins(), World(source(BRANCH)), settings(path="/src/kubernetes")
    run(made, pins, world)
    world.state = source(f"{BRANCH}-dirty", tree="b" * 40)
    assert run(made, pins, world).chosen.nodes == f"{BRANCH}-dirty"
    world.asked.clear()
    world.state = source(BRANCH, tree="c" * 40)
    assert resolve(made, "1.36", pins, world, made=True, look=False).chosen.nodes == f"{BRANCH}-dirty"
    assert world.asked == []  # a command that only shows says what was built last


def test_a_control_plane_from_source_stays_what_it_was_made_of_until_the_cluster_is_made_again() -> None:
    pins, world = Pins(), World()
    made = settings(path="/src/kubernetes", control_plane="source")
    run(made, pins, world)
    changed = f"{MASTER}-dirty"
    world.state = source(changed, tree="b" * 40)
    moved = run(made, pins, world, exists=True).chosen
    assert (moved.version, moved.nodes) == (MASTER, changed)
    assert moved.plane_source is not None and moved.plane_source.tree == "a" * 40
    assert pins.sources[PLANE]["version"] == MASTER
    anew = run(made, pins, world).chosen
    assert (anew.version, anew.nodes) == (changed, changed)


def test_an_older_control_plane_that_was_asked_for_is_refused_once_and_clearly() -> None:
    made = settings(sha="abcdef1", control_plane="release")
    found = run(made, Pins(), World())
    (what,) = problems(made, found)
    assert what == (f"the nodes' kubelet ({MASTER}) is newer than the control plane (control_plane: release is 1.36.4)")


def test_words_of_ci_builds() -> None:
    world = World(ci_builds={"latest": CI, "latest-1.37": "1.37.1-rc.0.2+1"})
    assert run(settings(version="ci/latest"), Pins(), world, "ci/latest").chosen.version == CI
    assert run(settings(version="1.37", control_plane="ci"), Pins(), world, "1.37").chosen.nodes == "1.37.1-rc.0.2+1"
    full = "ci/v1.38.0-alpha.0.3+abc"
    found = run(settings(version=full), Pins(), World(), full)
    assert (found.chosen.control_plane, found.chosen.version) == ("ci", "1.38.0-alpha.0.3+abc")
    with pytest.raises(ArtifactError):
        run(settings(version="ci/latest"), Pins(), World(), "ci/latest")


def test_a_release_from_source_is_that_release() -> None:
    world = World(source("1.36.4"))
    found = run(settings(from_source=True), Pins(), world)
    assert world.asked == ["kubernetes ref v1.36.4"]
    assert (found.chosen.control_plane, found.chosen.version, found.chosen.nodes) == ("release", "1.36.4", "1.36.4")
    everything = run(settings(control_plane="source"), Pins(), world)
    assert everything.chosen.control_plane == "source" and everything.chosen.plane_source is not None


def test_what_is_not_pinned_is_not_looked_for_by_a_command_that_only_shows() -> None:
    with pytest.raises(Unresolved):
        resolve(settings(sha="abcdef1"), "1.36", Pins(), World(), made=False, look=False)


def test_a_plan_can_be_shown_of_a_ci_build_that_nobody_knows_yet() -> None:
    made = settings(version="ci/latest")
    assert plan(stand_in(made)).steps
    assert stand_in(settings()) == settings()


def test_own_binaries_are_read_each_time_and_judged_by_their_version(tmp_path: Path) -> None:
    file = tmp_path / "kubelet.exe"
    file.write_text("kubelet 1.36.9")
    made = settings(binaries={"kubelet.exe": file})
    before = run(made, Pins(), World()).chosen
    assert (before.nodes, before.version) == ("1.36.9", "1.36.4")
    file.write_text("kubelet 1.37.0")
    after = run(made, Pins(), World())
    assert after.chosen.binaries["kubelet.exe"].sha256 != before.binaries["kubelet.exe"].sha256
    assert "the nodes' kubelet (1.37.0) is newer" in problems(made, after)[0]


def test_sources_of_other_projects() -> None:
    made = complete(Settings.model_validate({"containerd": {"from_source": True}, "hcsshim": {"path": "/src/hcsshim"}}))
    world = World(source("2.3.4"))
    found = run(made, Pins(), world).chosen
    assert found.containerd is not None and found.hcsshim is not None
    assert world.asked == ["containerd ref v2.3.4", "hcsshim path /src/hcsshim"]
