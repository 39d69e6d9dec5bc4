"""A ResNet with the structure and names of torchvision's, as users define them."""

from torch import nn

LAYERS = {18: (2, 2, 2, 2), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}


def norm_of(channels):
    return nn.BatchNorm2d(channels)


class Block(nn.Module):
    """A basic block, or a bottleneck with the stride in its second convolution."""

    def __init__(self, inputs, width, stride, bottleneck):
        super().__init__()
        outputs = 4 * width if bottleneck else width
        sizes = (1, 3, 1) if bottleneck else (3, 3)
        widths = (inputs, width, width, outputs) if bottleneck else (inputs, width, width)
        for i, size in enumerate(sizes, 1):
            step = stride if i == (2 if bottleneck else 1) else 1
            setattr(self, f'conv{i}', nn.Conv2d(widths[i - 1], widths[i], size, step, size // 2, bias=False))
            setattr(self, f'bn{i}', norm_of(widths[i]))
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if stride > 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), norm_of(outputs))
        self.outputs = outputs

    def forward(self, x):
        identity = x if self.downsample is None else self.downsample(x)
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        if hasattr(self, 'conv3'):
            out = self.bn3(self.conv3(self.relu(out)))
        return self.relu(out + identity)


class UserResNet(nn.Module):
    """The network; ``classes=0``: it outputs its last map, as MMAction2's backbones do."""

    def __init__(self, depth=18, width=8, classes=0):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = norm_of(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        channels = width
        for stage, count in enumerate(LAYERS[depth]):
            blocks = []
            for i in range(count):
                blocks.append(Block(channels, width * 2**stage, 2 if stage and not i else 1, depth > 18))
                channels = blocks[-1].outputs
            setattr(self, f'layer{stage + 1}', nn.Sequential(*blocks))
        self.channels = channels
        self.fc = nn.Linear(channels, classes) if classes else None

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return x if self.fc is None else self.fc(x.mean((2, 3)))
