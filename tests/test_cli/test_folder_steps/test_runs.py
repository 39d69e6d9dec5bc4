"""Runs are continued or started."""

from dyreg_mmaction.cli.folder_steps.runs import keep_config, open_run


def test_run_continues_until_config_or_lists_change(tmp_path):
    (tmp_path / 'train.txt').write_text('a.mp4\t0\n')
    first, new = open_run(tmp_path)
    assert new and first.name == 'run_1' and open_run(tmp_path) == (first, False)
    (tmp_path / 'train.txt').write_text('a.mp4\t0\nb.mp4\t1\n')
    second, new = open_run(tmp_path)
    assert new and second.name == 'run_2' and open_run(tmp_path) == (second, False)
    (tmp_path / 'config.py').write_text('x = 1')
    assert open_run(tmp_path)[0].name == 'run_3'


def test_replaced_video_begins_a_new_run(tmp_path):
    for size, unreadable, name in ((10, 1, 'run_1'), (10, 2, 'run_1'), (11, 2, 'run_2')):
        rows = f'a.mp4,train,{size}\nb.mp4,,{unreadable}\n'  # b.mp4 is not used
        (tmp_path / 'videos.csv').write_text(f'path,split,bytes\n{rows}')
        assert open_run(tmp_path)[0].name == name


def test_config_is_derived_again_only_for_other_videos_or_options(tmp_path):
    assert keep_config(tmp_path, 'a', lambda: 'x = 1').startswith('wrote')
    # a machine whose network is down now would derive another one
    assert 'neither videos nor options' in keep_config(tmp_path, 'a', lambda: 1 / 0)
    assert keep_config(tmp_path, 'b', lambda: 'x = 2').startswith('wrote')
    assert (tmp_path / 'config.py').read_text() == 'x = 2'


def test_edited_config_is_kept(tmp_path):
    keep_config(tmp_path, 'a', lambda: 'x = 1')
    (tmp_path / 'config.py').write_text('x = 3')
    for cause in 'ab':
        assert 'was edited' in keep_config(tmp_path, cause, lambda: 1 / 0)
    assert (tmp_path / 'config.py').read_text() == 'x = 3'
    (tmp_path / 'config.py').unlink()
    assert keep_config(tmp_path, 'a', lambda: 'x = 1').startswith('wrote')
