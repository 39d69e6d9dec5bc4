"""Check that a checkpoint fits the model."""

from mmengine.hooks import Hook
from mmengine.runner import Runner

from dyreg_mmaction.models.unwrap import unwrap


class FittingWeightsHook(Hook):
    """Raise an error for a checkpoint that cannot fit the model. MMEngine only logs the keys."""

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Compare the keys of checkpoint and model.

        Raises:
            ValueError: If they share no key, or a training is resumed with another node classifier.
        """
        weights = {key.removeprefix('module.') for key in checkpoint.get('state_dict', checkpoint)}
        model = unwrap(runner.model)
        if weights.isdisjoint(model.state_dict()):
            raise ValueError(
                f'none of the {len(weights)} keys of the checkpoint (such as {min(weights, default=None)!r}) is in the '
                f'{type(model).__name__} of the config (such as {min(model.state_dict())!r}); use a checkpoint of this '
                'config, or convert a released one with tools/deploy/convert_checkpoint.py'
            )
        saved = checkpoint.get('state_dict', checkpoint)
        before, now = (
            {key: getattr(value, 'shape', None) for key, value in state.items() if key.startswith('node_classifier.')}
            for state in ({key.removeprefix('module.'): value for key, value in saved.items()}, model.state_dict())
        )
        if before != now and runner._resume:
            had = 'another' if before and now else 'a' if before else 'no'
            has = 'this one' if now else 'none'
            raise ValueError(
                f'the training to resume had {had} node_classifier, but the config has {has}; '
                'restore the option, or start a new training with load_from'
            )
