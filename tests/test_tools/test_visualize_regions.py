"""Main function of tools/visualize_regions.py."""

import sys
from pathlib import Path

import cv2
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from dyreg_mmaction.cli import regions
from dyreg_mmaction.datasets.synthetic.mini_something.generator import generate_mini_something
from dyreg_mmaction.registry import MODELS

ROOT = Path(__file__).parents[2]
CONFIG = str(ROOT / 'configs/tsm_r18_dyreg_mini.py')


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp('mini')
    generate_mini_something(root / 'data', num_train=1, num_val=4)
    init_default_scope('mmaction')
    state = MODELS.build(Config.fromfile(CONFIG).model).state_dict()
    torch.save(dict(state_dict=state), root / 'model.pth')
    torch.save(dict(state_dict={'other.weight': torch.ones(1)}), root / 'other.pth')
    plain = {name: value for name, value in state.items() if '.plugins.' not in name}
    torch.save(dict(state_dict=plain), root / 'plain.pth')
    (root / 'text.pth').write_text('no checkpoint')
    (root / 'empty.webm').write_bytes(b'')
    return root


@pytest.fixture
def run(root, tmp_path, monkeypatch):
    """Run the tool in the folder of data and checkpoints. Return its output files by name."""

    def run(*arguments, out=tmp_path / 'out'):
        options = ['--device', 'cpu', '--cfg-options', 'data_root=data']
        monkeypatch.chdir(root)
        monkeypatch.setattr(sys, 'argv', ['tool', CONFIG, *map(str, arguments), '--out', str(out), *options])
        regions.main()
        return {path.name: path for path in out.iterdir()}

    return run


@pytest.mark.slow
def test_draw_a_dataset(run):
    written = run('model.pth', '--dataset', 'val', '--num', 4, '--html', '--before')
    assert sorted(written) == ['before_after.jpg', 'mean_regions.png', 'regions.png', 'report.html']
    assert cv2.imread(str(written['before_after.jpg'])).shape[1] == 4 * 400
    text = written['report.html'].read_text()
    assert all(f'{100_001 + i}.webm' in text for i in range(4))  # all 4 clips of the dataset
    assert '"dist_acting": 0.' in text  # MiniSomething's own boxes are found
    assert cv2.imread(str(written['regions.png'])).shape[1] == 8 * 200
    means = cv2.imread(str(written['mean_regions.png']))
    assert (means[20:, :280] == means[20:, 284:564]).all()  # the model has not been trained


@pytest.mark.slow
def test_draw_a_video(run, root):
    boxes = root / 'data/bounding_box_annotations.json'
    options = ['--mp4', '--gif', '--style', 'kernel', '--nodes', 0, 8, '--boxes', boxes]
    written = run('model.pth', root / 'data/videos/100001.webm', *options)
    assert sorted(written) == ['000_100001.gif', '000_100001.mp4', 'regions.png']


def test_unreadable_clips_are_reported_and_others_drawn(run, root, capsys):
    video = root / 'data/videos/100001.webm'
    written = run('model.pth', video, 'empty.webm', 'no.webm', root / 'data/videos/100002.webm', '--html', '--gif')
    assert sorted(written) == ['000_100001.gif', '001_100002.gif', 'regions.png', 'report.html']
    assert written['report.html'].read_text().count('"name": "10000') == 2
    printed = capsys.readouterr().err
    assert 'empty.webm cannot be read as a video' in printed and 'no.webm does not exist; skipped' in printed
    assert '2 of 4 clips were skipped' in printed


def test_boxes_of_the_dataset_are_not_drawn_on_a_file_of_the_same_name(run, root, tmp_path):
    """The quick start's config, and a user's video with the name of one in MiniSomething."""
    own = tmp_path / '100001.webm'
    own.write_bytes((root / 'data/videos/100002.webm').read_bytes())
    text = run('model.pth', own, '--html')['report.html'].read_text()
    assert '"acting": []' in text and '"distances": {}' in text


def test_clips_drawn_before_an_interrupt_are_kept(tmp_path):
    from argparse import Namespace

    from test_visualization.test_pictures import clip

    from dyreg_mmaction.visualization.report import ReportWriter

    args = Namespace(style='box', nodes=None, width=64, mp4=False, gif=False)
    report = ReportWriter(tmp_path / 'report.html')
    with pytest.raises(KeyboardInterrupt), regions.Pictures(args, tmp_path, report) as pictures:
        pictures.add(clip())
        assert not (tmp_path / 'report.html').exists()
        raise KeyboardInterrupt
    assert sorted(path.name for path in tmp_path.iterdir()) == ['regions.png', 'report.html']
    assert (tmp_path / 'report.html').read_text().rstrip().endswith('</html>')


@pytest.mark.parametrize(
    'arguments, words',
    [
        (['model.pth', '--dataset', 'val', '--num', 0], '--num 0 must be at least 1'),
        (['model.pth'], 'pass either videos or --dataset'),
        (['model.pth', 'a.webm', '--dataset', 'val'], 'pass either videos or --dataset'),
        (['no.pth', 'empty.webm'], "checkpoint 'no.pth' does not exist"),
        (['text.pth', '--dataset', 'val'], 'text.pth cannot be loaded as a checkpoint'),
        (['other.pth', '--dataset', 'val'], 'other.pth has no weights of this model'),
        (['plain.pth', '--dataset', 'val'], 'plain.pth has no weights of the plugins'),
        (['model.pth', 'empty.webm'], 'empty.webm cannot be read as a video'),
        (['model.pth', 'no.webm'], 'no.webm does not exist'),
        (['model.pth', 'data'], 'data is a folder, but the pipeline of this config reads video files'),
        (['model.pth', 'data/videos/100001.webm', '--nodes', 9], '--nodes 9: layer1.1.conv2.conv has nodes 0 to 8'),
    ],
)
def test_invalid_arguments_raise_errors(run, capsys, arguments, words):
    with pytest.raises((SystemExit, ValueError, FileNotFoundError)) as error:
        run(*arguments)
    assert words in f'{error.value} {capsys.readouterr().err}'


def test_read_only_folder_raises_an_error(run, root):
    with pytest.raises(SystemExit, match='--out .* is not writable'):
        run('model.pth', '--dataset', 'val', out=root / 'text.pth' / 'out')


def test_clip_shorter_than_the_model_samples(run, root, tmp_path, capsys):
    from dyreg_mmaction.datasets.video.writers import write_video

    short = tmp_path / 'short.webm'
    write_video(short, torch.zeros(3, 240, 320, 3, dtype=torch.uint8).numpy(), 12)
    run('model.pth', short)
    assert 'short.webm has 3 frames, but the model samples 8: some frames are repeated' in capsys.readouterr().out
