"""The config has a dozen lines with the derived settings."""

import pytest
from mmengine.config import Config

from dyreg_mmaction.cli.folder_steps.config import Data, config_text, find_copies
from dyreg_mmaction.cli.folder_steps.plan import Plan
from dyreg_mmaction.cli.folder_steps.weights import Start

SCRATCH = Start('r18', None, None, '')
PLAN = Plan(8, 50, 4, 0.001, 1)


@pytest.fixture
def read(tmp_path):
    def read(start=SCRATCH, plan=PLAN, **changes):
        out = tmp_path / "it's {out}, ü"
        data = Data("/my videos/it's ü", out, ['cut', 'pour', 'stir'], 'val.txt', 'decord', True, None)
        text = config_text(data._replace(**changes), start, plan)
        (tmp_path / 'config.py').write_text(text, encoding='utf-8')
        return Config.fromfile(tmp_path / 'config.py'), text

    return read


def test_dozen_lines_name_data_and_numbers(read, tmp_path):
    cfg, text = read()
    assert len(text.splitlines()) <= 14 and max(map(len, text.splitlines())) <= 120
    assert cfg.model.cls_head.num_classes == 3 and cfg.train_cfg.max_epochs == 50
    assert cfg.train_dataloader.batch_size == 4 and cfg.optim_wrapper.optimizer.lr == 0.001
    for split in ('train', 'val', 'test'):
        dataset = cfg[f'{split}_dataloader'].dataset
        name = 'val' if split == 'test' else split
        assert dataset.ann_file == f"{tmp_path}/it's {{out}}, ü/{name}.txt"
        assert dataset.data_prefix.video == "/my videos/it's ü" and dataset.delimiter == '\t'
    assert cfg.test_evaluator[1].out_file.endswith('/predictions.csv')


@pytest.mark.parametrize('model', ['r50', 'r18'])
def test_frames_set_all_clip_lengths(read, model):
    cfg, _ = read(Start(model, 'some.pth', None, ''), PLAN._replace(frames=16))
    assert cfg.model.backbone.num_segments == cfg.model.cls_head.num_segments == 16
    samplers = [cfg[f'{split}_dataloader'].dataset.pipeline[1] for split in ('train', 'val', 'test')]
    assert [step.num_clips for step in samplers] == [16, 16, 16] and samplers[0].type == 'SampleFrames'
    assert cfg.load_from == 'some.pth' and cfg.model.backbone.pretrained is None


def test_sided_classes_disable_flips(read):
    flips = [read(flip=flip)[0].train_dataloader.dataset.pipeline[6] for flip in (True, False)]
    assert [(step.type, step.flip_ratio) for step in flips] == [('Flip', 0.5), ('Flip', 0)]


def test_decoder_is_that_of_all_pipelines(read):
    cfg, _ = read(decoder='pyav')
    assert all(cfg[f'{split}_dataloader'].dataset.pipeline[0].decoder == 'pyav' for split in ('train', 'val', 'test'))


def test_class_weights(read):
    assert read(weights=[0.5, 1.0, 2.0])[0].model.cls_head.loss_cls.class_weight == [0.5, 1.0, 2.0]


def test_start_from_imagenet(read):
    cfg, _ = read(Start('r50', None, 'torchvision://resnet50', ''))
    assert cfg.model.backbone.pretrained == 'torchvision://resnet50' and cfg.get('load_from') is None


def test_only_training_reads_small_copies(read, tmp_path):
    cfg, text = read(copies='small_128')
    assert max(map(len, text.splitlines())) <= 120 and find_copies(text) == 128 and find_copies(read()[1]) is None
    dataset = cfg.train_dataloader.dataset
    assert dataset.ann_file == f"{tmp_path}/it's {{out}}, ü/small_128/train.txt"
    assert dataset.data_prefix.video == f"{tmp_path}/it's {{out}}, ü/small_128" and dataset.delimiter == '\t'
    assert dataset.metainfo.classes.endswith('/classes.txt')
    for loader in (cfg.val_dataloader, cfg.test_dataloader):
        assert loader.dataset.data_prefix.video == "/my videos/it's ü"
