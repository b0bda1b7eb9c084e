from gateway.policy.rules.order import GUARDS


def test_each_guard_has_a_name_of_its_own() -> None:
    assert len({name for name, _ in GUARDS}) == len(GUARDS)
