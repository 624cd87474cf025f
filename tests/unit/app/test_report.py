"""The page of a run: good, failed, killed, nothing to do; escaped, masked, in need of nothing else."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from provision.app.report import page_of
from provision.render.engine import render_page

from .runs import FAILED, GOOD, write_run


def page(folder: Path) -> str:
    return render_page("report/run.html", page=page_of(folder))


class Elements(HTMLParser):
    """Tags with their attributes, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_good_run_shows_every_step_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = page_of(write_run(tmp_path, monkeypatch, GOOD))
    assert (made.outcome, made.seconds, made.started) == ("ready", "10 min 23 s", "2026-03-05 09:30:00 UTC")
    assert [machine for machine, _ in made.rows] == ["host", "cp1", "winw1", "winw2"]
    bars = {bar.step: bar for _, row in made.rows for bar in row}
    assert len(bars) == len(GOOD)
    total = 622.8
    for step, _, _, at, took, _ in GOOD:
        assert bars[step].left == pytest.approx(100 * at / total, abs=0.01)
        assert bars[step].width == pytest.approx(max(100 * took / total, 0.2), abs=0.01)
        assert bars[step].left + bars[step].width <= 100.1
    assert bars["join@winw1"].short == "join"
    assert bars["join@winw1"].log.splitlines() == [f"what it said {number}" for number in range(3)]
    for _, row in made.rows:
        assert [bar.left for bar in row] == sorted(bar.left for bar in row)
    assert [text for _, text in made.marks] == ["0 s", "2 min", "4 min", "6 min", "8 min", "10 min"]


def test_a_failed_run_opens_at_its_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_run(tmp_path, monkeypatch, FAILED, outcome="failed", error="features@winw1: it failed")
    (folder / "winw1.log").write_text("\x1b[1mcollected\x1b[0m words")
    text = page(folder)
    tags = Elements(text).tags
    opened = [at["id"] for tag, at in tags if tag == "details" and "open" in at and "id" in at]
    assert opened == ["features@winw1"]
    assert '<pre class="error">features@winw1: it failed' in text
    assert "collected words" in text


def test_a_killed_run_shows_what_was_at_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = page_of(write_run(tmp_path, monkeypatch, FAILED, outcome=None))
    assert made.outcome == "no end (killed, or still at work)"
    cut = [bar for _, row in made.rows for bar in row if bar.outcome == "cut"]
    assert [bar.step for bar in cut] == ["features@winw1"]
    assert cut[0].left + cut[0].width == pytest.approx(100, abs=0.3)


def test_a_run_with_nothing_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [(step, machine, lane, 0.5, 0.0, "already") for step, machine, lane, *_ in GOOD]
    folder = write_run(tmp_path, monkeypatch, rows)
    made = page_of(folder)
    assert made.rows == []
    assert len(made.already) == len(GOOD)
    assert "Nothing was to do." in page(folder)


def test_a_run_killed_before_its_first_line(tmp_path: Path) -> None:
    folder = tmp_path / "20260305T093000"
    folder.mkdir()
    (folder / "journal.jsonl").touch()
    assert page_of(folder).rows == []


@pytest.mark.parametrize("rehearsed", [True, False])
def test_a_rehearsal_says_so_in_title_and_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rehearsed: bool
) -> None:
    text = page(write_run(tmp_path, monkeypatch, GOOD, rehearsed=rehearsed))
    assert ("(rehearsal)</title>" in text) is rehearsed
    assert ("Rehearsal: no real machine took part; this is no evidence." in text) is rehearsed


CANARY = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>{{ 7 * 7 }}&lt;b&gt;"


def test_nothing_that_a_machine_says_becomes_markup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_run(tmp_path, monkeypatch, FAILED, outcome="failed", text=CANARY, error=CANARY)
    (folder / "winw1.log").write_text(CANARY)
    (folder / "journal.jsonl").write_text(
        (folder / "journal.jsonl").read_text().replace('"cluster": "dev"', '"cluster": "<script>alert(2)</script>"')
    )
    elements = Elements(page(folder))
    allowed = {"html", "head", "meta", "title", "style", "body", "header", "h1", "h2", "h3", "p", "b", "code", "pre",
               "section", "table", "tr", "th", "td", "div", "span", "a", "i", "details", "summary"}  # fmt: skip
    assert {tag for tag, _ in elements.tags} <= allowed
    assert not [name for _, attributes in elements.tags for name in attributes if name.startswith("on")]
    assert elements.text.count(CANARY) > 40  # all of it is there, as text
    assert "<script>alert(2)</script>" in elements.text


def test_the_page_needs_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = page(write_run(tmp_path, monkeypatch, GOOD))
    elements = Elements(text)
    loaded = [value for _, attributes in elements.tags for name, value in attributes.items() if name in ("src", "href")]
    assert loaded
    assert all(value is not None and value.startswith("#") for value in loaded)
    assert not re.search(r"url\(|@import|https?://", text)
    ids = {attributes.get("id") for _, attributes in elements.tags}
    assert {value[1:] for value in loaded if value} <= ids
