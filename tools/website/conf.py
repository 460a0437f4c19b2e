"""How Sphinx builds the site from the folder that make_site.py has filled."""

from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx

import hybridlib

project = "hybridlib"
author = "The hybridlib authors"
release = hybridlib.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
]
root_doc = "index"
nitpicky = True  # every name of ours that a docstring links to must exist
nitpick_ignore_regex = [
    (r"py:.*", r"(?!hybridlib\.).*"),
    (r"py:data", r".*"),  # constants and aliases of types have no entries
    (r"py:class", r"hybridlib\.model\.st_config\.Config"),
    (r"py:func", r"hybridlib\.(figures\.)?\w+"),  # short names: the entries stand under the modules
]

# Pages and notebooks. The notebooks were executed by the study.
myst_heading_anchors = 4
nb_execution_mode = "off"
nb_ipywidgets_js: dict[str, dict[str, str]] = {}  # the pages load nothing from elsewhere

# The reference. Docstrings are Google's style.
add_module_names = False  # the heading above has the module
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 80
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
autosummary_generate = False

html_theme = "pydata_sphinx_theme"
html_title = "hybridlib"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_domain_indices = False
html_show_sourcelink = False
html_show_sphinx = False
html_show_copyright = False
html_sidebars = {"index": []}
html_theme_options = {
    "header_links_before_dropdown": 6,
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "footer_start": [],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
}


def setup(app: Sphinx) -> None:
    """Show CSV as plain text: Pygments has no colours for it."""
    app.add_lexer("csv", TextLexer)
