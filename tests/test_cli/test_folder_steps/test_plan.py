"""Settings derived from the number of videos and the hardware."""

import os
from pathlib import Path

import pytest

from dyreg_mmaction.cli.folder_steps.plan import Machine, available_memory, derive_frames, derive_plan, this_machine

TWO_CORES, GPU, GPUS = Machine(0, 8, 2), Machine(1, 24, 8), Machine(4, 80, 64)


def test_plan_for_forty_videos_on_two_cores():
    plan = derive_plan(TWO_CORES, 32, 'r18', True, 8, {})
    assert plan == (8, 50, 4, 0.00071, 1)


def test_more_videos_give_fewer_epochs_and_larger_batches():
    few, many = (derive_plan(GPU, number, 'r50', False, 8, {}) for number in (40, 4000))
    assert (few.epochs, few.batch_size) == (60, 10) and (many.epochs, many.batch_size) == (10, 11)
    assert many.lr > few.lr


def test_batch_fits_the_memory():
    assert derive_plan(Machine(1, 6, 8), 4000, 'r50', False, 16, {}).batch_size == 1
    assert derive_plan(GPUS, 4000, 'r50', False, 16, {}).batch_size == 16


@pytest.mark.parametrize('machine', [TWO_CORES, GPU, GPUS])
@pytest.mark.parametrize('videos', [2, 9, 100])
def test_epoch_has_two_steps_or_more(machine, videos):
    if videos < 2 * machine.processes:
        with pytest.raises(ValueError, match='training videos, not 2; add videos'):
            derive_plan(machine, videos, 'r18', True, 8, {})
        return
    plan = derive_plan(machine, videos, 'r18', True, 8, {})
    assert plan.batch_size * machine.processes * 2 <= max(videos, 2)


def test_derived_frames():
    assert derive_frames(TWO_CORES, 300) == derive_frames(GPU, 20) == derive_frames(Machine(1, 8, 8), 300) == 8
    assert derive_frames(GPU, 300) == 16


def test_options_override_derived_values():
    given = dict(epochs=3, batch_size=2, lr=0.5, workers=7, frames=None)
    assert derive_plan(TWO_CORES, 32, 'r18', True, 8, given) == (8, 3, 2, 0.5, 7)


@pytest.mark.parametrize(
    'given, message',
    [
        (dict(lr=float('nan')), 'must be positive'),
        (dict(epochs=0), '--epochs 0 must'),
        (dict(batch_size=9), '--batch-size 9 in 2 processes is more'),
    ],
)
def test_value_that_cannot_be_is_an_error(given, message):
    with pytest.raises(ValueError, match=message):
        derive_plan(TWO_CORES, 32, 'r18', True, 8, given)


def test_too_few_videos_for_the_processes_are_an_error():
    with pytest.raises(ValueError, match='2 processes need at least 4 training videos, not 3; add videos'):
        derive_plan(TWO_CORES, 3, 'r18', True, 8, {})


def test_this_machine_has_cores_and_memory():
    machine = this_machine()
    assert machine.cores >= 1 and machine.memory > 0.1 and machine.processes >= 1


def test_cached_files_count_as_available_memory(monkeypatch):
    meminfo = 'MemTotal: 24000000 kB\nMemFree: 400000 kB\nMemAvailable:   17000000 kB\nCached: 16000000 kB\n'
    monkeypatch.setattr(Path, 'read_text', lambda path, encoding: meminfo)
    assert available_memory() == 17000000 * 1024
    monkeypatch.setattr(Path, 'read_text', lambda path, encoding: 'other systems')
    assert available_memory() == os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')
