"""Documents of files, or what is wrong with them."""

from pathlib import Path

import pytest

from gateway.settings import SettingsError, read_yaml


def test_yaml_and_json_are_read(tmp_path: Path) -> None:
    for text in ("a: [1, 2]\n", '{"a": [1, 2]}'):
        (tmp_path / "f").write_text(text)
        assert read_yaml(tmp_path / "f") == {"a": [1, 2]}


@pytest.mark.parametrize(
    ("content", "said"), [(b"a: 1\na: 2\n", "'a' is there twice"), (b"a: [", "is not YAML"), (b"\xff", "is not YAML")]
)
def test_another_file_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "f").write_bytes(content)
    with pytest.raises(SettingsError, match=said):
        read_yaml(tmp_path / "f")
    with pytest.raises(SettingsError, match="cannot be read"):
        read_yaml(tmp_path / "g")
