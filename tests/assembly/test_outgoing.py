"""Ways out, as settings describe them."""

from pathlib import Path

import pytest

from gateway.assembly import Gateway
from gateway.settings import Settings, SettingsError, resolve_secrets


async def test_a_script_that_cannot_be_read_is_a_fault_of_the_settings(tmp_path: Path) -> None:
    script = tmp_path / "turns.yaml"
    script.write_text("turns: 5")
    settings = Settings(data_dir=tmp_path, stub=True, stub_script=script)
    with pytest.raises(SettingsError, match=r"turns\.yaml"):
        Gateway(settings, resolve_secrets(settings), "redis://127.0.0.1:1")
