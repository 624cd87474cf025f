"""Words for versions, and what their publishers may answer."""

from __future__ import annotations

import pytest

from provision import knowledge
from provision.artifacts import words
from provision.errors import ArtifactError
from provision.settings.complete import complete
from provision.settings.model import Calico, Containerd, Settings

VERSION = "kubernetes.version"


def answering(text: str, asked: list[str] | None = None) -> words.Ask:
    def ask(url: str) -> str:
        if asked is not None:
            asked.append(url)
        return text

    return ask


@pytest.mark.parametrize(
    ("word", "url", "answer", "means"),
    [
        ("1.36", "https://dl.k8s.io/release/stable-1.36.txt", "v1.36.9\n", "1.36.9"),
        ("ci/latest", "https://dl.k8s.io/ci/latest.txt", "v1.38.0-alpha.1.23+abcdef", "1.38.0-alpha.1.23+abcdef"),
        ("ci/latest-1.37", "https://dl.k8s.io/ci/latest-1.37.txt", "v1.37.1-rc.0.5+abcdef", "1.37.1-rc.0.5+abcdef"),
    ],
)
def test_the_publisher_is_asked(word: str, url: str, answer: str, means: str) -> None:
    asked: list[str] = []
    assert words.is_word(word)
    assert words.newest(VERSION, word, answering(answer, asked)) == means
    assert asked == [url]


def test_what_nobody_publishes_comes_from_the_tables() -> None:
    asked: list[str] = []
    assert words.newest("containerd.linux", "2.3", answering("", asked)) == knowledge.containerd_patch("2.3")
    assert words.newest("calico.version", "3.32", answering("", asked)) == knowledge.cni_patch("calico", "3.32")
    assert asked == []


@pytest.mark.parametrize("text", ["1.36.4", "v1.36.4", "ci/v1.38.0-alpha.1.23+abcdef", "1.36.0-rc.1"])
def test_a_whole_version_is_no_word(text: str) -> None:
    assert not words.is_word(text)


@pytest.mark.parametrize(
    ("word", "answer", "says"),
    [
        ("1.36", "<html><body>sign in</body></html>", "holds no version"),
        ("1.36", "", "holds no version"),
        ("1.36", "v1.36", "holds no version"),
        ("1.36", "v1.36.4\nv1.36.5", "holds no version"),
        ("1.36", "v1.36.4 " + "x" * 200, "holds no version"),
        ("1.36", "v1.35.9", "which is no 1.36"),
        ("1.36", "v1.36.5-rc.0", "which is no release"),
        ("ci/latest-1.37", "v1.38.0-alpha.0.1+abc", "which is no 1.37"),
        ("ci/latest", "../../etc/passwd", "holds no version"),
    ],
)
def test_anything_else_is_refused(word: str, answer: str, says: str) -> None:
    with pytest.raises(ArtifactError, match=says) as caught:
        words.newest(VERSION, word, answering(answer))
    assert "https://dl.k8s.io/" in caught.value.what and caught.value.remedy


def test_runtimes_keep_their_pinned_meaning_whatever_is_known_by_now() -> None:
    written = Settings(containerd=Containerd(linux="2.3", windows="2.3.1"), calico=Calico(version="3.32"))
    assert list(words.runtime_words(written)) == [("containerd.linux", "2.3"), ("calico.version", "3.32")]
    pins = {"containerd.linux 2.3": "2.3.0", "calico.version 3.32": "3.32.0", "containerd.windows 2.3": "9.9.9"}
    found = words.as_pinned(complete(written), written, pins.get)
    assert (found.containerd.linux, found.containerd.windows, found.calico.version) == ("2.3.0", "2.3.1", "3.32.0")
    assert words.as_pinned(complete(written), written, lambda _: None) == complete(written)
