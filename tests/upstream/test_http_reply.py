"""The seam itself."""

import pickle
from typing import TYPE_CHECKING

from gateway.upstream.client import Client
from gateway.upstream.http_reply import HttpReply
from gateway.upstream.reply import Opener, Reply, Unreachable

if TYPE_CHECKING:

    def the_client_is_an_opener(client: Client) -> Opener:
        return client

    def its_answers_are_replies(reply: HttpReply) -> Reply:
        return reply


def test_an_unreachable_provider_is_an_unavailable_one() -> None:
    refusal = Unreachable("Provider `p` cannot be reached.")
    assert (refusal.code, refusal.status, refusal.retry) == ("upstream_unavailable", 502, True)


def test_it_survives_a_pickle() -> None:
    again = pickle.loads(pickle.dumps(Unreachable("why")))
    assert (type(again), again.message) == (Unreachable, "why")
