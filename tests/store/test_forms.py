"""Forms kept in a real Redis."""

from gateway.identity.forms import MOST_FORMS, Form
from gateway.store.connection import Connection
from gateway.store.forms import Forms


async def test_the_own_form_comes_first_and_the_first_one_stays(connection: Connection) -> None:
    forms = Forms(connection, keep_seconds=100)
    own, other = Form("agt_z", frozenset({"a", "b"}), (1, 2**48 - 1)), Form("agt_a", frozenset(), ())
    forms.keep("agt_z", other)
    forms.keep("agt_z", own)
    assert await forms.flush()
    forms.keep("agt_z", Form("agt_z", frozenset({"changed"}), ()))
    assert await forms.flush()
    assert await forms.of("agt_z") == [own, other]
    assert await forms.of("agt_other") == []
    assert 0 < await connection.execute("TTL", connection.keys.forms("agt_z")) <= 100


async def test_there_are_only_so_many(connection: Connection) -> None:
    forms = Forms(connection, keep_seconds=100)
    for number in range(MOST_FORMS + 3):
        forms.keep("agt_z", Form(f"agt_{number}", frozenset(), ()))
    assert await forms.flush()
    assert len(await forms.of("agt_z")) == MOST_FORMS
