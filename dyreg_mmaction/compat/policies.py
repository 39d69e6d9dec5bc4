"""Policies: patches that change documented behavior of MMEngine. Tools, training loop or a call enable them."""

from . import checkpoint_files, config_variables, cpu_training, rendezvous, resuming
from .patch import Patch

POLICIES = (
    Patch(checkpoint_files.write_checkpoints_whole, 'mmengine/runner/checkpoint.py:793 save_checkpoint', in_loop=True),
    Patch(
        checkpoint_files.remove_checkpoints_last,
        'mmengine/hooks/checkpoint_hook.py:429 _save_checkpoint_with_step',
        in_loop=True,
    ),
    Patch(resuming.find_whole_checkpoint, 'mmengine/runner/checkpoint.py:807 find_latest_checkpoint', in_loop=True),
    Patch(resuming.load_where_nothing_resumes, 'mmengine/runner/runner.py:1688 load_or_resume'),
    Patch(rendezvous.separate_restarts, 'torch/distributed/rendezvous.py:190 _create_c10d_store'),
    Patch(
        cpu_training.mix_precision_on_cpu, 'mmengine/optim/optimizer/amp_optimizer_wrapper.py:76 __init__', in_loop=True
    ),
    Patch(config_variables.parse_variables, 'mmengine/config/config.py:918 _file2dict'),
)
