"""Backbones, recognizers and heads."""

from pathlib import Path

from .registry import fault
from .toys import recognizer_config


@fault('TypeError: expected string or bytes-like object')
def train_from_scratch(folder: Path) -> None:
    import torch
    from mmaction.models import MobileNetV2TSM, ResNet3d, ResNetTSM, SwinTransformer3D

    torch.save({'conv1.weight': torch.full((64, 3, 7, 7), 2.0)}, folder / 'resnet.pth')
    pretrained = ResNetTSM(depth=18, pretrained=str(folder / 'resnet.pth'))
    pretrained.init_weights()
    assert (pretrained.conv1.conv.weight == 2).all()  # 2D weights still load

    ResNet3d(depth=18, pretrained=None).init_weights()
    MobileNetV2TSM(pretrained=None, widen_factor=0.1).init_weights()
    SwinTransformer3D('tiny', pretrained=None).init_weights()
    scratch = ResNetTSM(depth=18, pretrained=None)
    before = scratch.conv1.conv.weight.clone()
    scratch.init_weights()
    assert not torch.equal(scratch.conv1.conv.weight, before)


@fault("has no attribute 'get'")
def batch_test_views(folder: Path) -> None:
    import torch
    from mmaction.registry import MODELS
    from mmengine.registry import init_default_scope

    init_default_scope('mmaction')
    model = MODELS.build(recognizer_config(max_testing_views=8)).eval()
    views = torch.randn(1, 3 * 8, 3, 64, 64)
    in_batches, _ = model.extract_feat(views, test_mode=True)
    model.test_cfg = None
    at_once, _ = model.extract_feat(views, test_mode=True)
    assert torch.allclose(in_batches, at_once, atol=1e-5)


@fault('a map of each of 8 frames')
def refine_before_pooling(folder: Path) -> None:
    import torch
    from mmaction.registry import MODELS
    from mmengine.registry import init_default_scope

    init_default_scope('mmaction')

    class Doubling(torch.nn.Module):
        handle = None

        def attach(self, recognizer):
            if self.handle is None:
                self.handle = recognizer.backbone.register_forward_hook(lambda _, __, output: 2 * output)

        def forward(self, x, data_samples=None):
            raise TypeError(f'a map of each of {len(x)} frames')

    model = MODELS.build(dict(recognizer_config(), neck=dict(type=Doubling))).eval()
    frames = torch.randn(1, 8, 3, 64, 64)
    doubled, _ = model.extract_feat(frames)
    model.neck.handle.remove()
    assert torch.equal(doubled, 2 * model.extract_feat(frames)[0])


@fault('unsupported ScalarType BFloat16')
def score_in_float32(folder: Path) -> None:
    import torch
    from mmaction.models.heads import TSNHead
    from mmaction.structures import ActionDataSample

    head = TSNHead(num_classes=3, in_channels=4)
    losses = head.loss_by_feat(torch.eye(2, 3).bfloat16(), [ActionDataSample().set_gt_label(0)] * 2)
    assert losses['top1_acc'] == 0.5 and losses['loss_cls'].dtype == torch.float32
