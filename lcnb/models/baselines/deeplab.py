"""DeepLab-v2: Chen, Papandreou, Kokkinos, Murphy, Yuille, arXiv 1606.00915 (ResNet-101, ASPP-L).

Shape letters: B images, K classes, h, w the 1/8 grid, H, W pixels.

ResNet-101 at stride 8 and four 3x3 convolutions to the classes at rates 6, 12, 18 and 24, summed. One scale and no
CRF, as where the Deep Layer Cascade paper gives it 140 ms (its table 3); three scales and a CRF are for the test
server (its table 6, 0.9 FPS). The released network rounds pooling up, which makes 65 cells of 513 pixels; here 512
pixels make 64 cells.
"""

from __future__ import annotations

from torch import Tensor, nn

from lcnb.models.baselines.resnet import resnet

RATES = (6, 12, 18, 24)


class DeepLabV2(nn.Module):
    """DeepLab-v2 with random weights, for its cost and its speed only.

    Args:
        num_classes: K.
        width: factor on all channels but the classes; 1 is the published network.

    Example:
        >>> DeepLabV2(21)(torch.rand(1, 3, 512, 512)).shape
        torch.Size([1, 21, 64, 64])
    """

    def __init__(self, num_classes: int = 21, width: float = 1.0) -> None:
        super().__init__()
        self.backbone, outputs = resnet(101, width)
        self.classifiers = nn.ModuleList(nn.Conv2d(outputs, num_classes, 3, padding=r, dilation=r) for r in RATES)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, K, h, w) logits."""
        features = self.backbone(x)
        first, *others = (classifier(features) for classifier in self.classifiers)
        for other in others:
            first = first + other
        return first
