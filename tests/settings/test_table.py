"""The table of settings for people."""

import re

from gateway.settings import Settings, settings_table


def test_every_setting_has_a_row_of_three_cells() -> None:
    head, rule, *rows = settings_table().splitlines()
    assert (head, rule) == ("| setting | default | meaning |", "|---|---|---|")
    assert len(rows) == len(Settings.model_fields) - 1  # notices are said, not set
    cells = [re.split(r"(?<!\\)\|", row)[1:-1] for row in rows]
    assert all(len(row) == 3 and all(cell.strip() for cell in row) for row in cells)


def test_rows_name_settings_as_they_are_set() -> None:
    table = settings_table()
    for name in (
        "`GATEWAY_HOST` | `127.0.0.1` |",
        "`LLM_UPSTREAM_URL` |",
        "`INGEST_API_KEY` |",
        "`LOG_LEVEL` |",
        "`--workers` |",
    ):
        assert f"| {name}" in table
    assert "GATEWAY_LOG_LEVEL" not in table
    assert "connect 5, first_byte 600" in table
    assert "allowed: 16 characters" in table
