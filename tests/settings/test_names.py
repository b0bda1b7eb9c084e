"""How settings are spelled."""

from gateway.settings import Settings
from gateway.settings.names import OPTIONS, RESERVED, SettingsError, did_you_mean, env_name, in_file, spellings


def test_every_field_is_its_variables_name_in_the_file() -> None:
    for field in Settings.model_fields:
        assert in_file(env_name(field)) == field


def test_names_of_later_versions_are_not_names_of_this_one() -> None:
    now = {name for field in Settings.model_fields for name in spellings(field, secret=True)}
    assert not now & set(RESERVED)
    assert OPTIONS.keys() <= Settings.model_fields.keys()


def test_a_secret_is_also_spelled_as_a_file() -> None:
    assert spellings("admin_key", secret=True) == (
        "GATEWAY_ADMIN_KEY",
        "ADMIN_API_KEY",
        "GATEWAY_ADMIN_KEY_FILE",
        "ADMIN_API_KEY_FILE",
    )
    assert spellings("port", secret=False) == ("GATEWAY_PORT",)


def test_nothing_is_suggested_that_is_not_close() -> None:
    assert did_you_mean("prot", ["port", "host"]) == "; did you mean port?"
    assert did_you_mean("quarantine", ["port", "host"]) == ""


def test_an_error_says_each_problem_on_a_line() -> None:
    assert str(SettingsError(["a: 1", "b: 2"])) == "a: 1\nb: 2"
