"""RegionDistillation: teachers with one plugin each, the same frames, released when the phase ends."""

import copy
import gc
import weakref
from pathlib import Path

import pytest
import torch
from backbone_cases import PLUGIN
from mmaction.structures import ActionDataSample
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.registry import DefaultScope

from dyreg_mmaction.models import record_regions
from dyreg_mmaction.registry import MODELS

FIRST, SECOND = 'layer2.1.conv2.conv', 'layer3.1.conv2.conv'
CONFIG = """
custom_imports = dict(imports=['dyreg_mmaction'])
model = dict(backbone=dict(
    type='DyRegResNetTSM', depth=18, num_segments=4, pretrained='of nobody', input_size=48,
    plugins=[dict(type='DyRegGNN', num_nodes={nodes}, node_channels=8, after='{after}',
                  regions=dict(type='DynamicRegions', hidden_channels=8))]))
"""


def backbone(*plugins, num_segments=4, **plugin):
    return dict(
        type='DyRegResNetTSM',
        depth=18,
        num_segments=num_segments,
        pretrained=None,
        input_size=48,
        plugins=[{**PLUGIN, 'after': after, **plugin} for after in plugins],
    )


def build(region_losses=(), *plugins, num_segments=4, num_nodes=4, **kwargs):
    head = dict(type='TSMHead', num_classes=2, in_channels=512, num_segments=num_segments, dropout_ratio=0)
    own = backbone(*plugins, num_segments=num_segments, num_nodes=num_nodes)
    cfg = dict(type='RegionRecognizer2D', backbone=own, cls_head=head, region_losses=region_losses, **kwargs)
    with DefaultScope.overwrite_default_scope('mmaction'):
        model = MODELS.build(cfg)
    for module in model.modules():
        if hasattr(module, 'alpha'):
            torch.nn.init.ones_(module.alpha)
    return model


@pytest.fixture(autouse=True)
def hub(monkeypatch):
    own = MessageHub('test_distillation')
    own.update_info_dict(dict(iter=0, max_iters=100))
    monkeypatch.setattr(MessageHub, 'get_current_instance', lambda: own)
    return own


def write(folder, after, nodes=4):
    """Return the files of a teacher of the plugin ``after``, and the teacher."""
    torch.manual_seed(len(after) + nodes)
    model = build((), after)
    config, checkpoint = folder / f'{after}{nodes}.py', folder / f'{after}{nodes}.pth'
    config.write_text(CONFIG.format(after=after, nodes=nodes))
    torch.save(dict(state_dict=model.state_dict()), checkpoint)
    return dict(config=str(config), checkpoint=str(checkpoint)), model.eval()


@pytest.fixture
def teachers(tmp_path):
    return {after: write(tmp_path, after) for after in (FIRST, SECOND)}


def student(teachers, *plugins, preprocessor=None, **kwargs):
    torch.manual_seed(9)
    files = {after: files for after, (files, _) in teachers.items()}
    loss = dict(type='RegionDistillation', weight=1.0, until=0.1, teachers=files)
    return build([loss], *plugins, data_preprocessor=preprocessor, **kwargs)


def batch():
    torch.manual_seed(1)
    return torch.randn(2, 4, 3, 48, 48), [ActionDataSample().set_gt_label(0) for _ in range(2)]


def test_loss_is_the_distance_to_the_regions_of_the_teachers(teachers):
    model = student(teachers, FIRST, SECOND)
    frames, samples = batch()
    with record_regions(model) as record:
        loss = model(frames, samples, mode='loss')['loss_region_distillation']
    expected = 0
    for after, (_, teacher) in teachers.items():
        with torch.no_grad(), record_regions(teacher) as taught:
            teacher(frames)
        given, wanted = record[after][0].normalized(), taught[after][0].normalized()
        squares = (given.center - wanted.center) ** 2 + (given.half_size / wanted.half_size).log() ** 2
        expected = expected + squares.sum(-1).mean()
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert all(model.backbone.plugins[a.replace('.', '-')].regions.predictor.alpha.grad.any() for a in teachers)


def test_student_with_the_weights_of_its_teachers_has_no_loss(teachers):
    given = student({FIRST: teachers[FIRST]}, FIRST).eval()
    given.backbone.load_state_dict(teachers[FIRST][1].backbone.state_dict())
    assert given(*batch(), mode='loss')['loss_region_distillation'] == 0


def test_teachers_are_not_saved_and_freed_at_the_end(teachers, hub):
    model = student(teachers, FIRST, SECOND)
    keys = list(model.state_dict())
    model(*batch(), mode='loss')
    assert list(model.state_dict()) == keys and len(list(model.parameters())) == len(
        list(build((), FIRST, SECOND).parameters())
    )
    held = model.region_losses['region_distillation'].loss.models
    assert not any(parameter.requires_grad for teacher in held.values() for parameter in teacher.parameters())
    gone = [weakref.ref(teacher) for teacher in held.values()]
    hub.update_info('iter', 10)
    assert 'loss_region_distillation' not in model(*batch(), mode='loss')
    gc.collect()
    assert len(gone) == 2 and not any(teacher() for teacher in gone)


def test_teacher_stops_after_its_module(teachers):
    model = student({FIRST: teachers[FIRST]}, FIRST)
    model(*batch(), mode='loss')
    (teacher,) = model.region_losses['region_distillation'].loss.models.values()
    teacher.layer3 = None  # it is after the plugin
    model(*batch(), mode='loss')
    assert not teacher.training


def test_testing_needs_no_teacher(teachers, tmp_path):
    missing = {FIRST: (dict(config='gone.py', checkpoint='gone.pth'), None)}
    model = student(missing, FIRST).eval()
    assert len(model(*batch(), mode='predict')) == 2
    copy.deepcopy(model)
    with pytest.raises(
        FileNotFoundError, match=r"config='gone.py' of the teacher of 'layer2.1.conv2.conv' does not exist"
    ):
        model.init_weights()


def test_teacher_with_another_temporal_stride_raises_an_error(tmp_path):
    def clips(**strides):
        plugin = {**PLUGIN, 'after': 'layer2.1.conv2.conv'}
        return dict(type='DyRegResNet3d', depth=18, pretrained=None, plugins=[plugin], **strides)

    config = tmp_path / 'teacher.py'
    config.write_text(f'model = dict(backbone={clips(with_pool2=False, conv1_stride_t=1, pool1_stride_t=1)!r})')
    torch.save(dict(state_dict={}), tmp_path / 'teacher.pth')
    teacher = dict(config=str(config), checkpoint=str(tmp_path / 'teacher.pth'))
    losses = [dict(type='RegionDistillation', teachers={'layer2.1.conv2.conv': teacher})]
    head = dict(type='I3DHead', num_classes=2, in_channels=512)
    for strides, message in (
        (
            dict(with_pool2=True, conv1_stride_t=1, pool1_stride_t=1),
            r'has a temporal stride of 1 frames, but the student of 2',
        ),
        (
            dict(with_pool2=False, conv1_stride_t=1, pool1_stride_t=1),
            r'is missing in .*teacher.pth',
        ),  # matches, but has no weights
    ):
        cfg = dict(type='RegionRecognizer3D', backbone=clips(**strides), cls_head=head, region_losses=losses)
        with DefaultScope.overwrite_default_scope('mmaction'):
            model = MODELS.build(cfg)
        with pytest.raises(Exception, match=message):
            model.init_weights()


def test_unsuitable_teachers_raise_errors(teachers, tmp_path):
    with pytest.raises(
        ValueError, match=r"are for \['layer2.1.conv2.conv'\], but the plugins with learned regions are"
    ):
        student({FIRST: teachers[FIRST]}, FIRST, SECOND)
    with pytest.raises(
        ValueError, match=r"has no plugin after 'layer3.1.conv2.conv'; set plugin to one of \['layer2.1.conv2.conv'\]"
    ):
        student({SECOND: teachers[FIRST]}, SECOND).init_weights()
    with pytest.raises(ValueError, match='has 5 nodes, but the student 4; use the same num_nodes'):
        student({FIRST: write(tmp_path, FIRST, nodes=5)}, FIRST).init_weights()
    with pytest.raises(ValueError, match=r'has clips of 4 frames, but the student of 8; use the same num_segments'):
        student({FIRST: teachers[FIRST]}, FIRST, num_segments=8).init_weights()
    with pytest.raises(ValueError, match=r'must be dict\(config=FILE, checkpoint=FILE\)'):
        student({FIRST: (dict(config='a.py'), None)}, FIRST)


@pytest.mark.parametrize('fault', ['missing', 'shape', 'empty'])
def test_checkpoint_of_another_model_raises_an_error(teachers, tmp_path, fault):
    files, model = teachers[FIRST]
    state, key = model.state_dict(), 'backbone.plugins.layer2-1-conv2-conv.regions.predictor.fc.weight'
    if fault == 'missing':
        del state[key]
    elif fault == 'shape':
        state[key] = state[key][:-1]
    torch.save({} if fault == 'empty' else dict(state_dict=state), tmp_path / 'other.pth')
    given = student({FIRST: (dict(files, checkpoint=str(tmp_path / 'other.pth')), None)}, FIRST)
    with pytest.raises(
        ValueError, match=r'of shape \(.*\), is (missing|of shape \(.*\)) in .*other.pth; use a'
    ) as error:
        given.init_weights()
    assert fault == 'empty' or 'predictor.fc.weight' in str(error.value)


@pytest.mark.parametrize('own', [dict(mean=[127.5] * 3, std=[127.5] * 3), dict(to_rgb=True)])
def test_teacher_with_other_normalization_raises_an_error(teachers, tmp_path, own):
    files, _ = teachers[FIRST]
    text = Path(files['config']).read_text()
    preprocessor = dict(type='ActionDataPreprocessor', format_shape='NCHW', **own)
    (tmp_path / 'other.py').write_text(f'{text}\nmodel.update(data_preprocessor={preprocessor})\n')
    teacher = {FIRST: (dict(files, config=str(tmp_path / 'other.py')), None)}
    with pytest.raises(
        ValueError, match=r'normalizes frames by .*, but the student by .*; use the same data_preprocessor'
    ):
        student(teacher, FIRST).init_weights()
    alike = student(teacher, FIRST, preprocessor=preprocessor)
    alike.init_weights()


def test_copy_of_the_student_has_no_teacher(teachers):
    """For example, a weight average is copied before the training."""
    model = student(teachers, FIRST, SECOND)
    model.init_weights()
    assert not copy.deepcopy(model).region_losses['region_distillation'].loss.models


def test_plugin_of_a_teacher_may_have_another_path(teachers):
    files = dict(teachers[FIRST][0], plugin=FIRST)
    model = student({SECOND: (files, None)}, SECOND)
    model.init_weights()
    assert model(*batch(), mode='loss')['loss_region_distillation'] > 0


@pytest.mark.parametrize('num_segments', [4, 'batch'])
def test_teachers_and_students_with_a_neck(tmp_path, num_segments):
    plugin = {key: value for key, value in PLUGIN.items() if key != 'after'}
    cfg = dict(
        type='RegionRecognizer2D',
        backbone=dict(type='ResNet', depth=18, pretrained=None),
        neck=dict(type='RegionNeck', in_channels=512, feature_size=3, num_segments=num_segments, plugin=plugin),
        cls_head=dict(type='TSNHead', num_classes=2, in_channels=512),
    )
    config, checkpoint = tmp_path / 'neck.py', tmp_path / 'neck.pth'
    config.write_text(f'model = {cfg!r}')
    frames, samples = torch.randn(2, 4, 3, 96, 96), batch()[1]

    def build_neck(**kwargs):
        with DefaultScope.overwrite_default_scope('mmaction'):
            model = MODELS.build(copy.deepcopy({**cfg, **kwargs})).eval()
        torch.nn.init.ones_(model.neck.plugin.regions.predictor.alpha)
        return model

    torch.manual_seed(1)
    teacher = build_neck()
    torch.save(dict(state_dict=teacher.state_dict()), checkpoint)
    teachers = dict(neck=dict(config=str(config), checkpoint=str(checkpoint)))
    model = build_neck(region_losses=[dict(type='RegionDistillation', teachers=teachers)])
    model.init_weights()
    assert model(frames, samples, mode='loss')['loss_region_distillation'] > 0
    model.load_state_dict(teacher.state_dict())
    assert model(frames, samples, mode='loss')['loss_region_distillation'] == 0
    if num_segments == 4:
        model.neck.num_segments = 8
        with pytest.raises(ValueError, match='has clips of 4 frames, but the student of 8; use the same num_segments'):
            model.init_weights()


def test_teacher_with_default_num_nodes(tmp_path):
    """9 for DyRegGNN, 14 for RSTG."""
    cases = (('DyRegGNN', 9), ('RSTG', 14))
    for kind, nodes in cases:
        text = CONFIG.format(after=FIRST, nodes='').replace('num_nodes=, ', '').replace('DyRegGNN', kind)
        config, checkpoint = tmp_path / f'{kind}.py', tmp_path / f'{kind}.pth'
        config.write_text(text)
        given = Config.fromfile(config).model.backbone
        with DefaultScope.overwrite_default_scope('mmaction'):
            teacher = MODELS.build({**given, 'pretrained': None})
        torch.save({f'backbone.{key}': value for key, value in teacher.state_dict().items()}, checkpoint)
        files = {FIRST: (dict(config=str(config), checkpoint=str(checkpoint)), None)}
        fits, differs = (student(files, FIRST, num_nodes=n) for n in (nodes, nodes + 1))
        fits.init_weights()
        assert fits(*batch(), mode='loss')['loss_region_distillation'].isfinite()
        with pytest.raises(ValueError, match=f'has {nodes} nodes, but the student {nodes + 1}; use the same num_nodes'):
            differs.init_weights()


def test_teacher_with_batch_num_segments_gets_the_clip_length(tmp_path):
    text = CONFIG.format(after=FIRST, nodes=4).replace('DyRegResNetTSM', 'DyRegResNet')
    config, checkpoint = tmp_path / 'batch.py', tmp_path / 'batch.pth'
    config.write_text(text.replace('num_segments=4', "num_segments='batch'"))
    with DefaultScope.overwrite_default_scope('mmaction'):
        teacher = MODELS.build({**Config.fromfile(config).model.backbone, 'pretrained': None})
    torch.save({f'backbone.{key}': value for key, value in teacher.state_dict().items()}, checkpoint)
    model = student({FIRST: (dict(config=str(config), checkpoint=str(checkpoint)), None)}, FIRST)
    model.init_weights()
    assert model(*batch(), mode='loss')['loss_region_distillation'].isfinite()
