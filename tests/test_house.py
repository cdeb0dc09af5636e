"""Check the layout of the package: rooms, directions of imports, sizes, first lines."""

import ast
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "lib" / "ultralow"
# Each row may import the rows before it; rooms of one row may import each other in one direction.
ROWS = (("errors", "files", "npz", "csvfile", "fixed_point", "metrics", "device"), ("data", "networks", "exact"),
        ("training", "circuit"), ("importing",), ("synthesis",), ("study",), ("report",), ("cli", "__init__"))
LEVEL = {room: level for level, row in enumerate(ROWS) for room in row}
ROOMS = {room for row in ROWS[1:-1] for room in row}
MOST_LINES, MOST_PARAMETERS, MOST_WIDTH = 400, 7, 130


@cache
def sources() -> dict[str, tuple[str, ast.Module]]:
    """Text and syntax tree of every module by its name within the package; a package by its folder's name."""
    parsed = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        text = path.read_text(encoding="utf-8")
        parsed[".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)] = text, ast.parse(text)
    return parsed


def room(module: str) -> str:
    return module.partition(".")[0]


def resolved(name: str) -> str | None:
    """The module of the package that the dotted ``name`` means, or lies in; None outside of the package."""
    if room(name) != "ultralow":
        return None
    parts = name.split(".")[1:]
    while parts and ".".join(parts) not in sources():
        parts.pop()
    return ".".join(parts) or "__init__"


@cache
def imports(module: str) -> frozenset[str]:
    """The modules of the package that ``module`` imports anywhere: in functions, for type checking, by import_module."""
    tree, names = sources()[module][1], set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: line {node.lineno} is a relative import; write it in full"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            # The names may stand in a table: every text of the module that looks like one counts.
            names |= {text.value.replace(":", ".") for text in ast.walk(tree) if isinstance(text, ast.Constant)
                      and isinstance(text.value, str) and text.value.startswith("ultralow.") and " " not in text.value}
    return frozenset(target for name in names if (target := resolved(name)) is not None) - {module}


def edges() -> set[tuple[str, str]]:
    return {(module, target) for module in sources() for target in imports(module)}


def cyclic(graph: dict[str, set[str]]) -> set[str]:
    """The nodes from which a way leads back to themselves."""
    def reachable(start: str) -> set[str]:
        seen, waiting = set(), list(graph[start])
        while waiting:
            if (node := waiting.pop()) not in seen:
                seen.add(node)
                waiting += graph[node]
        return seen

    return {start for start in graph if start in reachable(start)}


def test_the_package_has_nine_rooms_and_few_files():
    shown = [path for path in PACKAGE.iterdir() if path.name != "__pycache__"]
    folders, files = {path.name for path in shown if path.is_dir()}, {path.name for path in shown if path.is_file()}
    assert folders == ROOMS
    assert {Path(name).stem for name in files} <= set(LEVEL) - ROOMS
    assert len(files) <= 10
    assert all((PACKAGE / name / "__init__.py").is_file() for name in folders)


def test_nothing_imports_upwards():
    upward = {(module, target) for module, target in edges()
              if LEVEL.get(room(module), 0) < LEVEL.get(room(target), 0) or room(target) == "__init__"}
    assert not upward


def test_no_two_rooms_of_one_row_import_each_other():
    graph = {name: set() for name in LEVEL}
    for module, target in edges():
        if room(module) in ROOMS and room(target) != room(module) and LEVEL[room(module)] == LEVEL.get(room(target)):
            graph[room(module)].add(room(target))
    assert not cyclic(graph), graph


def test_no_modules_import_each_other_in_a_circle():
    circle = cyclic({module: imports(module) for module in sources()})
    assert not circle


def test_modules_are_short():
    lines = {module: text.splitlines() for module, (text, _) in sources().items()}
    assert {module for module, content in lines.items() if len(content) > MOST_LINES} == set()
    wide = {f"{module}:{number}" for module, content in lines.items()
            for number, line in enumerate(content, 1) if len(line) > MOST_WIDTH}
    assert not wide


def test_the_first_line_of_a_module_says_what_it_does():
    first = {module: ast.get_docstring(tree) for module, (text, tree) in sources().items() if text.strip()}
    assert {module for module, text in first.items() if not text} == set()
    assert {module for module, text in first.items() if text.startswith("Knows")} == set()


def test_no_function_takes_more_than_seven_parameters():
    many = set()
    for module, (_, tree) in sources().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                if len([argument for argument in every if argument.arg not in ("self", "cls")]) > MOST_PARAMETERS:
                    many.add(f"{module}:{node.name}")
    assert not many
