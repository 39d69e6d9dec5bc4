"""BoxRegions: boxes are set for one forward and not stored."""

import copy
import pickle

import numpy as np
import pytest
import torch
from mmaction.structures import ActionDataSample
from mmengine.registry import init_default_scope

from dyreg_mmaction.models import DyRegGNN, record_regions
from dyreg_mmaction.models.regions import BoxRegions, use_boxes
from dyreg_mmaction.registry import MODELS

FRAMES, NODES = 2, 3


def random_boxes(*shape):
    corners = torch.rand(*shape, 2, 2).sort(dim=-2).values
    return corners.flatten(-2)  # (x1,y1,x2,y2)


def recognizer(after='layer2.1', depth=18, with_cp=False, **options):
    init_default_scope('mmaction')
    plugin = dict(type='DyRegGNN', after=after, num_nodes=NODES, node_channels=4, regions=dict(type='BoxRegions'))
    backbone = dict(
        type='DyRegResNet', depth=depth, num_segments=FRAMES, input_size=32, with_cp=with_cp, plugins=[plugin]
    )
    head = dict(type='TSNHead', num_classes=2, in_channels=512 if depth == 18 else 2048)
    torch.manual_seed(0)
    model = MODELS.build(dict(type='RegionRecognizer2D', backbone=backbone, cls_head=head, **options))
    torch.nn.init.ones_(model.backbone.plugins[after.replace('.', '-')].norm.weight)
    return model


def batch(videos=2, views=1):
    torch.manual_seed(1)
    samples = []
    for _ in range(videos):
        sample = ActionDataSample().set_gt_label(0)
        sample.set_field(random_boxes(views, FRAMES, NODES).numpy(), 'boxes')
        samples.append(sample)
    return dict(inputs=torch.randn(videos, views * FRAMES, 3, 32, 32), data_samples=samples)


def test_regions_are_the_boxes_in_cells():
    boxes = torch.tensor([0.25, 0.5, 0.75, 1.0]).expand(1, 1, 9, 4)
    with use_boxes(boxes):
        regions = BoxRegions()(torch.zeros(1, 1, 1, 8, 16))
    assert regions.center[0, 0, 0].tolist() == [8, 6]
    assert regions.half_size[0, 0, 0].tolist() == [4, 2]
    torch.testing.assert_close(regions.normalized().boxes(), boxes)


@pytest.mark.parametrize('box', [(-3, -3, -2, -2), (1.5, 0, 2, 0.1), (0.5, 0.5, 0.5, 0.5), (-9, -9, 9, 9)])
def test_boxes_outside_or_empty_are_one_cell(box):
    """The tent has weight, so that the node is a mean of features and not nan."""
    module = DyRegGNN(4, 8, num_nodes=1, regions=dict(type='BoxRegions'))
    torch.nn.init.ones_(module.norm.weight)
    with use_boxes(torch.tensor(box).expand(1, 1, 1, 4)):
        regions = module.regions(torch.zeros(1, 1, 4, 8, 8))
    with use_boxes(torch.tensor(box).expand(1, 1, 1, 4)):
        assert module(torch.randn(1, 4, 1, 8, 8)).isfinite().all()
    assert (regions.half_size >= 1).all() and (regions.center >= 0).all() and (regions.center <= 7).all()


def test_reduced_frames_use_the_middle_boxes():
    boxes = (torch.arange(8.0) / 10)[None, :, None, None].expand(1, 8, 1, 4)
    with use_boxes(boxes):
        regions = BoxRegions(1)(torch.zeros(1, 2, 1, 10, 10))
    torch.testing.assert_close(regions.center[0, :, 0, 0], torch.tensor([2.0, 6]))


@pytest.mark.parametrize('mode', ['loss', 'predict', 'tensor'])
def test_clips_have_their_own_boxes(mode):
    model, data = recognizer().eval(), batch(videos=2, views=3)
    with record_regions(model) as record:
        model(**data, mode=mode)
    (regions,) = record['layer2.1']
    expected = torch.from_numpy(np.concatenate([sample.boxes for sample in data['data_samples']]))
    center = (expected[..., :2] + expected[..., 2:]) / 2 * 4
    torch.testing.assert_close(regions.center, center.clamp(max=3))


def test_boxes_are_removed_after_the_forward():
    model, data = recognizer(), batch()
    before = pickle.dumps(model.backbone.plugins)
    model(**data, mode='loss')['loss_cls'].backward()
    model.zero_grad(set_to_none=True)
    assert pickle.dumps(model.backbone.plugins) == before
    with pytest.raises(ValueError, match="BoxRegions has no boxes; use model type='RegionRecognizer2D'"):
        model(data['inputs'])


def test_activation_checkpointing_inside_a_block_raises_an_error():
    def gradient(**options):
        model, data = recognizer(depth=50, **options), batch()
        model.cls_head.dropout = None
        model(**data, mode='loss')['loss_cls'].backward()
        return model.backbone.plugins[options['after'].replace('.', '-')].norm.weight.grad

    with pytest.raises(ValueError, match='set with_cp=False or put the plugin after the whole block'):
        gradient(after='layer2.1.conv2.conv', with_cp=True)
    plain, checkpointed = (gradient(after='layer2.1', with_cp=with_cp) for with_cp in (False, True))
    torch.testing.assert_close(checkpointed, plain)


def test_copies_read_the_boxes_of_their_own_forward():
    model, data = recognizer().eval(), batch()
    copied = copy.deepcopy(model)
    assert torch.equal(copied(**data, mode='tensor'), model(**data, mode='tensor'))
    moved = batch()
    for sample in moved['data_samples']:
        sample.set_field(1 - sample.boxes[..., [2, 3, 0, 1]], 'boxes')
    with use_boxes(torch.zeros(2, FRAMES, NODES, 4)):  # boxes of an outer forward are hidden and restored afterwards
        assert not torch.equal(copied(**moved, mode='tensor'), model(**data, mode='tensor'))
        assert torch.equal(
            model.backbone.plugins['layer2-1'].regions(torch.zeros(2, FRAMES, 1, 4, 4)).center[0, 0, 0], torch.zeros(2)
        )


def test_max_testing_views_uses_the_boxes_of_its_views():
    data = batch(videos=1, views=6)
    whole = recognizer().eval()(**data, mode='predict')[0].pred_score
    parts = recognizer(test_cfg=dict(max_testing_views=2 * FRAMES)).eval()(**data, mode='predict')[0].pred_score
    torch.testing.assert_close(parts, whole)


def test_boxes_train_and_test_through_mmengine_steps():
    """train_step and test_step move data and call the model as the runner does."""
    from mmengine.optim import OptimWrapper

    model = recognizer()
    data = batch()
    loader = dict(inputs=list(data['inputs']), data_samples=data['data_samples'])
    optim_wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.01))
    assert model.train_step(loader, optim_wrapper)['loss'].isfinite()
    assert len(model.test_step(loader)) == 2


def test_missing_or_mismatched_boxes_raise_errors():
    model, data = recognizer(), batch()
    with pytest.raises(ValueError, match='only 0 of 2 videos have boxes; add LoadBoxes to the pipeline'):
        model(data['inputs'], [ActionDataSample() for _ in range(2)], mode='tensor')
    with use_boxes(torch.zeros(2, FRAMES, 5, 4)), pytest.raises(ValueError, match='set num_boxes of LoadBoxes to'):
        model(data['inputs'])


def test_boxes_reach_a_model_wrapped_by_ddp(tmp_path):
    from mmengine.model import MMDistributedDataParallel
    from mmengine.optim import OptimWrapper

    model, data = recognizer(), batch()
    torch.distributed.init_process_group('gloo', init_method=f'file://{tmp_path}/store', rank=0, world_size=1)
    try:
        wrapped = MMDistributedDataParallel(model, find_unused_parameters=True)
        optim_wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.01))
        loader = dict(inputs=list(data['inputs']), data_samples=data['data_samples'])
        assert wrapped.train_step(loader, optim_wrapper)['loss'].isfinite()
        assert len(wrapped.test_step(loader)) == 2
    finally:
        torch.distributed.destroy_process_group()
