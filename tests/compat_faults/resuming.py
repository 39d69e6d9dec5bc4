"""Select the checkpoint to resume."""

import os
from pathlib import Path

from .registry import fault
from .toys import toy_runner


@fault('AssertionError: epoch_3.pth')
def find_whole_checkpoint(folder: Path) -> None:
    import torch
    from mmengine.runner import runner

    for epoch in (1, 2, 3):
        file = folder / f'epoch_{epoch}.pth'
        torch.save(dict(weight=torch.rand(1000)), file)
        os.utime(file, (epoch, epoch))
    (folder / 'last_checkpoint').write_text(str(folder / 'epoch_3.pth'))
    torch.save(dict(weight=torch.rand(1000)), folder / 'best_acc_epoch_1.pth')  # cannot be resumed without an optimizer

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
    (folder / 'last_checkpoint').write_text('')  # truncated when the process was killed
    assert latest() == 'epoch_1.pth'
    (folder / 'last_checkpoint').unlink()  # killed before it was written
    assert latest() == 'epoch_1.pth'
    torch.save(dict(weight=torch.ones(1)), folder / 'epoch_1-0a1b2c3d.pth')  # published weights
    assert latest() == 'epoch_1.pth'
    (folder / 'last_checkpoint').write_text(f'/elsewhere/{folder.name}/epoch_1.pth')  # the folder was moved
    assert latest() == 'epoch_1.pth'
    (folder / 'epoch_1.pth').unlink()
    assert latest() == 'epoch_1.pth', 'damaged checkpoints would be overwritten'
    for file in folder.glob('epoch_?.pth'):
        file.unlink()
    assert latest() == 'epoch_1.pth'  # reported instead of starting over
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
    for zeros in ('step_3.pth', 'last_checkpoint'):  # after a power failure
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


@fault('AssertionError: random weights')
def load_where_nothing_resumes(folder: Path) -> None:
    import torch
    from mmengine.config import Config

    weights = {'layer.weight': torch.full((1, 1), 7.0), 'layer.bias': torch.full((1,), 8.0)}
    torch.save(weights, folder / 'weights.pth')
    (folder / 'config.py').write_text(f'load_from = {str(folder / "weights.pth")!r}')
    # as MMAction2's tools/train.py --resume changes it
    cfg = Config.fromfile(folder / 'config.py')
    cfg.resume, cfg.load_from = True, None

    def started(**settings):
        runner = toy_runner(folder, cfg=cfg, resume=True, **settings)
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
    trained = toy_runner(folder)
    trained.train()
    assert started() == trained.model.layer.weight.item()
