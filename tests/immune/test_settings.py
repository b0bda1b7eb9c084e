from gateway.immune.settings import DEFAULT, Immune, LoopLimits, MetricSettings, settings_of


def test_without_documents_they_are_the_defaults() -> None:
    assert settings_of([]) == DEFAULT == Immune()
    assert DEFAULT.metric("latency") == MetricSettings()


def test_the_most_specific_document_has_the_last_word_on_each_member() -> None:
    settings = settings_of(
        [
            {"mode": "warn", "approve_above": 6.0, "metrics": {"latency": {"z": 6.0}, "cost": {"z": 9.0}}},
            {"fleet": {"window_seconds": 30.0, "alarm_rate": 0.02}},
            {"fleet": {"window_seconds": 20.0}},
            {"mode": "enforce", "drain_seconds": 5.0, "metrics": {"latency": {"enabled": False}}},
        ],
        LoopLimits(block_at=8),
    )
    assert (settings.mode, settings.approve_above, settings.drain_seconds) == ("enforce", 6.0, 5.0)
    assert settings.metric("latency") == MetricSettings(enabled=False, z=6.0)
    assert (settings.fleet.window_seconds, settings.fleet.alarm_rate) == (20.0, 0.02)
    assert settings.metric("cost").z == 9.0 and settings.loops.block_at == 8
