"""Declare what a result depends on, and say in words what changed since it was made.

A result keeps its identity beside its numbers: the parts that decide it, as plain JSON, and the declared version of each
step and method that made it. Where the code stands, what it is called and how it is written are no part of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from ultralow import npz
from ultralow.errors import StudyError
from ultralow.files import canonical_json, write_json
from ultralow.networks.methods import FrontNetwork
from ultralow.networks.recipes import Recipe
from ultralow.networks.spec import NetworkSpec

# Raise a number when the step or method gives other results for the same settings: what was made with the old one is then
# made anew. tests/study/test_versions.py reminds of it whenever the code that a version stands for has changed.
VERSIONS = {
    "data": 1,
    "training": 2,
    "weight flips": 1,
    "additive tables": 1,
    "voting tables": 1,
    "boosted trees": 1,
    "learned tables": 1,
    "HGQ tables": 1,
    "HGQ dense": 1,
    "importing": 2,
    "search": 1,
    "conversion": 1,
    "synthesis": 2,
}

Parts = dict[str, object]


def versions(*names: str) -> dict[str, int]:
    """The declared version of each of ``names``, steps or methods."""
    return {name: VERSIONS[name] for name in names}


def training_versions(network: NetworkSpec, recipe: Recipe) -> dict[str, int]:
    """Versions of what trains a network with a recipe."""
    if isinstance(network, FrontNetwork):
        return versions(network.method.kind)
    return versions("training", *(["weight flips"] if recipe.refine else []))


def settings_of(network: NetworkSpec, recipe: Recipe) -> dict[str, object]:
    """Every field of the recipe that training such a network reads, those at their default too."""
    if isinstance(network, FrontNetwork):
        # All else is the method's, which the specification of the network holds.
        return {"epochs": recipe.epochs, "teacher": recipe.teacher, "distillation": recipe.distillation}
    return dict(vars(recipe))


def specification(network: NetworkSpec) -> dict[str, object]:
    """Every field of a network's catalogue entry; of a training method its kind and fields."""
    fields = dict(vars(network))
    if isinstance(network, FrontNetwork):
        fields["method"] = {"kind": network.method.kind, **vars(network.method)}
    return fields


def of_training(network: NetworkSpec, recipe: Recipe, data: Mapping[str, str], seed: int, backend: str,
                teacher: Mapping[str, str] | None = None, test: bool = True) -> Parts:
    """What one training run depends on.

    Args:
        data: SHA-256 of each array of the dataset (:attr:`ultralow.data.dataset.Dataset.sha256`, or data/<name>.json).
        teacher: name and SHA-256 (:func:`of_network`) of the recipe's teacher; None: there is none.
        test: whether the run is tested on the test part.
    """
    more = {} if isinstance(network, FrontNetwork) else {"backend": backend}  # the methods of the front choose their own
    return plain({"network": specification(network), "recipe": settings_of(network, recipe), "seed": seed, "data": dict(data),
                  "teacher": teacher, "tested": test, "versions": training_versions(network, recipe), **more})


def of_import(network: NetworkSpec, model_sha256: str, raw: bool, scaling: str | None, data: Mapping[str, str]) -> Parts:
    """What the results of a model that was trained elsewhere depend on.

    Args:
        raw: whether it takes features as they stand in the data's files.
        scaling: :func:`of_network` of the network file beside it, whose scaling of the features it takes; None: there is none.
        data: as :func:`of_training`.
    """
    return plain({"network": specification(network), "model": model_sha256, "raw": raw, "scaling": scaling, "data": dict(data),
                  "versions": versions("importing")})


def of_step(step: str, network: str, data: Mapping[str, str], **settings: object) -> Parts:
    """What the conversion or synthesis of a trained network depends on.

    Args:
        network: :func:`of_network` of the trained network.
        settings: what the step is asked for: rows, clock_ns, delay_constraint and the like.
    """
    return plain({"network": network, "data": dict(data), "settings": settings, "versions": versions(step)})


def of_network(path: str | Path) -> str:
    """SHA-256 over the values of a network file: how wide its integers are stored, and how it is packed, changes nothing.

    Raises:
        StudyError: the file is missing or damaged.
    """
    try:
        arrays = npz.read(path)
    except (ValueError, OSError) as error:
        raise StudyError(f"{path} is missing or damaged ({error}); run the training step again (`make study`)") from None
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        wide = array.astype(np.float64 if array.dtype.kind == "f" else np.int64) if array.dtype.kind in "biuf" else array
        digest.update(f"{name} {wide.dtype.str} {wide.shape}\n".encode())
        digest.update(np.ascontiguousarray(wide))
    return digest.hexdigest()


def write(table: Path, parts: Parts) -> None:
    """Writes the identity of a CSV table beside it: <name>.identity.json."""
    write_json(table.with_suffix(".identity.json"), {"identity": parts})


def digest(parts: Parts) -> str:
    """SHA-256 of an identity: a name for what belongs to it."""
    return hashlib.sha256(canonical_json(parts).encode()).hexdigest()


def plain(parts: Parts) -> Parts:
    """An identity as it comes out of its JSON file: lists for tuples, floats as they are written."""
    return json.loads(canonical_json(parts))


def differences(old: object, new: object) -> list[str]:
    """What differs between two identities, a part each: "recipe.epochs was 30 and is 40". Empty: they are the same."""
    if not isinstance(old, Mapping):
        return ["it does not say what it depends on: an earlier version made it"]
    return list(_differences(old, plain(new), ""))


def _differences(old: object, new: object, path: str) -> Iterator[str]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in dict.fromkeys((*old, *new)):
            where = f"{path}.{key}" if path else key
            if key not in old:
                yield f"{where} is new: {_short(new[key])}"
            elif key not in new:
                yield f"{where} was {_short(old[key])} and is no more"
            else:
                yield from _differences(old[key], new[key], where)
    elif old != new:
        yield f"{path} was {_short(old)} and is {_short(new)}"


def _short(value: object) -> str:
    """A value in few characters: the beginning of a checksum, of a long list or mapping."""
    text = json.dumps(value, ensure_ascii=False)
    if isinstance(value, str):
        text = f"{value[:12]}…" if len(value) == 64 and set(value) <= set("0123456789abcdef") else value
    return text if len(text) <= 60 else f"{text[:60]}…"
