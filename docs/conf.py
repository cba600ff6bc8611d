"""How Sphinx builds the site; ``nox -s docs`` runs it, and every warning is an error."""

from ytworker import __version__

project = "ytworker"
author = "The ytworker developers"
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.intersphinx",
    "sphinx.ext.viewcode",
    "sphinxcontrib.mermaid",
]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_fence_as_directive = ["mermaid"]
myst_heading_anchors = 3
intersphinx_mapping: dict[str, tuple[str, None]] = {}  # the build needs no network
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "show-inheritance": True}
napoleon_google_docstring = True
napoleon_use_ivar = True

html_theme = "furo"
html_show_copyright = False  # the licence stands in each distribution
html_title = f"ytworker {release}"
exclude_patterns = ["_build"]
