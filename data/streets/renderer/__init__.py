"""Procedural, path-traced street scenes with exact labels: the source of ``data/streets``.

Nothing in ``lcnb`` imports this package. It needs Blender as a Python module (``bpy``); see README.md.
"""

VERSION = "1.0"
