"""Sphinx configuration."""

project = "operax"
author = "The operax developers"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
html_theme = "alabaster"
myst_enable_extensions = ["dollarmath", "colon_fence"]
