"""The README shows the lifecycle, the findings and the remedies as the gateway has them."""

from pathlib import Path
from typing import get_args

import pytest

from gateway.immune.evidence import KINDS
from gateway.immune.finding import FindingType
from gateway.model.lifecycle import MOVES
from tests.support.lifecycle_tables import FOUND, TABLES, WHY, filled, problems

README = (Path(__file__).resolve().parent.parent / "README.md").read_text("utf-8")


def test_the_readme_shows_what_the_gateway_works_by() -> None:
    assert problems(README) == [], "run: python -m tests.support.lifecycle_tables"


def test_every_move_and_every_finding_is_explained() -> None:
    assert set(WHY) == {(before, after) for before, afters in MOVES.items() for after in afters}
    assert set(FOUND) == set(KINDS) == set(get_args(FindingType))


def test_a_table_that_differs_is_reported() -> None:
    places = "".join(f"<!-- {name} -->\n<!-- /{name} -->\n" for name in TABLES)
    assert problems(places) == list(TABLES) and problems(filled(places)) == []
    assert problems(filled(places).replace("EXHAUSTED", "DEAD")) == ["lifecycle"]
    with pytest.raises(ValueError, match="no <!-- lifecycle -->"):
        filled("# x")
