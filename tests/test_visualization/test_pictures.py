"""Sheets, videos and the choice of highlighted nodes."""

import numpy as np
import pytest
import torch
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager
from mmengine.registry import init_default_scope
from region_runs import FRAMES, SIDE, digits, recognizer

from dyreg_mmaction.evaluation.explanation import Explanation
from dyreg_mmaction.registry import DATASETS, MODELS
from dyreg_mmaction.visualization import before_and_after, contact_sheet, draw_clip, mean_regions, side_by_side
from dyreg_mmaction.visualization.clip import (
    Nodes,
    RegionClip,
    effective_nodes,
    highlighted_nodes,
    moving_nodes,
    node_motion,
    nodes_in_view,
)
from dyreg_mmaction.visualization.drawing import node_colors
from dyreg_mmaction.visualization.inputs import choose_clips
from dyreg_mmaction.visualization.predict import predict_clip
from dyreg_mmaction.visualization.report import clip_data
from dyreg_mmaction.visualization.sheet import clip_caption, path_caption
from dyreg_mmaction.visualization.text import number_mark, text_bar


def clip(paths=('layer1.0',), frames=4, objects=0):
    """Return a clip: node 0 crosses the frame, node 1 moves a little, the others do not move."""
    center = np.tile([[0.5, 0.5], [0.3, 0.3], [0.7, 0.2], [0.7, 0.8]], (frames, 1, 1))
    center[:, 0, 0] = np.linspace(0.2, 0.8, frames)
    center[:, 1, 1] += np.linspace(0, 0.06, frames)
    nodes = Nodes(center, np.full_like(center, 0.1))
    return RegionClip(
        name='a clip',
        frames=np.full((frames, 48, 64, 3), 30, np.uint8),
        times=np.arange(frames) / 4,
        duration=frames / 4,
        fps=12.0,
        nodes=dict.fromkeys(paths, nodes),
        view=np.array([0.0, 0, 1, 1]),
        objects=np.tile([0.4, 0.4, 0.6, 0.6], (frames, objects, 1)),
        acting=np.arange(objects) == 0,
        truth='up',
        truth_score=0.2,
        scores=[('down', 0.7), ('up', 0.2)],
        distances={},
    )


def test_nodes_that_move_most_are_highlighted():
    center = clip().nodes['layer1.0'].center
    assert moving_nodes(center) == [0, 1] and moving_nodes(center, most=1) == [0]
    assert node_motion(center)[0] == pytest.approx(np.linspace(0.2, 0.8, 4).std())
    assert moving_nodes(np.full((4, 9, 2), 0.5)) == []
    together = np.concatenate(
        [center, center[:, :1] * [0.95, 1] + [0.05, 0.02]], axis=1
    )  # a fifth node moves with the first
    assert moving_nodes(together) == [0, 1] and moving_nodes(together, apart=0.01) == [0, 4, 1]


def test_only_highlighted_nodes_have_boxes():
    colors = node_colors(4)
    frames = draw_clip(clip(), 'layer1.0', 256)
    areas = [(np.abs(frames[-1].astype(int) - color).sum(-1) < 60).sum() for color in colors]
    assert areas[0] > 250 and areas[1] > 150 and 5 < areas[2] < 30 and 5 < areas[3] < 30


def test_trajectory_of_a_node_is_drawn():
    frames = draw_clip(clip(), 'layer1.0', 256, bold=[0])
    middle = [int((frame[96] == node_colors(4)[0]).all(-1).sum()) for frame in frames]  # along the row it moves on
    assert middle[3] > middle[1] + 50


def test_objects_are_outlined_and_acting_ones_twice():
    with_objects, without = (draw_clip(clip(objects=n), 'layer1.0', 256, bold=[])[0] for n in (2, 0))
    assert (with_objects != without).any(-1).sum() > 300


@pytest.mark.parametrize('style', ['box', 'kernel'])
def test_all_regions_of_a_static_clip_are_drawn(style):
    still = clip()
    still.nodes['layer1.0'].center[:] = still.nodes['layer1.0'].center[0]
    drawn, dots = (draw_clip(still, 'layer1.0', 256, style, bold, numbers=False)[0] for bold in (None, []))
    changed = (drawn != dots).any(-1)
    for x, y in still.nodes['layer1.0'].center[0]:
        corner = changed[round((y - 0.05) * 192) - 2 : round(y * 192), round((x - 0.05) * 256) - 2 : round(x * 256)]
        assert corner.sum() > 15  # the outline, or the tent


@pytest.mark.parametrize('kernel, side', [('tent', 0.1), ('raw_tent', 0.1), ('area', 0.2)])
def test_size_of_boxes_for_tents_and_areas(kernel, side):
    nodes = Nodes(np.full((1, 1, 2), 0.5), np.full((1, 1, 2), 0.1), kernel)
    black = clip(frames=1)._replace(frames=np.zeros((1, 200, 200, 3), np.uint8), nodes=dict(a=nodes))
    columns = np.nonzero(draw_clip(black, 'a', 200, bold=[0], numbers=False)[0].any((0, 2)))[0]
    assert columns.max() - columns.min() == pytest.approx(200 * side, abs=6)
    weight = draw_clip(black, 'a', 200, 'kernel', bold=[0], numbers=False)[0, 110, :, 0].astype(int)  # above the dot
    halfway = weight[100 + 10] / weight[100]
    assert halfway == pytest.approx(1 if kernel == 'area' else 0.5, abs=0.06)
    shown = mean_regions(dict(a=nodes), dict(a=nodes), width=200)[18:, :200]
    columns = np.nonzero((np.abs(shown.astype(int) - node_colors(1)[0]).sum(-1) < 90).any(0))[0]
    assert columns.max() - columns.min() == pytest.approx(200 * side, abs=6)


def test_nodes_are_numbered():
    numbered, plain = (draw_clip(clip(), 'layer1.0', 256, numbers=on)[0].astype(int) for on in (True, False))
    for i, (x, y) in enumerate(clip().nodes['layer1.0'].center[0]):
        mark = number_mark(i, 11)
        top, left = round(y * 192) - 3 - mark.shape[0], round(x * 256) + 3
        place = (slice(top, top + mark.shape[0]), slice(left, left + mark.shape[1]))
        white = (mark == 255).all(-1)
        assert white.sum() > 5 and (numbered[place][white] == 255).all() and (plain[place][white] != 255).any()
    at_the_edge = clip()
    at_the_edge.nodes['layer1.0'].center[:] = [[0, 0], [1, 0], [1, 1], [0.5, 1.2]]
    assert (draw_clip(at_the_edge, 'layer1.0', 64) == 255).all(-1).any()


def test_non_finite_regions_are_not_drawn():
    broken = clip(objects=1)
    nodes = broken.nodes['layer1.0']
    nodes.center[1:, 0], nodes.half_size[:, 1] = np.nan, np.inf
    for style in ('box', 'kernel'):
        frames = draw_clip(broken, 'layer1.0', 256, style, bold=[0, 1, 2])
        colors = [(np.abs(frames[2].astype(int) - color).sum(-1) < 60).sum() for color in node_colors(4)]
        assert colors[0] == colors[1] == 0 and colors[2] > 10
    nameless = broken._replace(scores=[], truth_score=None)
    assert clip_caption(nameless) == 'a clip: up; no prediction because the scores are not finite'
    assert contact_sheet([nameless], width=64).shape == (22 + 18 + 48, 256, 3)
    assert mean_regions(broken.nodes, broken.nodes).shape == (18 + 280, 568, 3)


def test_model_that_has_diverged_is_drawn():
    init_default_scope('mmaction')
    model = MODELS.build(recognizer(dict(type='DynamicRegions', hidden_channels=8), kind='Recognizer2D')).eval()
    for parameter in model.parameters():
        torch.nn.init.constant_(parameter, torch.nan)
    one = predict_clip(model, DATASETS.build(digits())[0])
    assert one.scores == [] and one.truth is not None and one.truth_score is None
    assert np.isnan(one.nodes['layer1.0'].center).all() and np.isnan(one.distances['layer1.0']['dist_r'])
    contact_sheet([one], width=64)
    assert clip_data(one)['truthScore'] is None


def test_missing_characters_use_another_font(tmp_path):
    font = FontBuilder(1000)
    font.setupGlyphOrder(['.notdef', 'square'])
    font.setupCharacterMap(
        {0x10E123: 'square', 0x10E124: 'square'}
    )  # private use characters, which no installed font supports
    pen = TTGlyphPen(None)
    for i, point in enumerate([(0, 0), (0, 700), (900, 700), (900, 0)]):
        pen.lineTo(point) if i else pen.moveTo(point)
    pen.closePath()
    font.setupGlyf({'.notdef': TTGlyphPen(None).glyph(), 'square': pen.glyph()})
    font.setupHorizontalMetrics(dict.fromkeys(('.notdef', 'square'), (1000, 0)))
    font.setupHorizontalHeader(ascent=800, descent=-200)
    font.setupNameTable(dict(familyName='Private CJK', styleName='Regular'))
    font.setupOS2()
    font.setupPost()
    font.save(tmp_path / 'PrivateCJK-Regular.ttf')
    before = list(font_manager.fontManager.ttflist)
    font_manager.fontManager.addfont(tmp_path / 'PrivateCJK-Regular.ttf')
    (tmp_path / 'DamagedCJK-Regular.ttf').write_bytes(b'no font')
    damaged = font_manager.FontEntry(fname=str(tmp_path / 'DamagedCJK-Regular.ttf'), name='Damaged CJK')
    font_manager.fontManager.ttflist.append(damaged)
    try:
        dark = (text_bar('\U0010e123\U0010e124', 60)[..., 0] < 128).sum()
    finally:
        font_manager.fontManager.ttflist[:] = before
    assert dark == pytest.approx(2 * 0.9 * 0.7 * 11**2, rel=0.25)  # both squares are filled


def test_characters_without_font_warn():
    with pytest.warns(
        UserWarning, match='no installed font supports .* characters, .* install a font, such as Noto Sans'
    ):
        text_bar('\U0010e125', 60)


def test_unknown_style_raises_an_error():
    with pytest.raises(ValueError, match="style='dots' is unknown"):
        draw_clip(clip(), 'layer1.0', 256, 'dots')


def test_sheet_has_a_row_of_frames_for_each_plugin():
    paths = ('layer1.0', 'layer1.1')
    picture = contact_sheet([clip(paths), clip(paths)], columns=3, width=64)
    assert picture.shape == (2 * (22 + 2 * (18 + 48)), 3 * 64, 3)
    assert side_by_side(clip(paths), width=64).shape == (4, 22 + 2 * 18 + 48, 2 * 68, 3)


def test_same_nodes_are_drawn_before_and_after_training():
    start = clip()
    start.nodes['layer1.0'].center[:] = 0.5
    picture = before_and_after(start, clip(), columns=2, width=64)
    assert picture.shape == (22 + 2 * (18 + 48), 2 * 64, 3)
    rows = [picture[22 + 18 + i * 66 : 22 + (i + 1) * 66].astype(int) for i in range(2)]
    drawn = [[(np.abs(row - color).sum(-1) < 60).any() for color in node_colors(4)] for row in rows]
    assert drawn[1] == [True, True, False, False]  # those that move after training
    assert drawn[0][2:] == [False, False]
    changed = (rows[0] != 30).any(-1)
    assert changed[:, :64].any() and not changed[:, :20].any()  # before training they are in the middle


def test_clips_of_different_lengths_share_a_sheet():
    assert contact_sheet([clip(), clip(frames=2)], width=64).shape[1] == 4 * 64


def test_captions_state_the_criterion_of_highlighting():
    assert path_caption(clip(), 'layer1.0').endswith('(0 by 0.22, 1 by 0.02 of the frame)')
    assert clip_caption(clip()) == 'a clip: up; predicted down (0.70)'
    assert text_bar('Zieht 物体 – «ß» ' * 30, 200).shape == (18, 200, 3)


def explained(*effects):
    """Return the clip with effects of its nodes."""
    explanation = Explanation(0, 0.7, 0.8, {'layer1.0': np.array(effects)}, {}, {}, {}, {}, {})
    return clip()._replace(explanation=explanation, explained='down')


def test_nodes_are_highlighted_by_effect_if_known():
    assert highlighted_nodes(clip(), 'layer1.0') == [0, 1]  # by motion
    assert highlighted_nodes(explained(0.1, -2, 0, 0.3), 'layer1.0') == [3, 0]
    assert effective_nodes(np.array([1.0, 2, 4, 3])) == [2, 3, 1]
    caption = path_caption(explained(0.1, -2, 0, 0.3), 'layer1.0')
    assert caption.endswith('bold: nodes with the largest effect (3 by 0.30, 0 by 0.10)')
    assert path_caption(explained(0, 0, 0, 0), 'layer1.0').endswith('no node increases the class score')
    assert 'bold: nodes 2 by 0.00 of the frame' in path_caption(explained(0, 0, 0, 1), 'layer1.0', [2])
    by_hand, by_effect = (
        draw_clip(one, 'layer1.0', 128, bold=nodes) for one, nodes in ((clip(), [3]), (explained(-1, -1, 0, 1), None))
    )
    assert (by_hand == by_effect).all()


def test_mean_regions_before_and_after_training():
    start = {'a': Nodes(np.full((4, 1, 2), 0.5), np.full((4, 1, 2), 0.1))}
    trained = {'a': Nodes(np.full((4, 1, 2), 0.75), np.full((4, 1, 2), 0.1))}
    picture = mean_regions(start, trained, width=100)[18:]
    color = np.array(node_colors(1)[0])
    for left, place in ((0, 50), (104, 75)):
        rows, columns = np.nonzero(np.abs(picture[:, left : left + 100].astype(int) - color).sum(-1) < 60)
        assert abs((columns.min() + columns.max()) / 2 - place) < 2 and abs((rows.min() + rows.max()) / 2 - place) < 2


def test_regions_in_the_coordinates_of_the_crop():
    squeezed = clip()._replace(view=np.array([0.25, 0, 0.75, 1]))
    seen, given = nodes_in_view(squeezed, 'layer1.0'), squeezed.nodes['layer1.0']
    np.testing.assert_allclose(seen.center[..., 0], (given.center[..., 0] - 0.25) * 2)
    np.testing.assert_allclose(seen.half_size[0, 0], [0.2, 0.1])


@pytest.mark.parametrize('length, num', [(4, 4), (4, 9), (160, 6), (600_000, 5)])
def test_clips_are_selected_once(length, num):
    chosen = choose_clips(length, num)
    assert len(set(chosen)) == len(chosen) == min(length, num) and all(0 <= i < length for i in chosen)
    assert chosen == choose_clips(length, num)


def test_num_below_one_raises_an_error():
    with pytest.raises(ValueError, match='the number of clips is 0, but must be at least 1'):
        choose_clips(4, 0)


def test_gray_clips_are_drawn_with_objects():
    init_default_scope('mmaction')
    model = MODELS.build(recognizer(dict(type='FixedRegions'), kind='Recognizer2D')).eval()
    dataset = DATASETS.build(digits(pipeline_head=[dict(type='KeepSource')]))
    one = predict_clip(model, dataset[0], dataset.metainfo['classes'])
    assert one.frames.shape == (FRAMES, SIDE, SIDE, 3) and one.frames.max() > 200
    assert one.objects.shape == (FRAMES, 3, 4) and one.truth in dataset.metainfo['classes']
    assert 0.05 < one.distances['layer1.0']['dist_r'] < 0.6
    assert sum(score for _, score in one.scores) <= 1 + 1e-6 and len(one.scores) == 5
    picture = contact_sheet([one], width=64)
    assert picture.shape == (22 + 18 + 64, FRAMES * 64, 3) and torch.from_numpy(picture).float().std() > 10
