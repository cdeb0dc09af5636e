"""Knows how the text of a study file becomes plain values: no objects, nothing twice, nothing by reference."""

from __future__ import annotations

from pathlib import Path

import yaml

from ultralow.files import read_text
from ultralow.errors import StudyError

LARGEST = 4 << 20  # bytes: a thousand networks take 50,000


def read(path: str | Path) -> dict:
    """Keys and values of a study file.

    Raises:
        StudyError: it cannot be read, is not YAML, names a key twice, uses aliases, or holds no keys.
        FileNotFoundError: there is none.
    """
    try:
        content = yaml.load(read_text(path, LARGEST), Loader=_Loader)
    except (FileNotFoundError, StudyError):
        raise
    except OSError as error:
        raise StudyError(f"study file {path} cannot be read: {error.strerror}") from None
    except RecursionError:
        raise StudyError(f"study file {path} is nested too deep; see config/quick.yaml for an example") from None
    except Exception as error:  # PyYAML's own, and Python's of numbers and dates that are none
        raise StudyError(f"study file {path} is not YAML: {error}") from None
    if not isinstance(content, dict):
        raise StudyError(f"study file {path} must hold keys and values; see config/quick.yaml for an example")
    return content


class _Loader(yaml.SafeLoader):
    """A safe loader makes no objects. A few aliases of aliases are gigabytes; of two equal keys one is lost."""

    def compose_node(self, parent, index):
        if self.check_event(yaml.events.AliasEvent):
            event = self.peek_event()
            raise yaml.composer.ComposerError(None, None, f"alias *{event.anchor}: write out what it stands for",
                                              event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node, deep=False):
        seen = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key.value!r} is there twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)
