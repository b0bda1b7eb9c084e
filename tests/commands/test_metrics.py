"""`leuko metrics`."""

from tests.commands.conftest import Leuko, read


def test_metrics_are_told_by_how_they_begin(leuko: Leuko) -> None:
    lines = leuko("metrics", "leuko_redis").stdout.splitlines()
    assert lines and all(line.startswith("leuko_redis") for line in lines)
    assert read(leuko("metrics", "leuko_redis", "-o", "json")) == lines
    everything = leuko("metrics").stdout
    assert "leuko_build" in everything and "#" not in everything
    assert "no metric begins with leuko_none" in leuko("metrics", "leuko_none", code=1).stderr
