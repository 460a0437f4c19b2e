"""docs/your_own.md: its figures are those of the kept study, and its commands run in order.

The commands run in a fresh clone, with a small encoder of that name and few steps, so their
figures are others. What they print is compared word by word.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from clones import ROOT, fresh_clone, user_environment

from hybridlib.files import read_json

PAGE = ROOT / "docs" / "your_own.md"
KEPT = ROOT / "outputs" / "reference" / "library_faq"
FIRST_LOOK = ROOT / "docs" / "examples" / "library_faq_untrained.json"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)
NUMBER = re.compile(r"[-+]?\d+(?:[.,]\d+)*")


def words(text: str) -> str:
    """A text without figures, signs and widths of columns."""
    return " ".join(NUMBER.sub("#", text).lower().split())


def printed_after(start: str) -> str:
    """What the page shows behind the block that begins so."""
    (number,) = [n for n, (_, code) in enumerate(BLOCKS) if code.startswith(start)]
    language, shown = BLOCKS[number + 1]
    assert language == "text"
    return shown


def test_the_first_look_is_the_one_that_was_kept():
    metrics = read_json(FIRST_LOOK)
    columns = [metrics, *metrics["corrections"].values()]
    shown = printed_after(".venv/bin/hybridlib evaluate")
    for row, (kind, setting, name) in {
        "monolingual mAP": ("settings", "monolingual", "map"),
        "multilingual mAP": ("settings", "multilingual", "map"),
        "multilingual R@10": ("settings", "multilingual", "recall@10"),
    }.items():
        figures = " ".join(f"{part[kind][setting][name]:.4f}" for part in columns)
        assert f"{row} {figures}" in " ".join(shown.split())
    figures = " ".join(f"{part['bias']['same_language_share@10']:.4f}" for part in columns)
    assert f"own-language share@10 {figures}" in " ".join(shown.split())


def test_the_result_is_the_one_that_was_kept():
    shown = printed_after(".venv/bin/hybridlib run faq.yaml\n")
    assert (KEPT / "comparison" / "summary.md").read_text(encoding="utf-8") in shown


@pytest.mark.slow
def test_the_page_runs_from_top_to_bottom(tmp_path: Path, tiny_encoder: Path):
    clone = fresh_clone(tmp_path / "hybridlib")
    plain_folder(tiny_encoder, clone / "multilingual-e5-small")
    printed = None
    for language, code in BLOCKS:
        if language == "yaml":
            values = {**yaml.safe_load(code), "steps": 2, "validate_every": 2, "seeds": [0]}
            (clone / "faq.yaml").write_text(yaml.safe_dump(values))
        elif language in ("bash", "python"):
            printed = run_block(clone, language, code)
        elif language == "text":
            for line in code.splitlines():
                assert is_printed(line, printed), f"{line}\nis not printed in\n{printed}"


def plain_folder(encoder: Path, folder: Path) -> None:
    """Copy an encoder without the files of sentence-transformers."""
    parts = ("modules.json", "config_sentence_transformers.json", "sentence_bert_config.json")
    shutil.copytree(encoder, folder, ignore=shutil.ignore_patterns(*parts, "1_Pooling"))


def run_block(clone: Path, language: str, code: str) -> str:
    """Run a block as a user of the clone; return what it prints, errors too."""
    program = ["bash", "-c", f"set -e; {code}"]
    if language == "python":
        program = [str(clone / ".venv" / "bin" / "python"), "-c", code]
    done = subprocess.run(
        program,
        cwd=clone,
        env=user_environment(clone),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=900,
    )
    is_refused = "batch_size 100" in code
    assert done.returncode == (2 if is_refused else 0), f"{code}\n{done.stdout[-3000:]}"
    return done.stdout


def is_printed(line: str, printed: str | None) -> bool:
    """Whether a line of the page is printed, but for its figures and for what they decide.

    Which correction and which strategy is best, whether training pays, and which passages are
    found depend on the encoder.
    """
    assert printed is not None
    line = words(line)
    chosen = r"(cheapest|best trained): .* has #|: it .*\.$|^(en|de|fr) .*"
    pattern = re.escape(re.sub(chosen, "\0", line)).replace(re.escape("\0"), ".*")
    return re.search(pattern, words(printed)) is not None
