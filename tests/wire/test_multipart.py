"""The model that a form names, however its bytes arrive; a form that two readers could read differently is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.errors import UnreadableRequest
from gateway.wire.multipart import FormModels

TYPE = "multipart/form-data; boundary=XX"


def part(headers: str, content: bytes = b"whisper-1") -> bytes:
    return b"--XX\r\n" + headers.encode("latin-1") + b"\r\n\r\n" + content + b"\r\n"


def named(name: str, content: bytes = b"whisper-1", more: str = "") -> bytes:
    return part(f'Content-Disposition: form-data; name="{name}"{more}', content)


FILE = named("file", b"\r\n--X\r\n\0RIFF" * 20, '; filename="a.wav"\r\nContent-Type: audio/wav')
END = b"--XX--\r\n"


def models(*parts: bytes, content_type: str = TYPE, end: bytes = END) -> list[str]:
    form = FormModels(content_type)
    found = form.feed(b"".join(parts) + end)
    form.finish()
    return found


def test_a_model_is_found_wherever_it_stands() -> None:
    assert models(named("model"), FILE) == models(FILE, named("model")) == ["whisper-1"]
    assert models(FILE, named("prompt", b"model")) == []


@given(st.lists(st.integers(1, 40), max_size=200))
def test_it_does_not_matter_in_which_pieces_a_form_arrives(sizes: list[int]) -> None:
    body, form, found = FILE + named("model") + FILE + named("model", b"gpt-9") + END, FormModels(TYPE), []
    for size in (*sizes, len(body)):
        found += form.feed(body[:size])
        body = body[size:]
    form.finish()
    assert found == ["whisper-1", "gpt-9"]


@pytest.mark.parametrize("name", ["Model", "MODEL", " model ", "model[]", "model[0]", "%6dodel", "session[model]"])
def test_a_field_that_some_reader_takes_for_the_model_is_one(name: str) -> None:
    assert models(named(name, b"gpt-9")) == ["gpt-9"]


def test_full_width_letters_name_the_model_too() -> None:
    assert models(named("ｍｏｄｅｌ".encode().decode("latin-1"), b"gpt-9")) == ["gpt-9"]


@pytest.mark.parametrize("name", ["remodel", "models", "model_id", "prompt"])
def test_other_fields_are_no_models(name: str) -> None:
    assert models(named(name)) == []


def test_a_form_that_names_two_models_names_both() -> None:
    assert models(named("model", b"a"), named("model", b"b")) == ["a", "b"]


DISPOSITION = 'Content-Disposition: form-data; name="model"'


@pytest.mark.parametrize(
    ("attack", "body"),
    [
        ("a preamble", b"hello\r\n" + named("model") + END),
        ("an epilogue", named("model") + END + named("model", b"gpt-9")),
        ("a boundary inside content", named("file", b"a--XX\r\n") + END),
        ("a boundary after a bare line feed", named("file", b"a\n--XX\r\n") + END),
        ("a boundary that goes on", named("file", b"a\r\n--XXY\r\n") + END),
        ("padding after the boundary", b"--XX \r\n" + named("model")[6:] + END),
        ("no end", named("model")),
        ("a folded header", part("Content-Disposition: form-data;\r\n name=model") + END),
        ("two dispositions", part(f"{DISPOSITION}\r\ncontent-disposition: form-data; name=x") + END),
        ("two names", part('Content-Disposition: form-data; name="x"; name="model"') + END),
        ("an extended name", part("Content-Disposition: form-data; name=x; name*=utf-8''model") + END),
        ("an escaped name", part('Content-Disposition: form-data; name="mo\\del"') + END),
        ("no name", part("Content-Disposition: form-data") + END),
        ("an attachment", part('Content-Disposition: attachment; name="model"') + END),
        ("no disposition", part("Content-Type: text/plain") + END),
        ("no headers", b"--XX\r\n\r\nx\r\n" + END),
        ("a header cut by a line feed", part("X-A: b\nContent-Disposition: form-data; name=x") + END),
        ("a coding", part(f"{DISPOSITION}\r\nContent-Transfer-Encoding: base64", b"Z3B0LTk=") + END),
        ("a charset", part(f"{DISPOSITION}\r\nContent-Type: text/plain; charset=utf-16", b"\0g") + END),
        ("a model with spaces", named("model", b"gpt-9 ") + END),
        ("a model that is no UTF-8", named("model", b"\xff") + END),
        ("no model", named("model", b"") + END),
        ("a model without end", named("model", b"a" * 3000)),
        ("headers without end", b"--XX\r\n" + b"X-A: b\r\n" * 2000),
    ],
)
def test_a_form_that_two_readers_could_read_differently_is_refused(attack: str, body: bytes) -> None:
    with pytest.raises(UnreadableRequest):
        models(body, end=b"")


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data",
        "multipart/mixed; boundary=XX",
        "multipart/form-data; boundary=YY; boundary=XX",
        "multipart/form-data; boundary=XX; x",
        'multipart/form-data; boundary=""',
    ],
)
def test_a_form_needs_one_boundary(content_type: str) -> None:
    with pytest.raises(UnreadableRequest):
        models(named("model"), content_type=content_type)


def test_a_boundary_may_be_quoted_and_parameters_may_follow() -> None:
    assert models(named("model"), content_type='Multipart/Form-Data; charset=utf-8; boundary="XX";') == ["whisper-1"]


def test_too_many_parts_are_refused() -> None:
    with pytest.raises(UnreadableRequest, match="parts"):
        models(named("a", b"") * 10_001)
