"""What heads with one vector per clip have in common."""

from abc import abstractmethod

from mmaction.models.heads import BaseHead
from mmengine.model.weight_init import normal_init
from torch import Tensor, nn


class ClipHead(BaseHead):
    """A vector of the whole clip, dropout, and a linear classifier.

    Args:
        num_classes (int): Number of classes.
        in_channels (int): Channels of the backbone's map.
        channels (int): Width of the vector.
        num_segments (int, optional): Frames T of a clip; needed in a Recognizer2D, which hands over the frames of all
            crops and samplings of a video in one row.
        dropout_ratio (float): Of the vector.
        init_std (float): Standard deviation of the classifier's first weights.
        **kwargs: Of :class:`mmaction.models.heads.BaseHead`.

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
        self.num_segments = num_segments
        self.init_std = init_std
        self.dropout = nn.Dropout(dropout_ratio)
        self.fc_cls = nn.Linear(channels, num_classes)

    @abstractmethod
    def clip_vector(self, x: Tensor) -> Tensor:
        """Vector of each clip: (B, in_channels, T, H, W) -> (B, channels)."""

    def init_weights(self) -> None:
        """Draw the classifier's weights."""
        normal_init(self.fc_cls, std=self.init_std)

    def forward(self, x: Tensor, num_segs: int | None = None, **kwargs) -> Tensor:
        """Scores of each clip; ``num_segs``, all frames of a video in a Recognizer2D, says nothing of its clips."""
        clips = x if x.ndim == 5 else self._clips(x)
        return self.fc_cls(self.dropout(self.clip_vector(clips)))

    def _clips(self, x: Tensor) -> Tensor:
        if self.num_segments is None:
            raise ValueError(
                f'{type(self).__name__} gets frames, not clips: give it num_segments, the frames of a clip '
                '(num_clips of SampleFrames)'
            )
        if len(x) % self.num_segments:
            raise ValueError(
                f'{len(x)} frames are no whole number of clips of num_segments={self.num_segments}; make num_clips of '
                'SampleFrames and num_segments of the head agree'
            )
        return x.unflatten(0, (-1, self.num_segments)).transpose(1, 2)
