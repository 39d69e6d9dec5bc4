"""What MMAction2 1.2.0 and mmengine 0.10.7 need to run on today's Python stack; no other module patches anything.

A file is a library, a function a remedy. :func:`apply` runs them all, once, before anything of MMAction2 is imported; a
remedy does nothing where its fault is absent. No installed file is touched.
"""

import functools

from . import (
    checkpoint_files,
    checkpoint_loading,
    checkpointing,
    config_variables,
    loaded_objects,
    mmaction,
    mmaction_inferencer,
    mmcv,
    mmengine,
    numpy,
    python,
    torch,
    torch_distributed,
    workers,
)

REMEDIES = (
    mmcv.require_mmcv,
    mmcv.hide_mmcv_lite_warning,
    torch.load_weights_only,
    torch.bring_forward_names,
    mmaction.supply_drn,
    mmaction.alias_importlib_metadata,
    mmengine.find_packages,
    mmengine.find_flat_configs,
    mmengine.open_configs_of_packages,
    config_variables.parse_variables,
    mmaction.leave_out_vindlu,
    mmaction.train_from_scratch,
    checkpoint_loading.load_torchvision_weights,
    checkpoint_loading.load_weights_everywhere,
    checkpoint_loading.trust_logs_in_checkpoints,
    mmengine.init_dist_on_cpu,
    mmengine.wrap_models_on_cpu,
    checkpoint_files.write_checkpoints_whole,
    checkpoint_files.remove_checkpoints_last,
    checkpoint_files.find_whole_checkpoint,
    checkpoint_files.load_where_nothing_resumes,
    mmengine.mix_precision_on_cpu,
    mmengine.read_configs_of_checkpoints,
    mmengine.check_configs,
    loaded_objects.import_no_bare_names,
    mmaction.jitter_hue,
    mmaction.refuse_small_frames,
    numpy.bring_back_names,
    numpy.take_single_elements,
    torch_distributed.sync_norms_on_cpu,
    torch_distributed.forget_processes_that_ended,
    workers.patch_in_workers,
    python.bring_back_find_loader,
    mmaction.draw_labels,
    mmaction.draw_samples,
    mmaction_inferencer.give_probabilities,
    mmaction_inferencer.name_classes,
    mmaction_inferencer.answer_for_all_videos,
    mmaction_inferencer.draw_in_rgb,
    mmaction_inferencer.write_videos,
    mmaction.batch_test_views,
    mmaction.score_in_float32,
    mmaction.group_all_parameters,
    checkpointing.checkpoint_blocks_of_backbones,
    checkpointing.checkpoint_chosen_modules,
)


@functools.cache
def apply() -> None:
    """Applies every remedy; a second call does nothing."""
    for remedy in REMEDIES:
        remedy()
