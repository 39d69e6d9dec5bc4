from pathlib import Path

import pytest
from video_cases import noise_in_motion

from dyreg_mmaction.datasets.video import write_video


@pytest.fixture(scope='session')
def webm(tmp_path_factory) -> Path:
    """A complete video of 20 frames."""
    path = tmp_path_factory.mktemp('video') / 'whole.webm'
    write_video(path, noise_in_motion(), fps=12)
    return path
