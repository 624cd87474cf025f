"""Templates to text: Jinja with strict rules and the quoting filters. The only door to jinja2."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

import jinja2
from jinja2 import meta

from provision.host.workspace import PRODUCT, TEMPLATES
from provision.render import quoting


@lru_cache(maxsize=4)
def environment(folder: Path = TEMPLATES) -> jinja2.Environment:
    """The one Jinja environment of a template folder."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - scripts and YAML; the HTML report escapes by its own environment
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    # Jinja's own is for HTML: it writes <, > and & as escapes, which nobody can read in YAML.
    made.filters["tojson"] = json.dumps
    made.filters["ps"] = quoting.powershell
    made.filters["sh"] = quoting.shell
    made.filters["rb"] = quoting.ruby
    made.filters["rb_arguments"] = quoting.ruby_arguments
    return made


def render(template: str, **values: object) -> str:
    """The rendered text of ``templates/<template>``.

    Raises:
        jinja2.UndefinedError: the template asks for a value that was not given.
        ValueError: a value cannot be written as a literal of that shell.
    """
    return environment().get_template(template).render(**values)


def render_vagrantfile(**values: object) -> str:
    """The rendered text of ``Vagrantfile.j2``, which stands beside the package."""
    return environment(PRODUCT).get_template("Vagrantfile.j2").render(**values)


def render_page(template: str, **values: object) -> str:
    """An HTML page: every value is escaped.

    Raises:
        jinja2.UndefinedError: the template asks for a value that was not given.
    """
    made = environment().overlay(autoescape=True)
    return made.get_template(template).render(**values)


def parameters_of(template: str) -> frozenset[str]:
    """The names that a template, includes included, asks for; untaken branches too."""
    env = environment()
    assert env.loader is not None
    seen: set[str] = set()
    names: set[str] = set()
    todo = [template]
    while todo:
        current = todo.pop()
        if current in seen:
            continue
        seen.add(current)
        source, _, _ = env.loader.get_source(env, current)
        tree = env.parse(source)
        names |= meta.find_undeclared_variables(tree)
        todo += [name for name in meta.find_referenced_templates(tree) if name]
    return frozenset(names)
