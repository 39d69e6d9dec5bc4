import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from dyreg_mmaction.ops import gather_messages, messages


def line_by_line(received, sent, attention):
    pairs = (received[..., :, None, :] + sent[..., None, :, :]).relu()  # (...,N,N,C)
    normed = torch.nn.functional.layer_norm(pairs, pairs.shape[-3:])
    return torch.einsum('...ij,...ijc->...ic', attention, normed)


def inputs(frames, nodes, channels, dtype=torch.float64):
    torch.manual_seed(0)
    received, sent = torch.randn(2, *frames, nodes, channels, dtype=dtype)
    return received, sent, torch.randn(*frames, nodes, nodes, dtype=dtype)


def with_softmax(function):
    return lambda received, sent, logits: function(received, sent, logits.softmax(-1))


@pytest.mark.parametrize('block', [1, 8, 40, 100, 10**6])  # one receiver, several receivers, frames, everything at once
@pytest.mark.parametrize('frames', [(), (3,), (2, 2)])
def test_values_and_gradients_agree_with_all_pairs(block, frames, monkeypatch):
    monkeypatch.setattr(messages, 'BLOCK', block)
    results = []
    for function in (gather_messages, line_by_line):
        leaves = [value.requires_grad_() for value in inputs(frames, 5, 4)]
        gathered = with_softmax(function)(*leaves)
        results.append([gathered, *torch.autograd.grad(gathered.pow(3).sum(), leaves)])
    for given, expected in zip(*results, strict=True):
        torch.testing.assert_close(given, expected)


def test_gradients_in_float64(monkeypatch):
    monkeypatch.setattr(messages, 'BLOCK', 30)
    leaves = [value.requires_grad_() for value in inputs((2,), 3, 4)]
    assert torch.autograd.gradcheck(with_softmax(gather_messages), leaves)


def test_empty_batch_has_no_messages_and_no_gradients():
    leaves = [value.requires_grad_() for value in inputs((0,), 3, 4)]
    gathered = gather_messages(*leaves)
    assert gathered.shape == (0, 3, 4)
    assert all(
        gradient.shape == leaf.shape
        for gradient, leaf in zip(torch.autograd.grad(gathered.sum(), leaves), leaves, strict=True)
    )


def test_precision_with_large_means():
    received, sent, logits = inputs((2,), 9, 8)
    values = (received + 300, sent + 300, logits.softmax(-1))
    given = gather_messages(*(value.float() for value in values))
    torch.testing.assert_close(given.double(), line_by_line(*values), rtol=0, atol=1e-3)


def test_half_precision_is_normalized_in_float32():
    values = [value.bfloat16() for value in inputs((2,), 3, 4)]
    with torch.autocast('cpu', torch.bfloat16):
        assert gather_messages(*values).dtype == torch.float32


class Largest(TorchDispatchMode):
    """Return the number of values of the largest tensor that is created."""

    values = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor):
            self.values = max(self.values, out.numel())
        return out


def test_messages_are_not_stored_all_at_once():
    leaves = [value.requires_grad_() for value in inputs((4,), 100, 64, torch.float32)]
    with Largest() as largest:
        with_softmax(gather_messages)(*leaves).sum().backward()
    assert largest.values <= messages.BLOCK < 4 * 100 * 100 * 64
