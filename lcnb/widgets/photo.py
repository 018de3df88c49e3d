"""The reader's own photograph in the explorer."""

from __future__ import annotations

import html
from collections.abc import Sequence

import ipywidgets as ipw
from torch import Tensor

from lcnb.datasets.images import decode_photo
from lcnb.errors import DataError
from lcnb.models import LayerCascade
from lcnb.widgets.explorer import ThresholdExplorer


class PhotoExplorer(ipw.VBox):
    """An upload button; the explorer appears with the first photograph.

    Args:
        cascade, classes, rho: as for `ThresholdExplorer`.
        others: further cascades as `lcnb.load` returns them, with name and classes in `.meta`; a menu then chooses the
            network that sees the photograph.
    """

    def __init__(
        self, cascade: LayerCascade, classes: Sequence[str], rho: float, others: Sequence[LayerCascade] = ()
    ) -> None:
        self.rho = rho
        self.image: Tensor | None = None
        self.upload = ipw.FileUpload(accept="image/*", multiple=False, description="choose a photograph")
        self.upload.layout.width = "220px"
        self.message = ipw.HTML("No photograph yet. It stays on this machine.")
        self.upload.observe(lambda change: self.take(change["new"]), "value")
        choices = [
            (cascade.meta.get("name", "network"), (cascade, classes)),
            *((other.meta["name"], (other, other.meta["classes"])) for other in others),
        ]
        self.menu = ipw.Dropdown(options=choices, description="network")
        self.menu.style.description_width = "86px"
        self.menu.observe(lambda change: self._show(), "value")
        self._above = [*([self.menu] if others else []), self.upload, self.message]
        super().__init__(self._above)

    def take(self, files: Sequence[dict]) -> None:
        """Show the uploaded file, or say in a sentence why not."""
        if not files:
            return
        name = str(files[0]["name"])
        try:
            self.image = decode_photo(bytes(files[0]["content"]), name)
        except DataError as error:
            self.message.value = f'<span role="alert">{html.escape(str(error))}.</span>'
            return
        self.message.value = f"{html.escape(name)}, shown at {self.image.shape[2]}x{self.image.shape[1]} pixels."
        self._show()

    def _show(self) -> None:
        """The photograph, if there is one yet, in an explorer of the chosen network."""
        if self.image is not None:
            cascade, classes = self.menu.value
            self.children = [*self._above, ThresholdExplorer(cascade, [self.image], classes, self.rho)]
