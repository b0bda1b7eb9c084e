"""What tokens say, as values."""

from dataclasses import replace

from gateway.intents.claims import TokenProblem
from tests.intents.test_tokens import INTENT


def test_the_root_of_an_intent_is_the_first_that_nobody_narrowed() -> None:
    assert INTENT.root == "int_root"
    assert replace(INTENT, parents=()).root == "int_child"


def test_a_problem_says_its_word_first() -> None:
    problem = TokenProblem("expired", "it has expired")
    assert (str(problem), problem.word, problem.detail) == ("expired: it has expired", "expired", "it has expired")
