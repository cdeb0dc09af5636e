"""Digest the code that a function reaches: not where it stands, nor its comments, docstrings, annotations and messages.

A definition (function, class or constant of a module) is reached if one that is reached names it. Its text is the normalised
syntax tree, and a digest is over the set of texts: moving a definition to another module, renaming modules and changing imports
leave it as it is.
"""

from __future__ import annotations

import ast
import copy
import hashlib
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "lib" / "ultralow"
_LOGS = ("log", "_log", "self._log")
_FILES = {".v"}  # of the package, whose names stand in the code that reads them


def digest(*entries: str) -> str:
    """SHA-256 over what the functions reach; an entry is "training.train:train"."""
    return hashlib.sha256("\n".join(sorted(texts(*entries))).encode()).hexdigest()


def texts(*entries: str) -> set[str]:
    """The normalised text of each definition that the functions reach."""
    found, seen, waiting = set(), set(), []
    for entry in entries:
        module, _, name = entry.partition(":")
        at = _member(module, name) if module in _modules() else None
        if at is None:
            raise KeyError(f"there is no {entry}: mend the entries of the version lock (tests/support/relock.py)")
        waiting.append(at)
    while waiting:
        at = waiting.pop()
        if at in seen:
            continue
        seen.add(at)
        for node in _modules()[at[0]].definitions[at[1]]:
            text, names = _normalised(at[0], node)
            found.add(text)
            waiting += names
        waiting += _registered().get(at, ())
    return found


class _Module:
    """The definitions of a module by name, and what its imports mean."""

    def __init__(self, tree: ast.Module):
        self.definitions: dict[str, list[ast.stmt]] = {}
        self.imports: dict[str, str] = {}
        for number, node in enumerate(tree.body):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                # Implementations of a single dispatch are all called "_".
                name = f"_{number}" if node.name == "_" else node.name
                self.definitions.setdefault(name, []).append(node)
            elif isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
                for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                    for part in ast.walk(target):
                        if isinstance(part, ast.Name):
                            self.definitions.setdefault(part.id, []).append(node)
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                self.imports |= {alias.asname or alias.name: alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                self.imports |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}


@cache
def _modules() -> dict[str, _Module]:
    modules = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        modules[name] = _Module(ast.parse(path.read_text(encoding="utf-8")))
    return modules


@cache
def _registered() -> dict[tuple[str, str], list[tuple[str, str]]]:
    """By the function of a single dispatch its implementations, wherever they stand."""
    found: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for module, content in _modules().items():
        for name, nodes in content.definitions.items():
            for node in nodes:
                for decorator in getattr(node, "decorator_list", ()):
                    called = decorator.func if isinstance(decorator, ast.Call) else decorator
                    if isinstance(called, ast.Attribute) and called.attr == "register":
                        if (of := _meaning(module, called.value)) and of[1]:
                            found.setdefault(of, []).append((module, name))
    return found


def _meaning(module: str, node: ast.expr) -> tuple[str, str] | None:
    """The (module, definition) of the package that an expression names; the definition is "" for a module itself."""
    if isinstance(node, ast.Name):
        content = _modules().get(module)
        if content is None:
            return None
        if node.id in content.definitions:
            return module, node.id
        return _dotted(content.imports.get(node.id, ""))
    if isinstance(node, ast.Attribute) and (of := _meaning(module, node.value)) and not of[1]:
        return _member(of[0], node.attr)
    return None


def _dotted(name: str) -> tuple[str, str] | None:
    if name.partition(".")[0] != "ultralow":
        return None
    inner = name.partition(".")[2]
    if inner in _modules():
        return inner, ""
    module, _, member = inner.rpartition(".")
    return _member(module, member) if module in _modules() else None


def _member(module: str, name: str) -> tuple[str, str] | None:
    if f"{module}.{name}".strip(".") in _modules():
        return f"{module}.{name}".strip("."), ""
    content = _modules()[module]
    if name in content.definitions:
        return module, name
    return _dotted(content.imports.get(name, ""))


@cache
def _normalised(module: str, node: ast.stmt) -> tuple[str, tuple[tuple[str, str], ...]]:
    """The text of a definition, and the definitions that it names."""
    names: list[tuple[str, str]] = []
    bare = _Bare(module, names).visit(copy.deepcopy(node))
    ast.fix_missing_locations(bare)
    text = ast.unparse(bare)
    for part in ast.walk(bare):
        if isinstance(part, ast.Constant) and isinstance(part.value, str) and Path(part.value).suffix in _FILES:
            text += "".join(path.read_text(encoding="utf-8") for path in sorted(PACKAGE.rglob(Path(part.value).name)))
    return text, tuple(dict.fromkeys(names))


class _Bare(ast.NodeTransformer):
    """Takes off what gives no result, and notes the definitions that are named."""

    def __init__(self, module: str, names: list[tuple[str, str]]):
        self._module, self._names = module, names

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg):
            if argument is not None:
                argument.annotation = None
        return self._body(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return self._body(node)

    def _body(self, node):
        if ast.get_docstring(node) is not None:
            node.body = node.body[1:]
        self.generic_visit(node)
        node.body = node.body or [ast.Pass()]
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = ast.Constant(None)
        return self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> ast.AST:
        return ast.Pass()

    visit_ImportFrom = visit_Import

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        """What is raised, without its message."""
        raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        return ast.Raise(raised, None)

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        if isinstance(node.value, ast.Constant) or isinstance(node.value, ast.Call) and ast.unparse(node.value.func) in _LOGS:
            return ast.Pass()
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return self._named(node) or node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        return self._named(node) or self.generic_visit(node)

    def _named(self, node: ast.expr) -> ast.Name | None:
        """The name of the definition alone, whichever module it is reached through."""
        of = _meaning(self._module, node)
        if of is None or not of[1]:
            return None
        self._names.append(of)
        return ast.Name(of[1], ast.Load())
