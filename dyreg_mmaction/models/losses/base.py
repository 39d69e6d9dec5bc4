"""Interface of region losses."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from torch import Tensor, nn

from dyreg_mmaction.ops import Regions


class RegionLoss(ABC):
    """A scalar loss on the regions of a batch of clips. Registered in MODELS, it is a ``type`` of ``region_losses``.

    It is not a module: it has no weights in the model's checkpoint and no tensors on the model's devices.

    Attributes:
        releases (bool): Whether it measures ``disagreement``, which ``release=True`` requires.
    """

    releases = False

    def check(self, sources: Mapping[str, nn.Module], preprocessor: nn.Module) -> None:  # noqa: B027
        """Check the region sources; called when the model is built.

        Args:
            sources (Mapping[str, nn.Module]): The supervised region sources, by plugin path.
            preprocessor (nn.Module): The model's data preprocessor, which normalizes the frames.

        Raises:
            ValueError: If the loss cannot be applied to them.
        """

    def prepare(self, model: nn.Module) -> None:  # noqa: B027
        """Prepare the training; not called if a model is only tested.

        Args:
            model (nn.Module): The recognizer whose regions are supervised.

        Raises:
            ValueError: If a requirement of the loss is missing.
        """

    def finish(self) -> None:  # noqa: B027
        """Release resources; called when the phase of the loss has ended."""

    @abstractmethod
    def __call__(
        self, regions: Mapping[str, Regions], frames: Tensor, data_samples: list
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Compute the loss of a batch.

        Args:
            regions (Mapping[str, Regions]): Regions (B, T', N, 2) by plugin path, attached to the autograd graph.
            frames (Tensor[B, T, C, H, W]): The network's input in float32. T' may be smaller than T.
            data_samples (list): One per video; a video may have several of the B clips.

        Returns:
            tuple: The loss, and the values to log by name (names must not contain 'loss'). Vectors, such as one value
            per node, are logged by :class:`.WatchRegionsHook`. ``disagreement``, if present, is 0 if the regions agree
            with their target.
        """
