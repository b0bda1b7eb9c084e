"""Records: stable bytes, each naming the one before."""

from dataclasses import fields

import orjson
import pytest
import rfc8785

from gateway.ledger.chain import decode, encode, leaf_hash, origin, shown
from gateway.model.audit import AuditEntry


def test_a_record_is_canonical_json() -> None:
    entry = AuditEntry(1.8e9, "outcome", "call:model", agent_id="agt_é", metadata={"b": [1, {"z": None, "a": "\n"}]})
    payload = encode(3, b"\x01" * 32, entry)
    assert payload == rfc8785.dumps(orjson.loads(payload))
    record = decode(payload)
    assert (record["seq"], record["prev"], record["time"]) == (3, "01" * 32, 1_800_000_000_000)
    assert "tool" not in record
    assert "context" not in record


def test_every_member_that_has_a_value_is_recorded() -> None:
    texts = {f.name: f.name for f in fields(AuditEntry) if f.name not in ("time", "allowed", "context", "metadata")}
    entry = AuditEntry(time=1.0, context={"a": 1}, metadata={"b": 2}, **texts)  # type: ignore[arg-type]
    record = decode(encode(0, origin("c"), entry))
    assert record.pop("prev") == origin("c").hex()
    assert record == {**texts, "seq": 0, "time": 1000, "allowed": True, "context": {"a": 1}, "metadata": {"b": 2}}


def test_text_that_is_no_text_is_recorded_all_the_same() -> None:
    entry = AuditEntry(0, "agent", "do:\ud800", metadata={"k\udfff": ["\ud800", 1, ("a",)]})
    record = decode(encode(0, origin("c"), entry))
    assert record["action"] == "do:?"
    assert record["metadata"] == {"k?": ["?", 1, ["a"]]}


def test_what_json_does_not_have_is_an_error() -> None:
    with pytest.raises(TypeError):
        encode(0, origin("c"), AuditEntry(0, "agent", "do:it", metadata={"k": object()}))


@pytest.mark.parametrize("payload", [b"", b"[]", b"{}", b'{"seq":true,"prev":""}', b'{"seq":1}', b"\xff"])
def test_other_bytes_are_no_record(payload: bytes) -> None:
    with pytest.raises(ValueError):  # orjson words it
        decode(payload)


def test_chains_begin_with_different_hashes_and_leaves_are_no_nodes() -> None:
    assert origin("a" * 32) != origin("b" * 32)
    assert leaf_hash(b"").hex().startswith("6e340b9c")


def test_an_entry_is_shown_with_every_member() -> None:
    record = decode(encode(4, origin("c"), AuditEntry(1, "decision", "call:model", resource="gpt")))
    found = shown("c", record)
    assert found["entry"] == "c/4"
    assert found["agent_id"] is None
    assert found["context"] == found["metadata"] == {}
    assert (found["time"], found["source"], found["resource"]) == (1000, "gateway", "gpt")
