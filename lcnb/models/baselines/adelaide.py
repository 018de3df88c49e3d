"""Adelaide: Wu, Shen, van den Hengel, "High-performance Semantic Segmentation Using Very Deep Fully Convolutional
Networks", arXiv 1604.04339 (79.1 on the test set of VOC 2012, the entry that the paper's tables name Adelaide).

Shape letters: B images, K classes, h, w the 1/8 grid, H, W pixels.

A fully convolutional ResNet at stride 8, with a large field of view in its classifier. That paper compares 50, 101 and
152 layers and several fields of view. Ours, because we could not settle which of them scored 79.1: the deepest, 152
layers, and the classifier of the same authors' later release (github itijyou/ademxapp, `fcrna_model_a1`): a 3x3
convolution to 512 channels and a 3x3 one to the classes, both dilated by 12. `depth=101` without that hidden layer
would cost what DeepLab-v2 costs, so the true count lies between the two.

The Adelaide of the paper's Cityscapes table (71.6) is another network (Lin et al., arXiv 1504.01013: piecewise
training of a CRF on VGG-16); the deck gives neither a time.
"""

from __future__ import annotations

from torch import Tensor, nn

from lcnb.models.baselines.resnet import resnet
from lcnb.models.baselines.vgg import channels, conv_norm_relu

HIDDEN, RATE = 512, 12


class Adelaide(nn.Module):
    """Adelaide's very deep network with random weights, for its cost and its speed only.

    Args:
        num_classes: K.
        width: factor on all channels but the classes.
        depth: of the ResNet.

    Example:
        >>> Adelaide(21)(torch.rand(1, 3, 512, 512)).shape
        torch.Size([1, 21, 64, 64])
    """

    def __init__(self, num_classes: int = 21, width: float = 1.0, depth: int = 152) -> None:
        super().__init__()
        self.backbone, outputs = resnet(depth, width)
        hidden = channels(HIDDEN, width)
        self.classifier = nn.Sequential(
            conv_norm_relu(outputs, hidden, 3, RATE, RATE),
            nn.Conv2d(hidden, num_classes, 3, padding=RATE, dilation=RATE),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, K, h, w) logits."""
        return self.classifier(self.backbone(x))
