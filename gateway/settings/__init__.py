"""What an operator may set, where it is read from, and the secrets made and kept where none were set.

Read in `app` and `cli` only: everything else takes plain constructor arguments.
"""

from gateway.settings.kept import Secrets, check_kept, resolve_secrets
from gateway.settings.model import ProviderSettings, Settings, Timeouts
from gateway.settings.names import SettingsError
from gateway.settings.shapes import is_loopback
from gateway.settings.sources import load
from gateway.settings.table import settings_table
from gateway.settings.yaml_file import read_yaml

__all__ = [
    "ProviderSettings",
    "Secrets",
    "Settings",
    "SettingsError",
    "Timeouts",
    "check_kept",
    "is_loopback",
    "load",
    "read_yaml",
    "resolve_secrets",
    "settings_table",
]
