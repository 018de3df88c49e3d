"""The site: the executed notebooks and the docs as pages with navigation and search, which fetch nothing from anywhere.

    python -m tools.book [--out build/book]

It executes nothing: notebooks are shown as they are stored. `contents.py` finds the pages, `render.py` makes HTML of
markdown and cells, `layout.py` puts navigation around it, `check.py` follows every link; a broken one ends the build.
"""
