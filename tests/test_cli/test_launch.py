"""Command-line options are applied to the config, and invalid ones raise an error of one sentence."""

import threading
from argparse import Namespace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch
from mmaction.registry import HOOKS, METRICS
from mmengine.config import Config

from dyreg_mmaction.cli.launch import check_sync_bn, exit_with_message, load_config
from dyreg_mmaction.cli.named_files import check_weights
from dyreg_mmaction.cli.options import (
    check_regions_attached,
    check_schedule,
    make_resumable,
    set_amp,
    set_auto_scale_lr,
    set_randomness,
    set_resume,
)
from dyreg_mmaction.engine import AttachRegionsHook
from dyreg_mmaction.engine.hooks.fitting_weights import FittingWeightsHook
from dyreg_mmaction.evaluation import ObjectDistance

PLATEAU = dict(type='ReduceOnPlateauLR', monitor='acc/top1')


def arguments(**kwargs):
    return Namespace(**{**dict(config='', work_dir=None, launcher='none', cfg_options=None), **kwargs})


@pytest.mark.parametrize('randomness', [None, dict(seed=7), dict(seed=7, deterministic=False)])
def test_randomness_options_are_merged_into_the_config(randomness):
    cfg = Config(dict(randomness=randomness))
    set_randomness(cfg, Namespace(seed=None, diff_rank_seed=True, deterministic=True))
    seed = randomness and 7
    assert cfg.randomness == dict(seed=seed, diff_rank_seed=True, deterministic=True)
    set_randomness(cfg, Namespace(seed=0, diff_rank_seed=False, deterministic=False))
    assert cfg.randomness == dict(seed=0, diff_rank_seed=True, deterministic=True)
    for seed in (-1, 2**32):
        with pytest.raises(ValueError, match=f'seed={seed} must be from 0 to 4294967295'):
            set_randomness(cfg, Namespace(seed=seed, diff_rank_seed=False, deterministic=False))


def test_auto_scale_lr_needs_the_batch_size_of_the_learning_rate():
    cfg = Config(dict(auto_scale_lr=dict(enable=False, base_batch_size=10)))
    set_auto_scale_lr(cfg)
    assert cfg.auto_scale_lr.enable
    for settings in ({}, dict(auto_scale_lr=None), dict(auto_scale_lr=dict(enable=False))):
        with pytest.raises(ValueError, match='auto_scale_lr.base_batch_size=N'):
            set_auto_scale_lr(Config(settings))


@pytest.mark.parametrize('scheduler', [PLATEAU, [dict(type='LinearLR'), PLATEAU]])
def test_plateau_schedule_without_validation_raises_an_error(scheduler):
    cfg = Config(dict(param_scheduler=scheduler, val_cfg=None))
    with pytest.raises(ValueError, match="ReduceOnPlateauLR monitors 'acc/top1' of the validation"):
        check_schedule(cfg)
    cfg.val_cfg = dict(type='ValLoop')
    check_schedule(cfg)
    schedulers = cfg.param_scheduler if isinstance(scheduler, list) else [cfg.param_scheduler]
    assert schedulers[-1].end == 10**9
    for fine in (None, [], dict(type='LinearLR'), [dict(type='LinearLR')]):
        check_schedule(Config(dict(param_scheduler=fine, val_cfg=None)))


def test_resume_without_a_checkpoint_keeps_load_from(tmp_path):
    cfg = Config(dict(work_dir=str(tmp_path), load_from='weights.pth'))
    assert 'no checkpoint to resume from; starting from load_from' in set_resume(cfg, 'auto')
    assert not cfg.resume and cfg.load_from == 'weights.pth'

    torch.save(dict(weight=torch.ones(1)), tmp_path / 'epoch_1.pth')
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'epoch_1.pth'))
    assert 'epoch_1.pth' in set_resume(cfg, 'auto')
    assert cfg.resume and cfg.load_from == str(tmp_path / 'epoch_1.pth')


def test_resume_of_the_config_works_as_in_mmengine(tmp_path):
    cfg = Config(dict(work_dir=str(tmp_path), resume=True, load_from=None))
    assert 'starting from the initial weights' in set_resume(cfg, None)  # for example with --cfg-options load_from=None
    assert not cfg.resume and cfg.load_from is None
    torch.save(dict(message_hub={}), tmp_path / 'some.pth')
    cfg = Config(dict(work_dir=str(tmp_path), resume=True, load_from=str(tmp_path / 'some.pth')))
    assert 'some.pth' in set_resume(cfg, None) and cfg.resume


def test_resuming_from_weights_raises_an_error(tmp_path):
    torch.save(dict(state_dict=dict(weight=torch.ones(1))), tmp_path / 'weights.pth')
    with pytest.raises(ValueError, match='contains weights but no training state to resume; start from it with'):
        set_resume(Config(dict(work_dir=str(tmp_path))), str(tmp_path / 'weights.pth'))


def test_training_is_not_resumed_by_default(tmp_path):
    torch.save(dict(weight=torch.ones(1)), tmp_path / 'epoch_1.pth')
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'epoch_1.pth'))
    torch.save(dict(message_hub={}), tmp_path / 'other.pth')
    cfg = Config(dict(work_dir=str(tmp_path)))
    assert set_resume(cfg, None) == '' and 'resume' not in cfg
    set_resume(cfg, str(tmp_path / 'other.pth'))
    assert cfg.resume and cfg.load_from == str(tmp_path / 'other.pth')


def test_checkpoint_folder_is_resumed(tmp_path):
    (tmp_path / 'epoch_1.pth').mkdir()
    (tmp_path / 'epoch_1.pth' / 'rank0.pth').write_bytes(b'weights')
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'epoch_1.pth'))
    for resume in ('auto', str(tmp_path / 'epoch_1.pth')):
        cfg = Config(dict(work_dir=str(tmp_path)))
        set_resume(cfg, resume)
        assert cfg.resume and cfg.load_from == str(tmp_path / 'epoch_1.pth')


def test_damaged_only_checkpoint_raises_an_error(tmp_path):
    (tmp_path / 'epoch_1.pth').touch()
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'epoch_1.pth'))
    with pytest.raises(ValueError, match='epoch_1.pth, the last checkpoint of .* is damaged or missing, .* no other;'):
        set_resume(Config(dict(work_dir=str(tmp_path))), 'auto')


def test_resuming_from_other_files_raises_errors(tmp_path):
    (tmp_path / 'notes.txt').write_text('lr too high')
    with pytest.raises(ValueError, match='notes.txt is'):
        set_resume(Config(dict(work_dir=str(tmp_path))), str(tmp_path / 'notes.txt'))
    with pytest.raises(FileNotFoundError, match='no.pth'):
        set_resume(Config(dict(work_dir=str(tmp_path))), str(tmp_path / 'no.pth'))


def test_unavailable_weights_raise_an_error_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, '_hub_dir', str(tmp_path))
    address = 'http://127.0.0.1:9/weights.pth'  # closed port
    for settings in (
        dict(model=dict(backbone=dict(pretrained=address))),
        dict(model=dict(backbone=dict(pretrained=None)), load_from=address),
    ):
        with pytest.raises(FileNotFoundError) as error:
            check_weights(Config(settings))
        assert f'save {address} as {tmp_path}/checkpoints/weights.pth' in str(error.value)
        assert '=None' in str(error.value)
    (tmp_path / 'checkpoints').mkdir()
    (tmp_path / 'checkpoints' / 'weights.pth').touch()
    check_weights(Config(settings))
    (tmp_path / 'checkpoints' / 'resnet50-0676ba61.pth').touch()
    check_weights(Config(dict(model=dict(backbone=dict(pretrained='torchvision://resnet50')))))
    check_weights(Config(dict(model=dict(backbone=dict(pretrained='some/file.pth')))))


class _SignedForGet(BaseHTTPRequestHandler):
    """Server of a presigned URL, which only allows GET requests."""

    def do_HEAD(self):  # noqa: N802
        self.send_error(403)

    def do_GET(self):  # noqa: N802
        self.send_response(200 if self.headers['User-Agent'] == 'torch.hub' and self.path == '/weights.pth' else 403)
        self.send_header('Content-Length', str(1 << 40))
        self.end_headers()

    def log_message(self, *args):
        pass


def test_server_without_head_requests_is_supported(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, '_hub_dir', str(tmp_path))
    with ThreadingHTTPServer(('127.0.0.1', 0), _SignedForGet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f'http://127.0.0.1:{server.server_port}'
        check_weights(Config(dict(model=dict(backbone=dict(pretrained=f'{address}/weights.pth')))))
        with pytest.raises(FileNotFoundError, match='cannot be downloaded .HTTP Error 403'):
            check_weights(Config(dict(model=dict(backbone=dict(pretrained=f'{address}/others.pth')))))
        server.shutdown()


def test_invalid_configs_raise_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match="config 'no.py' does not exist"):
        load_config(arguments(config='no.py'))
    for text, error in (('model = dict(', 'SyntaxError'), ("_base_ = 'nothing.py'", 'nothing.py'), ('a = b', 'b')):
        file = tmp_path / 'config.py'
        file.write_text(text)
        with pytest.raises(ValueError, match=f'cannot be read: .*{error}'):
            load_config(arguments(config=str(file)))
    file.write_text('model = dict(a=[1])')
    with pytest.raises(ValueError, match='has no train_cfg; it must have model, train_cfg'):
        load_config(arguments(config=str(file)), ('model', 'train_cfg'))
    with pytest.raises(ValueError, match="with --cfg-options {'model.a.4': 1} cannot be read"):
        load_config(arguments(config=str(file), cfg_options={'model.a.4': 1}))


@pytest.mark.parametrize('workers', [0, 2])
def test_persistent_workers_are_disabled_without_workers(workers, tmp_path):
    file = tmp_path / 'config.py'
    file.write_text('train_dataloader = dict(num_workers=2, persistent_workers=True)')
    cfg = load_config(arguments(config=str(file), cfg_options={'train_dataloader.num_workers': workers}))
    assert cfg.train_dataloader.persistent_workers == (workers > 0)


def test_unsupported_sync_bn_raises_an_error(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    for kind in (None, 'torch'):
        check_sync_bn(Config(dict(sync_bn=kind)))
    with pytest.raises(ValueError, match="sync_bn='mmcv' needs a GPU and .* use --cfg-options sync_bn=torch"):
        check_sync_bn(Config(dict(sync_bn='mmcv')))
    with pytest.raises(ValueError, match="sync_bn=True must be 'torch', 'mmcv' or None"):
        check_sync_bn(Config(dict(sync_bn=True)))


def test_amp_keeps_settings_of_the_config():
    cfg = Config(dict(optim_wrapper=dict(optimizer=dict(type='SGD'))))
    set_amp(cfg)
    assert cfg.optim_wrapper.type == 'AmpOptimWrapper' and cfg.optim_wrapper.loss_scale == 'dynamic'
    with pytest.raises(ValueError, match='DeepSpeedOptimWrapper'):
        set_amp(Config(dict(optim_wrapper=dict(type='DeepSpeedOptimWrapper'))))


def test_only_the_epoch_loop_is_replaced():
    for loop, sampler, replaced in (
        ('EpochBasedTrainLoop', {}, True),
        ('EpochBasedTrainLoop', dict(batch_sampler=dict(type='AspectRatioBatchSampler')), False),
        ('IterBasedTrainLoop', {}, False),
    ):
        cfg = Config(dict(train_cfg=dict(type=loop, max_epochs=3), train_dataloader=dict(sampler)))
        make_resumable(cfg)
        assert (cfg.train_cfg.type == 'ResumableTrainLoop') == replaced


def test_checkpoint_without_matching_keys_raises_an_error():
    runner = Namespace(model=torch.nn.Linear(1, 1))
    hook = FittingWeightsHook()
    hook.after_load_checkpoint(runner, dict(state_dict={'module.weight': 0, 'other': 0}))
    hook.after_load_checkpoint(runner, dict(weight=0))
    for foreign in (dict(state_dict={'conv1.weight': 0}), {'conv1.weight': 0}, {}):
        with pytest.raises(ValueError, match='none of the . keys of the checkpoint .* is in the Linear'):
            hook.after_load_checkpoint(runner, foreign)


@pytest.mark.parametrize(
    ('classified', 'saved', 'words'),
    [
        (True, ['layer.weight'], 'had no node_classifier, but the config has this one'),
        (True, ['layer.weight', 'node_classifier.weight'], 'had another node_classifier, but the config has this one'),
        (False, ['layer.weight', 'node_classifier.weight'], 'had a node_classifier, but the config has none'),
    ],
)
def test_node_classifier_cannot_be_added_or_removed_by_resuming(classified, saved, words):
    model = torch.nn.ModuleDict(dict(layer=torch.nn.Linear(1, 1)))
    if classified:
        model['node_classifier'] = torch.nn.Linear(1, 1)
    checkpoint = dict(state_dict=dict.fromkeys(saved, 0))
    FittingWeightsHook().after_load_checkpoint(Namespace(model=model, _resume=False), checkpoint)
    with pytest.raises(ValueError, match=f'{words}; restore the option, or start a new training with load_from'):
        FittingWeightsHook().after_load_checkpoint(Namespace(model=model, _resume=True), checkpoint)


def test_errors_have_no_traceback():
    with pytest.raises(SystemExit, match='^so it is$'), exit_with_message():
        raise ValueError('so it is')
    with pytest.raises(ZeroDivisionError), exit_with_message():
        1 / 0  # noqa: B018


@pytest.mark.parametrize(
    'evaluator',
    [
        dict(type='ObjectDistance'),
        [dict(type='AccMetric'), dict(type='dyreg_mmaction.ObjectDistance')],
        dict(type='Evaluator', metrics=[dict(type='ObjectDistance')]),
    ],
)
def test_object_distance_requires_attach_regions_hook(evaluator):
    cfg = Config(dict(val_evaluator=evaluator, custom_hooks=[dict(type='EMAHook')]))
    with pytest.raises(
        ValueError, match=r"needs dict\(type='AttachRegionsHook'\) in custom_hooks, which is \['EMAHook'\]"
    ):
        check_regions_attached(cfg, 'val')
    check_regions_attached(cfg, 'test')
    cfg.custom_hooks = [dict(type='EMAHook'), dict(type='AttachRegionsHook')]
    check_regions_attached(cfg, 'val')


@pytest.mark.parametrize('hook', [dict(type='AttachRegionsHook'), dict(type='OwnHook'), AttachRegionsHook()])
@pytest.mark.parametrize(
    'place', [lambda hook: dict(custom_hooks=[hook]), lambda hook: dict(default_hooks=dict(a=hook))]
)
def test_custom_hooks_are_recognized(place, hook, monkeypatch):
    monkeypatch.setitem(HOOKS.module_dict, 'OwnHook', type('OwnHook', (AttachRegionsHook,), {}))
    monkeypatch.setitem(METRICS.module_dict, 'OwnDistance', type('OwnDistance', (ObjectDistance,), {}))
    evaluator = [dict(type='OwnDistance'), dict(type='NobodyKnows')]
    with pytest.raises(ValueError, match='ObjectDistance of val_evaluator needs'):
        check_regions_attached(Config(dict(val_evaluator=evaluator, default_hooks=dict(a=None))), 'val')
    check_regions_attached(Config(dict(val_evaluator=evaluator, **place(hook))), 'val')


def test_accuracy_requires_no_hook():
    for evaluator in (None, dict(type='AccMetric'), [dict(type='AccMetric')]):
        check_regions_attached(Config(dict(val_evaluator=evaluator)), 'val')


def test_errors_of_files_are_printed_without_a_traceback(tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(SystemExit, match='File exists'), exit_with_message():
        (tmp_path / 'file').mkdir(exist_ok=True)
