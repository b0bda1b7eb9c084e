from gateway.policy.constraints.scope import Where
from gateway.policy.names import Names


def test_a_member_has_a_place_of_its_own() -> None:
    names = Names()
    assert Where("ops", "pay", "order", names).inside("amount") == Where("ops", "pay", "order.amount", names)
