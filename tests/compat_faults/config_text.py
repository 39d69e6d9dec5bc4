"""Configs in checkpoints."""

from pathlib import Path

import pytest

from .registry import fault
from .toys import build_inferencer, toy_runner


@fault('AssertionError: executed')
def read_configs_of_checkpoints(folder: Path) -> None:
    import torch
    from mmaction.apis import ActionRecogInferencer, MMAction2Inferencer

    inferencer = build_inferencer('ActionRecogInferencer')
    text, state = inferencer.cfg.pretty_text, inferencer.model.state_dict()
    trace = folder / 'trace'
    code = f"__import__('pathlib').Path({str(trace)!r}).touch()"
    hub = dict(log_scalars={}, runtime_info={}, resumed_keys={})

    def attempt(run, **content) -> None:
        torch.save(dict(dict(meta={}, message_hub=hub), state_dict=state, **content), folder / 'attack.pth')
        try:
            with pytest.raises(ValueError, match='code in a checkpoint is not executed|not a registered class'):
                run(str(folder / 'attack.pth'))
        finally:
            assert not trace.exists(), 'executed'

    def infer(weights: str) -> None:
        ActionRecogInferencer(None, weights=weights, device='cpu')
        MMAction2Inferencer(rec=None, rec_weights=weights, device='cpu')

    for attack in (f'{text}\n{code}', f"{text}\nmodel = dict(type='os.system', command='touch {trace}')"):
        attempt(infer, message_hub=dict(runtime_info=dict(cfg=attack)))
        attempt(infer, meta=dict(cfg=attack), message_hub={})

    def resume(checkpoint: str) -> None:
        toy_runner(folder, load_from=checkpoint, resume=True, experiment_name='resumed').train()

    attempt(resume, meta=dict(config=code, epoch=0, iter=0))
    # types are not checked on resuming: the class may have been removed or not be registered
    old = dict(meta=dict(config="hook = dict(type='gone.Hook')", epoch=0, iter=0), message_hub=hub, state_dict={})
    torch.save(old, folder / 'old.pth')
    resume(str(folder / 'old.pth'))

    torch.save(dict(meta=dict(cfg=text), message_hub={}, state_dict=state), folder / 'kind.pth')
    again = ActionRecogInferencer(None, weights=str(folder / 'kind.pth'), device='cpu')
    assert again.cfg.model.to_dict() == inferencer.cfg.model.to_dict()
    assert again.classes == ['push', 'pull', 'lift'], again.classes
