"""Options of DynamicRegions for the paper's ablations."""

import pytest
import torch

from dyreg_mmaction.models.node_maps import KERNELS
from dyreg_mmaction.models.regions import DynamicRegions, StaticRegions
from dyreg_mmaction.ops import pool


def build(size=(16, 16), num_nodes=9, **options) -> DynamicRegions:
    torch.manual_seed(0)
    source = DynamicRegions(4, size, num_nodes, **{**dict(hidden_channels=8), **options})
    torch.nn.init.constant_(source.predictor.alpha, 0.5)
    return source.eval()


@pytest.mark.parametrize('lam', [6, 7, 8, 11, 16])
def test_half_size_is_h_over_lambda(lam):
    regions = build((16, 32), predict_size=False, half_size=1 / lam)(torch.randn(1, 2, 4, 16, 32))
    expected = torch.tensor([32 / lam, max(16 / lam, 1)])
    torch.testing.assert_close(regions.half_size, expected.expand(1, 2, 9, 2))
    assert torch.pdist(regions.center[0, 0]).max() > 1e-3  # positions are still predicted


def test_lambda_16_is_the_bilinear_kernel():
    """Pooling with a tent of half size 1 interpolates between the four cells around the center."""
    x = torch.randn(1, 2, 4, 16, 16)
    regions = build(predict_size=False, half_size=1 / 16)(x)
    maps, _ = KERNELS['tent'](regions, (16, 16))
    grid = regions.center.flatten(0, 1)[:, None] / 15 * 2 - 1
    sampled = torch.nn.functional.grid_sample(x.flatten(0, 1), grid, align_corners=True)[:, :, 0].transpose(1, 2)
    torch.testing.assert_close(pool(x.flatten(0, 1), maps), sampled)


def test_lite_has_no_f():
    lite, full = build(heads='pool'), build()
    assert not any('down1' in key for key in lite.state_dict())
    assert sum(p.numel() for p in lite.parameters()) < sum(p.numel() for p in full.parameters()) / 2


@pytest.mark.parametrize('num_nodes', [1, 5, 9, 16])
@pytest.mark.parametrize('heads', ['fc', 'pool'])
@pytest.mark.parametrize('reference', ['center', 'grid'])
def test_any_number_of_nodes(num_nodes, heads, reference):
    regions = build((8, 11), num_nodes, heads=heads, reference=reference)(torch.randn(2, 3, 4, 8, 11))
    assert regions.center.shape == regions.half_size.shape == (2, 3, num_nodes, 2)


@pytest.mark.parametrize('source', ['dynamic', 'static'])
@pytest.mark.parametrize('share', [1 / 6, 1 / 3, 1 / 16])
def test_initial_size_of_equation_12(share, source):
    """It is h = e^h~ h_init: initially h_init, without a lower limit."""
    options = dict(initial_half_size=share)
    regions = build(**options) if source == 'dynamic' else StaticRegions(9, 8, **options)
    x = torch.randn(1, 2, 4, 16, 24)
    torch.nn.init.zeros_(regions.predictor.alpha)
    torch.testing.assert_close(regions(x).half_size, torch.tensor([24.0, 16.0]).mul(share).expand(1, 2, 9, 2))
    torch.nn.init.ones_(regions.predictor.alpha)
    torch.nn.init.zeros_(regions.predictor.fc.weight)
    torch.nn.init.constant_(regions.predictor.fc.bias, -1.0)
    expected = torch.tensor([24.0, 16.0]).mul(share * torch.tensor(-1.0).exp()).expand(1, 2, 9, 2)
    torch.testing.assert_close(regions(x).half_size, expected)


@pytest.mark.parametrize('source', ['dynamic', 'static'])
def test_regions_start_at_custom_reference_points(source):
    points = [(0.1, 0.2), (0.5, 0.5), [0.9, 0.25]]
    regions = build(num_nodes=3, reference=points) if source == 'dynamic' else StaticRegions(3, 8, reference=points)
    torch.nn.init.zeros_(regions.predictor.alpha)
    center = regions(torch.randn(2, 2, 4, 16, 24)).center
    torch.testing.assert_close(center, (torch.tensor(points) * torch.tensor([24, 16])).expand(2, 2, 3, 2))


@pytest.mark.parametrize('source', ['dynamic', 'static'])
def test_sizes_stay_within_a_ratio_of_their_start(source):
    options = dict(initial_half_size=0.25, max_size_ratio=2.0)
    regions = build(**options) if source == 'dynamic' else StaticRegions(9, 8, **options)
    x = torch.randn(1, 2, 4, 16, 24)
    start = torch.tensor([6.0, 4.0]).expand(1, 2, 9, 2)
    torch.nn.init.ones_(regions.predictor.alpha)
    torch.nn.init.zeros_(regions.predictor.fc.weight)
    for log_size, ratio in ((0.0, 1.0), (100.0, 2.0), (-100.0, 0.5), (0.01, 1.01)):
        torch.nn.init.constant_(regions.predictor.fc.bias, log_size)
        torch.testing.assert_close(regions(x).half_size, start * ratio, rtol=1e-4, atol=0)


def test_from_a_weight_of_0_all_of_it_learns_at_once():
    """Regions start at the same references; with alpha = 0 only alpha has a gradient."""
    x, gradients = torch.randn(2, 3, 4, 16, 16), {}
    for start in ('alpha', 'weight'):
        torch.manual_seed(0)
        source = DynamicRegions(4, (16, 16), 9, hidden_channels=8, reference='grid', zero_init=start)
        center, half_size, _ = source(x)
        (center.sin().sum() + half_size.sin().sum()).backward()
        gradients[start] = {n: p.grad.count_nonzero().item() for n, p in source.predictor.named_parameters()}
        torch.testing.assert_close(center, StaticRegions(9, 8, reference='grid')(x).center)
    assert gradients == {
        'alpha': {'alpha': 4, 'fc.weight': 0, 'fc.bias': 0},
        'weight': {'alpha': 0, 'fc.weight': 32, 'fc.bias': 4},
    }


def test_standardized_vectors_depend_on_the_clip_whatever_their_constant_part():
    """A bias of g that hides the clip from the joint norm does not hide it from the standardized form."""
    x, moved = torch.randn(8, 3, 4, 8, 8), {}
    for standardize in (False, True):
        source = build((8, 8), recurrent=False, standardize=standardize).train()
        torch.nn.init.normal_(source.heads[1].fc.bias, std=100)
        moved[standardize] = source(x).center.flatten(0, 1).std(0).mean().item()
    assert moved[False] < 0.05 < 0.5 < moved[True]


def test_batch_norms_of_f_keep_a_channel_that_a_joint_norm_would_hide():
    """A constant channel takes all of the joint norm's scale."""
    x, moved = torch.randn(8, 3, 4, 8, 8), {}
    for norm in ('joint', 'batch'):
        features = build((8, 8), feature_norm=norm).train().heads[0]
        with torch.no_grad():
            for stage in (features.embed, features.down1, features.down2, features.up, features.down3):
                stage[0].bias[0] = 1000
            moved[norm] = features(x.flatten(0, 1))[:, 1:].std(0).mean().item()
    assert moved['joint'] < 0.05 < 0.5 < moved['batch']


def test_defaults_are_the_released_form():
    source = DynamicRegions(4, (8, 8))
    assert type(source.norm_out).__name__ == 'JointLayerNorm' and source.norm_out.weight.shape == (128,)
    assert not source.predictor.alpha.any() and source.predictor.fc.weight.all()
    assert source.predictor.max_size_ratio is None


@pytest.mark.parametrize(
    ('options', 'sentence'),
    [
        (dict(reference='corner'), "reference is 'corner', but must be 'center', 'grid' or 9 points"),
        (dict(reference=[(0.5, 0.5)]), 'must be .* or 9 points'),
        (dict(reference=[(0.5, 1.5)] * 9), 'must be .* points .x, y. in 0..1 of the map'),
        (dict(initial_half_size=0), "initial_half_size is 0, but must be a fraction of the map's side"),
        (dict(initial_half_size=0.2, predict_size=False), 'initial_half_size=0.2 is for predicted sizes'),
        (dict(half_size=0.2), 'half_size=0.2 is a fixed size, .* or use initial_half_size'),
        (dict(max_size_ratio=1.0), 'max_size_ratio is 1.0 with predict_size=True, but must be a finite number above 1'),
        (dict(max_size_ratio='2'), "max_size_ratio is '2' with predict_size=True, but must be a finite number"),
        (
            dict(max_size_ratio=float('inf')),
            'max_size_ratio is inf with predict_size=True, but must be a finite number',
        ),
        (dict(max_size_ratio=2.0, predict_size=False), 'max_size_ratio is 2.0 with predict_size=False, .* remove it'),
        (dict(feature_norm='layer'), "feature_norm='layer' is unknown; choose 'joint' or 'batch'"),
        (dict(feature_norm='batch', heads='pool'), "feature_norm='batch' is the norm of f, but heads='pool' has no f"),
        (dict(reference=None), "reference is None, but must be 'center', 'grid' or 9 points"),
        (dict(reference=[('a', 'b')] * 9), 'must be .* or 9 points'),
        (dict(hidden_channels=0), 'hidden_channels is 0, but must be an integer of at least 1'),
        (dict(hidden_channels='8'), "hidden_channels is '8', but must be an integer of at least 1"),
        (dict(zero_init='bias'), "zero_init='bias' is unknown; choose 'alpha' or 'weight'"),
    ],
)
def test_incompatible_options_raise_errors(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        build(**options)
