"""Base class of heads with one vector per clip."""

from abc import abstractmethod

from mmaction.models.heads import BaseHead
from mmengine.model.weight_init import normal_init
from torch import Tensor, nn

from ..size import positive_integer


class ClipHead(BaseHead):
    """Classify a vector of the clip by dropout and a linear layer.

    Args:
        num_classes (int): Number of classes.
        in_channels (int): Channels of the backbone's map.
        channels (int): Width of the vector.
        num_segments (int, optional): Clip length T; required in a Recognizer2D, whose frames of all crops and clips are
            flattened into the batch axis.
        dropout_ratio (float): Dropout rate of the vector.
        init_std (float): Standard deviation of the classifier's initial weights.
        **kwargs: Arguments of :class:`mmaction.models.heads.BaseHead`.

    Raises:
        ValueError: If ``num_segments`` is no positive integer.

    Shapes:
        (B, in_channels, T, H, W) in a Recognizer3D, (B*T, in_channels, H, W) in a Recognizer2D -> (B, num_classes)
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        channels: int,
        num_segments: int | None = None,
        dropout_ratio: float = 0.5,
        init_std: float = 0.01,
        **kwargs,
    ) -> None:
        super().__init__(num_classes, in_channels, **kwargs)
        self.num_segments = None if num_segments is None else positive_integer(num_segments, 'num_segments')
        self.init_std = init_std
        self.dropout = nn.Dropout(dropout_ratio)
        self.fc_cls = nn.Linear(channels, num_classes)

    @abstractmethod
    def clip_vector(self, x: Tensor) -> Tensor:
        """Compute the vector of each clip: (B, in_channels, T, H, W) -> (B, channels)."""

    def init_weights(self) -> None:
        """Initialize the classifier's weights."""
        normal_init(self.fc_cls, std=self.init_std)

    def forward(self, x: Tensor, num_segs: int | None = None, **kwargs) -> Tensor:
        """Return the scores of each clip. ``num_segs``, the number of all frames of a video, is not used."""
        clips = x if x.ndim == 5 else self._clips(x)
        return self.fc_cls(self.dropout(self.clip_vector(clips)))

    def _clips(self, x: Tensor) -> Tensor:
        if self.num_segments is None:
            raise ValueError(
                f'{type(self).__name__} got frames, but does not know the clip length; set its num_segments to '
                'num_clips of SampleFrames'
            )
        if x.shape[0] % self.num_segments:  # len() is fixed in an export
            raise ValueError(
                f'{len(x)} frames are not a multiple of num_segments={self.num_segments}; set num_segments of the head '
                'to num_clips of SampleFrames'
            )
        return x.unflatten(0, (-1, self.num_segments)).transpose(1, 2)
