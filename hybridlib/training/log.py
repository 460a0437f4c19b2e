"""The log of a run: training.jsonl, trackers, and a bar."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from tqdm.auto import tqdm

from hybridlib.config.names import NO_BATCHES
from hybridlib.config.params import Params


class TrainingLog:
    """Writes one record per step; the main process alone writes the file.

    Args:
        file: training.jsonl; it begins with the records of the steps that were taken before.
        accelerator: its trackers get the numbers too.
        params: strategy and steps of the run.
        records: of the steps so far; each new record is appended.
    """

    def __init__(
        self,
        file: Path,
        accelerator: Accelerator,
        params: Params,
        records: list[dict[str, Any]],
    ) -> None:
        self.file = file
        self.accelerator = accelerator
        self.records = records
        is_hidden = not accelerator.is_main_process or params.strategy in NO_BATCHES
        self.bar = tqdm(
            total=params.steps,
            desc=params.strategy,
            unit="step",
            disable=is_hidden,
            mininterval=2,
        )
        self.bar.update(max(0, len(records) - 1))
        if accelerator.is_main_process:
            lines = [json.dumps(record) + "\n" for record in records]
            file.write_text("".join(lines), encoding="utf-8")

    def write(self, record: dict[str, Any]) -> None:
        """Append the record of a step, and move the bar on."""
        self.records.append(record)
        values = {name: value for name, value in record.items() if isinstance(value, float)}
        self.accelerator.log(values, step=record["step"])
        if self.accelerator.is_main_process:
            with self.file.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(record) + "\n")
        if record["step"] > 0:
            self.bar.set_postfix_str(
                f"loss {record['loss']:.3f}, {record['pairs_per_second']:.0f} pairs/s, "
                f"{record['tokens_per_second']:.0f} tokens/s",
                refresh=False,
            )
            self.bar.update()

    def close(self) -> None:
        """End the bar."""
        self.bar.close()
