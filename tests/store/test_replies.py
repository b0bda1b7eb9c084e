import pytest
from redis.exceptions import OutOfMemoryError, ReadOnlyError, RedisError, ResponseError

from gateway.store.errors import CommandRefused, StoreUnavailable
from gateway.store.replies import meaning


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (OutOfMemoryError("command not allowed when used memory > 'maxmemory'.", status_code="OOM"), "oom"),
        (ReadOnlyError("You can't write against a read only replica.", status_code="READONLY"), "readonly"),
        (ResponseError("BUSY Redis is busy running a script."), "busy"),
        (ResponseError("MISCONF Errors writing to the AOF file: No space left on device"), "misconf"),
        (ResponseError("NOREPLICAS Not enough good replicas to write."), "noreplicas"),
        (
            ResponseError(
                "Error running script (call to f_ab): @user_script:7: -OOM command not allowed", status_code="ERR"
            ),
            "oom",
        ),
        (
            ResponseError(
                "Error running script (call to f_ab): @user_script: 7: -READONLY You can't write", status_code="ERR"
            ),
            "readonly",
        ),
    ],
)
def test_a_store_that_cannot_serve_is_unavailable_and_did_nothing(reply: RedisError, reason: str) -> None:
    said = meaning(reply)
    assert isinstance(said.error, StoreUnavailable)
    assert (said.error.reason, said.error.sent, said.code) == (reason, False, reason.upper())


@pytest.mark.parametrize(
    "code", ["MOVED 7 h:1", "ASK 7 h:1", "TRYAGAIN Multiple keys request during rehashing of slot"]
)
def test_a_node_without_the_key_is_no_reason_to_give_the_store_up(code: str) -> None:
    said = meaning(ResponseError(code))
    assert isinstance(said.error, StoreUnavailable)
    assert (said.error.reason, said.error.sent, said.code) == (code.split()[0].lower(), False, "")


@pytest.mark.parametrize(
    "text",
    [
        "WRONGTYPE Operation against a key holding the wrong kind of value",
        "ERR unknown command 'FOO'",
        "NOPERM this user has no permissions to run the 'info' command",
        "",
    ],
)
def test_any_other_error_is_the_commands_own(text: str) -> None:
    said = meaning(ResponseError(text))
    assert isinstance(said.error, CommandRefused)
    assert said.code == ""
    assert text in str(said.error)
