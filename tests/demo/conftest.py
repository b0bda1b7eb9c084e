from collections.abc import Iterator

import pytest

from tests.demo.serving import models, served


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    """The root of a server with the stub models."""
    with served(models()) as url:
        yield url
