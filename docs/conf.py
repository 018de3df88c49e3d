"""The site: stored notebooks, docs and the API reference, by Sphinx. `make book` builds it; nothing is executed.

The source folder is the repository, so a relative link means the same here and in a checkout.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote

from docutils import nodes
from myst_nb.core.render import MimeData, NbElementRenderer
from sphinx import addnodes
from sphinx.application import Sphinx

from lcnb.paths import REPOSITORY
from lcnb.running.pages import mathml

BRANCH = "main"
CONTENTS = {
    "Lessons": ("notebooks/[0-9]*",),
    "Solutions": ("notebooks/solutions/*",),
    "Quizzes": ("docs/quiz/*",),
    "Background": ("docs/reproduction", "docs/cascade-training", "docs/performance", "docs/teaching", "docs/[b-z]*"),
    "The package": ("docs/architecture", "docs/api"),
    "Data and numbers": ("data/**", "docs/results/README"),
    "Project": ("CONTRIBUTING", "CHANGELOG"),
}
"""The navigation. A page that it misses, or a link that leads nowhere, is a warning, and warnings end the build."""

PHOTO = Path(__file__).parents[1] / "build" / "extra" / "photo" / "index.html"
"""The page that runs the network in the browser, where `tools.photo_page` could build it."""
OWN = {"docs/slider.html": "slider", "docs/photo/index.html": "photo/index"}

project = "lcnb"
root_doc = "README"
include_patterns = ["*.md", "docs/**.md", "docs/api/*.rst", "data/**.md", "notebooks/**.ipynb"]
exclude_patterns = ["**/.*", ".*", "build", "dist", "runs"]
extensions = ["myst_nb", "sphinx.ext.autosummary", "sphinx.ext.napoleon", "sphinx_copybutton"]
templates_path = [str(Path(__file__).with_name("_templates"))]
default_role = "code"

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3  # with GitHub's names
nb_execution_mode = "off"
nb_merge_streams = True
nb_render_markdown_format = "myst"  # tables and formulas in outputs too

autosummary_ignore_module_all = False
napoleon_use_ivar = True  # an attribute is described once
autodoc_preserve_defaults = True
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 80

html_theme = "sphinx_book_theme"
html_title = "lcnb"
html_extra_path = ["slider.html", *(["../build/extra"] if PHOTO.exists() else [])]
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_context = {"default_mode": "auto"}  # light or dark as the reader's system
html_math_renderer = "mathml"
html_theme_options: dict[str, Any] = {
    "home_page_in_toc": True,
    "navbar_persistent": [],
    "footer_content_items": [],
}
if REPOSITORY:
    html_theme_options |= {
        "repository_url": REPOSITORY.removesuffix(".git"),
        "repository_branch": BRANCH,
        "use_repository_button": True,
        "launch_buttons": {
            "binderhub_url": "https://mybinder.org",
            "colab_url": "https://colab.research.google.com",
            "notebook_interface": "jupyterlab",
        },
    }


def address(path: str) -> str | None:
    """Where a file or folder of the repository is shown (GitHub's form of an address); None without an address."""
    return f"{REPOSITORY.removesuffix('.git')}/blob/{BRANCH}/{quote(path)}" if REPOSITORY else None


def source_read(app: Sphinx, name: str, source: list[str]) -> None:
    """Gives the README the navigation, and hides the notebooks' cell that installs lcnb."""
    if name == root_doc:
        for caption, pages in CONTENTS.items():
            entries = "\n".join(pages)
            source[0] += f"\n```{{toctree}}\n:caption: {caption}\n:hidden:\n:glob:\n\n{entries}\n```\n"
    elif name.startswith("notebooks/"):
        source[0] = source[0].replace('"bootstrap"', '"remove-cell"')


def link_files(app: Sphinx, doctree: nodes.document) -> None:
    """Opens the pages that are not Sphinx's, and shows other files in the repository, if it has an address.

    Without one they are copied into the site, to download.
    """
    here = app.env.docname
    for node in list(doctree.findall(addnodes.download_reference)):
        path = app.env.relfn2path(node["reftarget"], here)[0]
        if path == "docs/photo/index.html" and not PHOTO.exists():
            node.replace_self(node.children)
        elif uri := app.builder.get_relative_uri(here, page) if (page := OWN.get(path)) else address(path):
            node.replace_self(nodes.reference("", "", *node.children, refuri=uri, internal=bool(page)))


def render_image(self: NbElementRenderer, data: MimeData, plain: Any = NbElementRenderer.render_image) -> list[Any]:
    """myst-nb's, with the alternative text that `lcnb.plots.show` stores in the output's metadata."""
    (image,) = plain(self, data)
    image["alt"] = data.output_metadata.get(data.mime_type, {}).get("alt", "")
    return [image]


def visit_math(self: Any, node: nodes.math) -> NoReturn:
    """Inline MathML."""
    self.body.append(mathml(node.astext(), "inline"))
    raise nodes.SkipNode


def visit_math_block(self: Any, node: nodes.math_block) -> NoReturn:
    """MathML on a line of its own."""
    self.body.append(f'<div class="math">{mathml(node.astext(), "block")}</div>')
    raise nodes.SkipNode


def front_page(app: Sphinx, error: Exception | None) -> None:
    """The README is also index.html."""
    if error is None:
        shutil.copyfile(Path(app.outdir, "README.html"), Path(app.outdir, "index.html"))


def setup(app: Sphinx) -> None:
    """Sphinx calls it."""
    NbElementRenderer.render_image = render_image
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math_block, None))
    app.connect("source-read", source_read)
    app.connect("doctree-read", link_files, priority=400)  # before Sphinx collects what is to be downloaded
    app.connect("build-finished", front_page)
