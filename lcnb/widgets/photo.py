"""The reader's own photograph in the explorer."""

from __future__ import annotations

import html
from collections.abc import Sequence

import ipywidgets as ipw

from lcnb.datasets.photo import decode_photo
from lcnb.errors import DataError
from lcnb.models import LayerCascade
from lcnb.widgets.explorer import ThresholdExplorer


class PhotoExplorer(ipw.VBox):
    """An upload button; the explorer appears with the first photograph.

    Args:
        cascade, classes, rho: as for `ThresholdExplorer`.
    """

    def __init__(self, cascade: LayerCascade, classes: Sequence[str], rho: float) -> None:
        self.cascade, self.classes, self.rho = cascade, classes, rho
        self.upload = ipw.FileUpload(accept="image/*", multiple=False, description="choose a photograph")
        self.upload.layout.width = "220px"
        self.message = ipw.HTML("No photograph yet. It stays on this machine.")
        self.upload.observe(lambda change: self.take(change["new"]), "value")
        super().__init__([self.upload, self.message])

    def take(self, files: Sequence[dict]) -> None:
        """Show the uploaded file, or say in a sentence why not."""
        if not files:
            return
        name = str(files[0]["name"])
        try:
            image = decode_photo(bytes(files[0]["content"]), name)
        except DataError as error:
            self.message.value = f'<span role="alert">{html.escape(str(error))}.</span>'
            return
        self.message.value = f"{html.escape(name)}, shown at {image.shape[2]}x{image.shape[1]} pixels."
        self.children = [
            self.upload,
            self.message,
            ThresholdExplorer(self.cascade, [image], self.classes, self.rho),
        ]
