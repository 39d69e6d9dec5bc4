import gzip
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.dataset import RepeatDataset
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from PIL import Image
from torch.utils.data import DataLoader

import dyreg_mmaction  # noqa: F401
from dyreg_mmaction.datasets.synthetic.sync_mnist import MultiSyncMNIST, SyncMNIST
from dyreg_mmaction.datasets.synthetic.sync_mnist.digits import load_digits
from dyreg_mmaction.datasets.synthetic.sync_mnist.synchronous_digits import pair_label
from dyreg_mmaction.datasets.synthetic.sync_mnist.walks import draw, random_walk, shrink, straight_walk

DATASETS = (SyncMNIST, MultiSyncMNIST)
MNIST = Path(__file__).parents[3] / '../shared/data/mnist'


@pytest.fixture(scope='module', params=DATASETS, ids=lambda cls: cls.__name__)
def dataset(request):
    return request.param(split='test')


def samples(dataset, num=100):
    return [dataset[index] for index in range(num)]


def same(first, second):
    return all(np.array_equal(first[key], second[key]) for key in first)


def write_idx(path, array):
    """Write an IDX file of bytes, compressed if its name ends in .gz."""
    data = bytes((0, 0, 8, array.ndim)) + np.array(array.shape, '>u4').tobytes() + array.tobytes()
    path.write_bytes(gzip.compress(data) if path.suffix == '.gz' else data)


def write_mnist(root, suffix=''):
    """A folder of 20 training and 10 test digits; every pixel of a digit is 100 + its number within both splits."""
    for prefix, numbers in dict(train=range(20), t10k=range(20, 30)).items():
        images = np.repeat(np.uint8(100) + np.array(numbers, np.uint8), 28 * 28).reshape(-1, 28, 28)
        write_idx(root / f'{prefix}-images-idx3-ubyte{suffix}', images)
        write_idx(root / f'{prefix}-labels-idx1-ubyte{suffix}', np.array(numbers, np.uint8) % 10)
    return str(root)


# Labels


@pytest.mark.parametrize(
    'pair, label',
    [((1, 0), 0), ((0, 1), 0), ((2, 0), 1), ((2, 1), 2), ((4, 7), 25), ((9, 8), 44), ((0, 0), 46), ((9, 9), 55)],
)
def test_labels_are_the_released_ones(pair, label):
    assert pair_label(*pair) == label


def test_class_names_have_the_order_of_the_labels():
    names = MultiSyncMNIST.METAINFO['classes']
    assert len(names) == 56 and names[45] == 'none'
    assert all(names[pair_label(i, j)] == f'{i} & {j}' for j in range(10) for i in range(j + 1))
    assert SyncMNIST.METAINFO['classes'] == names[:46]


# Samples


@pytest.mark.parametrize('num_digits', [3, 5, 9])
@pytest.mark.parametrize('cls, size', [(SyncMNIST, 64), (MultiSyncMNIST, 128)])
def test_sample_has_the_published_size_and_the_keys_of_transforms(cls, size, num_digits):
    sample = cls(num_digits=num_digits)[7]
    assert sample['imgs'].shape == (10, size, size, 1) and sample['imgs'].dtype == np.uint8
    assert sample['gt_bboxes'].shape == (10, num_digits, 4) and sample['gt_bboxes'].dtype == np.float32
    assert sample['digits'].shape == sample['synchronous'].shape == (num_digits,)
    assert (sample['gt_labels'] == sample['digits']).all() and sample['gt_labels'].shape == (10, num_digits)
    assert sample['img_shape'] == sample['original_shape'] == (size, size)
    assert sample['num_clips'] * sample['clip_len'] == 10


def test_default_lengths_are_the_published_ones():
    for cls in DATASETS:
        assert len(cls('train')) == 600_000 and len(cls('test')) == 10_000 and len(cls(length=7)) == 7


def test_sample_does_not_depend_on_order_or_process(dataset):
    forwards = samples(dataset, 6)
    assert all(same(forwards[index], dataset[index]) for index in reversed(range(6)))
    copy = pickle.loads(pickle.dumps(dataset))
    loader = DataLoader(copy, sampler=[5, 2, 0, 3], num_workers=2, batch_size=None, collate_fn=lambda sample: sample)
    assert all(same(forwards[sample['sample_idx']], sample) for sample in loader)


def test_seed_split_and_index_change_the_sample(dataset):
    cls, first = type(dataset), dataset[3]
    for other in (cls('test', seed=1)[3], cls('train')[3], dataset[4]):
        assert not np.array_equal(first['gt_bboxes'], other['gt_bboxes'])


def test_pinned_sample(tmp_path):
    """Samples do not change between versions, so that trained models stay comparable."""
    root = write_mnist(tmp_path)
    found = []
    for cls in DATASETS:
        sample = cls(data_root=root, frame_size=cls().canvas_size)[12345]
        found.append((sample['digits'].tolist(), sample['gt_bboxes'][9, :, 0].tolist(), int(sample['imgs'].sum())))
    assert found == [
        ([7, 9, 8, 5, 2], [16.0, 18.0, 2.0, 9.0, 68.0], 3297484),
        ([5, 6, 8, 0, 4], [141.0, 67.0, 79.0, 162.0, 69.0], 4178720),
    ]


def test_digits_are_inside_their_boxes(dataset):
    for sample in samples(dataset, 20):
        covered = np.zeros(sample['imgs'].shape[:3], bool)
        for frame, boxes in enumerate(sample['gt_bboxes']):
            for x1, y1, x2, y2 in boxes:
                # a margin of one pixel: the bilinear filter extends over neighboring pixels
                box = frame, slice(max(0, int(y1) - 1), int(y2) + 2), slice(max(0, int(x1) - 1), int(x2) + 2)
                covered[box] = True
                assert sample['imgs'][box].max() > 50
        assert not sample['imgs'][~covered].any()


def test_boxes_are_canvas_positions_in_frame_pixels(tmp_path):
    multi = MultiSyncMNIST(data_root=write_mnist(tmp_path), none_prob=1)
    whole = MultiSyncMNIST(data_root=str(tmp_path), none_prob=1, frame_size=256)
    boxes, twice = multi[0]['gt_bboxes'], whole[0]['gt_bboxes']
    assert np.array_equal(2 * boxes, twice)
    assert np.array_equal(boxes[..., 2:], boxes[..., :2] + 14)
    x1, y1, x2, y2 = twice[0, 0].astype(int)
    assert np.all(whole[0]['imgs'][0, y1:y2, x1:x2] >= 100)  # these digits are full squares


def test_only_synchronous_digits_have_the_same_steps(dataset):
    for sample in samples(dataset):
        steps = np.round(np.diff(sample['gt_bboxes'][..., :2], axis=0), 3).swapaxes(0, 1)  # (D, T - 1, 2)
        alike = np.array([[np.allclose(a, b, atol=1e-2) for a in steps] for b in steps])
        together = np.outer(sample['synchronous'], sample['synchronous']) | np.eye(5, dtype=bool)
        assert np.array_equal(alike, together)


def test_label_is_the_smallest_and_largest_synchronous_class(dataset):
    for sample in samples(dataset):
        in_step = sample['digits'][sample['synchronous']]
        assert sample['label'] == (pair_label(in_step.max(), in_step.min()) if len(in_step) else 45)


def test_order_of_boxes_is_random(dataset):
    share = np.mean([sample['synchronous'] for sample in samples(dataset, 400)], axis=0)
    assert np.ptp(share) < 0.15


def test_fraction_of_none_is_none_prob():
    for cls in DATASETS:
        assert all(sample['label'] == 45 for sample in samples(cls(none_prob=1), 30))
        assert all(sample['label'] != 45 for sample in samples(cls(none_prob=0), 200))
    none = sum(sample['label'] == 45 for sample in samples(SyncMNIST('test'), 2000))
    assert 12 <= none <= 34  # 1/92: 21.7 +- 4.6


def test_sync_mnist_has_different_digits_and_two_synchronous_ones():
    for num_digits in (3, 5):
        for sample in samples(SyncMNIST(num_digits=num_digits)):
            assert len(set(sample['digits'])) == num_digits
            assert sample['synchronous'].sum() in (0, 2)


def test_sync_mnist_cycles_through_all_images(tmp_path):
    numbers = SyncMNIST(data_root=write_mnist(tmp_path))
    firsts = [numbers._choose_images(np.random.default_rng(0), index)[0] for index in range(40)]
    assert firsts == [*range(20), *range(20)]


@pytest.mark.parametrize('cls', DATASETS)
def test_digits_have_the_selected_classes(cls):
    clips = samples(cls(num_digits=3, digit_classes=(7, 0, 4)))
    assert {int(digit) for clip in clips for digit in clip['digits']} == {0, 4, 7}
    labels = {clip['label'] for clip in clips}
    assert labels >= {pair_label(*pair) for pair in [(0, 4), (0, 7), (4, 7)]}


def test_multi_sync_mnist_has_all_subset_sizes_and_repeated_classes():
    several = samples(MultiSyncMNIST(none_prob=0), 200)
    sizes = np.bincount([sample['synchronous'].sum() for sample in several], minlength=6)
    assert np.array_equal(sizes > 0, [False, False, True, True, True, True]) and sizes[2:].min() > 30
    assert 0.5 < np.mean([len(set(sample['digits'])) < 5 for sample in several]) < 0.85  # 1 - 0.9 * 0.8 * 0.7 * 0.6


def test_subset_sizes_follow_their_weights():
    several = samples(MultiSyncMNIST(none_prob=0, sync_size_weights=[0, 3, 0, 1]), 200)
    sizes = np.bincount([sample['synchronous'].sum() for sample in several], minlength=6)
    assert sizes[3] + sizes[5] == 200 and 130 < sizes[3] < 170


def test_synchronous_digits_start_close_together():
    def spreads(**kwargs):
        found = samples(MultiSyncMNIST(none_prob=0, **kwargs))
        return np.array([np.ptp(sample['gt_bboxes'][0, sample['synchronous'], :2], axis=0) for sample in found])

    assert 40 < spreads(max_sync_dist=100).max() <= 50
    assert 70 < spreads().max() <= 80
    assert spreads(max_sync_dist=None).max() > 90


# Motion


def released_walk(start, synchronous, uniforms, max_position, max_step):
    """Equal numbers to the released generator: ranges are intersected over the synchronous digits."""
    position, path = start.astype(int), []
    for uniform in uniforms:
        low = np.clip(-position, -max_step, max_step)
        high = np.clip(max_position - position, -max_step, max_step)
        first = int(np.argmax(synchronous))
        for digit in np.flatnonzero(synchronous):
            low[digit], high[digit] = low[synchronous].max(0), high[synchronous].min(0)
            uniform = uniform.copy()
            uniform[digit] = uniform[first]
        step = np.where(high > low, low + np.floor(uniform * (high - low)), 0).astype(int)
        position = np.clip(position + step, 0, max_position)
        path.append(position)
    return np.stack(path)


@pytest.mark.parametrize('num_synchronous', [0, 2, 3, 5])
def test_walk_is_the_released_one(num_synchronous):
    rng = np.random.default_rng(num_synchronous)
    for _ in range(50):
        start = rng.integers(0, 72, (5, 2))
        synchronous = rng.permutation(5) < num_synchronous
        uniforms = rng.random((10, 5, 2))
        expected = released_walk(start, synchronous, uniforms, 71, 10)
        given = start.copy(), uniforms.copy()
        assert np.array_equal(random_walk(start, synchronous, uniforms, 71, 10), expected)
        assert np.array_equal(start, given[0]) and np.array_equal(uniforms, given[1])


def test_steps_have_the_measured_statistics():
    whole = SyncMNIST('test', frame_size=100)
    path = np.stack([sample['gt_bboxes'][..., :2] for sample in samples(whole, 1000)])
    steps = np.diff(path, axis=1)
    assert (steps.min(), steps.max()) == (-10, 9)
    assert abs(np.abs(steps).mean() - 4.77) < 0.04
    assert path.min() == 0 and path.max() in (70, 71)  # 71: only synchronous digits that have no room to move


def test_synchronous_digits_without_common_step_do_not_move():
    start = np.array([[0, 30], [71, 40]])
    path = random_walk(start, np.array([True, True]), np.random.default_rng(0).random((10, 2, 2)), 71, 10)
    assert (path[:, :, 0] == [0, 71]).all()
    assert np.ptp(path[:, 0, 1]) > 0


# Drawing


def test_last_or_brightest_digit_is_in_front():
    images = np.array([[[200, 10]], [[9, 50]]], np.uint8)
    positions = np.array([[[0, 1], [0, 1]], [[1, 2], [0, 2]]])
    front = np.array([[[0, 0, 0], [200, 50, 0], [0, 0, 0]], [[0, 0, 0], [0, 0, 0], [0, 50, 10]]])
    brightest = np.array([[[0, 0, 0], [200, 50, 0], [0, 0, 0]], [[0, 0, 0], [0, 0, 0], [0, 200, 10]]])
    assert np.array_equal(draw(images, positions, 3), front)
    assert np.array_equal(draw(images, positions, 3, overlap='max'), brightest)


def test_area_interpolation_is_the_mean():
    clip = np.random.default_rng(0).integers(0, 256, (3, 12, 12)).astype(np.uint8)
    for size in (6, 4, 3):
        mean = clip.reshape(3, size, 12 // size, size, 12 // size).mean((2, 4))
        assert np.abs(shrink(clip, size) - mean).max() <= 0.5
    uneven = np.zeros((2, 100, 100), np.uint8)
    uneven[0] = 255  # it must not leak into the next frame
    assert shrink(uneven, 64)[0].min() == 255 and shrink(uneven, 64)[1].max() == 0


@pytest.mark.parametrize('side, size', [(100, 64), (256, 128), (30, 29), (50, 7)])
def test_bilinear_interpolation_is_pillows(side, size):
    clip = np.random.default_rng(0).integers(0, 256, (2, side, side)).astype(np.uint8)
    pillow = [np.asarray(Image.fromarray(frame).resize((size, size), Image.Resampling.BILINEAR)) for frame in clip]
    difference = shrink(clip, size, 'bilinear') - np.stack(pillow).astype(float)
    assert np.abs(difference).max() <= 2 and abs(difference.mean()) < 0.2
    assert (shrink(np.full_like(clip, 255), size, 'bilinear') == 255).all()


# Digits


def test_splits_have_different_images(tmp_path):
    for root in (None, write_mnist(tmp_path)):
        train, test = ({image.tobytes() for image in load_digits(split, root).pixels} for split in ('train', 'test'))
        assert train and test and not train & test


def test_digits_of_scikit_learn_look_like_mnist():
    digits = load_digits('train')
    assert digits.pixels.shape == (1438, 28, 28) and digits.pixels.dtype == np.uint8 and digits.pixels.max() == 255
    assert len(load_digits('test').pixels) == 1797 - 1438
    assert digits.pixels[:, [0, -1]].max() < 10 and digits.pixels[:, :, [0, -1]].max() < 10
    assert 30 < digits.pixels.mean() < 40  # MNIST has 33.3 and thinner strokes
    zeros, ones = (digits.pixels[digits.classes == number].mean(0) for number in (0, 1))
    assert zeros[14, 14] < 60 < 150 < ones[14, 14]  # a hole and a stroke


def test_plain_and_gzip_files_give_the_same_digits(tmp_path):
    plain, zipped = tmp_path / 'plain', tmp_path / 'zipped'
    plain.mkdir(), zipped.mkdir()
    first, second = load_digits('test', write_mnist(plain)), load_digits('test', write_mnist(zipped, '.gz'))
    assert np.array_equal(first.pixels, second.pixels) and np.array_equal(first.classes, second.classes)
    assert first.pixels[:, 0, 0].tolist() == [*range(120, 130)]


def test_all_images_of_a_class_are_used(tmp_path):
    digits = load_digits('train', write_mnist(tmp_path))
    picked = digits.pick(np.arange(10).repeat(2), np.tile([0.0, 0.999], 10))
    assert picked.tolist() == [number for one in range(10) for number in (one, one + 10)]


def test_mnist_files():
    if not MNIST.is_dir():
        warnings.warn(f'NOT TESTED with the real MNIST: there is no {MNIST}', stacklevel=1)
        pytest.skip(f'there is no {MNIST}')
    train, test = (load_digits(split, str(MNIST)) for split in ('train', 'test'))
    assert train.pixels.shape == (60_000, 28, 28) and test.pixels.shape == (10_000, 28, 28)
    assert train.classes[:5].tolist() == [5, 0, 4, 1, 9] and test.classes[:5].tolist() == [7, 2, 1, 0, 4]
    assert MultiSyncMNIST('test', data_root=str(MNIST))[0]['imgs'].max() > 250


# Errors


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(split='val'), "split is 'val', but must be one of 'train', 'test'"),
        (dict(num_digits=1), 'num_digits is 1, but must be an integer of at least 2 and at most 10'),
        (dict(num_digits=11), 'num_digits is 11'),
        (dict(num_digits=2.5), 'num_digits is 2.5'),
        (dict(digit_classes=()), r'digit_classes is \(\), but must be distinct classes from 0 to 9'),
        (dict(digit_classes=(1, 1, 2, 3, 4)), r'digit_classes is \(1, 1, 2, 3, 4\)'),
        (dict(digit_classes=(6, 7, 8, 9, 10)), 'digit_classes is'),
        (dict(digit_classes=5), 'digit_classes is 5'),
        (dict(digit_classes=(0.0, 1.0, 2.0)), 'digit_classes is'),
        (dict(length=0), 'length is 0'),
        (dict(seed=-1), 'seed is -1'),
        (dict(num_frames=0), 'num_frames is 0'),
        (dict(none_prob=1.5), 'none_prob is 1.5, but must be a number of at least 0 and at most 1'),
        (dict(max_step=0), 'max_step is 0'),
        (dict(max_sync_dist=-1), 'max_sync_dist is -1'),
        (dict(canvas_size=28), 'canvas_size is 28, but must be an integer of at least 29'),
        (dict(frame_size=257), 'frame_size is 257'),
        (dict(overlap='back'), "overlap is 'back', but must be one of 'front', 'max'"),
        (dict(interpolation='cubic'), "interpolation is 'cubic'"),
    ],
)
@pytest.mark.parametrize('cls', DATASETS)
def test_options_out_of_range_raise_errors(cls, options, message):
    with pytest.raises(ValueError, match=message):
        cls(**options)


def test_too_few_classes_raise_an_error():
    with pytest.raises(ValueError, match=r'digit_classes is \[0, 1\], but must have at least 3 classes'):
        SyncMNIST(num_digits=3, digit_classes=(1, 0))


@pytest.mark.parametrize('weights', [[1, 1, 1], [0, 0, 0, 0], [1, -1, 1, 1]])
def test_invalid_weights_raise_errors(weights):
    with pytest.raises(ValueError, match='sync_size_weights is .* must be 4 weights'):
        MultiSyncMNIST(sync_size_weights=weights)


def test_missing_folder_raises_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match='nowhere.*train-images-idx3-ubyte.*set data_root to'):
        SyncMNIST(data_root=str(tmp_path / 'nowhere'))


def damage_magic(path):
    path.write_bytes(b'\x00\x00\x08\x01' + path.read_bytes()[4:])


def damage_length(path):
    path.write_bytes(path.read_bytes()[:-1])


def damage_header(path):
    path.write_bytes(path.read_bytes()[:7])


def damage_count(path):
    write_idx(path, np.zeros((3, 28, 28), np.uint8))


def damage_zip(path):
    zipped = path.with_name(path.name + '.gz')
    zipped.write_bytes(gzip.compress(path.read_bytes())[:-9])
    path.unlink()


@pytest.mark.parametrize(
    'damage, message',
    [
        (damage_magic, "start with '00000801', but an IDX file of 3 dimensions starts with '00000803'"),
        (damage_length, 'declares 15680 bytes but contains 15679'),
        (damage_header, 'has 7 bytes'),
        (damage_count, 'but 20 labels require'),
        (damage_zip, 'not a valid gzip file'),
    ],
)
def test_damaged_files_raise_errors(tmp_path, damage, message):
    root = write_mnist(tmp_path)
    damage(tmp_path / 'train-images-idx3-ubyte')
    with pytest.raises(ValueError, match=message):
        SyncMNIST(data_root=root)


def test_missing_classes_raise_an_error(tmp_path):
    root = write_mnist(tmp_path)
    write_idx(tmp_path / 'train-labels-idx1-ubyte', np.arange(20, dtype=np.uint8) % 9)
    with pytest.raises(ValueError, match='must be all digits from 0 to 9'):
        MultiSyncMNIST(data_root=root)


# With MMAction2


def test_mmengines_dataset_wrappers():
    dataset = SyncMNIST(length=20, lazy_init=True)
    assert len(dataset) == 20
    assert same(dataset.get_subset([7, 3])[1], dataset[3])
    assert same(RepeatDataset(dataset, 2)[23], dataset[3])
    assert same(SyncMNIST(indices=5)[4], SyncMNIST()[4])
    assert same(dataset[-1], dataset[19])
    with pytest.raises(IndexError):
        dataset[20]


def recognizer(input_format):
    backbones = dict(
        NCHW=dict(type='ResNet', depth=18, in_channels=1, pretrained=None, norm_eval=False),
        NCTHW=dict(type='ResNet3dSlowOnly', depth=18, in_channels=1, pretrained=None, pretrained2d=False),
    )
    heads = dict(NCHW=dict(type='TSNHead'), NCTHW=dict(type='I3DHead'))
    return dict(
        type='Recognizer2D' if input_format == 'NCHW' else 'Recognizer3D',
        backbone=backbones[input_format],
        cls_head=dict(heads[input_format], num_classes=56, in_channels=512, average_clips='prob'),
        data_preprocessor=dict(type='ActionDataPreprocessor', mean=[127.5], std=[127.5], format_shape=input_format),
    )


def loader(input_format, split):
    meta_keys = ('img_shape', 'video_id', 'digits', 'synchronous')
    pipeline = [
        dict(type='FormatShape', input_format=input_format),
        dict(type='PackActionInputs', meta_keys=meta_keys),
    ]
    options = dict(length=4, canvas_size=64, frame_size=32, test_mode=split == 'test')
    return dict(
        dataset=dict(type='MultiSyncMNIST', split=split, pipeline=pipeline, **options),
        sampler=dict(type='DefaultSampler', shuffle=split == 'train'),
        batch_size=2,
        num_workers=0,
    )


@pytest.mark.parametrize('input_format', ['NCHW', 'NCTHW'])
def test_runner_trains_and_tests_on_it(tmp_path, input_format):
    config = Config(
        dict(
            default_scope='mmaction',
            work_dir=str(tmp_path),
            model=recognizer(input_format),
            train_dataloader=loader(input_format, 'train'),
            val_dataloader=loader(input_format, 'test'),
            train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=1),
            val_cfg=dict(type='ValLoop'),
            val_evaluator=dict(type='AccMetric'),
            optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.001)),
        )
    )
    runner = Runner.from_cfg(config)
    runner.train()
    assert 0 <= runner.val_loop.run()['acc/top1'] <= 1


def test_packed_sample_has_normalized_frames_and_boxes():
    init_default_scope('mmaction')
    config = loader('NCHW', 'test')
    batch = next(iter(Runner.build_dataloader(config)))
    from mmaction.registry import MODELS

    data = MODELS.build(recognizer('NCHW')['data_preprocessor'])(batch)
    assert data['inputs'].shape == (2, 10, 1, 32, 32)
    assert data['inputs'].min() == -1 and 0 < data['inputs'].max() <= 1
    sample = data['data_samples'][1]
    raw = MultiSyncMNIST(split='test', canvas_size=64, frame_size=32)[1]
    assert int(sample.gt_label) == raw['label'] and sample.video_id == 'test/1'
    assert np.array_equal(sample.gt_instances.bboxes, raw['gt_bboxes'])
    assert np.array_equal(sample.gt_instances.labels, raw['gt_labels'])
    assert np.array_equal(sample.synchronous, raw['synchronous']) and np.array_equal(sample.digits, raw['digits'])


def test_default_digits_warn_that_they_are_not_mnist(capsys, tmp_path):
    from mmengine.logging import MMLogger

    from dyreg_mmaction.datasets.synthetic.sync_mnist import digits

    digits._warn_of_sklearn.cache_clear()
    MMLogger.get_instance('digits', log_file=str(tmp_path / 'log'))
    load_digits('train')
    load_digits('test')
    log = (tmp_path / 'log').read_text()
    assert log.count("The digits are scikit-learn's (1,797 of 8 x 8 pixels), not MNIST's") == 1 and 'data_root' in log


@pytest.mark.parametrize('synchronous', [(False, False), (True, True), (True, False, True), (False,) * 4])
def test_straight_walks_have_one_direction_for_digits_in_sync_and_others_for_the_rest(synchronous):
    synchronous, rng, seen = np.array(synchronous), np.random.default_rng(0), set()
    for _ in range(100):
        start, uniforms = rng.integers(0, 62, (len(synchronous), 2)), rng.random((4, len(synchronous), 2))
        path = straight_walk(start, synchronous, uniforms, 61, 16)
        steps = np.diff(path, axis=0)
        assert (steps == steps[0]).all() and (np.abs(steps[0]).sum(-1) == 16).all()
        assert path.min() >= 0 and path.max() <= 61
        groups = [0 if in_sync else 1 + digit for digit, in_sync in enumerate(synchronous)]
        assert (
            len(set(zip(groups, map(tuple, steps[0]), strict=True)))
            == len(set(groups))
            == len(set(map(tuple, steps[0])))
        )
        seen |= set(map(tuple, steps[0]))
    assert len(seen) == 4


def test_straight_walks_that_do_not_fit_raise():
    options = dict(split='test', walk='straight', canvas_size=90, frame_size=32, max_sync_dist=None)
    assert MultiSyncMNIST(num_digits=2, num_frames=4, max_step=16, **options)[0]['imgs'].shape == (4, 32, 32, 1)
    for changes in (dict(num_digits=5, max_step=16), dict(num_digits=2, max_step=30)):
        with pytest.raises(ValueError, match="walk='straight' has . digits that move by .* decrease num_digits or"):
            MultiSyncMNIST(num_frames=4, **changes, **options)
