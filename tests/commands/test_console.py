"""Where commands print tables."""

import pytest

from gateway.commands.console import plain_console


def test_text_is_only_ever_text(capsys: pytest.CaptureFixture[str]) -> None:
    plain_console().print("[bold]a[/bold] :warning: https://h")
    assert capsys.readouterr().out == "[bold]a[/bold] :warning: https://h\n"


@pytest.mark.parametrize(("columns", "width"), [("80", 150), ("200", 200)])
def test_there_is_room_where_there_is_no_terminal(columns: str, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert plain_console().width == width
