"""Patches applied by the import, by the training loop, and by the tools or ``enable_policies()``.

A process imports the package and is forked for each case because a patch cannot be removed.
"""

import importlib
import json
import os
import subprocess
import sys
import traceback
from pathlib import Path

import pytest

REPAIRS = {'load_weights_everywhere', 'read_configs_of_checkpoints', 'import_no_bare_names', 'find_packages'}  # some


def bare_import(folder: Path) -> None:
    pass


def loop(folder: Path) -> None:
    from compat_faults.toys import toy_runner

    toy_runner(folder, default_scope='mmaction', train_cfg=dict(type='ResumableTrainLoop', max_epochs=1)).train()


def config_of_a_tool(folder: Path) -> None:
    from dyreg_mmaction.cli.configs import read_config

    (folder / 'config.py').write_text('a = 1')
    read_config(folder / 'config.py')


def runner_of_a_tool(folder: Path) -> None:
    from mmengine.config import Config

    from dyreg_mmaction.cli.launch import build_runner

    with pytest.raises(KeyError):
        build_runner(Config(dict()))


def call(folder: Path) -> None:
    from dyreg_mmaction.compat import enable_policies

    enable_policies()


STAGES = (bare_import, loop, config_of_a_tool, runner_of_a_tool, call)


def _patched() -> list[str]:
    """Return the patches whose upstream function is replaced."""
    from mmengine.config import config
    from mmengine.hooks import CheckpointHook
    from mmengine.optim import AmpOptimWrapper
    from mmengine.registry import registry
    from mmengine.runner import Runner, checkpoint, runner
    from mmengine.utils import package_utils

    rendezvous = importlib.import_module('torch.distributed.rendezvous')
    functions = dict(
        write_checkpoints_whole=runner.save_checkpoint,
        remove_checkpoints_last=CheckpointHook._save_checkpoint_with_step,
        find_whole_checkpoint=runner.find_latest_checkpoint,
        load_where_nothing_resumes=Runner.load_or_resume,
        separate_restarts=rendezvous._create_c10d_store,
        mix_precision_on_cpu=AmpOptimWrapper.__init__,
        parse_variables=config.RemoveAssignFromAST.visit_Assign,
        load_weights_everywhere=checkpoint.load_url,
        read_configs_of_checkpoints=Runner.resume,
        import_no_bare_names=registry.get_object_from_string,
        find_packages=package_utils.is_installed,
    )
    return [name for name, function in functions.items() if 'dyreg_mmaction' in function.__code__.co_filename]


def _resumed(folder: Path) -> str:
    """Return the checkpoint that MMEngine resumes if the last one is damaged."""
    import torch
    from mmengine.runner import runner

    torch.save({}, folder / 'epoch_1.pth')
    (folder / 'epoch_2.pth').touch()
    (folder / 'last_checkpoint').write_text(str(folder / 'epoch_2.pth'))
    return Path(runner.find_latest_checkpoint(str(folder))).name


def _main(folder: Path) -> None:
    import mmengine.runner  # noqa: F401

    import dyreg_mmaction  # noqa: F401

    for stage in STAGES:
        if os.fork() == 0:
            (folder / stage.__name__).mkdir()
            try:
                stage(folder / stage.__name__)
                found = _patched(), _resumed(folder / stage.__name__)
                (folder / f'{stage.__name__}.json').write_text(json.dumps(found))
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(0)
        os.wait()


@pytest.fixture(scope='module')
def run(tmp_path_factory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp('bare_import')
    environment = {**os.environ, 'PYTHONPATH': os.pathsep.join(filter(None, sys.path))}
    process = subprocess.run([sys.executable, __file__, folder], env=environment, capture_output=True, text=True)
    return folder, process.stderr


@pytest.mark.parametrize('stage', [stage.__name__ for stage in STAGES])
def test_policies_are_enabled_by_loop_tools_or_call(run, stage):
    from dyreg_mmaction.compat import POLICIES

    folder, stderr = run
    result = folder / f'{stage}.json'
    assert result.exists(), stderr
    patched, resumed = json.loads(result.read_text())
    enabled = [policy for policy in POLICIES if policy.in_loop or stage != 'loop']
    policies = set() if stage == 'bare_import' else {policy.apply.__name__ for policy in enabled}
    assert {*patched} == REPAIRS | policies
    assert resumed == ('epoch_1.pth' if policies else 'epoch_2.pth')  # damaged


if __name__ == '__main__':
    _main(Path(sys.argv[1]))
