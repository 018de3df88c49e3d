"""The threshold slider without a kernel: a fragment of HTML, or a page of its own, that fetches nothing."""

from lcnb.export.slider import canvas_slider, standalone
from lcnb.export.view import RHOS, CachedView, cached_view

__all__ = ["RHOS", "CachedView", "cached_view", "canvas_slider", "standalone"]
