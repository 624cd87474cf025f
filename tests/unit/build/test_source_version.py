"""Versions, tags and Go releases of sources; the graph in which tags are counted."""

from __future__ import annotations

import pytest

from provision.build.base import Project
from provision.build.source_describe import Described, graph_of, named, nearest, open_ends
from provision.build.source_history import anchors
from provision.build.source_version import Tag, from_base, go_release, release_tags, stated_minor, version
from provision.errors import ArtifactError

COMMIT = "0123456789abcdef0123456789abcdef01234567"


# The form is hack/lib/version.sh's, which turns what `git describe` prints into a semantic version.
@pytest.mark.parametrize(
    ("tag", "distance", "dirty", "expected"),
    [
        ("v1.37.0-alpha.1", 45, False, "1.37.0-alpha.1.45+0123456789abcd"),
        ("v1.37.0-alpha.1", 45, True, "1.37.0-alpha.1.45+0123456789abcd-dirty"),
        ("v1.36.4", 0, False, "1.36.4"),
        ("v1.36.4", 0, True, "1.36.4-dirty"),
        ("v1.36.4", 3, False, "1.36.4-3+0123456789abcd"),
        ("v1.36.0-rc.0", 1, True, "1.36.0-rc.0.1+0123456789abcd-dirty"),
        ("v1.36.0-my-own", 2, False, "1.36.0-my-own-2-g0123456789abcd"),
    ],
)
def test_kubernetes(tag: str, distance: int, dirty: bool, expected: str) -> None:
    assert version("kubernetes", COMMIT, tag, distance, dirty=dirty) == expected


@pytest.mark.parametrize("tag", ["v0.0.0", "v0.0.0-alpha.1", "vnext"])
def test_kubernetes_is_never_called_what_its_build_refuses(tag: str) -> None:
    with pytest.raises(ArtifactError, match=r"kubernetes\.compatibility"):
        version("kubernetes", COMMIT, tag, 3, dirty=False)


@pytest.mark.parametrize("project", ["containerd", "hcsshim"])
def test_other_projects_are_called_as_git_describes_them(project: Project) -> None:
    assert version(project, COMMIT, "v2.3.4", 0, dirty=False) == "2.3.4"
    assert version(project, COMMIT, "v2.3.4", 12, dirty=True) == "2.3.4-12-g0123456789abcd.m"


def test_a_base_names_what_no_tag_describes() -> None:
    assert from_base("kubernetes", COMMIT, "1.36", dirty=False) == "1.36.0-0+0123456789abcd"
    assert from_base("kubernetes", COMMIT, "v1.36.4", dirty=True) == "1.36.4-0+0123456789abcd-dirty"
    assert from_base("containerd", COMMIT, "2.3.4", dirty=True) == "2.3.4-0+0123456789abcd.m"
    for wrong in ("0.0.0", "1", "latest", "1.36.4-rc.0"):
        with pytest.raises(ArtifactError, match=r"kubernetes\.compatibility"):
            from_base("kubernetes", COMMIT, wrong, dirty=False)


def test_tags_are_ordered_as_versions_and_peeled() -> None:
    refs = [
        ("refs/heads/v1.99.0", "f" * 40),
        ("refs/tags/v1.37.0", "a" * 40),
        ("refs/tags/v1.37.0^{}", "b" * 40),
        ("refs/tags/v1.37.0-alpha.10", "c" * 40),
        ("refs/tags/v1.37.0-alpha.2", "d" * 40),
        ("refs/tags/v1.37.0-rc.0", "e" * 40),
        ("refs/tags/api/v1.8.0", "f" * 40),
        ("refs/tags/v1.5", "f" * 40),
    ]
    assert [tag.name for tag in release_tags(refs, "kubernetes")] == [
        "v1.37.0-alpha.2",
        "v1.37.0-alpha.10",
        "v1.37.0-rc.0",
        "v1.37.0",
    ]
    # containerd's build asks git without --tags: tags that are no objects do not count.
    assert release_tags(refs, "containerd") == [Tag("v1.37.0", "b" * 40, annotated=True)]


def test_anchors_are_the_first_tags_of_their_minors() -> None:
    names = ["v1.36.4", "v1.36.0", "v1.37.0-alpha.2", "v1.37.0-alpha.10", "v1.9.3"]
    tags = [Tag(name, name, annotated=True) for name in names]
    assert [tag.name for tag in anchors(tags)] == ["v1.37.0-alpha.2", "v1.36.0", "v1.9.3"]


def test_the_graph_has_parents_beyond_the_border_and_no_words_of_messages() -> None:
    head = "commit a\ntree t\nparent b\nparent c\nauthor x\ngpgsig -----BEGIN\n parent no\n"
    raw = head + "\n    parent no\n    commit no\n"
    assert graph_of(raw + "\ncommit b\ntree t\n") == {"a": ("b", "c"), "b": ()}


def tag(name: str, commit: str) -> Tag:
    return Tag(name, commit, annotated=True)


def test_the_nearest_tag_has_the_fewest_commits_between() -> None:
    # a - b - m - h, and c beside b; `border` is behind a and c, and is not known itself.
    graph = {"h": ("m",), "m": ("b", "c"), "b": ("a",), "a": ("border",), "c": ("border",)}
    anchor = tag("v1.1.0-alpha.0", "border")
    assert nearest("h", graph, [anchor], anchor) == Described("v1.1.0-alpha.0", 5)
    assert nearest("h", graph, [anchor, tag("v1.1.0-alpha.1", "b")], anchor) == Described("v1.1.0-alpha.1", 3)
    both = [tag("v1.1.0-beta.0", "b"), tag("v1.2.0-alpha.0", "b"), anchor]
    assert nearest("h", graph, both, anchor) == Described("v1.2.0-alpha.0", 3)
    assert nearest("b", graph, [anchor, tag("v1.1.0-alpha.1", "m")], anchor) == Described("v1.1.0-alpha.0", 2)


def test_a_tag_with_a_build_of_its_own_names_one_commit_only() -> None:
    tags = [tag("v1.1.0", "a"), tag("v1.2.0+mine", "b")]
    graph = {"h": ("b",), "b": ("a",), "a": ()}
    assert nearest("b", graph, tags, None) == Described("v1.2.0+mine", 0)
    assert nearest("h", graph, tags, None) == Described("v1.1.0", 2)
    peeled = [("refs/tags/v1.2.0+mine", "a" * 40), ("refs/tags/v1.2.0+", "a" * 40)]
    assert [one.name for one in release_tags(peeled, "kubernetes")] == ["v1.2.0+mine"]


def test_where_a_tag_gives_no_version_the_named_base_does() -> None:
    odd = Described("v0.0.0-mine", 3)
    base = named("kubernetes", "here", COMMIT, odd, "1.36", lambda _: None, dirty=False)
    assert base == "1.36.0-0+0123456789abcd"
    with pytest.raises(ArtifactError, match=r"kubernetes\.compatibility"):
        named("kubernetes", "here", COMMIT, odd, None, lambda _: None, dirty=False)


def test_a_tag_beside_the_border_is_passed_over() -> None:
    graph = {"h": ("a", "x"), "a": ("border",), "x": ("elsewhere",)}
    anchor = tag("v1.1.0", "border")
    assert nearest("h", graph, [anchor, tag("v1.0.9", "x")], anchor) == Described("v1.1.0", 3)
    assert nearest("x", graph, [anchor, tag("v1.0.9", "other")], anchor) is None


def test_only_unknown_parents_of_merges_are_open() -> None:
    assert open_ends({"m": ("a", "b"), "a": ("c",)}) == {"b"}


def test_the_minor_that_the_source_states() -> None:
    assert stated_minor('const (\n\tDefaultKubeBinaryVersion = "1.37"\n)') == (1, 37)
    assert stated_minor("package version") is None


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({".go-version": "1.26.4\n", "go.mod": "go 1.25.0\n"}, "1.26.4"),
        ({".go-version": "go1.27rc1"}, "1.27rc1"),
        ({"go.mod": "module x\n\ngo 1.26.0\n\ntoolchain go1.26.2\n"}, "1.26.2"),
        ({"go.mod": "module x\n\ngo 1.25.1 // why\n"}, "1.25.1"),
        ({"go.mod": "module x\ngo 1.26.0\ntoolchain default\n"}, "1.26.0"),
    ],
)
def test_go_release(files: dict[str, str], expected: str) -> None:
    assert go_release(files.get, "here") == expected


@pytest.mark.parametrize("files", [{}, {".go-version": "latest"}, {"go.mod": "module x\n"}])
def test_no_go_release(files: dict[str, str]) -> None:
    with pytest.raises(ArtifactError, match="here"):
        go_release(files.get, "here")
