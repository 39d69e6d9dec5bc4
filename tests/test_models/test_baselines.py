"""ConvLSTM and Non-Local: plugins that replace DyReg-GNN."""

import pytest
import torch

from dyreg_mmaction.models import ConvLSTM, NonLocal
from dyreg_mmaction.registry import MODELS

BASELINES = dict(conv_lstm=(ConvLSTM, {}), reduced=(ConvLSTM, dict(stride=2)), non_local=(NonLocal, dict(num_blocks=2)))


@pytest.mark.parametrize('name', BASELINES)
def test_starts_as_the_identity_and_then_learns(name):
    cls, options = BASELINES[name]
    module, x = cls(8, **options), torch.randn(2, 8, 3, 5, 6)
    assert torch.equal(module(x), x)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    for _ in range(2):  # the first step changes the zero-initialized layer, the second all others
        optimizer.zero_grad()
        (module(x) - x.flip(1)).square().sum().backward()
        optimizer.step()
    assert all(p.grad.abs().sum() > 0 for p in module.parameters())


@pytest.mark.parametrize('name', BASELINES)
def test_baselines_are_plugins_of_a_backbone(name):
    cls, options = BASELINES[name]
    plugin = dict(type=cls.__name__, after='layer2.1', **options)
    backbone = MODELS.build(dict(type='DyRegResNet', depth=18, num_segments=2, input_size=32, plugins=[plugin]))
    assert backbone(torch.randn(4, 3, 32, 32)).shape == (4, 512, 1, 1)
    assert isinstance(backbone.plugins['layer2-1'], cls)


def test_conv_lstm_is_a_residual_of_an_lstm_at_each_position():
    module, x = ConvLSTM(4, hidden_channels=6), torch.randn(2, 4, 3, 3, 5)
    torch.nn.init.ones_(module.norm.weight)
    hidden = torch.stack([module.encode(frame).relu() for frame in x.unbind(2)])  # (T,B,C',H,W)
    states, rnn = torch.zeros_like(hidden), torch.nn.LSTM(6, 6)
    rnn.load_state_dict(module.rnn.state_dict())
    for row in range(3):
        for column in range(5):
            states[..., row, column] = rnn(hidden[..., row, column])[0]
    y = torch.stack([module.norm(module.decode(frame)) for frame in states], dim=2)
    torch.testing.assert_close(module(x), x + y)


@pytest.mark.parametrize('size', [(8, 8), (5, 7)])
def test_encoder_of_conv_lstm_can_reduce_the_map(size):
    """E.7 of the paper: the LSTM runs on a quarter of the positions."""
    module, plain = ConvLSTM(4, hidden_channels=6, stride=2), ConvLSTM(4, hidden_channels=6)
    plain.load_state_dict(module.state_dict())
    torch.nn.init.ones_(module.norm.weight)
    x = torch.randn(2, 4, 3, *size)
    reduced = torch.stack([module.encode(frame).relu() for frame in x.unbind(2)])  # (T,B,C',H',W')
    assert reduced.shape[-2:] == tuple((n + 1) // 2 for n in size)
    rnn = torch.nn.LSTM(6, 6)
    rnn.load_state_dict(module.rnn.state_dict())
    states = (
        rnn(reduced.permute(0, 1, 3, 4, 2).flatten(1, 3))[0].view(3, 2, *reduced.shape[-2:], 6).permute(0, 1, 4, 2, 3)
    )
    rows, columns = (torch.arange(n) * ((n + 1) // 2) // n for n in size)
    decoded = [module.norm(module.decode(frame[..., rows[:, None], columns])) for frame in states]
    torch.testing.assert_close(module(x), x + torch.stack(decoded, dim=2))


def test_non_local_mixes_all_positions_of_all_frames():
    module = NonLocal(4, zeros_init=False)
    x = torch.randn(1, 4, 2, 3, 3, requires_grad=True)
    module(x)[0, :, 0, 0, 0].sum().backward()
    assert (x.grad.abs().sum(1) > 0).all()


def test_baselines_have_as_many_parameters_as_dyreg_on_multisyncmnist():
    dyreg = 290_088
    for module in (ConvLSTM(128), NonLocal(128, num_blocks=4, reduction=1)):
        assert sum(p.numel() for p in module.parameters()) == pytest.approx(dyreg, rel=0.1)


def test_invalid_numbers_raise_errors():
    with pytest.raises(ValueError, match='hidden_channels is 0, but must be at least 1'):
        ConvLSTM(4, hidden_channels=0)
    with pytest.raises(ValueError, match='stride is 0, but must be at least 1'):
        ConvLSTM(4, stride=0)
    with pytest.raises(ValueError, match='num_blocks is 0, but must be at least 1'):
        NonLocal(4, num_blocks=0)
