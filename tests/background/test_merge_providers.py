"""Providers of the settings and those made over the API, together."""

from collections.abc import Callable, Sequence

from gateway.background.merge_providers import MergeProviders
from gateway.model.route import Route
from gateway.store.providers import MadeProvider
from gateway.upstream.providers import Provider, Providers


class Made:
    """What `MadeProviders` tells."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def all(self) -> list[MadeProvider]:
        return [MadeProvider(name, "https://made.example", "anthropic") for name in self.names]

    def on_change(self, listener: Callable[[], None]) -> None:
        self.change = listener


def make(made: MadeProvider) -> Provider:
    return Provider(made.name, made.url, made.dialect, private_ok=False)


def build(*configured: str) -> Callable[[Sequence[Provider]], Providers]:
    return lambda more: Providers(named=[*(Provider(name, "https://set.example") for name in configured), *more])


def test_both_are_in_force_and_the_settings_win() -> None:
    made, published = Made("one", "two"), []
    merging = MergeProviders(made, build("one"), make, published.append)  # type: ignore[arg-type]
    assert [published[-1].by_name[name].url for name in ("one", "two")] == [
        "https://set.example",
        "https://made.example",
    ]
    made.names = ("two", "three")
    made.change()
    assert {"one", "two", "three"} <= published[-1].by_name.keys()
    merging.use(build(), make)
    assert "one" not in published[-1].by_name and published[-1].by_name["two"].endpoint.private_ok is False


def test_one_that_cannot_work_any_more_does_not_keep_out_the_others() -> None:
    made, published = Made("no good", "two"), []
    MergeProviders(made, build(), make, published.append)  # type: ignore[arg-type]
    assert "two" in published[-1].by_name and "no good" not in published[-1].by_name


def test_none_that_was_made_gets_the_keys_of_callers() -> None:
    made, published = Made("claude"), []
    MergeProviders(made, build(), make, published.append)  # type: ignore[arg-type]
    providers, messages = published[-1], Route("messages", "/messages")
    assert "claude" in providers.by_name
    assert providers.default_for(messages).url == providers.choose(messages, "m").url == "https://api.anthropic.com"
