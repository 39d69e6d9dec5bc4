"""Data loading from file to batch, stage by stage, on videos like those of Something-Something."""

import copy
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import partial
from importlib.util import find_spec
from io import StringIO
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory

from mmaction.registry import TRANSFORMS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope

from dyreg_mmaction.datasets.synthetic.mini_something.generator import generate_mini_something

CONFIG = Path(__file__).resolve().parents[3] / 'configs' / 'tsm_r50_sthv2.py'
VIDEOS, BATCH = 8, 5
Cases = dict[str, Callable[[], object]]


class Videos:
    """Inputs of a pipeline, cycling through temporary video files."""

    def __init__(self) -> None:
        self.folder = TemporaryDirectory()
        root = Path(self.folder.name) / 'mini_something'
        with redirect_stdout(StringIO()):  # hide progress
            generate_mini_something(root, num_train=VIDEOS, num_val=1)
        files = [str(path) for path in sorted((root / 'videos').glob('*.webm'))][:VIDEOS]
        self.results = cycle([dict(filename=file, label=0, start_index=0, modality='RGB') for file in files])

    def __call__(self) -> dict:
        """Return the input for the next video."""
        return dict(next(self.results))


def decoders(args: object) -> Cases:
    """Decode 16 frames of a video 240 pixels high with MMAction2's transforms, and ours with each installed decoder."""
    videos, sample = Videos(), _pipeline()[1]
    pipelines = {'MMAction2, decord': [dict(type='DecordInit'), sample, dict(type='DecordDecode')]}
    for decoder, package in dict(decord='decord', pyav='av', torchcodec='torchcodec').items():
        if find_spec(package):
            init = dict(type='VideoInit', decoder=decoder)
            pipelines[f'ours, {decoder}'] = [init, sample, dict(type='VideoDecode')]
    return {name: partial(_apply, _build(pipeline), videos) for name, pipeline in pipelines.items()}


def stages(args: object) -> Cases:
    """Training pipeline of Something-Something V2 for one clip, in full and by stage, and collating a batch."""
    videos, pipeline = Videos(), _pipeline()
    ends = {
        'open and decode': 3,
        'resize to 256': 4,
        'multi-scale crop': 5,
        'resize to 224': 6,
        'flip, format, pack': len(pipeline),
    }
    transforms = _build(pipeline)
    cases: Cases = {'all': partial(_apply, transforms, videos)}
    begin, results = 0, videos
    for name, end in ends.items():
        steps = transforms[begin:end]
        cases[name] = partial(_apply, steps, results)
        begin, results = end, partial(copy.copy, _apply(steps, results))
    batch = [results()] * BATCH
    cases[f'collate {BATCH}'] = partial(pseudo_collate, batch)
    return cases


def _pipeline() -> list[dict]:
    return Config.fromfile(CONFIG).train_pipeline


def _build(pipeline: list[dict]) -> list[Callable[[dict], dict]]:
    with DefaultScope.overwrite_default_scope('mmaction'):
        return [TRANSFORMS.build(dict(each)) for each in pipeline]


def _apply(transforms: list[Callable[[dict], dict]], start: Callable[[], dict]) -> dict:
    results = start()
    for transform in transforms:
        results = transform(results)
    return results
