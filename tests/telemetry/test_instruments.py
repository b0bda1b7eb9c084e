"""What is counted stays bounded, and distributions are those of the conventions: upper bounds included."""

from gateway.telemetry.instruments import OVERFLOW, Counter, Histogram, Observed


def test_a_value_on_a_bound_counts_below_it() -> None:
    histogram = Histogram("h", "s", "", bounds=(1, 2))
    child = histogram.child({})
    for value in (0.5, 1, 1.5, 2, 9):
        child.record(value)
    (point,) = histogram.family().points
    assert (point.buckets, point.value) == ((2, 2, 1), 14)


def test_attributes_in_any_order_are_one_series() -> None:
    counter = Counter("c", "{x}", "")
    counter.child({"a": "1", "b": "2"}).add(1)
    counter.child({"b": "2", "a": "1"}).add(2)
    assert [point.value for point in counter.family().points] == [3]


def test_series_beyond_the_limit_are_counted_together() -> None:
    counter = Counter("c", "{x}", "", limit=2)
    for name in "abcde":
        counter.child({"name": name}).add(1)
    counter.child({"name": "a"}).add(1)
    found = {str(dict(point.attributes)): point.value for point in counter.family().points}
    assert found == {"{'name': 'a'}": 2, "{'name': 'b'}": 1, str(dict(OVERFLOW)): 3}


def test_what_others_keep_is_read_when_it_is_asked_for() -> None:
    numbers = [1]
    observed = Observed("o", "gauge", "{x}", "", lambda: [({}, numbers[0])])
    numbers[0] = 5
    assert [point.value for point in observed.family().points] == [5]
