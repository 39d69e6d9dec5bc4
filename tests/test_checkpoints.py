"""Conversion of released checkpoints, key by key. test_released_model.py tests the converted models."""

import json
import os
import re
from pathlib import Path

import pytest
import reference_dyreg
import reference_tsm
import torch

from dyreg_mmaction.checkpoints import convert_released, convert_released_state_dict, load_file, save_file
from dyreg_mmaction.models import DyRegGNN
from dyreg_mmaction.registry import MODELS

KEYS = Path(__file__).parents[2] / 'shared/reference/state_dict_keys.json'
GEOMETRY = ('ph_buf', 'pw_buf', 'arange_h_buf', 'arange_w_buf')


@pytest.fixture(scope='module')
def released():
    """A full model under the names of the training script."""
    return reference_tsm.random_state()


@pytest.fixture(scope='module')
def converted(released):
    return convert_released_state_dict(released)


@pytest.fixture
def module():
    """One small DynamicGraphWrapper, with projections."""
    return wrapper()


def wrapper(*args, **kwargs):
    state = reference_dyreg.random_state(*(args or (12, 8, (7, 7))), **kwargs)
    return {name: torch.from_numpy(value) for name, value in state.items()}


def downloadable(state):
    """The other key scheme: the module replaces the convolution and contains it as ``block``."""
    return {
        key.replace('.conv2.0.block.', '.conv2.block.').replace('.conv2.1.', '.conv2.'): state[key] for key in state
    }


def prefixed(state):
    return {f'module.{key}': value for key, value in state.items()}


def whole_file(state):
    return dict(epoch=59, arch='resnet50', state_dict=state, optimizer=dict(state={}), best_prec1=64.3)


def assert_same(given, expected):
    assert given.keys() == expected.keys()
    assert all(torch.equal(given[key], expected[key]) for key in expected)


SCHEMES = {
    'training script': lambda state: state,
    'downloadable': downloadable,
    'prefixed': prefixed,
    'downloadable, prefixed': lambda state: prefixed(downloadable(state)),
    'whole file': lambda state: whole_file(prefixed(downloadable(state))),
}


@pytest.mark.parametrize('scheme', SCHEMES)
def test_every_key_scheme_gives_the_same_model(scheme, released, converted):
    assert_same(convert_released_state_dict(SCHEMES[scheme](released)), converted)


@pytest.mark.skipif(not KEYS.is_file(), reason=f'no list of the released keys in {KEYS}')
def test_key_schemes_are_the_released_ones(released):
    known = json.loads(KEYS.read_text())

    def shapes(keys):
        return {key: (tuple(value['shape']), value['dtype']) for key, value in keys.items()}

    def given(state):
        return {key: (tuple(value.shape), str(value.dtype)[6:]) for key, value in state.items()}

    assert given(prefixed(released)) == shapes(known['full_model_released_code']['keys'])
    assert given(prefixed(downloadable(released))) == shapes(known['full_model_downloadable_checkpoint']['keys'])
    for place, keys in known['dynamic_graph_wrapper'].items():
        state = reference_tsm.MODULES[place]
        own = reference_dyreg.random_state(state[0], state[1], (state[2],) * 2, hidden=128)
        assert {key: value.shape for key, value in own.items()} == {k: tuple(v['shape']) for k, v in keys.items()}


def test_every_key_is_used_or_dropped_with_a_reason(released):
    state, dropped, _ = convert_released(whole_file(released))
    assert len(state) + len(dropped) == len(released) + 4
    geometry = {key for key in released if key.endswith(GEOMETRY)}
    assert len(geometry) == 12
    assert {key for key, reason in dropped.items() if 'geometry' in reason} == geometry
    assert {key for key, reason in dropped.items() if 'training run' in reason} == {
        'epoch',
        'arch',
        'optimizer',
        'best_prec1',
    }
    assert {id(value) for value in state.values()} >= {id(v) for k, v in released.items() if k.endswith('conv3.weight')}


def test_config_of_a_model_is_inferred(released):
    config = convert_released(released).config
    assert (config['type'], config['depth'], config['is_shift']) == ('DyRegResNetTSM', 50, True)
    assert [plugin['after'] for plugin in config['plugins']] == [f'{path}.conv2.conv' for path in reference_tsm.MODULES]
    assert [(p['in_channels'], p['node_channels'], p['feature_size']) for p in config['plugins']] == [
        *reference_tsm.MODULES.values()
    ]


@pytest.mark.parametrize('generator, heads', [('big', 'fc'), ('small', 'pool')])
@pytest.mark.parametrize('rnn', ['GRU', 'LSTM'])
@pytest.mark.parametrize('in_channels', [8, 12])
def test_config_of_a_module_is_inferred(generator, heads, rnn, in_channels):
    state = wrapper(in_channels, 8, (14, 14), hidden=6, generator=generator, rnn=rnn)
    converted, dropped, config = convert_released(state)
    assert config == dict(
        type='DyRegGNN',
        in_channels=in_channels,
        feature_size=14,
        num_nodes=9,
        node_channels=8,
        regions=dict(type='DynamicRegions', hidden_channels=6, heads=heads, rnn=rnn.lower(), reference='center'),
        graph=dict(type='SpaceTimeGraph', rnn=rnn.lower()),
    )
    DyRegGNN(**{key: value for key, value in config.items() if key != 'type'}).load_state_dict(converted)
    unused = [key for key, reason in dropped.items() if 'not used' in reason]
    assert len(unused) == (2 if heads == 'pool' else 0)
    assert all('glore.norm_dict.offset_location_emb' in key for key in unused)


def test_grid_reference_is_inferred_from_its_buffer(module):
    module['dynamic_graph.ph_buf'] = 7 * (2 * (torch.arange(9.0) // 3) + 1).reshape(1, 9, 1) / 6
    assert convert_released(module).config['regions']['reference'] == 'grid'


def test_offsets_are_reordered(module):
    # [row size, column size, row shift, column shift] -> (dx, dy, w, h)
    module['dynamic_graph.offset_alpha'] = torch.tensor([1.0, 2.0, 3.0, 4.0])
    module['dynamic_graph.offset_pred.bias'] = torch.tensor([5.0, 6.0, 7.0, 8.0])
    state = convert_released_state_dict(module)
    assert state['regions.predictor.alpha'].tolist() == [4, 3, 2, 1]
    assert state['regions.predictor.fc.bias'].tolist() == [8, 7, 6, 5]


@pytest.mark.parametrize('own', ['', 'module.', '1.'])
def test_module_with_prefix_and_convolution(own, module):
    convolution = '0.block.weight' if own == '1.' else f'{own}block.weight'
    state = {**{own + key: value for key, value in module.items()}, convolution: torch.zeros(12, 12, 3, 3)}
    converted, dropped, _ = convert_released(state)
    assert_same(converted, convert_released_state_dict(module))
    assert 'belongs to the backbone' in dropped[convolution]


@pytest.mark.parametrize('generator, rnn', [('big', 'GRU'), ('small', 'LSTM')])
def test_missing_key_raises_an_error(generator, rnn):
    state = wrapper(12, 8, (7, 7), generator=generator, rnn=rnn)
    dropped = convert_released(state).dropped
    for key in state.keys() - dropped.keys():
        rest = {name: value for name, value in state.items() if name != key}
        with pytest.raises(ValueError, match=f'missing: {re.escape(key)}'):
            convert_released(rest)


@pytest.mark.parametrize('generator, rnn', [('big', 'GRU'), ('small', 'LSTM')])
def test_wrong_shape_raises_an_error(generator, rnn):
    state = wrapper(12, 8, (7, 7), generator=generator, rnn=rnn)
    dropped = convert_released(state).dropped
    for key in state.keys() - dropped.keys():
        with pytest.raises(ValueError, match='misshapen|missing|unknown'):
            convert_released({**state, key: torch.cat([state[key]] * 2)})
        with pytest.raises(ValueError):
            convert_released({**state, key: torch.tensor(1.0)})


def test_transposed_weight_raises_an_error(module):
    key = 'dynamic_graph.kernel_projection1.weight'
    with pytest.raises(ValueError, match=rf'misshapen: {re.escape(key)} has shape \(49, 8\), expected \(8, 49\)'):
        convert_released({**module, key: module[key].T})


def test_error_lists_all_mismatches(released):
    state = prefixed(released)
    gone = ['layer4.1.conv2.1.dynamic_graph.offset_pred.bias', 'layer1.0.bn2.running_var', 'layer3.5.conv3.weight']
    for name in gone:
        del state[f'module.base_model.{name}']
    state['module.base_model.layer2.0.conv1.net.weight'] = torch.zeros(3, 4)
    state['module.base_model.layer2.2.conv2.1.norm_dict.residual_norm.bias'] = torch.zeros(1, 127, 1, 1)
    state['module.base_model.layer2.2.conv2.1.dynamic_graph.rstg.send_mlp.2.weight'] = torch.zeros(1)
    state['module.something'] = torch.zeros(1)
    with pytest.raises(ValueError) as caught:
        convert_released(state)
    lines = str(caught.value).splitlines()[1:]
    expected = [
        *(f'missing: base_model.{name.replace("conv2.1.", "conv2.")}' for name in gone),
        'misshapen: module.base_model.layer2.0.conv1.net.weight has shape (3, 4), expected (128, 256, 1, 1)',
        'misshapen: module.base_model.layer2.2.conv2.1.norm_dict.residual_norm.bias has shape (127,)',
        'unknown: module.base_model.layer2.2.conv2.1.dynamic_graph.rstg.send_mlp.2.weight',
        'unknown: module.something',
    ]
    # shapes are only compared for modules without missing names, such as layer2.2
    assert len(lines) == len(expected)
    assert all(any(line.strip().startswith(start) for line in lines) for start in expected), lines


def test_non_state_dict_raises_an_error(module):
    with pytest.raises(ValueError, match='epoch contains no tensor'):
        convert_released(dict(module, epoch=3))
    with pytest.raises(ValueError, match='not a state dict'):
        convert_released({})


# --- plain TSM


def tsm_resnet18():
    """Keys and shapes of the TSM repository's ResNet-18 with 5 classes."""
    shapes = {'conv1.weight': (64, 3, 7, 7), **bn('bn1', 64)}
    inputs = 64
    for layer, width in enumerate((64, 128, 256, 512), 1):
        for block in (0, 1):
            own = f'layer{layer}.{block}'
            shapes[f'{own}.conv1.net.weight'] = (width, inputs, 3, 3)
            shapes[f'{own}.conv2.weight'] = (width, width, 3, 3)
            shapes.update({**bn(f'{own}.bn1', width), **bn(f'{own}.bn2', width)})
            if inputs != width:
                shapes[f'{own}.downsample.0.weight'] = (width, inputs, 1, 1)
                shapes.update(bn(f'{own}.downsample.1', width))
            inputs = width
    shapes = {f'base_model.{name}': shape for name, shape in shapes.items()}
    shapes.update({'new_fc.weight': (5, 512), 'new_fc.bias': (5,)})
    return {name: torch.rand(shape) for name, shape in shapes.items()}


def bn(name, channels):
    parts = ('weight', 'bias', 'running_mean', 'running_var')
    return {**{f'{name}.{part}': (channels,) for part in parts}, f'{name}.num_batches_tracked': ()}


def to_plain_names(state):
    """Return the source tensors by name in MMAction2."""
    return {
        'conv1.conv.weight': state['base_model.conv1.weight'],
        'conv1.bn.running_var': state['base_model.bn1.running_var'],
        'layer2.0.conv1.conv.net.weight': state['base_model.layer2.0.conv1.net.weight'],
        'layer2.0.conv2.bn.bias': state['base_model.layer2.0.bn2.bias'],
        'layer2.0.downsample.conv.weight': state['base_model.layer2.0.downsample.0.weight'],
        'layer2.0.downsample.bn.running_mean': state['base_model.layer2.0.downsample.1.running_mean'],
    }


def test_plain_tsm_is_converted_to_mmaction2():
    released = tsm_resnet18()
    state, dropped, config = convert_released(whole_file(prefixed(released)))
    assert (config['type'], config['depth']) == ('ResNetTSM', 18)
    assert len(dropped) == 4
    backbone = {key.removeprefix('backbone.'): value for key, value in state.items() if key.startswith('backbone.')}
    MODELS.build(dict(type='ResNetTSM', depth=18, pretrained=None)).load_state_dict(backbone)
    assert all(torch.equal(backbone[name], value) for name, value in to_plain_names(released).items())
    assert torch.equal(state['cls_head.fc_cls.weight'], released['new_fc.weight'])


def test_plain_tsm_with_shifts_around_blocks_is_converted():
    released = {
        re.sub(r'(layer\d\.\d)\.', r'\1.net.', key.replace('.net', '')): value for key, value in tsm_resnet18().items()
    }
    state, _, config = convert_released(released)
    assert config['shift_place'] == 'block'
    assert torch.equal(
        state['backbone.layer2.1.net.conv2.conv.weight'], released['base_model.layer2.1.net.conv2.weight']
    )


def test_network_without_shifts_and_with_classifier_is_converted():
    released = {
        key.replace('.net', '').replace('new_fc', 'base_model.fc'): value for key, value in tsm_resnet18().items()
    }
    state, _, config = convert_released(released)
    assert config['is_shift'] is False
    assert torch.equal(state['backbone.layer1.0.conv1.conv.weight'], released['base_model.layer1.0.conv1.weight'])
    assert torch.equal(state['cls_head.fc_cls.bias'], released['base_model.fc.bias'])


def test_missing_batch_counters_are_0():
    released = {key: value for key, value in tsm_resnet18().items() if 'num_batches' not in key}
    state = convert_released_state_dict(released)
    assert state['backbone.layer4.1.conv2.bn.num_batches_tracked'].item() == 0


def test_missing_block_raises_an_error():
    released = {key: value for key, value in tsm_resnet18().items() if '.layer3.1.' not in key}
    with pytest.raises(ValueError, match=r'missing: base_model\.layer3\.1\.conv1\.net\.weight'):
        convert_released(released)


# --- files


class Command:
    """Its pickle runs a command."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def test_loading_executes_nothing(tmp_path):
    torch.save(dict(state_dict={}, extra=Command(f'touch {tmp_path}/executed')), tmp_path / 'evil.pth')
    with pytest.raises(ValueError, match=r'evil\.pth refers to \w+\.system, and loading executes no code'):
        load_file(tmp_path / 'evil.pth')
    assert not (tmp_path / 'executed').exists()


def test_unloadable_files_raise_errors(tmp_path):
    (tmp_path / 'sharded.pth').mkdir()
    with pytest.raises(
        ValueError,
        match=r'sharded\.pth is a folder, as written by DeepSpeed and sharded FSDP, .* single checkpoint file',
    ):
        load_file(tmp_path / 'sharded.pth')
    with pytest.raises(FileNotFoundError, match=r'checkpoint .*absent\.pth does not exist'):
        load_file(tmp_path / 'absent.pth')
    torch.save(dict(weight=torch.rand(1000)), tmp_path / 'whole.pth')
    (tmp_path / 'half.pth').write_bytes((tmp_path / 'whole.pth').read_bytes()[:2000])
    with pytest.raises(ValueError, match=r'half\.pth is damaged or not a checkpoint'):
        load_file(tmp_path / 'half.pth')
    (tmp_path / 'text.pth').write_text('hello')
    with pytest.raises(ValueError, match=r'text\.pth is .*not a checkpoint'):
        load_file(tmp_path / 'text.pth')
    torch.save([1, 2], tmp_path / 'list.pth')
    with pytest.raises(ValueError, match='contains a list, not a dict'):
        load_file(tmp_path / 'list.pth')


def test_saved_checkpoint_is_loaded(tmp_path):
    save_file(dict(a=torch.arange(3), b='text'), tmp_path / 'a.pth')
    content = load_file(tmp_path / 'a.pth')
    assert content['a'].tolist() == [0, 1, 2] and content['b'] == 'text'


def test_failed_save_keeps_the_old_file_only(tmp_path):
    save_file(dict(a=1), tmp_path / 'a.pth')
    with pytest.raises((AttributeError, TypeError, RuntimeError)):
        save_file(dict(weight=torch.rand(10**6), bad=(x for x in ())), tmp_path / 'a.pth')
    assert load_file(tmp_path / 'a.pth') == dict(a=1)
    assert [path.name for path in tmp_path.iterdir()] == ['a.pth']
