"""Checks of a backbone with plugins, one for each column of docs/guides/backbones.md.

A check returns None if it holds, or the reason why it is not supported. Faults raise an error.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from backbone_cases import CASES, CLASSES, PLUGIN, backbone_of, build, inputs, logits, wake
from mmaction.models.recognizers import RecognizerOmni
from mmaction.structures import ActionDataSample
from torch import Tensor, nn

import dyreg_mmaction
from dyreg_mmaction.inference.export import export
from dyreg_mmaction.models import attach_regions
from dyreg_mmaction.visualization import draw_clip, make_clip


def samples(count: int) -> list[ActionDataSample]:
    return [ActionDataSample().set_gt_label(i % CLASSES) for i in range(count)]


def awake(name: str) -> nn.Module:
    model = build(name)
    wake(backbone_of(model).plugins)
    return model


def close(given: Tensor, expected: Tensor, tolerance: float = 1e-4) -> bool:
    return bool((given - expected).abs().max() <= tolerance * expected.abs().max())


def run(model: nn.Module, x: Tensor) -> Tensor:
    with torch.no_grad():
        torch.manual_seed(0)
        return logits(model, x)


def losses(model: nn.Module, x: Tensor) -> dict:
    torch.manual_seed(0)
    if isinstance(model, RecognizerOmni):
        return {'loss_cls': model.loss([dict(inputs=x, data_samples=samples(len(x)))])['loss_cls_0']}
    return model.loss(x, samples(len(x)))


def start(name: str) -> None:
    """Check that logits and training losses are bit-equal to those of the parent."""
    plain, plugged, x = build(name, plugins=False), build(name), inputs(name, batch=2)
    assert torch.equal(run(plugged, x), run(plain, x))
    for model in (plain, plugged):
        model.train()
        for module in model.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0
    given, expected = losses(plugged, x), losses(plain, x)
    assert given.keys() == expected.keys() and torch.equal(given['loss_cls'], expected['loss_cls'])


def train(name: str) -> None:
    """Check that every parameter of a plugin has a finite gradient, and that some are not 0."""
    model = awake(name).train()
    losses(model, inputs(name, batch=2))['loss_cls'].backward()
    gradients = [parameter.grad for parameter in backbone_of(model).plugins.parameters()]
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)
    assert all(any(p.grad.any() for p in plugin.parameters()) for plugin in backbone_of(model).plugins.values())


def views(name: str) -> str | None:
    """Check that six views of a video are independent."""
    if CASES[name].recognizer == 'RecognizerOmni':
        return '`RecognizerOmni` tests single clips'
    model, x = awake(name), inputs(name, batch=6)
    video = x.flatten(0, 1)[None]
    with torch.no_grad():
        together = model.extract_feat(video, test_mode=True)[0]
        alone = [model.extract_feat(view[None], test_mode=True)[0] for view in x]
        scores = model.predict(video, samples(1))[0].pred_score
    assert scores.isfinite().all()
    for given, each in zip(_leaves(together), zip(*map(_leaves, alone), strict=True), strict=True):
        assert close(given, torch.cat(each), 1e-3)
    return None


def _leaves(features) -> list[Tensor]:
    return [leaf for leaf in torch.utils._pytree.tree_leaves(features) if isinstance(leaf, Tensor)]


def resize(name: str) -> str | None:
    """Check that crops of another size than in training run, if they do in the parent."""
    size = inputs(name).shape[-1]
    x = torch.randn(*inputs(name).shape[:-2], size + size // 2, size + size // 4)
    try:
        run(build(name, plugins=False), x)
    except Exception:
        return 'the parent takes one size'
    assert run(awake(name), x).isfinite().all()
    return None


def compiled(name: str) -> str | None:
    """Check that torch.compile makes one graph of the backbone with the same output."""
    x = inputs(name, batch=2)
    x = x.flatten(0, 1) if CASES[name].recognizer != 'RecognizerOmni' else x
    failure = None
    for plugins in (True, False):
        torch._dynamo.reset()
        model = backbone_of(awake(name) if plugins else build(name, plugins=False))
        with torch.no_grad():
            try:
                given = torch.compile(model, backend='eager', fullgraph=True)(x)
            except Exception as error:
                failure = failure or error
                continue
            if not plugins:
                raise failure
            assert all(map(close, _leaves(given), _leaves(model(x))))
            return None
    torch._dynamo.reset()
    model = backbone_of(awake(name))
    with torch.no_grad():
        assert all(map(close, _leaves(torch.compile(model, backend='eager')(x)), _leaves(model(x))))
    return 'in several graphs, as the parent'


def one_round(name: str) -> nn.Module:
    """Return the config with one plugin and one round of messages, because exported graphs are large."""
    config = dict(PLUGIN, after=CASES[name].after[0], graph=dict(type='SpaceTimeGraph', num_rounds=1))
    model = build(name, [config])
    wake(backbone_of(model).plugins)
    return model


def onnx(name: str) -> str | None:
    """Check that the ONNX file gives the same logits for one clip and for two."""
    shape = inputs(name).shape
    frames = shape[-4] if CASES[name].recognizer == 'Recognizer2D' else shape[-3]
    description = dict(frames=frames, size=shape[-1])
    failure = None
    for plugins in (True, False):
        model = one_round(name) if plugins else build(name, plugins=False)
        with tempfile.TemporaryDirectory() as folder:
            try:
                export(model, description, Path(folder) / 'model.onnx')
            except Exception as error:
                failure = failure or error
                continue
        if not plugins:
            raise failure
        return None
    return 'the parent does not export'


def fuse(name: str) -> None:
    """Check that the fused backbone gives the same output."""
    model, x = awake(name), inputs(name, batch=2)
    assert close(run(dyreg_mmaction.fuse_for_inference(model), x), run(model, x))


def regions(name: str) -> None:
    """Check that regions of every plugin are drawn on the frames."""
    model, x = awake(name), inputs(name)
    batch = (dict(inputs=x, data_samples=samples(1)),) if isinstance(model, RecognizerOmni) else (x, samples(1))
    with torch.no_grad(), attach_regions(model):
        (sample,) = model(*batch, mode='predict')
    frames = x if isinstance(model, RecognizerOmni) else x[0]
    clip = make_clip(frames.mul(40).add(128).clamp(0, 255), sample)
    assert sorted(clip.nodes) == sorted(CASES[name].after)
    for path, nodes in clip.nodes.items():
        assert len(set(map(bytes, draw_clip(clip, path)))) == len(clip.frames) == len(nodes.center)


CHECKS: dict[str, Callable[[str], str | None]] = {
    'bit-equal start': start,
    'train': train,
    '6-view test': views,
    'resize': resize,
    'compile': compiled,
    'fuse': fuse,
    'regions drawn': regions,
    'ONNX': onnx,
}
