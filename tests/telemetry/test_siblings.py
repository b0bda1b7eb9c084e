"""Whichever worker is scraped tells of all of them."""

import asyncio
from pathlib import Path

import pytest

from gateway.telemetry.instruments import Counter, Family, Histogram
from gateway.telemetry.siblings import DIRECTORY_VARIABLE, Siblings, directory_of, packed, unpacked


def families(amount: int) -> list[Family]:
    counter = Counter("c", "{x}", "Counted.")
    counter.child({"a": "b"}).add(amount)
    histogram = Histogram("h", "s", "Measured.", bounds=(1, 2))
    histogram.child({}).record(1.5)
    return [counter.family(), histogram.family()]


def test_families_come_out_as_they_went_in() -> None:
    assert unpacked(packed(families(3))) == families(3)


async def test_each_worker_is_told_apart(tmp_path: Path) -> None:
    one = Siblings(tmp_path, 0, lambda: families(1))
    other = Siblings(tmp_path, 1, lambda: families(2))
    async with one.answering(), other.answering():
        for asked in (one, other):
            found = {labels["worker"]: family for family, labels in await asked.everyone() if family.name == "c"}
            assert {worker: family.points[0].value for worker, family in found.items()} == {"0": 1, "1": 2}
    assert not list(tmp_path.iterdir())


async def test_one_that_does_not_answer_hides_nobody_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    writers: list[asyncio.StreamWriter] = []
    hung = await asyncio.start_unix_server(lambda _, writer: writers.append(writer), tmp_path / "1.sock")
    (tmp_path / "2.sock").touch()
    garbage = await asyncio.start_unix_server(_garbage, tmp_path / "3.sock")
    one = Siblings(tmp_path, 0, lambda: families(1))
    async with hung, garbage, one.answering():
        assert {labels["worker"] for _, labels in await one.everyone()} == {"0"}
    assert caplog.text.count("did not tell its metrics") == 3
    for writer in writers:
        writer.close()


async def test_a_socket_left_by_a_killed_predecessor_is_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / "0.sock").touch()
    one, other = (Siblings(tmp_path, number, lambda: families(1)) for number in (0, 1))
    async with one.answering(), other.answering():
        assert {labels["worker"] for _, labels in await other.everyone()} == {"0", "1"}


async def test_a_directory_that_cannot_be_used_is_no_reason_to_stop(tmp_path: Path) -> None:
    alone = Siblings(tmp_path / "gone", 0, lambda: families(1))
    async with alone.answering():
        assert {labels["worker"] for _, labels in await alone.everyone()} == {"0"}


async def test_a_process_without_siblings_tells_its_own() -> None:
    alone = Siblings(directory_of({}), 0, lambda: families(1))
    async with alone.answering():
        assert len(await alone.everyone()) == 2


def test_the_directory_is_named_by_the_environment() -> None:
    assert directory_of({DIRECTORY_VARIABLE: "/x"}) == Path("/x")


async def _garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"{")
    writer.close()
