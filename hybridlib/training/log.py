"""The log of a run: training.jsonl, trackers, and a bar."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from tqdm.auto import tqdm


class TrainingLog:
    """Writes one record per step; the main process alone writes the file.

    Args:
        file: training.jsonl.
        accelerator: whose trackers are told.
        strategy: names the bar.
        steps: of the run; 0 shows no bar.
    """

    def __init__(self, file: Path, accelerator: Accelerator, strategy: str, steps: int) -> None:
        self.file = file
        self.accelerator = accelerator
        hidden = not accelerator.is_main_process or not steps
        self.bar = tqdm(total=steps, desc=strategy, unit="step", disable=hidden, mininterval=2)

    def begin(self, records: list[dict[str, Any]]) -> None:
        """Begin the file with the records of the steps that were taken before."""
        if self.accelerator.is_main_process:
            lines = [json.dumps(record) + "\n" for record in records]
            self.file.write_text("".join(lines), encoding="utf-8")
        self.bar.update(max(0, len(records) - 1))

    def write(self, record: dict[str, Any]) -> None:
        """Append the record of a step."""
        values = {name: value for name, value in record.items() if isinstance(value, float)}
        self.accelerator.log(values, step=record["step"])
        if self.accelerator.is_main_process:
            with self.file.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(record) + "\n")

    def show(self, record: dict[str, Any]) -> None:
        """Move the bar on by a step."""
        self.bar.set_postfix_str(
            f"loss {record['loss']:.3f}, {record['pairs_per_second']:.0f} pairs/s, "
            f"{record['tokens_per_second']:.0f} tokens/s",
            refresh=False,
        )
        self.bar.update()
