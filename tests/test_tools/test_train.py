"""Command-line tools on real videos: training and testing in two processes, resuming, images, errors."""

import pickle
import re
import shutil
import sys
from pathlib import Path

import pytest
import torch
from tool_runs import ROOT, fail, run

from dyreg_mmaction.checkpoints import load_file

CONFIG = 'configs/tsm_r18_dyreg_mini.py'
TEST = [sys.executable, 'tools/test.py']
SMALL = [
    'train_dataloader.batch_size=2',
    'val_dataloader.batch_size=2',
    *(f'{loader}_dataloader.num_workers=0' for loader in ('train', 'val', 'test')),
    *(f'{loader}_dataloader.persistent_workers=False' for loader in ('train', 'val', 'test')),
]


@pytest.fixture(scope='module')
def mini(tmp_path_factory) -> list[str]:
    """Options for the quick start's config with empty lists."""
    folder = tmp_path_factory.mktemp('mini')
    for split in ('train', 'val'):
        (folder / f'sthv2_{split}_list_videos.txt').write_text('videos/0.mp4 0')
    (folder / 'videos').mkdir()
    return [*SMALL, *(f'{loader}_dataloader.dataset.data_root={folder}' for loader in ('train', 'val', 'test'))]


@pytest.fixture(scope='module')
def data(tmp_path_factory) -> list[str]:
    """Options for the quick start's config with a few clips."""
    folder = tmp_path_factory.mktemp('data') / 'mini'
    run(sys.executable, 'tools/data/make_mini_something.py', str(folder), '--train', '8', '--val', '8')
    return [*SMALL, f'data_root={folder}']


@pytest.fixture(scope='module')
def trained(data, tmp_path_factory) -> Path:
    """Work dir after one epoch in two processes."""
    work_dir = tmp_path_factory.mktemp('run')
    options = ['--cfg-options', *data, 'train_cfg.max_epochs=1']
    run('bash', 'tools/dist_train.sh', CONFIG, '2', '--work-dir', str(work_dir), *options)
    return work_dir


def scores(command, trained, data, folder, *options):
    """Return the scores of a test with the trained model."""
    arguments = [CONFIG, str(trained / 'epoch_1.pth'), *options, '--work-dir', str(folder)]
    run(*command, *arguments, '--dump', str(folder / 'dump.pkl'), '--cfg-options', *data)
    return torch.stack([sample['pred_score'] for sample in pickle.loads((folder / 'dump.pkl').read_bytes())])


@pytest.fixture(scope='module')
def expected(trained, data, tmp_path_factory):
    """Scores of one process."""
    return scores(TEST, trained, data, tmp_path_factory.mktemp('test'))


@pytest.mark.slow
def test_fused_test_gives_the_same_scores(expected, trained, data, tmp_path):
    given = scores(TEST, trained, data, tmp_path, '--fuse')
    torch.testing.assert_close(given, expected, rtol=0, atol=1e-4)
    assert not torch.equal(given, expected)


@pytest.mark.slow
def test_two_processes_give_the_same_scores(expected, trained, data, tmp_path):
    given = scores(['bash', 'tools/dist_test.sh'], trained, data, tmp_path, '2')
    assert given.shape == (8, 8)
    assert torch.allclose(given, expected, atol=1e-5)


@pytest.mark.slow
def test_two_processes_train_and_validate(trained):
    log = next(trained.glob('*/*.log')).read_text()
    assert re.search(r'Epoch\(train\)\s+\[1\]\[2/2\]', log)  # 8 clips, 2 in each of 2 processes
    assert (trained / 'epoch_1.pth').is_file()


@pytest.mark.slow
def test_amp_and_deterministic_train_on_a_cpu(data, tmp_path):
    options = ['--amp', '--deterministic', '--no-validate', '--cfg-options', *data, 'train_cfg.max_epochs=1']
    output = run(
        sys.executable, 'tools/train.py', CONFIG, '--work-dir', str(tmp_path), *options, CUDA_VISIBLE_DEVICES=''
    )
    assert 'deterministic: True' in output and 'seed: 0' in output
    checkpoint = load_file(tmp_path / 'epoch_1.pth')
    assert all(weight.isfinite().all() for weight in checkpoint['state_dict'].values())


@pytest.mark.slow
def test_interrupted_training_resumes(trained, data, tmp_path):
    work_dir = shutil.copytree(trained, tmp_path / 'run')
    options = ['--cfg-options', *data, 'train_cfg.max_epochs=2']
    output = run(sys.executable, 'tools/train.py', CONFIG, '--work-dir', str(work_dir), '--resume', *options)
    assert 'epoch: 1' in output and re.search(r'Epoch\(train\)\s+\[2\]', output)
    assert not re.search(r'Epoch\(train\)\s+\[1\]', output)


def test_missing_data_raises_an_error_with_the_command(tmp_path):
    options = ['--work-dir', str(tmp_path), '--cfg-options', f'train_dataloader.dataset.ann_file={tmp_path}/no.txt']
    output = run(sys.executable, 'tools/train.py', 'configs/tsm_r50_dyreg_sthv2.py', *options, check=False)
    assert 'no.txt' in output.splitlines()[-1] and 'tools/data/prepare_something.py' in output.splitlines()[-1]


@pytest.mark.parametrize('content', [None, 'a text', {'conv.weight': torch.ones(1)}])
def test_checkpoint_of_another_model_raises_an_error(content, tmp_path, mini):
    file = tmp_path / 'some.pth'
    if isinstance(content, str):
        file.write_text(content)
    elif content is not None:
        torch.save(content, file)
    arguments = ['tools/test.py', CONFIG, str(file), '--work-dir', str(tmp_path), '--cfg-options', *mini]
    output = fail(sys.executable, *arguments)
    if isinstance(content, dict):
        assert 'none of the 1 keys of the checkpoint' in output.splitlines()[-1]
    else:
        assert 'some.pth' in output.splitlines()[-1] and 'Traceback' not in output


def test_print_config_merges_bases_and_options():
    output = run(sys.executable, 'tools/analysis/print_config.py', CONFIG, '--cfg-options', 'model.backbone.depth=34')
    assert 'depth=34' in output and 'TSMHead' in output


@pytest.mark.parametrize('script', sorted(path.name for path in (ROOT / 'tools').glob('*.sh')))
def test_shell_scripts_parse(script):
    run('bash', '-n', f'tools/{script}')


@pytest.mark.slow
def test_one_video_through_mmaction2s_own_functions(trained, data, tmp_path):
    folder = Path(data[-1].partition('=')[2])
    video = str(next((folder / 'videos').iterdir()))
    checkpoint = str(trained / 'epoch_1.pth')
    script = tmp_path / 'script.py'
    script.write_text(f"""
import dyreg_mmaction
from mmaction.apis import MMAction2Inferencer, inference_recognizer, init_recognizer

model = init_recognizer({CONFIG!r}, {checkpoint!r}, device='cpu')
with dyreg_mmaction.record_regions(model) as record:
    result = inference_recognizer(model, {video!r})
print(tuple(record['layer1.1.conv2.conv'][-1].normalized().center.shape))
inferencer = MMAction2Inferencer(rec={CONFIG!r}, rec_weights={checkpoint!r}, device='cpu')
scores = inferencer({video!r})['predictions'][0]['rec_scores'][0]
print('sums', round(sum(scores), 4), round(result.pred_score.sum().item(), 4))
""")
    output = run(sys.executable, str(script)).splitlines()
    assert '(6, 8, 9, 2)' in output and 'sums 1.0 1.0' in output
