"""A file's YAML or JSON document, or what is wrong with it."""

from pathlib import Path

import yaml

from gateway.settings.names import SettingsError


class _Loader(yaml.SafeLoader):
    """Refuses a mapping that has a key twice, which YAML forbids and PyYAML lets pass."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for name in names:
            if names.count(name) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"{name!r} is there twice", node.start_mark)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> object:
    """A file's YAML or JSON document. Raises SettingsError, naming the file and the place in it."""
    try:
        return yaml.load(path.read_text("utf-8"), _Loader)
    except OSError as error:
        raise SettingsError([f"{path}: cannot be read: {error.strerror}"]) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError([f"{path}: is not YAML: {' '.join(str(error).split())}"]) from None
