"""The site of the documentation: `make docs` builds docs/_build/index.html by Sphinx from the Markdown of this folder and from docstrings."""

import importlib.metadata
import re

from sphinx.application import Sphinx

project = "videossl"
release = importlib.metadata.version("videossl")
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
html_theme = "furo"
html_title = "videossl"
html_copy_source = False
html_show_copyright = False
suppress_warnings = ["misc.highlighting_failure"]  # of commands with placeholders such as <class>


def plain(app: Sphinx, what: str, name: str, documented: object, options: object, lines: list[str]) -> None:
    """Docstrings are plain text: stars and bars are letters, what stands in backticks is code, and an indented line stays one."""
    parts = [line.split("`") for line in lines]
    marked = [
        "".join(f"``{part}``" if number % 2 else re.sub(r"([*|_\\])", r"\\\1", part) for number, part in enumerate(line)) for line in parts
    ]
    lines[:] = [f"| {line}" for line in marked] if any(line.startswith(" ") for line in lines) else marked


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", plain)
