"""`leuko providers`."""

from pathlib import Path

from tests.commands.conftest import Leuko, read


def test_a_provider_is_made_listed_and_deleted_and_its_key_is_no_argument(leuko: Leuko, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("sk-provider-0123\n")
    url = "https://example.com/v1"
    options = ("--model", "gpt-*", "--model", "o*", "--api-key-file", str(key), "-o", "json")
    made = read(leuko("providers", "create", "mine", url, *options))
    assert (made["models"], made["has_key"], made["source"]) == (["gpt-*", "o*"], True, "api")
    assert "mine" in leuko("providers", "list").stdout
    assert leuko("providers", "delete", "mine").stdout == "deleted mine\n"
    assert leuko("providers", "delete", "mine").stdout == "there was no provider mine\n"
    piped = leuko("providers", "create", "piped", url, "--api-key-file", "-", "-o", "json", input="sk-piped-0123\n")
    assert read(piped)["has_key"]
    leuko("providers", "create", "other", url, "--api-key-file", str(tmp_path / "none"), code=2)
    leuko("providers", "create", "inside", "https://127.0.0.1", code=1)
