"""What a region loss is."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from torch import Tensor, nn

from dyreg_mmaction.ops import Regions


class RegionLoss(ABC):
    """A scalar from the regions of a batch of clips; registered among MODELS, it is a ``type`` of ``region_losses``.

    It is no module: it has no weights of its own in the model's checkpoint and nothing on the model's devices.

    Attributes:
        releases (bool): Whether it measures ``disagreement``, which is what ``release=True`` asks for.
    """

    releases = False

    def check(self, sources: Mapping[str, nn.Module], preprocessor: nn.Module) -> None:  # noqa: B027
        """Called when the model is built.

        Args:
            sources (Mapping[str, nn.Module]): The region sources to be taught, by the path of their plugin.
            preprocessor (nn.Module): The model's data preprocessor, which normalises the frames.

        Raises:
            ValueError: If it cannot teach them.
        """

    def prepare(self, model: nn.Module) -> None:  # noqa: B027
        """Called before a training, and never where a model is only tested.

        Args:
            model (nn.Module): The recognizer whose regions are to be taught.

        Raises:
            ValueError: If something that the loss needs is missing.
        """

    def finish(self) -> None:  # noqa: B027
        """Called when the phase has ended for good: what the loss holds can go."""

    @abstractmethod
    def __call__(
        self, regions: Mapping[str, Regions], frames: Tensor, data_samples: list
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of a batch.

        Args:
            regions (Mapping[str, Regions]): Of (B, T', N, 2), by the path of each plugin, part of the autograd graph.
            frames (Tensor[B, T, C, H, W]): What the network has seen, in float32. T' may be smaller than T.
            data_samples (list): One a video; a video may have several of the B clips.

        Returns:
            tuple: The loss, and what is to be logged, by name (without 'loss' in it); vectors, such as a number for
            each node, are logged by :class:`.WatchRegionsHook`. ``disagreement``, if any, is 0 where regions agree with
            what teaches them.
        """
