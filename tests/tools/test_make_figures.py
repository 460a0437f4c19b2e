"""What `make figures` does beside the commands that it calls."""

from __future__ import annotations

import shutil

import make_figures


def test_figures_that_the_pages_show_are_replaced_and_no_other(tmp_path, monkeypatch):
    monkeypatch.setattr(make_figures, "ROOT", tmp_path)
    shown = tmp_path / "docs" / "figures"
    made = tmp_path / "kept" / "study" / "comparison" / "figures"
    for folder, content in ((shown, "old"), (made, "new")):
        folder.mkdir(parents=True)
        for name in ("study.png", "study-forest.png", "study-top_lists.png", "bias_plane.png"):
            (folder / name).write_text(content)
    (shown / "bias_plane.png").unlink()
    for name in ("forest.png", "gains.png"):
        (made / name).write_text("new")

    make_figures.copy_figures([str(tmp_path / "kept" / "study")])
    found = {file.name: file.read_text() for file in shown.iterdir()}
    assert found == {"study.png": "new", "study-forest.png": "new", "study-top_lists.png": "old"}


def test_the_figures_that_pages_show_are_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr(make_figures, "ROOT", tmp_path)
    shown = tmp_path / "docs" / "figures"
    shown.mkdir(parents=True)
    for name in ("study.png", "study-forest.png", "another-gains.png"):
        (shown / name).touch()
    assert make_figures._shown_of("study") == {"bias_plane", "forest"}
    assert make_figures._shown_of("another") == {"gains"}
    assert make_figures._shown_of("stud") == make_figures._shown_of("forest") == set()


def test_a_comparison_makes_the_figures_that_it_is_asked_for(tmp_path, monkeypatch):
    """Here one, of a study that is kept."""
    folder = tmp_path / "quickstart_e5"
    kept = make_figures.KEPT / "quickstart_e5"
    shutil.copytree(kept, folder, ignore=shutil.ignore_patterns("comparison"))
    assert make_figures._compare([folder], {"seen_unseen", "gains"}).wait() == 0
    made = folder / "comparison"
    for table in ("intervals.md", "verdict.md"):
        assert (made / table).read_text() == (kept / "comparison" / table).read_text()
    assert [file.name for file in (made / "figures").iterdir()] == ["gains.png"]


def test_the_studies_that_are_combined_are_kept():
    files = [make_figures.KEPT / name / "study.yaml" for name in make_figures.COMBINED]
    assert [file for file in files if not file.is_file()] == []
