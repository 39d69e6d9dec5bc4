"""The study: runs that take turns, can be interrupted, and are compared at equally many videos."""

import json
import runpy
import sys
from argparse import Namespace
from itertools import islice
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from dyreg_mmaction.engine.study import StudyRun, region_numbers, video_stream
from dyreg_mmaction.ops import Regions

TOOL = Path(__file__).parents[2] / 'tools/study.py'

CONFIG = """
custom_imports = dict(imports=['dyreg_mmaction'])
model = dict(
    type='Recognizer3D',
    backbone=dict(
        type='DyRegResNet3dSlowOnly', depth=18, pretrained=None, pretrained2d=False, lateral=False, in_channels=1,
        num_stages=1, base_channels=4, out_indices=(0,), spatial_strides=(1,), temporal_strides=(1,), dilations=(1,),
        inflate=(0,), conv1_kernel=(1, 7, 7), conv1_stride_t=1, pool1_stride_t=1, norm_eval=False, input_size=32,
        plugins=[dict(type='DyRegGNN', after='layer1.1', num_nodes=4, regions=dict(type=%r))]),
    cls_head=dict(type='I3DHead', in_channels=4, num_classes=56, average_clips='score'),
)
pipeline = [dict(type='FormatShape', input_format='NCTHW'), dict(type='PackActionInputs')]
dataset = dict(type='MultiSyncMNIST', num_digits=2, num_frames=2, canvas_size=64, frame_size=32, pipeline=pipeline)
train_dataloader = dict(batch_size=3, num_workers=0, dataset=dataset)
val_dataloader = dict(batch_size=4, num_workers=0, dataset=dict(split='test', **dataset))
val_evaluator = dict(type='AccMetric')
optim_wrapper = dict(optimizer=dict(type='Adam', lr=0.01))
"""


@pytest.fixture
def configs(tmp_path):
    paths = {name: tmp_path / f'{name}.py' for name in ('fixed', 'dynamic')}
    paths['fixed'].write_text(CONFIG % 'FixedRegions')
    paths['dynamic'].write_text(CONFIG % 'DynamicRegions')
    return paths


def build(configs, name='dynamic', folder=None, seed=0, **options):
    cfg = Config.fromfile(configs[name])
    cfg.merge_from_dict(options)
    return StudyRun(name, cfg, seed, folder or configs[name].parent, val_videos=5)


def without_time(curve):
    return [{key: value for key, value in point.items() if key != 'seconds'} for point in curve]


@pytest.mark.slow
def test_an_interrupted_run_ends_like_one_that_was_not(configs, tmp_path):
    (tmp_path / 'whole').mkdir()
    whole = build(configs, folder=tmp_path / 'whole')
    for _ in range(3):
        whole.portion(4)
    for _ in range(2):
        build(configs).portion(4)
    interrupted = build(configs)
    interrupted._train(2)  # killed in its third portion: nothing of it is kept
    resumed = build(configs)
    resumed.portion(4)
    assert without_time(resumed.curve) == without_time(whole.curve)
    assert [point['videos'] for point in whole.curve] == [12, 24, 36]
    for ours, theirs in zip(resumed.model.parameters(), whole.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_seeds_differ_in_weights_and_videos(configs):
    first, second = (next(build(configs, seed=seed).model.parameters()) for seed in (0, 1))
    assert not torch.equal(first, second)
    assert list(islice(video_stream(100, 0), 5)) != list(islice(video_stream(100, 1), 5))


@pytest.mark.parametrize(
    'key, value',
    [
        ('optim_wrapper.optimizer.lr', 0.1),
        ('train_dataloader.dataset.max_step', 5),
        ('val_dataloader.dataset.max_step', 5),
        ('val_evaluator.metric_list', ('top_k_accuracy',)),
        ('load_from', 'other.pth'),
    ],
)
def test_another_config_of_the_same_name_is_refused_and_the_old_run_kept(configs, monkeypatch, key, value):
    build(configs).portion(1)
    monkeypatch.setattr('dyreg_mmaction.engine.study.load_checkpoint', lambda *args, **kwargs: None)
    with pytest.raises(ValueError, match='dynamic_seed0.pth is of another config of the same name'):
        build(configs, **{key: value})
    assert build(configs).iteration == 1


def test_a_curve_is_of_one_set_of_videos(configs):
    run = build(configs)
    run.portion(1)
    run.val_videos = 6
    with pytest.raises(ValueError, match='evaluated on 5 videos, not 6, .* go on with --val-videos 5'):
        run._load()


def test_validation_videos_are_spread_over_the_whole_set(configs, monkeypatch):
    run = build(configs)
    seen = []
    stock = run._batches

    def batches(dataset, loader, indices):
        seen.extend(indices)
        return stock(dataset, loader, indices)

    monkeypatch.setattr(run, '_batches', batches)
    run._evaluate()
    assert seen == [0, 2000, 4000, 6000, 8000]


def test_killed_while_it_saves_a_run_has_its_last_portion(configs, monkeypatch):
    build(configs).portion(1)

    def save_half(state, path):
        path.write_bytes(b'half')
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(torch, 'save', save_half)
        build(configs).portion(1)
    assert build(configs).iteration == 1


def test_a_warm_start_is_a_run_of_the_study(configs):
    build(configs, 'fixed').portion(1)
    file = configs['fixed'].parent / 'fixed_seed0.pth'
    warm = build(configs, 'dynamic', load_from=str(file))
    state = torch.load(file, weights_only=True)['state_dict']
    assert torch.equal(warm.model.backbone.conv1.conv.weight, state['backbone.conv1.conv.weight'])


def test_stream_shows_each_video_once_an_epoch_and_can_start_anywhere():
    videos = list(islice(video_stream(10, seed=3), 25))
    assert sorted(videos[:10]) == sorted(videos[10:20]) == list(range(10))
    assert videos[:10] != videos[10:20]
    for start in (0, 7, 10, 19):
        assert list(islice(video_stream(10, seed=3, start=start), 25 - start)) == videos[start:]


def test_shift_and_motion_of_known_regions():
    """One node stays 5 cells from its start; the other jumps by 2 cells around its start."""
    center = torch.tensor([[[[4.0, 5.0], [1.0, 2.0]], [[4.0, 5.0], [3.0, 2.0]]]])  # (1,2,2,2)
    start = torch.tensor([[1.0, 1.0], [2.0, 2.0]])
    numbers = region_numbers({'place': Regions(center, center, (8, 8))}, {'place': start})
    assert numbers == pytest.approx(dict(shift=(5 + 1) / 2, motion=(0 + 1) / 2))
    assert region_numbers({}, {}) == {}


def run_tool(monkeypatch, *args):
    monkeypatch.setattr(sys, 'argv', [str(TOOL), *map(str, args)])
    threads = torch.get_num_threads()
    try:
        return runpy.run_path(str(TOOL), run_name='__main__')
    finally:
        torch.set_num_threads(threads)


@pytest.mark.slow
def test_the_same_command_goes_on(configs, tmp_path, monkeypatch, capsys):
    out = tmp_path / 'out'
    args = [*configs.values(), '--out', out, '--portion', 1, '--val-videos', 5, '--seeds', 0, 1, '--minutes', 60]
    run_tool(monkeypatch, *args, '--threads', 1, '--videos', 1)
    before = json.loads((out / 'study.json').read_text())
    run_tool(monkeypatch, *args, '--videos', 6)
    after = json.loads((out / 'study.json').read_text())
    assert [(run['name'], run['seed']) for run in after] == [(n, s) for s in (0, 1) for n in ('fixed', 'dynamic')]
    assert [len(run['curve']) for run in before] == [1] * 4 and [len(run['curve']) for run in after] == [2] * 4
    assert all(new['curve'][:1] == old['curve'] for new, old in zip(after, before, strict=True))
    assert all('shift' in run['curve'][-1] for run in after)
    assert (out / 'study.png').stat().st_size > 0
    assert not list(out.glob('*.new*'))
    assert 'min left' in capsys.readouterr().out


def test_table_compares_at_equally_many_videos(monkeypatch):
    tool = runpy.run_path(str(TOOL))

    def run(values, parameters):
        points = enumerate(values, start=1)
        return dict(parameters=parameters, curve=[dict(videos=10 * i, seconds=i, loss=1, **p) for i, p in points])

    runs = {
        ('a', 0): run([dict(acc=0.1), dict(acc=0.2), dict(acc=0.9)], 7),
        ('a', 1): run([dict(acc=0.3), dict(acc=0.4)], 7),
        ('b', 0): run([dict(acc=0.5, shift=0.0, motion=0.0), dict(acc=0.6, shift=1.5, motion=0.5)], 1234),
    }
    text = tool['table'](runs, 'acc')
    assert 'after 20 videos' in text
    assert '| a | 7 | 2 | 0.3 ± 0.14 | 1 ± 0 | - | - | 2 ± 0 |' in text
    assert '| b | 1,234 | 1 | 0.6 | 1 | 1.5 | 0.5 | 2 |' in text


class Runs:
    """Runs that take 10 seconds a portion, of 3 videos an iteration or, if they are called 'large', of 6."""

    now = 0.0

    def __init__(self, name, cfg, seed, folder, val_videos):
        self.name, self.num_parameters = name, 1
        self.curve = curves.setdefault(name, [])

    def portion(self, iterations):
        Runs.now += 10
        if self.name == 'wild' and self.curve:
            raise FloatingPointError('loss of wild, seed 0, is nan')
        videos = (len(self.curve) + 1) * iterations * (6 if self.name == 'large' else 3)
        self.curve.append(dict(videos=videos, seconds=1.0, loss=1.0, acc=0.5))
        return self.curve[-1]


curves: dict[str, list[dict]] = {}


def run_study(monkeypatch, tmp_path, *names, **options):
    """Videos of all points of each run after a study of ``Runs``, and the table."""
    study = runpy.run_path(str(TOOL))['run_study']
    curves.clear()
    Runs.now = 0.0
    monkeypatch.setitem(study.__globals__, 'StudyRun', Runs)
    monkeypatch.setattr('time.monotonic', lambda: Runs.now)
    args = dict(seeds=[0], minutes=1.0, videos=None, out=tmp_path, portion=2, val_videos=5, metric='acc')
    study(dict.fromkeys(names), Namespace(**{**args, **options}))
    videos = {name: [point['videos'] for point in curve] for name, curve in curves.items()}
    return videos, (tmp_path / 'study.md').read_text()


def test_no_portion_is_begun_that_would_not_end_in_time(monkeypatch, tmp_path):
    assert run_study(monkeypatch, tmp_path, 'a', minutes=58 / 60)[0] == dict(a=[6, 12, 18, 24, 30])


def test_turns_are_those_of_videos_whatever_the_batch(monkeypatch, tmp_path):
    videos, text = run_study(monkeypatch, tmp_path, 'small', 'large', videos=24, minutes=60)
    assert videos == dict(small=[6, 12, 18, 24], large=[12, 24])
    assert 'after 24 videos' in text


def test_a_run_that_diverges_stops_alone(monkeypatch, tmp_path, capsys):
    videos, text = run_study(monkeypatch, tmp_path, 'wild', 'calm', videos=24, minutes=60)
    assert videos == dict(wild=[6], calm=[6, 12, 18, 24])
    assert '| wild | 1 | 0, 1 diverged | - |' in text and '| calm | 1 | 1 | 0.5 |' in text
    assert json.loads((tmp_path / 'study.json').read_text())[0]['diverged'] == 'loss of wild, seed 0, is nan'
    assert 'loss of wild' in capsys.readouterr().out


def test_a_metric_that_nobody_measures_is_named(monkeypatch, tmp_path):
    with pytest.raises(ValueError, match='--metric accuracy is not measured; choose one of videos, seconds, loss, acc'):
        run_study(monkeypatch, tmp_path, 'a', metric='accuracy')


@pytest.mark.parametrize('option', ['--portion', '--val-videos', '--threads'])
def test_counts_below_one_are_named(configs, monkeypatch, capsys, option):
    with pytest.raises(SystemExit):
        run_tool(monkeypatch, configs['fixed'], option, 0)
    assert f'{option} 0 must be at least 1' in capsys.readouterr().err


def test_a_loss_that_is_no_number_is_named_and_not_kept(configs):
    run = build(configs, **{'optim_wrapper.optimizer.lr': float('inf')})
    with pytest.raises(FloatingPointError, match='loss of dynamic, seed 0, is nan; lower its learning rate'):
        run.portion(3)
    assert not run.file.exists()


def test_two_configs_of_one_name_are_refused(configs, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match='must have different file names'):
        run_tool(monkeypatch, configs['fixed'], configs['fixed'], '--out', tmp_path / 'out')


def test_without_matplotlib_there_is_no_plot_but_all_else(monkeypatch, tmp_path, capsys):
    tool = runpy.run_path(str(TOOL))
    monkeypatch.setitem(sys.modules, 'matplotlib.figure', None)
    runs = {('a', 0): dict(parameters=1, curve=[dict(videos=1, seconds=1, loss=1, acc=0.5)])}
    tool['write_report'](runs, Namespace(out=tmp_path, metric='acc'))
    assert sorted(path.name for path in tmp_path.iterdir()) == ['study.json', 'study.md']
    assert 'matplotlib is not installed' in capsys.readouterr().out


def test_no_time_is_no_portion(configs, tmp_path, monkeypatch, capsys):
    run_tool(monkeypatch, configs['fixed'], '--out', tmp_path / 'out', '--minutes', 0)
    assert 'too few for one portion' in capsys.readouterr().out
    assert not list((tmp_path / 'out').iterdir())
