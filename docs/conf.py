"""Sphinx configuration."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import reference
from docutils import nodes
from latex2mathml.converter import convert

reference.write()

project = "operax"
author = "The operax developers"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_build"]
html_theme = "alabaster"
html_theme_options = {"page_width": "1100px", "fixed_sidebar": True}
myst_enable_extensions = ["dollarmath", "colon_fence"]
autodoc_default_options = {"members": True, "special-members": "__call__"}
html_math_renderer = "mathml"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_display_short_literal_types = True
python_maximum_signature_line_length = 100


def shortened(text):
    """Annotations as they stand in the sources."""
    return text.replace("jaxtyping.", "").replace("jaxlib._jax.", "").replace("numpy.ndarray", "np.ndarray")


def signed(app, what, name, obj, options, signature, result):
    """Signatures with short annotations."""
    return signature and shortened(signature), result and shortened(result)


def escaped(app, what, name, obj, options, lines):
    """Bars are absolute values here and stars stand in shapes; reStructuredText would take both for markup."""
    for number, line in enumerate(lines):
        parts = line.split("``")
        parts[::2] = [part.replace("|", "\\|") for part in parts[::2]]
        lines[number] = "``".join(parts)
        if line.startswith(":type"):
            lines[number] = shortened(line).replace("*", "\\*")


def mathematics(self, node):
    """A formula as MathML, which browsers draw by themselves: the pages are read without a network."""
    block = isinstance(node, nodes.math_block)
    drawn = convert(node.astext(), display="block" if block else "inline")
    self.body.append(f'<div style="margin: 1em 0; overflow-x: auto">{drawn}</div>' if block else drawn)
    raise nodes.SkipNode


def setup(app):
    """Register the hooks; that of docstrings comes after their sections are read."""
    app.add_html_math_renderer("mathml", (mathematics, None), (mathematics, None))
    app.connect("autodoc-process-signature", signed)
    app.connect("autodoc-process-docstring", escaped, priority=900)
