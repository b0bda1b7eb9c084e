"""Secrets that nobody set."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.settings import Settings, SettingsError, check_kept, load, resolve_secrets
from gateway.settings.strength import weakness

ADMIN = "adm-Vq3zL8wKx0JrTnYc"
ROOT = "root-Hs5uPb2MdEf9GtXo"


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "leuko"


def settings(data_dir: Path, **env: str) -> Settings:
    return load(None, {"GATEWAY_DATA_DIR": str(data_dir), **env})


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_first_start_makes_every_secret_for_its_owner_only(data_dir: Path) -> None:
    found = resolve_secrets(settings(data_dir))
    assert found.made == ("admin_key", "secret", "ingest_api_key")
    assert found.kept_in == {name: data_dir / name for name in found.made}
    assert mode(data_dir) == 0o700
    assert {path.name for path in data_dir.iterdir()} == set(found.made)
    assert all(mode(path) == 0o600 for path in data_dir.iterdir())
    assert found.ingest_api_key is not None
    values = {s.get_secret_value() for s in (found.admin_key, found.secret, found.ingest_api_key)}
    assert len(values) == 3
    assert not any(weakness(value) for value in values)
    assert not any(value in repr(found) for value in values)


def test_the_next_start_uses_them_again(data_dir: Path) -> None:
    first = resolve_secrets(settings(data_dir))
    second = resolve_secrets(settings(data_dir))
    assert second.made == ()
    assert (second.admin_key, second.secret, second.kept_in) == (first.admin_key, first.secret, first.kept_in)


def test_a_secret_that_is_set_is_not_kept(data_dir: Path) -> None:
    found = resolve_secrets(settings(data_dir, GATEWAY_ADMIN_KEY=ADMIN))
    assert found.admin_key.get_secret_value() == ADMIN
    assert "admin_key" not in found.kept_in
    assert not (data_dir / "admin_key").exists()


def test_with_a_shared_redis_nothing_is_made(data_dir: Path) -> None:
    env = {"GATEWAY_REDIS_URL": "redis://h", "GATEWAY_ADMIN_KEY": ADMIN, "GATEWAY_SECRET": ROOT}
    found = resolve_secrets(settings(data_dir, **env))
    assert (found.secret.get_secret_value(), found.ingest_api_key, found.made) == (ROOT, None, ())
    assert not data_dir.exists()
    with pytest.raises(SettingsError, match="required with GATEWAY_REDIS_URL"):
        resolve_secrets(Settings(redis_url="redis://h", data_dir=data_dir))


def test_access_that_others_were_given_is_taken_away_again(data_dir: Path) -> None:
    first = resolve_secrets(settings(data_dir))
    (data_dir / "secret").chmod(0o644)
    assert resolve_secrets(settings(data_dir)).secret == first.secret
    assert mode(data_dir / "secret") == 0o600


def test_a_directory_that_was_there_keeps_its_mode(data_dir: Path) -> None:
    data_dir.mkdir(parents=True, mode=0o755)
    before = mode(data_dir)
    resolve_secrets(settings(data_dir))
    assert mode(data_dir) == before


def test_a_kept_file_that_holds_no_secret_is_refused_and_left_alone(data_dir: Path) -> None:
    resolve_secrets(settings(data_dir))
    (data_dir / "secret").write_text("changeme\n")
    for read in (resolve_secrets, check_kept):
        with pytest.raises(SettingsError, match="secret: is shorter than 16 characters"):
            read(settings(data_dir))
    assert (data_dir / "secret").read_text() == "changeme\n"


def test_a_link_in_place_of_a_kept_file_is_not_followed(data_dir: Path) -> None:
    data_dir.mkdir(parents=True)
    (data_dir / "elsewhere").write_text(ROOT)
    (data_dir / "secret").symlink_to(data_dir / "elsewhere")
    with pytest.raises(SettingsError, match="secret: cannot be kept there"):
        resolve_secrets(settings(data_dir))


def test_a_data_directory_that_cannot_be_made_is_told_by_its_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="GATEWAY_DATA_DIR"):
        resolve_secrets(settings(tmp_path / "file" / "below"))


def test_checking_makes_nothing(data_dir: Path) -> None:
    check_kept(settings(data_dir))
    assert not data_dir.exists()


def test_of_several_that_start_together_all_use_the_same_secrets(data_dir: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from gateway.settings import load, resolve_secrets\n"
        "sys.stdin.read()\n"
        "s = resolve_secrets(load(None, {'GATEWAY_DATA_DIR': sys.argv[1]}))\n"
        "print(s.admin_key.get_secret_value(), s.secret.get_secret_value(), s.ingest_api_key.get_secret_value())\n"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(data_dir)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    for process in started:
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None
    printed = {process.communicate(timeout=60)[0] for process in started}
    assert [process.returncode for process in started] == [0] * 4
    assert len(printed) == 1
    assert len(list(data_dir.iterdir())) == 3
