"""Check that a checkpoint fits the model."""

from mmengine.hooks import Hook
from mmengine.runner import Runner

from dyreg_mmaction.models.unwrap import unwrap


class FittingWeightsHook(Hook):
    """Raise an error for a checkpoint that cannot fit the model. MMEngine only logs the keys."""

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Compare the keys of checkpoint and model.

        Raises:
            ValueError: If they share no key, or training is resumed with or without a node classifier only now.
        """
        weights = {key.removeprefix('module.') for key in checkpoint.get('state_dict', checkpoint)}
        model = unwrap(runner.model)
        if weights.isdisjoint(model.state_dict()):
            raise ValueError(
                f'none of the {len(weights)} keys of the checkpoint (such as {min(weights, default=None)!r}) is in the '
                f'{type(model).__name__} of the config (such as {min(model.state_dict())!r}); use a checkpoint of this '
                'config, or convert a released one with tools/deploy/convert_checkpoint.py'
            )
        before, now = (
            any(key.startswith('node_classifier.') for key in keys) for keys in (weights, model.state_dict())
        )
        if before != now and runner._resume:
            raise ValueError(
                f'the training to resume {"had" if before else "had no"} node_classifier, but the config '
                f'{"has one" if now else "has none"}; restore the option, or start a new training with load_from'
            )
