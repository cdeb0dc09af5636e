"""Read a study file: its text as plain values (no objects, nothing twice, nothing by reference), and those as settings."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import yaml
from pydantic import ValidationError

from ultralow.files import read_text
from ultralow.errors import StudyError, unknown
from ultralow.study.schema import Settings
from ultralow.study.sections import Ablations, Area, Data, Override, Rows, Search

LARGEST = 4 << 20  # bytes: a thousand networks take 50,000
MOST_FAULTS = 10  # that one message tells
_BOOL = "tag:yaml.org,2002:bool"
# What YAML makes of names without quotes; true and false are integers to Python, too.
_READ_AS = ((bool, "true or false"), ((int, float), "a number"), (date, "a date"), (type(None), "nothing"))


def settings(path: str | Path) -> Settings:
    """What a study file asks for.

    Raises:
        StudyError: it is not YAML, or holds an unknown key or name; all faults are named at once.
        FileNotFoundError: there is none.
    """
    content = read(path)
    try:
        return Settings.model_validate(content)
    except StudyError as error:
        raise StudyError(f"study file {path}: {error}") from None
    except ValidationError as error:
        raise StudyError(f"study file {path}: " + "; ".join(_sentences(error.errors()))) from None


def read(path: str | Path) -> dict:
    """Keys and values of a study file.

    Raises:
        StudyError: it cannot be read, is not YAML, names a key twice, uses aliases, or holds no keys.
        FileNotFoundError: there is none.
    """
    try:
        loader = _Loader(read_text(path, LARGEST))
        try:
            node = loader.get_single_node()
            content = None if node is None else loader.construct_document(node)
        finally:
            loader.dispose()
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
    if fault := _wrong_class(node):
        raise StudyError(f"study file {path}: {fault}")
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


def _wrong_class(node: yaml.Node) -> str | None:
    """What is said of a class that is no or yes without quotes, which YAML reads as false or true; None: there is none."""
    for dataset, settings in _items(_value(node, "data")):
        classes = _value(settings, "classes")
        names = classes.value if isinstance(classes, yaml.SequenceNode) else ()
        wrong = [one.value for one in names if one.tag == _BOOL and one.value.lower() not in ("true", "false")]
        if wrong:
            meant = " and ".join(str(yaml.SafeLoader.bool_values[value.lower()]).lower() for value in wrong)
            return (f"data.{dataset}.classes: YAML takes {' and '.join(wrong)} for {meant}; put them in quotes: "
                    f"[{', '.join(json.dumps(str(one.value), ensure_ascii=False) for one in names)}]. For a column of booleans "
                    "take true and false")
    return None


def _items(node: yaml.Node | None) -> list[tuple[str, yaml.Node]]:
    return [(str(key.value), value) for key, value in node.value] if isinstance(node, yaml.MappingNode) else []


def _value(node: yaml.Node | None, key: str) -> yaml.Node | None:
    return next((value for name, value in _items(node) if name == key), None)


def _sentences(faults: list[dict]) -> list[str]:
    """The first faults, of which one may bring many others."""
    more = [f"and {len(faults) - MOST_FAULTS} more"] if len(faults) > MOST_FAULTS else []
    return [*(text if len(text) < 1000 else f"{text[:1000]} …" for text in map(_sentence, faults[:MOST_FAULTS])), *more]


def _sentence(fault: dict) -> str:
    """One pydantic fault as a sentence; unknown keys get the nearest valid ones."""
    *path, key = fault["loc"] or ("",)
    where = ".".join(map(str, (*path, key)))
    if fault["type"] == "extra_forbidden":
        parts = {"data": Data, "rows": Rows, "networks": Override, "ablations": Ablations, "search": Search, "area": Area}
        model = parts.get(path[0], Settings) if path else Settings
        kind = f"key in {'.'.join(map(str, path))}" if path else "key"
        return str(unknown(kind, key, model.model_fields))
    value = fault.get("input")
    if fault["type"] == "string_type" and (kind := next((words for of, words in _READ_AS if isinstance(value, of)), None)):
        return (f"{where}: {fault['msg']}, and YAML reads {kind} there; put a name in quotes that looks like one (\"no\", "
                "\"on\", \"null\", \"1.5\", \"2024-01-01\")")
    return f"{where}: {fault['msg']}"
