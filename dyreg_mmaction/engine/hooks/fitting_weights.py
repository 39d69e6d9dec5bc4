"""Checkpoints that fit."""

from mmengine.hooks import Hook
from mmengine.runner import Runner

from dyreg_mmaction.models.unwrap import unwrap


class FittingWeightsHook(Hook):
    """Refuses a checkpoint of which nothing fits the model; MMEngine only logs every key."""

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Compare the keys.

        Raises:
            ValueError: If not one is the model's.
        """
        weights = {key.removeprefix('module.') for key in checkpoint.get('state_dict', checkpoint)}
        model = unwrap(runner.model)
        if weights.isdisjoint(model.state_dict()):
            raise ValueError(
                f'not one of the {len(weights)} keys of the checkpoint (such as {min(weights, default=None)!r}) is one '
                f'of the {type(model).__name__} of the config (such as {min(model.state_dict())!r}); give a checkpoint '
                'of this config, or convert a released one with tools/deploy/convert_checkpoint.py'
            )
