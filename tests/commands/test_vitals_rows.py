import gzip
import json
from dataclasses import asdict
from pathlib import Path

import pytest

from gateway.commands.vitals_rows import in_order, read_rows, vitals_of
from gateway.edge.admin.vitals import shown
from gateway.model.vitals import Vitals
from tests.immune.tau2 import DATA

ROW = Vitals(
    "agt_1", "req_1", 1.7e9, "openai", "stub", "m", True, 429, 12.5,
    error_type="rate_limit_exceeded", ttft_ms=3.5, input_tokens=9, tool_names=("a", "b"), cost_usd=0.25,
    prompt_hash="p", conversation="c", turn=2, usage_estimated=True,
)  # fmt: skip


def test_what_the_api_shows_is_read_back_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "vitals.ndjson"
    file.write_text(json.dumps(shown(ROW)) + "\n\n" + json.dumps({**asdict(ROW), "from a later version": 1}) + "\n")
    assert list(read_rows(file)) == [ROW, ROW]


def test_a_table_of_recorded_runs_is_read_by_its_own_names() -> None:
    rows = list(read_rows(DATA))
    assert len(rows) == 5273 and len({row.agent_id for row in rows}) == 10
    assert (rows[1].latency_ms, rows[1].input_tokens, rows[1].turn, rows[1].status) == (946.0, 7921, 1, 200)
    ordered = in_order(rows)
    assert [row.time for row in ordered] == sorted(row.time for row in rows)


def test_a_time_without_an_offset_is_utc() -> None:
    row = vitals_of({"file": "a", "sim": "3", "turn": "4", "timestamp": "2026-11-20T00:00:00", "prompt_tokens": "7"})
    assert row == vitals_of({"agent_id": "a", "conversation": "3", "turn": 4, "time": 1795132800, "input_tokens": 7.0})
    assert row.request_id == "3.4"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"time": 5}', "row 2: has no agent_id"),
        ('{"agent_id": "a"}', "row 2: has no time"),
        ('{"agent_id": "a", "time": 5, "latency_ms": NaN}', "latency_ms"),
        ('{"agent_id": "a", "time": "noon"}', "row 2"),
        ("[1]", "row 2"),
        ("{", "row 2"),
    ],
)
def test_what_is_no_vitals_is_named_by_its_row(tmp_path: Path, line: str, said: str) -> None:
    file = tmp_path / "vitals.ndjson.gz"
    file.write_bytes(gzip.compress(f'{{"agent_id": "a", "time": 5}}\n{line}\n'.encode()))
    with pytest.raises(ValueError, match=said):
        list(read_rows(file))
