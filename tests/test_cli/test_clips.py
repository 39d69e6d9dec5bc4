"""Options that select clips."""

from argparse import ArgumentParser

import pytest

from dyreg_mmaction.cli.clips import add_clip_options, check_clip_options


@pytest.mark.parametrize(
    'options, message',
    [
        ([], 'pass either videos or --dataset'),
        (['a.mp4', '--dataset', 'val'], 'pass either videos or --dataset'),
        (['a.mp4', '--ann-height', '240'], '--ann-height 240 needs --boxes'),
        (['--dataset', 'val', '--num', '0'], '--num 0 must be at least 1'),
    ],
)
def test_contradicting_options_raise_errors(options, message, capsys):
    parser = ArgumentParser()
    add_clip_options(parser, num=6)
    args = parser.parse_args(['config.py', 'checkpoint.pth', *options])
    with pytest.raises(SystemExit):
        check_clip_options(parser, args)
    assert message in capsys.readouterr().err
