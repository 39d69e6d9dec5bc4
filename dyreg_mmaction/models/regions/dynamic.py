"""DyReg-GNN's regions, predicted from the features of the current and all previous frames."""

from collections.abc import Sequence

from torch import Tensor, nn

from dyreg_mmaction.ops import Regions, adaptive_avg_pool
from dyreg_mmaction.registry import MODELS

from ..node_rnn import NodeRNN
from ..norm import BatchStandardize, JointLayerNorm
from ..size import positive_integer
from .features import RegionFeatures, generator_size
from .predictor import RegionPredictor
from .vectors import FCVectors, PoolVectors


@MODELS.register_module()
class DynamicRegions(nn.Module):
    r"""Regions predicted from the features, eq. 1-5 and 11-14.

    .. math::
        M_t = f(X_t), \quad m_{i,t} = g_i(M_t), \quad z_{i,t} = GRU(z_{i,t-1}, m_{i,t}), \quad
        o_{i,t} = \alpha (W z_{i,t} + b)

    with joint layer norms (over nodes and features) before and after the GRU. A map of another size than
    ``feature_size`` is first averaged to that size; the regions are in cells of the original map.

    The defaults are the released model. With the class loss alone on little data its z can become a constant, which
    ``standardize`` prevents; ``zero_init='weight'`` and fixed or limited sizes help regions to learn.

    Source: DyReg-GNN (NeurIPS 2021), with the arithmetic of the released model.

    Args:
        in_channels (int): Channels C of the map.
        feature_size (tuple[int, int]): Height and width (H, W) of the map in training, in cells.
        num_nodes (int): Number of nodes N.
        hidden_channels (int): Width L of g, the GRU and W.
        heads (str): 'fc': f and one fully connected layer per node; 'pool': masked global pooling without f
            (DyReg-Lite).
        rnn (str): 'gru' or 'lstm'.
        recurrent (bool): Whether to use a recurrent network.
        predict_size (bool): Whether to predict sizes.
        half_size (float, optional): Fixed half size as a fraction of the map's side, with ``predict_size=False``.
        time (str): 'varying': regions of each frame; 'constant': regions of the clip, from the mean of z over time.
        reference (str | Sequence[tuple[float, float]]): Initial centers: 'center': the middle of the map; 'grid': the
            most square grid; or one point (x, y) in 0..1 of the map per node, eq. 6 and 13.
        initial_half_size (float, optional): Initial value of predicted half sizes as a fraction of the map's side:
            e^h h_init as in eq. 12; None: e^h (H/6 + 1) + 1 as in the released code.
        max_size_ratio (float, optional): Limit r > 1: the factor e^h of predicted sizes stays between 1 / r and r.
            None: no limit.
        zero_init (str): What is 0 at the start, so that regions start at ``reference``: 'alpha', as in the released
            code, or 'weight': W and b, with alpha = 1, so that all of W has a gradient at once.
        standardize (bool): Whether z is standardized over the clips and frames of the batch, separately for each node
            and channel, instead of the second joint layer norm, see :class:`.BatchStandardize`. A joint norm fixes the
            size of z, but not how much of it depends on the clip.
        feature_norm (str): Norm of f, 'joint' or 'batch', see :class:`.RegionFeatures`.

    Shapes:
        (B, T, C, H, W) -> Regions of (B, T, N, 2)

    Raises:
        ValueError: If the map is smaller than 3 x 3, or an option is unknown or incompatible.
    """

    def __init__(
        self,
        in_channels: int,
        feature_size: tuple[int, int],
        num_nodes: int = 9,
        hidden_channels: int = 128,
        heads: str = 'fc',
        rnn: str = 'gru',
        recurrent: bool = True,
        predict_size: bool = True,
        half_size: float | None = None,
        time: str = 'varying',
        reference: str | Sequence[tuple[float, float]] = 'center',
        initial_half_size: float | None = None,
        max_size_ratio: float | None = None,
        zero_init: str = 'alpha',
        standardize: bool = False,
        feature_norm: str = 'joint',
    ) -> None:
        super().__init__()
        if time not in ('varying', 'constant'):
            raise ValueError(f"time={time!r} is unknown; choose 'varying' or 'constant'")
        positive_integer(hidden_channels, 'hidden_channels')
        if heads == 'pool' and feature_norm != 'joint':
            raise ValueError(f"feature_norm={feature_norm!r} is the norm of f, but heads='pool' has no f; remove it")
        self.num_nodes = num_nodes
        self.constant = time == 'constant'
        self.size = generator_size(feature_size)
        self.heads = _build_heads(heads, in_channels, self.size, num_nodes, hidden_channels, feature_norm)
        self.norm_in = JointLayerNorm(hidden_channels)
        self.rnn = NodeRNN(hidden_channels, rnn) if recurrent else None
        self.norm_out = BatchStandardize(num_nodes, hidden_channels) if standardize else JointLayerNorm(hidden_channels)
        self.predictor = RegionPredictor(
            hidden_channels,
            num_nodes,
            predict_size,
            half_size,
            reference,
            initial_half_size,
            max_size_ratio,
            zero_init,
        )

    def forward(self, x: Tensor) -> Regions:
        """Return the regions of a map of any size."""
        time = x.shape[1]
        frames = adaptive_avg_pool(x.flatten(0, 1), self.size)  # (B*T,C,H,W)
        vectors = self.norm_in(self.heads(frames)).unflatten(0, (-1, time))  # (B,T,N,L)
        if self.rnn is not None:
            vectors = self.rnn(vectors.transpose(0, 1)).transpose(0, 1)
        vectors = self.norm_out(vectors)
        if self.constant:
            vectors = vectors.mean(1, keepdim=True)
        return self.predictor(vectors, x.shape[-2:]).expand(x.shape[0], time)


def _build_heads(
    kind: str, in_channels: int, size: tuple[int, int], num_nodes: int, channels: int, norm: str
) -> nn.Module:
    """Build f and g_i, or only DyReg-Lite's g_i: (B, C, H, W) -> (B, N, L)."""
    if kind == 'pool':
        return PoolVectors(in_channels, num_nodes, channels)
    if kind == 'fc':
        features = RegionFeatures(in_channels, size, norm)
        return nn.Sequential(features, FCVectors(features.out_channels, features.out_size, num_nodes, channels))
    raise ValueError(f"heads={kind!r} is unknown; choose 'fc' or 'pool'")
