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
        assert not forms.take(f"other {place}") and not forms.take("a")
    assert not forms.take("x")
    assert len(forms.tried) <= constants.FORMS_KEPT + 1  # how many there were in a row is among them


def test_an_agent_without_a_form_of_its_own_is_volatile() -> None:
    forms = warm("a", "b", "c", "d")
    assert forms.volatile
    assert not any(forms.take(form) for form in ("x", "x", "y", "y"))
    assert not warm("a", "b", "c").volatile


def test_what_is_used_last_is_kept() -> None:
    forms = warm("a")
    for place in range(constants.FORMS_KEPT):
        forms.take(f"new {place}")
        assert forms.take(f"new {place}")
        forms.take("a")
    assert forms.known[-2:] == ["new 7", "a"]
    assert len(forms.known) == constants.FORMS_KEPT


def test_an_agent_that_changes_again_and_again_has_no_one_form() -> None:
    forms, told = warm("a"), 0
    for place in range(40):
        told += sum(forms.take(f"session {place}", lasts=8) for _ in range(30))
        assert len(forms.tried) <= constants.FORMS_KEPT + 2
    assert told == 8 * (constants.FORMS_KEPT + 1) and forms.volatile
    forms.rebase()
    forms.take("b")
    forms.close()
    assert not forms.take("c") and forms.take("c")


def test_the_new_normal_is_what_comes_now() -> None:
    forms = warm("a")
    forms.take("x")
    forms.rebase()
    assert not forms.take("x") and not forms.take("y")
    forms.close()
    assert not forms.take("x") and not forms.take("y")


def test_who_is_told_often_what_is_normal_is_not_volatile_for_that() -> None:
    forms = warm("a", "b", "c")
    for new in ("d", "e", "f", "g", "h", "i"):
        forms.rebase()
        forms.take(new)
        forms.close()
        assert not forms.volatile
        assert not forms.take("other " + new) and forms.take("other " + new)
    assert len(forms.known) <= constants.FORMS_KEPT


def test_a_new_warm_up_tells_anew_whether_an_agent_is_volatile() -> None:
    forms = warm("a")
    forms.rebase()
    for new in range(20):
        forms.take(f"new {new}")
    forms.close()
    assert forms.volatile
    forms.rebase()
    forms.take("b")
    forms.close()
    assert not forms.volatile


def test_another_form_each_time_is_a_change_until_it_is_how_the_agent_is() -> None:
    forms = warm("a")
    told = [forms.take(f"other {place}") for place in range(30)]
    assert told == [False] * 8 + [True] * 8 + [False] * 14
    assert forms.volatile
    again = warm("a")
    for place in range(100):  # now and then is nothing
        assert not again.take(f"other {place}") and not again.take("a")
