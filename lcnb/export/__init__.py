"""The threshold slider for a browser: for a widget, a fragment of HTML, or a page of its own that fetches nothing."""

from lcnb.export.slider import MODULE, STYLE, canvas_slider, fragment, slider_data, standalone, still
from lcnb.export.view import RHOS, CachedView, cached_view

__all__ = [
    "MODULE",
    "RHOS",
    "STYLE",
    "CachedView",
    "cached_view",
    "canvas_slider",
    "fragment",
    "slider_data",
    "standalone",
    "still",
]
