from gateway.background.pausing import LONGEST_PAUSE, pause_after


def test_a_pause_doubles_up_to_the_longest_and_half_of_it_is_chance() -> None:
    assert [pause_after(tries, 0.0) for tries in (1, 2, 3)] == [0.5, 1.0, 2.0]
    assert pause_after(1, 0.5) == 0.75
    assert pause_after(10_000, 0.0) == LONGEST_PAUSE / 2
