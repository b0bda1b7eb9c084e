from gateway.demo.simulated_roles import RISKY, ROLES


def test_no_two_roles_are_alike() -> None:
    for member in ("name", "system", "tool", "question"):
        assert len({getattr(role, member) for role in ROLES}) == len(ROLES)
    assert RISKY not in {role.tool for role in ROLES}
    assert all("{thing}" in role.question for role in ROLES)
