"""Fill in the texts of the folder to take home: README and testbench."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined


def render(name: str, **values: object) -> str:
    """The template ``name`` of templates/ with its values."""
    return _environment().get_template(name).render(values)


def code(name: object) -> str:
    """A name as code of Markdown, also in a table's cell, whatever stands in it."""
    text = "".join(letter if letter.isprintable() else " " for letter in str(name))
    if text.strip() == text != "" and not set("|`\\") & set(text):
        return f"`{text}`"
    # A bar ends a cell in code, too; references of HTML mean letters and nothing else.
    return f"<code>{''.join(letter if letter.isalnum() else f'&#{ord(letter)};' for letter in text)}</code>"


@cache
def _environment() -> Environment:
    environment = Environment(loader=PackageLoader("ultralow.synthesis"), undefined=StrictUndefined, trim_blocks=True,
                              lstrip_blocks=True, keep_trailing_newline=True)
    environment.filters["code"] = code
    environment.filters["count"] = lambda number: f"{number:,}"
    environment.filters["short"] = lambda number: f"{number:g}"
    # No digit that a double has is lost.
    environment.filters["precise"] = lambda number: repr(float(number)).removesuffix(".0")
    return environment
