from pathlib import Path

import pytest
from mmengine.config import Config
from torch import nn

import dyreg_mmaction
from dyreg_mmaction.complexity import clip_shape, count

CONFIGS = Path(dyreg_mmaction.__file__).parents[1] / 'configs'


class Toy(nn.Module):
    """A module with the only method of a recognizer that counting needs."""

    def __init__(self, part, prepare=lambda x: x):
        super().__init__()
        self.part = part
        self.prepare = prepare

    def extract_feat(self, x, stage):
        assert stage == 'head'
        return self.part(self.prepare(x))


@pytest.mark.parametrize('kind, gates', [('gru', 3), ('lstm', 4)])
def test_recurrent_networks_are_counted(kind, gates):
    net = {'gru': nn.GRU, 'lstm': nn.LSTM}[kind](5, 7)
    macs, _ = count(Toy(net, lambda x: x[0]).eval(), (11, 3, 5))  # 11 steps of 3 sequences
    assert macs == 11 * 3 * gates * (5 * 7 + 7 * 7)


def test_batch_norms_and_convolutions_are_counted():
    net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)).eval()
    macs, (conv, norm) = count(Toy(net, lambda x: x[0]), (2, 3, 6, 6), list(net))
    assert conv == 2 * 36 * 8 * 3 * 9
    assert norm == 2 * 2 * 36 * 8
    assert macs == conv + norm


def test_3d_convolutions_are_counted():
    assert count(Toy(nn.Conv3d(3, 4, 1)), (3, 2, 6, 6))[0] == 3 * 4 * 2 * 36


def test_counting_runs_on_the_meta_device():
    net = nn.Linear(10**4, 10**4, bias=False)
    assert count(Toy(net), (10**6, 10**4))[0] == 10**14


def test_clip_is_one_view_of_the_pipeline():
    loader = Config.fromfile(CONFIGS / 'tsm_r50_dyreg_sthv2.py').test_dataloader  # twice_sample, three crops
    assert clip_shape(Config(dict(test_dataloader=loader))) == (16, 3, 256, 256)


def test_clip_of_a_3d_recognizer_has_a_time_axis():
    assert clip_shape(Config.fromfile(CONFIGS / 'i3d_r50_dyreg_sthv1.py')) == (1, 3, 16, 224, 224)


def test_shape_of_a_generated_dataset():
    pipeline = [dict(type='FormatShape', input_format='NCHW'), dict(type='PackActionInputs')]
    dataset = dict(type='MultiSyncMNIST', split='test', length=1, pipeline=pipeline)
    assert clip_shape(Config(dict(val_dataloader=dict(dataset=dataset)))) == (10, 1, 128, 128)


def test_missing_pipeline_raises_an_error():
    with pytest.raises(ValueError, match='pass the shape of a clip'):
        clip_shape(Config(dict(model=dict())))
    with pytest.raises(ValueError, match='does not determine the shape of a clip .* pass the shape'):
        clip_shape(Config(dict(val_dataloader=dict(dataset=dict(type='PoseDataset', pipeline=[])))))


def test_unsuitable_clip_raises_an_error():
    with pytest.raises(ValueError, match=r'Toy does not run on a clip of shape \(3, 5\).*pass the shape of a clip'):
        count(Toy(nn.Linear(4, 4)), (3, 5))


def test_eval_mode_is_counted_and_the_mode_is_restored():
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Dropout(0.5), nn.Sequential(nn.BatchNorm2d(8)))
    model = Toy(net, lambda x: x[0])
    expected, _ = count(model.eval(), (2, 3, 6, 6))
    model.train()
    net[3].eval()
    assert count(model, (2, 3, 6, 6))[0] == expected
    assert [module.training for module in (model, net, net[1], net[2], net[3], net[3][0])] == [True] * 4 + [False] * 2
