"""The price file that the settings name."""

from gateway.pricing.own import NONE, OwnPrices, read_prices
from gateway.settings.model import Settings
from gateway.settings.names import SettingsError
from gateway.settings.yaml_file import read_yaml


def load_prices(settings: Settings) -> OwnPrices:
    """The operator's own prices. Raises SettingsError, naming file, place, value and what is allowed."""
    if settings.prices_file is None:
        return NONE
    try:
        return read_prices(read_yaml(settings.prices_file))
    except ValueError as error:
        raise SettingsError([f"{settings.prices_file}: {error}"]) from None
