"""Exported recognizers: equal logits for any number of clips, and a complete description of the input."""

import json
import runpy
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmaction.apis import init_recognizer
from mmaction.datasets.transforms import SampleFrames, UniformSample
from mmengine.config import Config

from dyreg_mmaction.inference import RegionInferencer
from dyreg_mmaction.inference.description import describe_input
from dyreg_mmaction.inference.export import ClipClassifier, check_weights, export, quantize, run

ROOT = Path(__file__).parents[2]
MINI = ROOT / 'configs/tsm_r18_dyreg_mini.py'


def recognizer(name, **plugin):
    """Return a small model with residuals that are not 0."""
    cfg = Config.fromfile(MINI)
    if name == 'I3D':
        cfg = Config.fromfile(ROOT / 'configs/i3d_r50_dyreg_sthv1.py')
        cfg.model.backbone.update(pretrained=None, base_channels=4, plugins=cfg.model.backbone.plugins[1:2])
        cfg.model.cls_head.in_channels = 128
    cfg.model.backbone.plugins[0].update(plugin)
    torch.manual_seed(0)
    model = init_recognizer(cfg, device='cpu')
    model.cls_head.fc_cls.weight.data.normal_()
    for plugin in model.backbone.plugins.values():
        torch.nn.init.normal_(plugin.norm.weight)
        torch.nn.init.normal_(plugin.regions.predictor.alpha)
    return model


def needs_onnx():
    for package, minversion in (('onnxscript', '0.7.1'), ('onnxruntime', None)):
        pytest.importorskip(package, minversion=minversion, reason=f'{package} {minversion or ""} is not installed')


def write_video(path):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'mp4v'), 10, (96, 72))
    for frame in np.random.default_rng(0).integers(0, 255, (40, 9, 12, 3), np.uint8):
        writer.write(frame.repeat(8, 0).repeat(8, 1))
    writer.release()


def run_tool(tool, *arguments, cwd):
    command = [sys.executable, '-W', 'ignore', str(ROOT / 'tools/deploy' / tool), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True)


@pytest.mark.slow
@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize('name, size, suffix', [('TSM', 72, '.onnx'), ('I3D', 64, '.onnx'), ('I3D', 64, '.pt2')])
def test_exported_logits_for_any_number_of_clips(name, size, suffix, tmp_path):
    if suffix == '.onnx':
        needs_onnx()
    model = recognizer(name, node_channels=32)  # fewer than the map, so nodes are projected back
    description = describe_input(model.cfg, size)
    assert export(model, description, tmp_path / f'model{suffix}') < 1e-4
    clips = torch.randn(3, description['frames'], 3, size, size)
    with torch.no_grad():
        expected = ClipClassifier(model)(clips)
    given = run(tmp_path / f'model{suffix}', clips)
    assert given.shape == (3, len(description['classes']))
    torch.testing.assert_close(given, expected, rtol=0, atol=1e-4 * expected.abs().max().item())
    assert json.loads((tmp_path / 'model.json').read_text()) == description


@pytest.fixture(scope='module')
def exported(tmp_path_factory):
    """Return a checkpoint, its ONNX file, its int8 ONNX file, and a video.

    The model was trained with a node classifier, whose weights the checkpoint does not have, like published ones.
    """
    needs_onnx()
    folder = tmp_path_factory.mktemp('exported')
    model = "dict(type='RegionRecognizer2D', node_classifier=dict(weight=1.0))"
    (folder / 'classified.py').write_text(f'_base_ = {str(MINI)!r}\nmodel = {model}\n')
    torch.save(dict(state_dict=recognizer('TSM').state_dict(), meta=dict()), folder / 'checkpoint.pth')
    write_video(folder / 'video.mp4')
    done = run_tool(
        *('export_model.py', 'classified.py', 'checkpoint.pth', 'model.onnx', '--int8', 'video.mp4', 'video.mp4'),
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
@pytest.mark.parametrize('file', ['model.onnx', 'model.int8.onnx'])
def test_example_predicts_like_the_model(file, exported):
    done = run_tool('run_exported.py', file, 'video.mp4', cwd=exported)
    assert done.returncode == 0, done.stderr
    score, _, name = done.stdout.splitlines()[0].partition('  ')
    inferencer = RegionInferencer(MINI, str(exported / 'checkpoint.pth'), device='cpu')
    (expected,) = inferencer(exported / 'video.mp4')['predictions']
    assert [name] == expected['pred_names']
    assert float(score) == pytest.approx(max(expected['pred_scores']), abs=0.02 if file == 'model.onnx' else 0.1)


@pytest.mark.slow
def test_int8_logits_are_close(exported):
    onnx = pytest.importorskip('onnx', reason='onnx is not installed')
    clips = torch.randn(4, 8, 3, 64, 64)
    quantize(exported / 'model.onnx', clips.split(2), exported / 'rounded.onnx')
    expected, given = (run(exported / file, clips) for file in ('model.onnx', 'rounded.onnx'))
    assert 0 < (given - expected).abs().max() < 0.1 * expected.abs().max()
    assert (exported / 'rounded.onnx').stat().st_size < 0.5 * (exported / 'model.onnx').stat().st_size
    assert (exported / 'rounded.json').read_text() == (exported / 'model.json').read_text()
    nodes = onnx.load(exported / 'rounded.onnx').graph.node
    rounded = {output for node in nodes if node.op_type == 'DequantizeLinear' for output in node.output}
    first, *others = (node.input[0] in rounded for node in nodes if node.op_type == 'Conv')
    assert not first and all(others)


@pytest.mark.slow
@pytest.mark.parametrize(
    'file, precision, tolerance', [('model', 'f32', 1e-4), ('model', 'bf16', 0.1), ('model.int8', 'f32', 0.1)]
)
def test_openvino_reads_the_file(file, precision, tolerance, exported):
    openvino = pytest.importorskip('openvino', reason='openvino is not installed: pip install dyreg_mmaction[openvino]')
    model = openvino.Core().compile_model(exported / f'{file}.onnx', 'CPU', {'INFERENCE_PRECISION_HINT': precision})
    for batch in (1, 3):
        clips = torch.randn(batch, 8, 3, 64, 64)
        expected = run(exported / 'model.onnx', clips)
        (given,) = model(clips.numpy()).values()
        np.testing.assert_allclose(given, expected, rtol=0, atol=tolerance * expected.abs().max().item())


@pytest.mark.slow
@pytest.mark.filterwarnings('ignore')
def test_example_runs_i3d_of_torch_export(tmp_path):
    model = recognizer('I3D')
    sampling, *rest = model.cfg.val_dataloader.dataset.pipeline
    assert sampling['type'] == 'UniformSample'
    sampling = dict(type='SampleFrames', clip_len=8, frame_interval=2, num_clips=1, test_mode=True)
    model.cfg.val_dataloader.dataset.pipeline = [sampling, *rest]
    description = describe_input(model.cfg, 64)
    description['short_side'] = 72
    export(model, description, tmp_path / 'model.pt2')
    write_video(tmp_path / 'video.mp4')
    done = run_tool('run_exported.py', 'model.pt2', 'video.mp4', cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    reader = cv2.VideoCapture(str(tmp_path / 'video.mp4'))
    frames = np.stack([reader.read()[1] for _ in range(40)])
    frames = frames[12:27:2, 4:68, 16:80, ::-1]  # the middle frames and the middle crop
    clip = (torch.from_numpy(frames.copy()) - torch.tensor(description['mean'])) / torch.tensor(description['std'])
    with torch.no_grad():
        scores = ClipClassifier(model)(clip.permute(0, 3, 1, 2)[None]).softmax(-1)[0]
    score, _, name = done.stdout.splitlines()[0].partition('  ')
    assert name == description['classes'][scores.argmax()]
    assert float(score) == pytest.approx(scores.max().item(), abs=1e-3)


@pytest.mark.parametrize('total', [3, 16, 37, 62, 63, 64, 100, 301])
@pytest.mark.parametrize(
    'sampling',
    [
        SampleFrames(clip_len=1, num_clips=8, test_mode=True),
        SampleFrames(clip_len=32, frame_interval=2, test_mode=True),
        UniformSample(clip_len=16, test_mode=True),
    ],
)
def test_example_samples_the_frames_of_validation(sampling, total):
    cfg = Config.fromfile(MINI)
    names = ('clip_len', 'frame_interval', 'num_clips')
    step = {name: getattr(sampling, name) for name in names if hasattr(sampling, name)}
    cfg.val_dataloader.dataset.pipeline[1] = dict(type=type(sampling).__name__, **step)
    positions = runpy.run_path(str(ROOT / 'tools/deploy/run_exported.py'))['positions']
    expected = sampling(dict(total_frames=total, start_index=0))['frame_inds']
    assert positions(total, describe_input(cfg)).tolist() == expected.tolist()


@pytest.mark.parametrize(
    'arguments, words', [((), 'usage: '), (('no.onnx', 'v.mp4'), 'or its .json file does not exist')]
)
def test_example_reports_invalid_arguments(arguments, words, tmp_path):
    done = run_tool('run_exported.py', *arguments, cwd=tmp_path)
    assert done.returncode == 1 and words in done.stderr and 'Traceback' not in done.stderr


def test_unsupported_model_raises_an_error(tmp_path):
    cfg = Config.fromfile(MINI)
    with pytest.raises(ValueError, match=r"'model.pth' has an unknown extension; use .onnx \(ONNX\) or .pt2"):
        export(torch.nn.Identity(), describe_input(cfg), tmp_path / 'model.pth')
    with pytest.raises(ValueError, match='Identity cannot be exported; use a Recognizer2D'):
        export(torch.nn.Identity(), describe_input(cfg), tmp_path / 'model.pt2')
    cfg.model.type = 'RegionRecognizer2D'
    cfg.model.backbone.plugins[0].regions = dict(type='BoxRegions')
    with pytest.raises(ValueError, match='take boxes as input'):
        export(init_recognizer(cfg, device='cpu'), describe_input(cfg), tmp_path / 'model.pt2')


@pytest.mark.parametrize('found', ['0.5.7', None])
def test_old_onnxscript_raises_an_error(found, monkeypatch, tmp_path):
    def version(package):
        if found is None:
            raise metadata.PackageNotFoundError(package)
        return found

    monkeypatch.setattr('dyreg_mmaction.inference.export.version', version)
    with pytest.raises(ImportError, match=f'onnxscript 0.7.1 or later.* found {found and "0.5.7" or "none"}'):
        export(torch.nn.Identity(), {}, tmp_path / 'model.onnx')


def test_checkpoint_of_another_model_raises_an_error():
    model = recognizer('TSM')
    weights = model.state_dict()
    check_weights(model, dict(state_dict=weights))
    check_weights(model, {f'module.{key}': value for key, value in weights.items() if 'num_batches' not in key})
    for wrong in ({}, {'backbone.conv1.conv.weight': torch.zeros(1)}):
        others = {key: value for key, value in weights.items() if wrong and key not in wrong} | wrong
        with pytest.raises(ValueError, match=r"weights of the Recognizer2D .*such as 'backbone.conv1.conv.weight'"):
            check_weights(model, dict(state_dict=others))


def pipeline_with(**steps):
    cfg = Config.fromfile(MINI)
    pipeline = [dict(step, **steps.get(step['type'], {})) for step in cfg.val_dataloader.dataset.pipeline]
    cfg.val_dataloader.dataset.pipeline = pipeline
    for step in pipeline:
        for inner in step.get('transforms', []):
            inner.update(steps.get(inner['type'], {}))
    return cfg


@pytest.mark.parametrize(
    'steps, words',
    [
        (dict(SampleFrames=dict(type='DenseSampleFrames')), 'has VideoInit, DenseSampleFrames, .* cannot be described'),
        (dict(SampleFrames=dict(target_fps=30)), 'SampleFrames .* has target_fps=30'),
        (dict(SampleFrames=dict(out_of_bound_opt='repeat_last')), "has out_of_bound_opt='repeat_last'"),
        (dict(Resize=dict(scale=(340, 256))), r'has scale=\(340, 256\); set it to \(-1, short side\)'),
        (dict(CenterCrop=dict(crop_size=(80, 64))), r'has crop_size=\(80, 64\); set it to a square'),
    ],
)
def test_unsupported_pipeline_raises_an_error(steps, words):
    with pytest.raises(ValueError, match=words):
        describe_input(pipeline_with(**steps))


def test_crop_larger_than_the_frames_raises_an_error():
    with pytest.raises(ValueError, match='a crop of 80 pixels is larger .* side is resized to 72; set a size'):
        describe_input(Config.fromfile(MINI), 80)


def test_class_names_of_a_replace_damaged_dataset():
    cfg = Config.fromfile(MINI)
    expected = describe_input(cfg)['classes']
    cfg.test_dataloader.dataset.update(type='ReplaceDamaged', dataset_type='MiniSomething')
    assert describe_input(cfg)['classes'] == expected != [str(label) for label in range(8)]


def test_wrong_number_of_class_names_raises_an_error():
    with pytest.raises(
        ValueError, match=r"2 class names \('a', ...\) for 8 classes; set --label-file to a file with 8"
    ):
        describe_input(Config.fromfile(MINI), dataset_meta=dict(classes=['a', 'b']))


def test_description_of_the_input():
    description = describe_input(Config.fromfile(ROOT / 'configs/tsm_r50_dyreg_sthv2.py'), 256)
    assert [description[key] for key in ('frames', 'short_side', 'size')] == [16, 256, 256]
    assert description['mean'] == [123.675, 116.28, 103.53] and len(description['classes']) == 174
    assert describe_input(Config.fromfile(ROOT / 'configs/i3d_r50_dyreg_sthv1.py'))['frames'] == 16
