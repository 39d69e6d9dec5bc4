"""Every remedy of dyreg_mmaction/compat/: the fault without it (and with all the others), the cure with it.

The faults live in processes of their own, forked from this file run as a script, since a remedy cannot be taken back.
"""

import importlib.util
import json
import os
import pickle
import socket
import subprocess
import sys
import traceback
import warnings
from collections.abc import Iterable
from importlib.machinery import PathFinder
from pathlib import Path

import pytest

COMPAT = Path(__file__).parents[1] / 'dyreg_mmaction' / 'compat' / '__init__.py'
# what some environments have and others lack: without these each fault is there everywhere
HIDDEN = {
    'importlib_metadata',
    'mmaction.models.localizers.drn',
    'mmcv.ops',
    'moviepy',
    'pkg_resources',
    'timm',
    'torchvision',
}
# what the stock stack says without the remedy
FAULTS = {
    'hide_mmcv_lite_warning': 'Fail to import ``MultiScaleDeformableAttention``',
    'supply_drn': "No module named 'mmaction.models.localizers.drn'",
    'alias_importlib_metadata': "No module named 'importlib_metadata'",
    'find_packages': "No module named 'pkg_resources'",
    'find_flat_configs': 'please specify the package name and relative config path',
    'open_configs_of_packages': 'FileNotFoundError',
    'parse_variables': 'AssertionError: the variable has its old value',
    'leave_out_vindlu': 'mmaction/models/multimodal/vindlu/',
    'train_from_scratch': 'TypeError: expected string or bytes-like object',
    'load_torchvision_weights': "No module named 'torchvision'",
    'load_weights_everywhere': 'AssertionError: executed',
    'trust_logs_in_checkpoints': 'Weights only load failed',
    'init_dist_on_cpu': 'cuda',
    'wrap_models_on_cpu': 'device_ids',
    'sync_norms_on_cpu': 'SyncBatchNorm expected input tensor to be on GPU',
    'forget_processes_that_ended': 'AssertionError: an address of the last start',
    'jitter_hue': 'out of bounds for uint8',
    'refuse_small_frames': 'DID NOT RAISE',
    'bring_back_names': '`np.Inf` was removed',
    'take_single_elements': 'TypeError: only 0-dimensional arrays can be converted',
    'bring_back_find_loader': "has no attribute 'find_loader'",
    'give_probabilities': 'AssertionError: logits',
    'name_classes': "KeyError: 'pred_names'",
    'answer_for_all_videos': 'AssertionError: 1 of 2 videos drawn',
    'draw_in_rgb': 'AssertionError: red is blue',
    'write_videos': 'Please install moviepy',
    'draw_labels': 'AssertionError: no label is drawn',
    'draw_samples': "unexpected keyword argument 'show'",
    'batch_test_views': "has no attribute 'get'",
    'write_checkpoints_whole': 'AssertionError: half a file',
    'remove_checkpoints_last': 'AssertionError: the old checkpoint is gone',
    'find_whole_checkpoint': 'AssertionError: epoch_3.pth',
    'load_where_nothing_resumes': 'AssertionError: random weights',
    'mix_precision_on_cpu': 'only available training on gpu',
    'read_configs_of_checkpoints': 'AssertionError: executed',
    'import_no_bare_names': 'AssertionError: imported',
    'score_in_float32': 'unsupported ScalarType BFloat16',
    'group_all_parameters': 'New atomic module type',
    'checkpoint_blocks_of_backbones': "AssertionError: [['forward'], []]",
    'checkpoint_chosen_modules': "AssertionError: [['forward'], []]",
}


def hide_mmcv_lite_warning(folder: Path) -> None:
    with warnings.catch_warnings(record=True) as caught:
        import mmcv.cnn.bricks.transformer  # noqa: F401
    assert not caught, caught[0].message


def supply_drn(folder: Path) -> None:
    import mmaction.models  # noqa: F401
    from mmaction.registry import MODELS

    with pytest.raises(ImportError, match='DRN is missing from the mmaction2 1.2.0 wheel'):
        MODELS.build(dict(type='DRN'))
    MODELS.register_module('DRN', force=True, module=dict)  # somebody's own
    del sys.modules['mmaction.models.localizers.drn.drn']
    importlib.import_module('mmaction.models.localizers.drn.drn')
    assert MODELS.get('DRN') is dict


def alias_importlib_metadata(folder: Path) -> None:
    from mmaction.utils.dependency import satisfy_requirement

    assert satisfy_requirement('torch>=1.0')


def find_packages(folder: Path) -> None:
    from mmengine.config import Config
    from mmengine.utils import get_installed_path, is_installed

    config = folder / 'config.py'
    config.write_text("_base_ = 'mmaction::_base_/default_runtime.py'")
    assert Config.fromfile(config).default_scope == 'mmaction'
    assert is_installed('mmaction2') and is_installed('mmengine') and not is_installed('mmdet')
    with pytest.raises(ModuleNotFoundError, match='pip install mmdet'):
        get_installed_path('mmdet')


def find_flat_configs(folder: Path) -> None:
    from mmengine.config import Config

    config = folder / 'config.py'
    config.write_text("_base_ = 'dyreg_mmaction::tsm_r50_dyreg_sthv2.py'")
    assert Config.fromfile(config).model.backbone.type == 'DyRegResNetTSM'


def open_configs_of_packages(folder: Path) -> None:
    from mmengine.config import Config
    from mmengine.infer import BaseInferencer

    tsm = 'mmaction::recognition/tsm/tsm_imagenet-pretrained-r50_8xb16-1x1x8-50e_sthv2-rgb.py'
    assert Config.fromfile(tsm).model.backbone.type == 'ResNetTSM'
    assert Config.fromfile('dyreg_mmaction::tsm_r50_dyreg_sthv2.py').model.backbone.type == 'DyRegResNetTSM'
    cfg, weights = BaseInferencer._load_model_from_metafile(None, tsm)
    assert cfg.model.backbone.type == 'ResNetTSM' and weights is None
    with pytest.raises(FileNotFoundError):
        Config.fromfile('mmaction::recognition/tsm/none.py')


def parse_variables(folder: Path) -> None:
    from compat.config_variables import set_variables
    from mmengine.config import Config

    base, config, pure = (folder / name for name in ('base.py', 'config.py', 'pure.py'))
    base.write_text('size = 224')
    config.write_text("_base_ = 'base.py'\nmodel = dict(size=_base_.size)")
    pure.write_text(
        'from mmengine.config import read_base\nwith read_base():\n    from .base import *\nmodel = dict(size=size)'
    )
    with set_variables(dict(size=64)):
        sizes = [Config.fromfile(file).model.size for file in (config, pure)]
    assert sizes == [64, 64], 'the variable has its old value'
    assert Config.fromfile(config).model.size == 224


def leave_out_vindlu(folder: Path) -> None:
    (folder / 'transformers').mkdir()
    (folder / 'transformers' / '__init__.py').touch()
    (folder / 'transformers-5.1.0.dist-info').mkdir()
    (folder / 'transformers-5.1.0.dist-info' / 'METADATA').write_text('Name: transformers\nVersion: 5.1.0\n')
    sys.path.insert(0, str(folder))
    import mmaction.models  # noqa: F401
    from mmaction.registry import MODELS

    with pytest.raises(ImportError, match='VindLURetrieval requires extra multi-modal dependencies'):
        MODELS.build(dict(type='VindLURetrieval'))


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


def load_torchvision_weights(folder: Path) -> None:
    import torch
    from mmengine.runner import CheckpointLoader

    torch.hub.set_dir(folder)
    (folder / 'checkpoints').mkdir()
    torch.save({'weight': torch.ones(2)}, folder / 'checkpoints' / 'resnet18-f37072fd.pth')  # as once downloaded
    for scheme in ('torchvision', 'modelzoo'):
        assert CheckpointLoader.load_checkpoint(f'{scheme}://resnet18')['weight'].sum() == 2
    with pytest.raises(ValueError, match="'torchvision://resnet1' is none of .*alexnet"):
        CheckpointLoader.load_checkpoint('torchvision://resnet1')

    HIDDEN.remove('torchvision')  # one that was built for another torch
    (folder / 'torchvision.py').write_text('raise RuntimeError("operator torchvision::nms does not exist")')
    sys.path.insert(0, str(folder))
    assert CheckpointLoader.load_checkpoint('torchvision://resnet18')['weight'].sum() == 2


def load_weights_everywhere(folder: Path) -> None:
    import torch
    from mmengine.runner import CheckpointLoader

    torch.hub.set_dir(folder)
    (folder / 'checkpoints').mkdir()
    trace = folder / 'trace'
    code = f"__import__('pathlib').Path({str(trace)!r}).touch()"
    torch.save(_Call(eval, code), folder / 'checkpoints' / 'evil.pth')  # as once downloaded
    try:
        with pytest.raises(pickle.UnpicklingError):
            CheckpointLoader.load_checkpoint('https://127.0.0.1:9/evil.pth')
    finally:
        assert not trace.exists(), 'executed'


class _Call:
    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


def trust_logs_in_checkpoints(folder: Path) -> None:
    import numpy as np
    import torch
    from mmengine.logging import HistoryBuffer, MessageHub
    from mmengine.runner import CheckpointLoader

    hub = MessageHub.get_instance('hub')
    hub.update_scalar('train/loss', np.float64(0.5))
    hub.update_info('best', np.float32(3))
    hub.update_info('epochs', np.arange(3))
    torch.save({'message_hub': hub.state_dict()}, folder / 'zip.pth')
    torch.save({'message_hub': hub.state_dict()}, folder / 'plain.pth', _use_new_zipfile_serialization=False)
    numpy_1 = (folder / 'plain.pth').read_bytes().replace(b'numpy._core.', b'numpy.core.')
    (folder / 'numpy_1.pth').write_bytes(numpy_1)
    for checkpoint in ('zip.pth', 'plain.pth', 'numpy_1.pth'):
        log = CheckpointLoader.load_checkpoint(str(folder / checkpoint))['message_hub']
        assert log['log_scalars']['train/loss'].mean() == 0.5
        assert log['runtime_info']['best'] == 3 and (log['runtime_info']['epochs'] == [0, 1, 2]).all()

    for attack in (_Call(eval, '1'), _Call(getattr, HistoryBuffer, '__init__'), _Call(getattr, np.ndarray, 'tofile')):
        torch.save(attack, folder / 'attack.pth')
        with pytest.raises(Exception, match=r'not safe to load|GLOBAL (builtins\.)?eval'):
            CheckpointLoader.load_checkpoint(str(folder / 'attack.pth'))


def _join_group_of_one() -> None:
    with socket.socket() as server:
        server.bind(('127.0.0.1', 0))
        port = server.getsockname()[1]
    os.environ.update(RANK='0', LOCAL_RANK='0', WORLD_SIZE='1', MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port))


def init_dist_on_cpu(folder: Path) -> None:
    import torch
    from mmengine import dist

    set_device = torch.cuda.set_device
    for launcher in ('pytorch', 'slurm'):
        _join_group_of_one()
        os.environ.update(SLURM_PROCID='0', SLURM_NTASKS='1', SLURM_NODELIST='localhost', SLURM_LOCALID='0')
        dist.init_dist(launcher)
        assert dist.get_backend() == 'gloo'
        torch.distributed.destroy_process_group()
    assert torch.cuda.set_device is set_device


def wrap_models_on_cpu(folder: Path) -> None:
    import torch
    from mmengine.model import MMDistributedDataParallel

    _join_group_of_one()
    torch.distributed.init_process_group('gloo')
    model = MMDistributedDataParallel(torch.nn.Linear(2, 1), device_ids=[0], broadcast_buffers=False)
    model(torch.ones(1, 2)).sum().backward()
    assert model.module.weight.grad.sum() == 2 and not model.broadcast_buffers


def forget_processes_that_ended(folder: Path) -> None:
    """torchrun's store outlives its processes; each start asks for it by the environment."""
    import torch.distributed as dist

    torchrun = dist.TCPStore('127.0.0.1', 0, is_master=True, wait_for_workers=False)
    _join_group_of_one()
    os.environ.update(MASTER_PORT=str(torchrun.port), TORCHELASTIC_USE_AGENT_STORE='True')
    for start in ('0', '1'):
        os.environ['TORCHELASTIC_RESTART_COUNT'] = start
        store, *_ = next(dist.rendezvous('env://'))
        assert store.add('addresses', 1) == 1, 'an address of the last start'
    assert torchrun.add('addresses', 0) == 1, 'processes without the patch are not met'


def sync_norms_on_cpu(folder: Path) -> None:
    """Two processes of 2 and 3 samples are one of 5."""
    import torch
    from torch import nn

    _join_group_of_one()
    rank = 0 if os.fork() else 1
    os.environ.update(WORLD_SIZE='2', RANK=str(rank))
    torch.distributed.init_process_group('gloo')
    torch.manual_seed(0)
    x, gradient = torch.randn(2, 5, 3, 4, 4)
    alone = nn.BatchNorm2d(3)
    nn.init.normal_(alone.weight), nn.init.normal_(alone.bias)
    norm = nn.SyncBatchNorm(3)
    norm.load_state_dict(alone.state_dict())
    own = slice(0, 2) if rank == 0 else slice(2, 5)
    try:
        whole, part = (each.clone().requires_grad_() for each in (x, x[own]))
        for _ in range(2):  # running statistics of more than one batch
            expected, given = alone(whole), norm(part)
        torch.testing.assert_close(given, expected[own])
        expected.backward(gradient)
        given.backward(gradient[own])
        torch.testing.assert_close(part.grad, whole.grad[own])
        torch.distributed.all_reduce(norm.weight.grad)
        torch.testing.assert_close(norm.weight.grad, alone.weight.grad)
        for name, value in alone.state_dict().items():
            torch.testing.assert_close(norm.state_dict()[name], value)
        nn.parallel.DistributedDataParallel(norm)(part)
        norm.eval()(x), norm.to(torch.bfloat16).train()(part.bfloat16())
    finally:
        if rank == 1:
            traceback.print_exc()
            os._exit(0)


def write_checkpoints_whole(folder: Path) -> None:
    import resource

    import torch
    from mmengine.runner import runner

    file = folder / 'epoch_1.pth'
    runner.save_checkpoint(dict(weight=torch.ones(10_000)), str(file))
    before = file.read_bytes()
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))  # as good as a full disk, or a kill
    with pytest.raises(OSError, match='File too large'):
        runner.save_checkpoint(dict(weight=torch.zeros(10_000)), str(file))
    assert file.read_bytes() == before, 'half a file'


def _toy_runner(folder: Path, **settings):
    import torch
    from mmengine.model import BaseModel
    from mmengine.runner import Runner

    class Toy(BaseModel):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(1, 1)

        def forward(self, inputs, mode):
            return dict(loss=self.layer(torch.stack(inputs)).sum())

    return Runner(
        **dict(
            model=Toy(),
            work_dir=str(folder / 'run'),
            train_dataloader=dict(
                dataset=[dict(inputs=torch.ones(1))], batch_size=1, sampler=dict(type='DefaultSampler')
            ),
            train_cfg=dict(by_epoch=True, max_epochs=2),
            optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
            log_level='ERROR',
        )
        | settings
    )


def remove_checkpoints_last(folder: Path) -> None:
    runner = _toy_runner(
        folder, default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=1, max_keep_ckpts=1))
    )
    stock = runner.save_checkpoint

    def fail_in_epoch_2(out_dir, filename, *args, **kwargs):
        if filename == 'epoch_2.pth':
            raise KeyboardInterrupt
        stock(out_dir, filename, *args, **kwargs)

    runner.save_checkpoint = fail_in_epoch_2
    with pytest.raises(KeyboardInterrupt):
        runner.train()
    assert (folder / 'run' / 'epoch_1.pth').exists(), 'the old checkpoint is gone'
    again = _toy_runner(
        folder / 'again', default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=1, max_keep_ckpts=1))
    )
    again.train()
    assert [file.name for file in (folder / 'again' / 'run').glob('*.pth')] == ['epoch_2.pth']
    _remove_best_checkpoints_last(folder)


def _remove_best_checkpoints_last(folder: Path) -> None:
    """A new best checkpoint that cannot be saved, one that can, and one with the name of the last best one."""
    hook = dict(type='CheckpointHook', interval=-1, save_last=False, save_best='acc')
    runner = _toy_runner(folder / 'best', default_hooks=dict(checkpoint=hook))
    work_dir = folder / 'best' / 'run'
    runner.train()
    checkpoint = next(hook for hook in runner.hooks if type(hook).__name__ == 'CheckpointHook')
    stock = runner.save_checkpoint

    def best(epoch, acc):
        runner.train_loop._epoch = epoch
        checkpoint.after_val_epoch(runner, dict(acc=acc))
        return sorted(file.name for file in work_dir.glob('*.pth'))

    def fail(*args, **kwargs):
        raise KeyboardInterrupt

    assert best(1, 0.1) == ['best_acc_epoch_1.pth']
    runner.save_checkpoint = fail
    with pytest.raises(KeyboardInterrupt):
        best(2, 0.2)
    assert (work_dir / 'best_acc_epoch_1.pth').exists(), 'the best checkpoint is gone'
    runner.save_checkpoint, checkpoint.best_ckpt_path = stock, str(work_dir / 'best_acc_epoch_1.pth')
    assert best(3, 0.3) == ['best_acc_epoch_3.pth']
    assert best(3, 0.4) == ['best_acc_epoch_3.pth']


def find_whole_checkpoint(folder: Path) -> None:
    import torch
    from mmengine.runner import runner

    for epoch in (1, 2, 3):
        file = folder / f'epoch_{epoch}.pth'
        torch.save(dict(weight=torch.rand(1000)), file)
        os.utime(file, (epoch, epoch))
    (folder / 'last_checkpoint').write_text(str(folder / 'epoch_3.pth'))
    torch.save(
        dict(weight=torch.rand(1000)), folder / 'best_acc_epoch_1.pth'
    )  # without an optimizer: not to resume from

    def latest() -> str:
        return Path(runner.find_latest_checkpoint(str(folder)) or 'none').name

    assert latest() == 'epoch_3.pth'
    (folder / 'epoch_3.pth').write_bytes((folder / 'epoch_3.pth').read_bytes()[:-100])
    assert latest() == 'epoch_2.pth', latest()
    content = bytearray((folder / 'epoch_2.pth').read_bytes())
    content[len(content) // 2] ^= 1  # one bit of a weight
    (folder / 'epoch_2.pth').write_bytes(content)
    os.utime(folder / 'epoch_2.pth', (2, 2))
    assert latest() == 'epoch_1.pth'
    (folder / 'last_checkpoint').write_text('')  # cut by a kill
    assert latest() == 'epoch_1.pth'
    (folder / 'last_checkpoint').unlink()  # killed before it was written
    assert latest() == 'epoch_1.pth'
    torch.save(dict(weight=torch.ones(1)), folder / 'epoch_1-0a1b2c3d.pth')  # published: weights alone
    assert latest() == 'epoch_1.pth'
    (folder / 'last_checkpoint').write_text(f'/elsewhere/{folder.name}/epoch_1.pth')  # a folder that was moved
    assert latest() == 'epoch_1.pth'
    (folder / 'epoch_1.pth').unlink()
    assert latest() == 'epoch_1.pth', 'broken ones would be overwritten'
    for file in folder.glob('epoch_?.pth'):
        file.unlink()
    assert latest() == 'epoch_1.pth'  # of which somebody should know
    (folder / 'last_checkpoint').unlink()
    assert latest() == 'none'

    torch.save(dict(weight=torch.rand(9)), folder / 'iter_2.pth')
    torch.save(dict(weight=torch.rand(9)), folder / 'old.pth', _use_new_zipfile_serialization=False)
    (folder / 'step_4.pth').mkdir()  # FSDP
    (folder / 'step_4.pth' / 'rank0.pth').write_bytes(b'weights')
    for whole in ('old.pth', 'step_4.pth'):
        (folder / 'last_checkpoint').write_text(str(folder / whole))
        assert latest() == whole
    (folder / 'step_4.pth' / 'rank0.pth').unlink()
    assert latest() == 'iter_2.pth'
    torch.save(dict(weight=torch.rand(9)), folder / 'step_3.pth')
    os.utime(folder / 'iter_2.pth', (2, 2))
    assert latest() == 'step_3.pth'
    for zeros in ('step_3.pth', 'last_checkpoint'):  # after a loss of power
        (folder / zeros).write_bytes(bytes(100))
        assert latest() == 'iter_2.pth'

    for file in folder.glob('*.p*'):
        file.rmdir() if file.is_dir() else file.unlink()
    training = dict(message_hub={}, weight=torch.rand(9))
    for name in ('best_acc_epoch_7.pth', 'pretrained.pth', 'model_1.pt', '.model_2.pt.part'):
        torch.save(training, folder / name)
    torch.save(dict(weight=torch.rand(9)), folder / 'resnet50-0676ba61.pth')
    assert latest() == 'model_1.pt'  # filename_tmpl='model_{}.pt'
    (folder / 'last_checkpoint').unlink()
    assert latest() == 'model_1.pt'
    (folder / 'model_1.pt').unlink()
    assert latest() == 'none'


def load_where_nothing_resumes(folder: Path) -> None:
    import torch
    from mmengine.config import Config

    weights = {'layer.weight': torch.full((1, 1), 7.0), 'layer.bias': torch.full((1,), 8.0)}
    torch.save(weights, folder / 'weights.pth')
    (folder / 'config.py').write_text(f'load_from = {str(folder / "weights.pth")!r}')
    # what MMAction2's tools/train.py --resume makes of it
    cfg = Config.fromfile(folder / 'config.py')
    cfg.resume, cfg.load_from = True, None

    def started(**settings):
        runner = _toy_runner(folder, cfg=cfg, resume=True, **settings)
        runner.train_loop.run = lambda: None
        runner.train()
        return runner.model.layer.weight.item()

    assert started() == 7, 'random weights'
    weights['layer.weight'] += 1
    torch.save(weights, folder / 'others.pth')
    for option, expected in ((None, False), (str(folder / 'others.pth'), True)):
        cfg.merge_from_dict(dict(load_from=option))
        cfg.load_from = None
        assert (started() == 8) == expected and started() != 7, '--cfg-options load_from is ignored'
    trained = _toy_runner(folder)
    trained.train()
    assert started() == trained.model.layer.weight.item()


def mix_precision_on_cpu(folder: Path) -> None:
    import torch

    for dtype in (None, 'float16'):
        optim_wrapper = dict(type='AmpOptimWrapper', optimizer=dict(type='SGD', lr=0.1), dtype=dtype)
        runner = _toy_runner(folder, optim_wrapper=optim_wrapper)
        dtypes = []
        runner.model.layer.register_forward_hook(lambda *args, dtypes=dtypes: dtypes.append(args[2].dtype))
        runner.train()
        assert dtypes == [torch.bfloat16] * 2
        assert runner.model.layer.weight.dtype == torch.float32
    _toy_runner(folder, optim_wrapper=optim_wrapper, resume=True, train_cfg=dict(by_epoch=True, max_epochs=3)).train()
    runner = _toy_runner(folder, optim_wrapper=optim_wrapper)
    runner.model.another = torch.nn.Conv3d(1, 1, 1)
    with pytest.raises(ValueError, match='gradients of 3D convolutions in bfloat16'):
        runner.train()


def score_in_float32(folder: Path) -> None:
    import torch
    from mmaction.models.heads import TSNHead
    from mmaction.structures import ActionDataSample

    head = TSNHead(num_classes=3, in_channels=4)
    losses = head.loss_by_feat(torch.eye(2, 3).bfloat16(), [ActionDataSample().set_gt_label(0)] * 2)
    assert losses['top1_acc'] == 0.5 and losses['loss_cls'].dtype == torch.float32


def jitter_hue(folder: Path) -> None:
    import cv2
    import numpy as np
    from mmaction.datasets.transforms import ColorJitter

    hue = np.arange(180, dtype=np.uint8)[None, :, None]
    hsv = np.concatenate([hue, np.full_like(hue, 255), np.full_like(hue, 255)], axis=2)
    rgb = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
    for factor in (-0.5, 0.5):  # 0.5: 127 on top of hues up to 179 leaves uint8 too
        turned = {'imgs': [rgb]}
        ColorJitter(brightness=0, contrast=0, saturation=0, hue=(factor, factor)).transform(turned)
        expected = (hue[0, :, 0].astype(int) + int(factor * 255)) % 180
        found = cv2.cvtColor(turned['imgs'][0], cv2.COLOR_RGB2HSV)[0, :, 0]
        assert np.abs((found - expected + 90) % 180 - 90).max() <= 1


def refuse_small_frames(folder: Path) -> None:
    import numpy as np
    from mmaction.datasets.transforms import CenterCrop

    frames = dict(imgs=[np.zeros((8, 16, 3), np.uint8)], img_shape=(8, 16), modality='RGB')
    with pytest.raises(ValueError, match=r'frames of 16 x 8 are smaller than crop_size=\(12, 12\)'):
        CenterCrop(12).transform(frames)


def _recognizer(**test_cfg) -> dict:
    return dict(
        type='Recognizer2D',
        backbone=dict(type='ResNetTSM', depth=18, num_segments=8, pretrained2d=False),
        cls_head=dict(type='TSMHead', num_classes=3, in_channels=512, num_segments=8, average_clips='prob'),
        data_preprocessor=dict(type='ActionDataPreprocessor', mean=[128] * 3, std=[64] * 3),
        test_cfg=test_cfg,
    )


class _Clips(list):
    """Packed clips of 8 frames, (T, C, H, W), the darker the later."""

    metainfo = dict(classes=['push', 'pull', 'lift'])

    def __init__(self, clips: int = 5):
        import torch
        from mmaction.structures import ActionDataSample

        frames = torch.linspace(250, 180, 8).to(torch.uint8).reshape(8, 1, 1, 1).expand(8, 3, 224, 288).contiguous()
        super().__init__(dict(inputs=frames, data_samples=ActionDataSample().set_gt_label(1)) for _ in range(clips))


def _test_with_pictures(out_dir: Path) -> None:
    """What ``tools/test.py --show-dir`` does."""
    from mmengine.runner import Runner

    Runner(
        model=_recognizer(),
        work_dir=str(out_dir / 'work_dir'),
        default_scope='mmaction',
        test_cfg=dict(type='TestLoop'),
        test_evaluator=dict(type='AccMetric'),
        test_dataloader=dict(dataset=_Clips(), batch_size=2, sampler=dict(type='DefaultSampler', shuffle=False)),
        default_hooks=dict(
            visualization=dict(
                type='VisualizationHook', enable=True, show=False, wait_time=2, interval=2, out_dir=str(out_dir)
            )
        ),
        visualizer=dict(type='ActionVisualizer', vis_backends=[dict(type='LocalVisBackend')]),
        log_level='ERROR',
    ).test()


def draw_samples(folder: Path) -> None:
    import cv2
    import torch
    from mmaction.engine.hooks.visualization_hook import VisualizationHook

    _test_with_pictures(folder)
    # sample 4 is alone in the last batch
    assert sorted(path.name for path in folder.glob('*_0')) == ['0_0', '2_0', '4_0']
    pictures = sorted((folder / '4_0' / 'frames_0').glob('*.png'))
    assert len(pictures) == 8
    for picture, brightness in zip(pictures, torch.linspace(250, 180, 8), strict=True):
        image = cv2.imread(str(picture))
        assert image.shape == (224, 288, 3) and (image[150:, 150:] == int(brightness)).all()

    frames = torch.arange(2 * 4 * 5 * 3).reshape(2, 4, 5, 3)  # (T, H, W, C)
    for layout in (frames.permute(0, 3, 1, 2), frames.permute(3, 0, 1, 2), frames.permute(3, 0, 1, 2)[None]):
        seen = {}

        class Visualizer:
            def add_datasample(self, name, video, sample, seen=seen, **kwargs):
                seen[name] = video

        hook = VisualizationHook(enable=True, interval=1)
        hook._visualizer = Visualizer()
        hook._draw_samples(0, {'inputs': [layout]}, [_Clips(1)[0]['data_samples']])
        assert (seen['0'] == frames.numpy()).all()


def draw_labels(folder: Path) -> None:
    import numpy as np
    from mmaction.structures import ActionDataSample
    from mmaction.visualization import ActionVisualizer

    visualizer = ActionVisualizer()
    visualizer.dataset_meta = _Clips.metainfo
    video = np.full((1, 64, 256, 3), 255, np.uint8)

    def picture(sample: ActionDataSample, **kwargs) -> np.ndarray:
        visualizer.add_datasample('clip', video, sample, out_path=str(folder / 'clip'), **kwargs)
        return np.fromfile(folder / 'clip' / 'frames_0' / '0.png', np.uint8).tobytes()

    def sample() -> ActionDataSample:
        return ActionDataSample().set_gt_label(1)

    def predicted(label: int, score: list[float]) -> ActionDataSample:
        return sample().set_pred_label(label).set_pred_score(score)

    nothing = picture(ActionDataSample())
    assert picture(sample()) != nothing, 'no label is drawn'
    assert picture(sample(), draw_gt=False) == nothing
    drawn = {
        picture(sample()),
        picture(sample().set_pred_label(2)),
        picture(predicted(2, [0.1, 0.2, 0.7])),
        picture(predicted(2, [0.1, 0.1, 0.8])),
        picture(predicted(0, [0.7, 0.2, 0.1])),
    }
    assert len(drawn) == 5


def bring_back_names(folder: Path) -> None:
    import numpy as np
    import torch
    from mmaction.datasets.transforms import PoseCompact
    from mmaction.evaluation import average_recall_at_avg_proposals
    from mmaction.evaluation.functional.ava_evaluation.metrics import compute_average_precision
    from mmaction.evaluation.metrics import RetrievalRecall
    from mmaction.utils import frame_extract

    pose = dict(keypoint=np.full((1, 2, 3, 2), 40.0), img_shape=(100, 100))
    assert PoseCompact(threshold=0).transform(pose)['keypoint'].shape == (1, 2, 3, 2)

    truth = dict(video=np.array([[0, 10.0]]))
    recall = average_recall_at_avg_proposals(truth, dict(video=np.array([[0, 10.0, 0.9]])), 1)
    assert np.isfinite(recall[-1])

    assert np.isnan(compute_average_precision(None, None))
    (recall,) = RetrievalRecall.calculate(torch.tensor([[0.9, 0.1]]), torch.tensor([[1, 0]]), topk=1)
    assert recall == 100

    _write_video(folder / 'video.mp4')
    assert frame_extract(str(folder / 'video.mp4'), short_side=32, out_dir=str(folder))[1][0].shape == (32, 48, 3)

    assert hasattr(np, 'Inf') == (np.__version__ < '2'), 'numpy itself is touched'


def bring_back_find_loader(folder: Path) -> None:
    import pkgutil

    from mmcv.utils.ext_loader import check_ops_exist
    from mmengine.utils.dl_utils import mmcv_full_available

    vars(pkgutil).pop('find_loader', None)  # as in Python 3.14
    is_full = importlib.util.find_spec('mmcv._ext') is not None
    assert mmcv_full_available() == check_ops_exist() == is_full


def take_single_elements(folder: Path) -> None:
    import numpy as np
    from mmaction.evaluation.functional import multisports_utils

    tube = np.array([[frame, 0, 0, 10, 10, 1.0] for frame in range(4)])
    assert multisports_utils.iou3dt_voc(tube, tube) == 1
    assert multisports_utils.iou3dt_voc(tube, tube[2:]) == 1 / 3


def _write_video(path: Path, color: tuple[int, int, int] = (0, 0, 255), frames: int = 10) -> str:
    """A video of one colour (B, G, R), 96 x 64."""
    import cv2
    import numpy as np

    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'mp4v'), 10, (96, 64))
    for _ in range(frames):
        writer.write(np.full((64, 96, 3), color, np.uint8))
    writer.release()
    return str(path)


def _inferencer(kind: str = 'MMAction2Inferencer', **kwargs):
    from mmaction import apis
    from mmengine.config import Config

    pipeline = [
        dict(type='DecordInit'),
        dict(type='SampleFrames', clip_len=1, frame_interval=1, num_clips=8, test_mode=True),
        dict(type='DecordDecode'),
        dict(type='Resize', scale=(-1, 32)),
        dict(type='CenterCrop', crop_size=32),
        dict(type='FormatShape', input_format='NCHW'),
        dict(type='PackActionInputs'),
    ]
    recognizer = _recognizer()
    recognizer['cls_head'].update(average_clips='score', init_std=1)
    cfg = Config(
        dict(
            model=recognizer,
            test_pipeline=pipeline,
            test_dataloader=dict(
                dataset=dict(type='VideoDataset', pipeline=pipeline, metainfo=dict(classes=['push', 'pull', 'lift']))
            ),
            visualizer=dict(type='ActionVisualizer'),
        )
    )
    return getattr(apis, kind)(cfg, device='cpu', **kwargs)


def give_probabilities(folder: Path) -> None:
    video = _write_video(folder / 'video.mp4')
    scores = _inferencer('ActionRecogInferencer')(video)['predictions'][0]['pred_scores']
    assert min(scores) >= 0 and abs(sum(scores) - 1) < 1e-5, 'logits'
    (scores,) = _inferencer()(video)['predictions'][0]['rec_scores']
    assert min(scores) >= 0 and abs(sum(scores) - 1) < 1e-5


def name_classes(folder: Path) -> None:
    import torch

    video = _write_video(folder / 'video.mp4')
    result = _inferencer('ActionRecogInferencer')(video)['predictions'][0]
    assert result['pred_names'] == [['push', 'pull', 'lift'][result['pred_labels'][0]]]

    (folder / 'names.txt').write_text('A\nB\nC')
    inferencer = _inferencer('ActionRecogInferencer', label_file=str(folder / 'names.txt'))
    assert inferencer(video)['predictions'][0]['pred_names'][0] in 'ABC'
    assert inferencer.visualizer.dataset_meta['classes'] == ['A', 'B', 'C']

    meta = dict(dataset_meta=dict(classes=['x', 'y', 'z']))
    torch.save(dict(state_dict=inferencer.model.state_dict(), meta=meta), folder / 'checkpoint.pth')
    inferencer = _inferencer('ActionRecogInferencer', weights=str(folder / 'checkpoint.pth'))
    assert inferencer(video)['predictions'][0]['pred_names'][0] in 'xyz'


def answer_for_all_videos(folder: Path) -> None:
    import json

    videos = [_write_video(folder / f'{name}.mp4') for name in 'ab']
    result = _inferencer()(videos, return_vis=True, pred_out_file=str(folder / 'out.json'))
    assert len(result['visualization']) == 2, f'{len(result["visualization"])} of 2 videos drawn'
    written = json.loads((folder / 'out.json').read_text())['predictions']
    assert written == result['predictions'] and all(len(entry['rec_names'][0]) == 1 for entry in written)


def draw_in_rgb(folder: Path) -> None:
    import cv2
    import numpy as np

    red = _write_video(folder / 'red.mp4')
    inferencer = _inferencer()
    (drawn,) = inferencer(red, return_vis=True, vid_out_dir=str(folder / 'out'), out_type='img')['visualization']
    assert drawn[0, -1, -1].argmax() == 0, 'red is blue'
    assert cv2.imread(str(folder / 'out' / 'red.mp4' / 'frames_0' / '0.png'))[-1, -1].argmax() == 2
    array = np.zeros((10, 64, 96, 3), np.uint8)
    array[..., 0] = 255
    inferencer = _inferencer(input_format='array')
    inferencer(array, vid_out_dir=str(folder / 'array'))
    assert cv2.VideoCapture(str(folder / 'array' / '00000000.mp4')).read()[1][-1, -1].argmax() == 2


def write_videos(folder: Path) -> None:
    import cv2
    from PIL import Image

    videos = [_write_video(folder / f'{name}.mp4') for name in 'ab']
    for kind in ('video', 'gif'):
        _inferencer()(videos, vid_out_dir=str(folder / 'out'), out_type=kind)
    reader = cv2.VideoCapture(str(folder / 'out' / 'b.mp4'))
    shape = [reader.get(key) for key in (cv2.CAP_PROP_FRAME_COUNT, cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)]
    assert shape == [10, 96, 64] and reader.read()[1][-1, -1].argmax() == 2  # red
    assert Image.open(folder / 'out' / 'a.gif').n_frames >= 1


def read_configs_of_checkpoints(folder: Path) -> None:
    import torch
    from mmaction.apis import ActionRecogInferencer, MMAction2Inferencer

    inferencer = _inferencer('ActionRecogInferencer')
    text, state = inferencer.cfg.pretty_text, inferencer.model.state_dict()
    trace = folder / 'trace'
    code = f"__import__('pathlib').Path({str(trace)!r}).touch()"
    hub = dict(log_scalars={}, runtime_info={}, resumed_keys={})

    def attempt(run, **content) -> None:
        torch.save(dict(dict(meta={}, message_hub=hub), state_dict=state, **content), folder / 'attack.pth')
        try:
            with pytest.raises(ValueError, match='no Python of a checkpoint is executed|no registered class'):
                run(str(folder / 'attack.pth'))
        finally:
            assert not trace.exists(), 'executed'

    def infer(weights: str) -> None:
        ActionRecogInferencer(None, weights=weights, device='cpu')
        MMAction2Inferencer(rec=None, rec_weights=weights, device='cpu')

    for attack in (f'{text}\n{code}', f"{text}\nmodel = dict(type='os.system', command='touch {trace}')"):
        attempt(infer, message_hub=dict(runtime_info=dict(cfg=attack)))
        attempt(infer, meta=dict(cfg=attack), message_hub={})

    def resume(checkpoint: str) -> None:
        _toy_runner(folder, load_from=checkpoint, resume=True, experiment_name='resumed').train()

    attempt(resume, meta=dict(config=code, epoch=0, iter=0))
    # nothing is built from it: a type may be gone, or of a package that the checkpoint's run has not registered
    old = dict(meta=dict(config="hook = dict(type='gone.Hook')", epoch=0, iter=0), message_hub=hub, state_dict={})
    torch.save(old, folder / 'old.pth')
    resume(str(folder / 'old.pth'))

    torch.save(dict(meta=dict(cfg=text), message_hub={}, state_dict=state), folder / 'kind.pth')
    again = ActionRecogInferencer(None, weights=str(folder / 'kind.pth'), device='cpu')
    assert again.cfg.model.to_dict() == inferencer.cfg.model.to_dict()
    assert again.classes == ['push', 'pull', 'lift'], again.classes


def import_no_bare_names(folder: Path) -> None:
    from mmengine.registry import MODELS

    (folder / 'my-script.py').write_text(f'open({str(folder / "trace")!r}, "w")')
    sys.path.insert(0, str(folder))
    try:
        with pytest.raises(KeyError, match='my-script is not in the mmengine::model registry'):
            MODELS.build(dict(type='my-script'))
    finally:
        assert not (folder / 'trace').exists(), 'imported'
    assert MODELS.get('torch.nn.modules.linear.Bilinear').__name__ == 'Bilinear'  # full names are as they were


def batch_test_views(folder: Path) -> None:
    import torch
    from mmaction.registry import MODELS
    from mmengine.registry import init_default_scope

    init_default_scope('mmaction')
    model = MODELS.build(_recognizer(max_testing_views=8)).eval()
    views = torch.randn(1, 3 * 8, 3, 64, 64)
    in_parts, _ = model.extract_feat(views, test_mode=True)
    model.test_cfg = None
    at_once, _ = model.extract_feat(views, test_mode=True)
    assert torch.allclose(in_parts, at_once, atol=1e-5)


def group_all_parameters(folder: Path) -> None:
    from mmaction.engine.optimizers import TSMOptimWrapperConstructor
    from torch import nn

    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.GRU(4, 4), nn.Linear(4, 2))
    model.scale = nn.Parameter(nn.init.ones_(model[0].bias.detach().clone()))
    settings = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1, weight_decay=0.1))
    optimizer = TSMOptimWrapperConstructor(settings, dict(fc_lr5=True))(model).optimizer
    grouped = [parameter for group in optimizer.param_groups for parameter in group['params']]
    assert {*map(id, grouped)} == {*map(id, model.parameters())}


def checkpoint_blocks_of_backbones(folder: Path) -> None:
    from mmaction.models.backbones.resnet import Bottleneck

    block = Bottleneck(8, 2, with_cp=True)
    _find_the_forward_again(block, block.conv2)


def checkpoint_chosen_modules(folder: Path) -> None:
    from mmengine.runner.activation_checkpointing import turn_on_activation_checkpointing
    from torch import nn

    model = nn.Sequential(nn.Sequential(nn.Conv2d(8, 8, 1)))
    turn_on_activation_checkpointing(model, ['0'])
    _find_the_forward_again(model, model[0][0])


def _find_the_forward_again(model, inside) -> None:
    import torch
    from compat.checkpointing import thread

    seen = []
    inside.register_forward_hook(lambda *_: seen.append([*thread.running]))
    thread.running.append('forward')
    y = model(torch.ones(2, 8, 4, 4, requires_grad=True))
    thread.running.pop()
    y.sum().backward()
    assert seen == [['forward'], ['forward']], seen


class _PathFinder(PathFinder):
    @classmethod
    def find_spec(cls, fullname, path=None, target=None):
        return None if fullname in HIDDEN else super().find_spec(fullname, path, target)


def _load_compat():
    spec = importlib.util.spec_from_file_location('compat', COMPAT)
    compat = importlib.util.module_from_spec(spec)
    sys.modules['compat'] = compat
    spec.loader.exec_module(compat)
    return compat


def _in_fork(name: str, remedies: Iterable, folder: Path) -> str:
    """Runs the function ``name`` of this file after ``remedies``; returns what it raised, '' if nothing."""
    folder.mkdir()
    report = folder.with_suffix('.txt')
    if os.fork() == 0:
        try:
            for remedy in remedies:
                remedy()
            globals()[name](folder)
            report.write_text('')
        except BaseException:
            report.write_text(traceback.format_exc())
        finally:
            os._exit(0)
    os.wait()
    return report.read_text()


def _main(folder: Path) -> None:
    sys.meta_path[:] = [_PathFinder if finder is PathFinder else finder for finder in sys.meta_path]
    # all that is slow and needs no remedy, once for all forks
    import matplotlib.pyplot  # noqa: F401
    import mmengine.runner  # noqa: F401
    import scipy.stats  # noqa: F401

    compat = _load_compat()
    results = {}
    for name in FAULTS:
        others = [remedy for remedy in compat.REMEDIES if remedy.__name__ != name]
        results[name] = (
            _in_fork(name, others, folder / f'{name}_without'),
            _in_fork(name, compat.REMEDIES, folder / f'{name}_with'),
        )
    (folder / 'results.json').write_text(json.dumps(results))


@pytest.fixture(scope='module')
def results(tmp_path_factory) -> dict[str, tuple[str, str]]:
    folder = tmp_path_factory.mktemp('compat')
    environment = {**os.environ, 'CUDA_VISIBLE_DEVICES': '', 'PYTHONPATH': os.pathsep.join(filter(None, sys.path))}
    run = subprocess.run([sys.executable, __file__, folder], env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return json.loads((folder / 'results.json').read_text())


def test_every_remedy_is_tested():
    names = [remedy.__name__ for remedy in _load_compat().REMEDIES]
    others = ['require_mmcv', 'load_weights_only', 'bring_forward_names', 'patch_in_workers']  # the last three: below
    others += ['check_configs']  # test_check_config_hook.py
    assert sorted(names) == sorted([*FAULTS, *others])


@pytest.mark.parametrize('name', FAULTS)
def test_fault_is_there_without_the_remedy(results, name):
    assert FAULTS[name] in results[name][0]


@pytest.mark.parametrize('name', FAULTS)
def test_remedy_cures_the_fault(results, name):
    assert results[name][1] == ''


@pytest.fixture
def older_torch(monkeypatch):
    """PyTorch as it was before 2.6: executes what is in a checkpoint, and lacks some names."""
    import mmengine.runner  # noqa: F401
    import torch

    stock = torch.load

    def load(file, map_location=None, pickle_module=None, *, weights_only=False, **kwargs):
        return stock(file, map_location, pickle_module, weights_only=weights_only, **kwargs)

    monkeypatch.setattr(torch, 'load', load)
    monkeypatch.setattr(torch, '__version__', type(torch.__version__)('2.1.2'))
    for owner, name in [
        (torch.serialization, 'add_safe_globals'),
        (torch.compiler, 'is_compiling'),
        (torch.compiler, 'is_dynamo_compiling'),
        (torch.amp, 'is_autocast_available'),
        (torch.nn.utils, 'get_total_norm'),
        (torch.nn.Module, 'register_load_state_dict_pre_hook'),
    ]:
        monkeypatch.delattr(owner, name, raising=False)
    return torch


def test_older_torch_loads_logs_and_executes_nothing(older_torch, tmp_path):
    compat = _load_compat()
    compat.torch.load_weights_only()
    compat.checkpoint_loading.trust_logs_in_checkpoints()
    trust_logs_in_checkpoints(tmp_path)
    older_torch.save(_Call(eval, '1'), tmp_path / 'own.pth')
    assert older_torch.load(tmp_path / 'own.pth', weights_only=False) == 1  # who asks for it
    for weights_only in (True, None):  # None: whatever is the default
        with pytest.raises(pickle.UnpicklingError, match='GLOBAL builtins.eval is not allowed'):
            older_torch.load(tmp_path / 'own.pth', weights_only=weights_only)


def test_older_torch_gets_the_names_that_are_used(older_torch):
    _load_compat().torch.bring_forward_names()
    assert older_torch.compiler.is_compiling() is False
    assert older_torch.compiler.is_dynamo_compiling() is False
    assert older_torch.amp.is_autocast_available('cpu') and not older_torch.amp.is_autocast_available('meta')
    total_norm = older_torch.nn.utils.get_total_norm
    assert total_norm([older_torch.tensor([3.0]), older_torch.tensor([4.0])]) == 5 and total_norm([]) == 0
    assert total_norm([older_torch.tensor([3.0, float('nan')])], float('inf')).isnan()
    module, seen = older_torch.nn.Linear(1, 1), []
    module.register_load_state_dict_pre_hook(lambda *args: seen.append(args[:3]))
    module.load_state_dict(state := module.state_dict())
    assert seen == [(module, state, '')]


WORKED_IN = """
from mmaction.datasets.transforms import ColorJitter

class Dataset:
    def __init__(self):
        self.pickled = ColorJitter(hue=(-0.5, -0.5))

    def __len__(self):
        return 1

    def __getitem__(self, index):
        import numpy as np

        return self.pickled.transform(dict(imgs=[np.full((4, 4, 3), index, np.uint8)]))['imgs'][0]
"""


@pytest.mark.slow
@pytest.mark.parametrize('start', ['spawn', 'forkserver'])
def test_workers_of_any_start_method_are_patched(start, tmp_path, monkeypatch):
    from torch.utils.data import DataLoader

    (tmp_path / 'worked_in.py').write_text(WORKED_IN)
    monkeypatch.syspath_prepend(str(tmp_path))
    dataset = importlib.import_module('worked_in').Dataset()
    (image,) = DataLoader(dataset, num_workers=1, multiprocessing_context=start)
    assert image.shape == (1, 4, 4, 3)


def test_a_new_worker_imports_this_package_first():
    import multiprocessing.process

    from torch.utils.data._utils import worker

    process = multiprocessing.process.BaseProcess(target=worker._worker_loop, args=('dataset',))
    pickled = pickle.dumps(vars(process) | dict(_config=None))
    assert 0 < pickled.index(b'dyreg_mmaction.compat.workers') < pickled.index(b'dataset')


def test_a_torch_without_the_private_functions_is_left_alone(monkeypatch):
    rendezvous = importlib.import_module('torch.distributed.rendezvous')
    worker = importlib.import_module('torch.utils.data._utils.worker')
    monkeypatch.delattr(rendezvous, '_create_c10d_store')
    monkeypatch.delattr(worker, '_worker_loop')
    compat = _load_compat()
    with pytest.warns(UserWarning, match="no _worker_loop: .* set env_cfg.mp_cfg.mp_start_method='fork'"):
        compat.workers.patch_in_workers()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        compat.torch_distributed.forget_processes_that_ended()
    assert not caught  # there was no restart
    monkeypatch.setenv('TORCHELASTIC_RESTART_COUNT', '1')
    with pytest.warns(UserWarning, match='no _create_c10d_store: .* start torchrun again'):
        compat.torch_distributed.forget_processes_that_ended()
    assert not hasattr(rendezvous, '_create_c10d_store') and not hasattr(worker, '_worker_loop')


def test_a_patch_waits_for_the_import_itself(tmp_path, monkeypatch):
    from dyreg_mmaction.compat.on_import import mends

    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / 'late_module.py').write_text('value = 1')
    mends('late_module')(lambda module: setattr(module, 'value', module.value + 1))()
    for _ in range(2):
        assert importlib.util.find_spec('late_module')  # as those do who ask whether it exists
    late_module = importlib.import_module('late_module')
    assert late_module.value == 2 and importlib.reload(late_module).value == 2


def test_the_loader_of_somebody_else_stays(monkeypatch):
    from mmengine.runner import checkpoint

    def own(filename, map_location=None):
        return dict(own=filename)

    loaders = {'': checkpoint.load_from_local, 'torchvision://': own, 'modelzoo://': checkpoint.load_from_torchvision}
    monkeypatch.setattr(checkpoint.CheckpointLoader, '_schemes', loaders)
    _load_compat().checkpoint_loading.load_torchvision_weights()
    assert checkpoint.CheckpointLoader.load_checkpoint('torchvision://resnet18') == dict(own='torchvision://resnet18')
    assert checkpoint.CheckpointLoader._schemes['modelzoo://'] is not checkpoint.load_from_torchvision


if __name__ == '__main__':
    _main(Path(sys.argv[1]))
