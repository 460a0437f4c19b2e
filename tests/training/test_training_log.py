"""The log of a run that goes on: its file and its bar."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from hybridlib.config.params import Params
from hybridlib.training.log import TrainingLog


def accelerator(is_main: bool, logged: list) -> SimpleNamespace:
    def log(values: dict, step: int) -> None:
        logged.append((step, values))

    return SimpleNamespace(is_main_process=is_main, log=log)


@pytest.mark.parametrize("is_main", [True, False])
def test_a_log_goes_on_where_the_records_end(is_main, tmp_path):
    file = tmp_path / "training.jsonl"
    logged: list = []
    records = [{"step": 0}, {"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.0}]
    params = Params(strategy="hybrid", steps=10)
    log = TrainingLog(file, accelerator(is_main, logged), params, records)
    record = {"step": 3, "loss": 0.5, "pairs_per_second": 8.0, "tokens_per_second": 90.0}
    log.write({**record, "regime": "x-y"})
    assert [line["step"] for line in records] == [0, 1, 2, 3]
    assert logged == [(3, {name: record[name] for name in list(record)[1:]})]
    assert file.exists() == is_main
    if is_main:
        assert log.bar.n == 3
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        assert [line["step"] for line in lines] == [0, 1, 2, 3]
        assert lines[-1]["regime"] == "x-y"
    log.close()
