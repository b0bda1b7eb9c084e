from pathlib import Path

import pytest

from gateway.settings.model import Settings
from gateway.settings.names import SettingsError
from gateway.settings.policies import load_policies, policy_dir, policy_files_state


def names(settings: Settings) -> list[str]:
    return [document.name for document in load_policies(settings)]


def test_the_files_of_the_directory_and_the_given_documents_are_in_force(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text("name: b")
    (tmp_path / "a.yml").write_text("name: a\nlimits: {concurrent: 3}")
    (tmp_path / "notes.txt").write_text("not a policy")
    (tmp_path / ".hidden.yaml").write_text("not a policy")
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "c.yaml").write_text("name: c")
    assert names(Settings(policy_dir=tmp_path, policies=({"name": "given"},))) == ["a", "b", "given"]


def test_the_packaged_default_allows_all_and_limits_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (document,) = load_policies(Settings())
    assert (document.name, document.bounds) == ("default", ())


def test_a_directory_of_policies_where_the_gateway_starts_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "policies").mkdir()
    monkeypatch.chdir(tmp_path)
    assert policy_dir(Settings()) == Path("policies")
    assert names(Settings()) == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"name: x\nlimit: {}", "ops.yaml: limit: is not known; did you mean limits?"),
        (b"\xff", "ops.yaml: is not UTF-8: byte 0"),
        (b"name: " + b"x" * 5_000_000, "ops.yaml: is larger than"),
        (b"name: given", "GATEWAY_POLICIES[0]: name: 'given' is also the name of ops.yaml"),
    ],
)
def test_a_wrong_document_is_refused_by_its_file(tmp_path: Path, text: bytes, says: str) -> None:
    (tmp_path / "ops.yaml").write_bytes(text)
    with pytest.raises(SettingsError) as raised:
        load_policies(Settings(policy_dir=tmp_path, policies=({"name": "given"},)))
    assert raised.value.problems[0].startswith(says)


@pytest.mark.parametrize("target", ["gone.yaml", "ops.yaml", "x" * 300, "/dev/null"])
def test_a_link_that_leads_to_no_file_is_refused(tmp_path: Path, target: str) -> None:
    settings = Settings(policy_dir=tmp_path)
    (tmp_path / "ops.yaml").write_text("name: ops")
    before = policy_files_state(settings)
    (tmp_path / "ops.yaml").unlink()
    (tmp_path / "ops.yaml").symlink_to(target)
    with pytest.raises(SettingsError, match="ops.yaml: (cannot be read|is not a file)"):
        load_policies(settings)
    assert policy_files_state(settings) != before


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    settings = Settings(policy_dir=tmp_path / "none")
    with pytest.raises(SettingsError, match="GATEWAY_POLICY_DIR: .*none: cannot be read"):
        load_policies(settings)
    assert policy_files_state(settings) == ()


def test_a_changed_file_shows(tmp_path: Path) -> None:
    settings = Settings(policy_dir=tmp_path)
    states = [policy_files_state(settings)]
    for text in ("name: a", "name: ab"):
        (tmp_path / "a.yaml").write_text(text)
        states.append(policy_files_state(settings))
    assert len(set(states)) == 3
