from gateway.immune import constants
from gateway.immune.forms import Forms


def warm(*known: str) -> Forms:
    forms = Forms()
    for form in known:
        assert not forms.take(form)
    forms.close()
    return forms


def test_an_unseen_form_used_twice_is_a_change() -> None:
    forms = warm("a", "b")
    assert [forms.take(form) for form in ("b", "x", "a", "x", "x", "b")] == [False, False, False, True, False, False]


def test_a_form_seen_once_is_forgotten_after_many_others() -> None:
    forms = warm("a")
    forms.take("x")
    for place in range(constants.FORMS_KEPT):
        assert not forms.take(f"other {place}")
    assert not forms.take("x")
    assert len(forms.tried) <= constants.FORMS_KEPT


def test_an_agent_without_a_form_of_its_own_is_volatile() -> None:
    forms = warm("a", "b", "c", "d")
    assert forms.volatile
    assert not any(forms.take(form) for form in ("x", "x", "y", "y"))
    assert not warm("a", "b", "c").volatile


def test_what_is_used_last_is_kept() -> None:
    forms = warm("a")
    for place in range(20):
        forms.take(f"new {place}")
        assert forms.take(f"new {place}")
        forms.take("a")
    assert forms.known[-2:] == ["new 19", "a"]
    assert len(forms.known) == constants.FORMS_KEPT


def test_the_new_normal_is_what_comes_now() -> None:
    forms = warm("a")
    forms.take("x")
    forms.rebase()
    assert not forms.take("x") and not forms.take("y")
    forms.close()
    assert not forms.take("x") and not forms.take("y")
