"""The report in a real browser."""

import json
import re

import numpy as np
import pytest
from browser import open_browser

from dyreg_mmaction.evaluation.explanation import Curves, Explanation
from dyreg_mmaction.visualization.clip import Nodes, RegionClip
from dyreg_mmaction.visualization.report import clip_data, write_report
from dyreg_mmaction.visualization.training_curves import read_curves

EVIL = (
    '<img src=x onerror="document.title=1"></script><script>document.title=2</script>&amp;"\'{{ title }}<rest>{% raw %}'
)
FRAMES = 5


def clip(name, score, distance, seed=0):
    rng = np.random.default_rng(seed)
    center = np.tile(rng.uniform(0.3, 0.7, (3, 2)), (FRAMES, 1, 1))
    center[:, 0, 0] = np.linspace(0.1, 0.9, FRAMES)
    still = Nodes(np.full((FRAMES, 2, 2), 0.5), np.full((FRAMES, 2, 2), 0.25))
    objects = np.tile([0.2, 0.2, 0.4, 0.6], (FRAMES, 2, 1))
    objects[1, 1] = np.nan
    numbers = dict(dist_p=distance, dist_r=distance, inside=0.5, switches=np.nan, dist_acting=distance)
    return RegionClip(
        name=name,
        frames=rng.integers(0, 255, (FRAMES, 60, 80, 3), dtype=np.uint8),
        times=np.arange(FRAMES) * 0.1,
        duration=FRAMES * 0.1,
        fps=10.0,
        nodes={'layer2.1': Nodes(center, np.full_like(center, 0.1)), EVIL: still},
        view=np.array([0.125, 0.0, 0.875, 1.0]),
        objects=objects,
        acting=np.array([True, False]),
        truth='up ' + EVIL,
        truth_score=score,
        scores=[('up ' + EVIL if score > 0.5 else 'down', max(score, 0.6)), ('left', 0.1)],
        distances=dict.fromkeys(('layer2.1', EVIL), numbers),
    )


CLIPS = [clip('good.webm', 0.9, 0.05), clip(f'bad {EVIL}', 0.1, 0.3, 1), clip('middle.webm', 0.7, 0.1, 2)]


@pytest.fixture(scope='module')
def report(tmp_path_factory):
    path = tmp_path_factory.mktemp('report') / 'report.html'
    about = dict(checkpoint=f'epoch_1.pth {EVIL}', command='dyreg regions')
    training = {'loss': [(10, 2.0), (20, 0.5)], 'acc/top1': [(1, 0.25), (2, 1.0)]}
    write_report(path, CLIPS, title=f'Regions {EVIL}', about=about, training=training)
    return path


@pytest.fixture(scope='module')
def browser(tmp_path_factory):
    with open_browser(tmp_path_factory.mktemp('profile')) as page:
        yield page


@pytest.fixture
def page(browser, report):
    browser.set_window_size(1280, 900)
    browser.get('about:blank')
    browser.get(report.as_uri())
    yield browser
    errors = [entry for entry in browser.get_log('browser') if entry['level'] == 'SEVERE']
    assert not errors


def find(page, selector):
    return page.find_elements('css selector', selector)


def one(page, selector):
    (element,) = find(page, selector)
    return element


def center(page, node=0):
    dot = one(page, f'.panel[data-plugin="layer2.1"] .node[data-node="{node}"] .center')
    return float(dot.get_attribute('cx')), float(dot.get_attribute('cy'))


def until(page, condition):
    """Wait, because the browser reports a new location to the page with a delay."""
    from selenium.webdriver.support.wait import WebDriverWait

    WebDriverWait(page, 10, poll_frequency=0.05).until(lambda _: condition())


def open_place(page, place):
    page.execute_script(f'location.hash = "{place}"')
    until(page, lambda: one(page, '#clip' if place else '#summary').is_displayed())


def open_clip(page, number):
    open_place(page, f'#clip-{number}')
    until(page, lambda: one(page, '#name').text == CLIPS[number].name)


def press(page, key):
    one(page, 'body').send_keys(key)


def test_report_is_self_contained(report):
    text = report.read_text()
    assert not re.search(r'(src|href)="(?!#|data:)', text) and 'http:' not in text.replace(
        'http://www.w3.org/2000/svg', ''
    )
    assert "default-src 'none'" in text
    assert text.count('</script>') == 2  # names from files do not close a script
    data = json.loads(text.partition('id="data">')[2].partition('</script>')[0])
    assert data['clips'][1]['name'] == f'bad {EVIL}' and data['clips'][0]['objects'][1][1] == [None] * 4


def test_large_frames_are_shrunk_and_coordinates_kept():
    large = CLIPS[0]._replace(frames=np.zeros((1, 600, 1200, 3), np.uint8))
    data = clip_data(large)
    assert (data['width'], data['height']) == (1200, 600) and len(data['images'][0]) < 5000


def test_worst_clips_are_first_and_columns_sort(page):
    def names():
        return [cell.text for cell in find(page, '#table tbody td:nth-child(2)')]

    worst = [f'bad {EVIL}', 'middle.webm', 'good.webm']
    assert names() == worst
    assert one(page, '#totals').text == '3 clips, 2 of 3 correct'
    heads = {head.text.rstrip(' ▲▼'): head for head in find(page, 'th button')}
    heads['clip'].click()
    assert names() == sorted(names())
    heads['object to node'].click()
    assert names() == worst
    heads['object to node'].click()
    assert names() == worst[::-1]
    assert [th.get_attribute('aria-sort') for th in find(page, 'th[aria-sort]')] == ['ascending']


def test_texts_from_files_are_not_markup(page):
    assert page.title == f'Regions {EVIL}'
    for number in range(3):
        open_clip(page, number)
        assert EVIL in [head.text for head in find(page, '.panel h3')]
        assert not find(page, 'img[onerror]') and EVIL in one(page, '#truth').text


def test_slider_moves_the_regions(page):
    from selenium.webdriver.common.keys import Keys

    open_clip(page, 0)
    slider = one(page, '#time')
    pictures = []
    for t in range(FRAMES):
        x, y = center(page)
        expected = CLIPS[0].nodes['layer2.1'].center[t, 0] * [80, 60]
        assert (x, y) == pytest.approx(tuple(expected), abs=0.01)
        region = one(page, '.panel[data-plugin="layer2.1"] .node[data-node="0"] .region')
        assert float(region.get_attribute('x')) == pytest.approx(x - 4, abs=0.02)
        assert float(region.get_attribute('width')) == pytest.approx(8, abs=0.02)
        kernel = one(page, '.panel[data-plugin="layer2.1"] g[data-node="0"] .kernel')
        assert float(kernel.get_attribute('width')) == pytest.approx(16, abs=0.02)
        pictures.append(one(page, '.panel[data-plugin="layer2.1"] .frame').get_attribute('href'))
        assert one(page, '#clock').text.endswith(f'frame {t + 1} of {FRAMES}')
        slider.send_keys(Keys.ARROW_RIGHT)
    assert len(set(pictures)) == FRAMES
    trajectory = one(page, '.panel[data-plugin="layer2.1"] .node[data-node="0"] .trajectory').get_attribute('points')
    assert len(trajectory.split()) == FRAMES


def test_drawing_is_over_the_frame(page):
    """The center on the screen is compared with the position of the picture on the screen."""
    open_clip(page, 0)
    image = one(page, '.panel[data-plugin="layer2.1"] svg').rect
    dot = one(page, '.panel[data-plugin="layer2.1"] .node[data-node="0"] .center').rect
    x = (dot['x'] + dot['width'] / 2 - image['x']) / image['width']
    y = (dot['y'] + dot['height'] / 2 - image['y']) / image['height']
    assert (x, y) == pytest.approx(tuple(CLIPS[0].nodes['layer2.1'].center[0, 0]), abs=0.01)
    assert image['width'] / image['height'] == pytest.approx(80 / 60, rel=0.01)


def test_switch_hides_its_node_and_no_other(page):
    open_clip(page, 0)
    nodes = [one(page, f'.panel[data-plugin="layer2.1"] .node[data-node="{i}"] .center') for i in range(3)]
    switch = one(page, '.panel[data-plugin="layer2.1"] input[data-node="0"]')
    switch.click()
    assert [node.is_displayed() for node in nodes] == [False, True, True]
    veils = find(page, '.panel[data-plugin="layer2.1"] g[data-node="0"]')
    assert len(veils) == 2 and not any(veil.is_displayed() for veil in veils)  # its soft kernel too
    one(page, '#time').send_keys('\ue014')  # the next frame does not bring it back
    assert not nodes[0].is_displayed()
    switch.click()
    assert nodes[0].is_displayed()
    one(page, '.panel[data-plugin="layer2.1"] .all').click()
    assert not any(node.is_displayed() for node in nodes)


def test_switches_of_plugins_objects_trajectories_and_kernels(page):
    open_clip(page, 0)
    panels = find(page, '.panel')
    find(page, '#plugin-switches input')[0].click()
    assert [panel.is_displayed() for panel in panels] == [False, True]
    find(page, '#plugin-switches input')[0].click()
    boxes = find(page, '.panel[data-plugin="layer2.1"] .objects rect')
    assert [box.is_displayed() for box in boxes] == [True, True]
    one(page, '#time').send_keys('\ue014')
    assert [box.is_displayed() for box in boxes] == [True, False]  # it is not in that frame
    one(page, '#objects').click()
    assert not any(box.is_displayed() for box in boxes)
    for switch, selector in (('#trajectories', '.trajectory'), ('#kernels', '.kernel')):
        drawn = one(page, f'.panel[data-plugin="layer2.1"] g[data-node="0"] {selector}')
        before = drawn.get_attribute('display')
        one(page, switch).click()
        assert {before, drawn.get_attribute('display')} == {'inline', 'none'}


def test_kernels_of_a_static_clip_are_those_of_all_nodes(page):
    open_clip(page, 0)
    one(page, '#kernels').click()
    shown = [
        [kernel.get_attribute('display') for kernel in panel.find_elements('css selector', '.kernel')]
        for panel in find(page, '.panel')
    ]
    assert shown == [['inline', 'none', 'none'], ['inline', 'inline']]  # the second plugin's nodes do not move
    regions = [region.get_attribute('display') for region in find(page, '.region')]
    assert sorted(regions) == ['inline'] * 2 + ['none'] * 3  # a node without a soft kernel keeps its box


def test_nodes_are_numbered(page):
    open_clip(page, 0)
    for panel in find(page, '.panel'):
        nodes = panel.find_elements('css selector', '.node')
        numbers = {node.get_attribute('data-node'): node.find_element('css selector', '.number') for node in nodes}
        assert len(numbers) > 1 and all(i == number.text for i, number in numbers.items())
        svg = panel.find_element('css selector', 'svg').rect
        for number in numbers.values():
            assert svg['x'] <= number.rect['x'] and svg['y'] <= number.rect['y'] + 1
            assert number.rect['x'] + number.rect['width'] <= svg['x'] + svg['width'] + 1
    one(page, '#numbers').click()
    assert not any(number.is_displayed() for number in find(page, '.number'))


EFFECTS = np.array([-0.2, 0.5, 0.1])


def explained(one, effects=EFFECTS):
    """A clip with effects of the nodes of its first plugin."""
    order = Curves(np.array([0.8, 0.5, 0.3, 0.2]), np.array([0.2, 0.6, 0.7, 0.8]))
    other = Curves(np.array([0.8, 0.7, 0.6, 0.2]), np.array([0.2, 0.3, 0.4, 0.8]))
    curves = dict(effect=order, motion=other, random=other)
    explanation = Explanation(0, 0.8, 1.4, {'layer2.1': effects}, {}, {}, {}, {}, curves)
    return one._replace(explanation=explanation, explained='up ' + EVIL)


@pytest.fixture
def effects_page(page, tmp_path):
    write_report(tmp_path / 'effects.html', [explained(CLIPS[0]), explained(CLIPS[1], np.zeros(3))])
    page.get((tmp_path / 'effects.html').as_uri())
    return page


def test_effects_are_bars(effects_page):
    open_place(effects_page, '#clip-0')
    panel = find(effects_page, '.panel')[0]
    amounts = [amount.text for amount in panel.find_elements('css selector', '.amount')]
    assert amounts == ['−0.200', '+0.500', '+0.100']
    tracks = panel.find_elements('css selector', '.track')
    for track, effect in zip(tracks, EFFECTS, strict=True):
        bar, whole = track.find_element('css selector', '.bar').rect, track.rect
        middle = whole['x'] + whole['width'] / 2
        assert bar['width'] == pytest.approx(whole['width'] / 2 * abs(effect) / 0.5, abs=1)
        assert bar['x'] + (bar['width'] if effect < 0 else 0) == pytest.approx(middle, abs=1)
    assert not find(effects_page, '.panel')[1].find_elements('css selector', '.bar')  # a plugin without effects
    assert one(effects_page, '#truth').text == f'Class: up {EVIL}; Explained: up {EVIL}'


def test_highlighting_by_effect_is_a_switch(effects_page):
    open_place(effects_page, '#clip-0')
    panel = find(effects_page, '.panel')[0]

    def bold():
        words = panel.find_elements('css selector', '.words')
        trajectories = {
            node.get_attribute('data-node')
            for node in panel.find_elements('css selector', 'g.node')
            if node.find_element('css selector', '.trajectory').get_attribute('display') == 'inline'
        }
        by_words = {str(i) for i, word in enumerate(words) if word.value_of_css_property('font-weight') == '700'}
        assert trajectories == by_words
        return trajectories

    why = panel.find_element('css selector', '.why')
    assert bold() == {'1', '2'} and why.text == 'bold by effect: nodes 1, 2'
    one(effects_page, '#by-effect').click()
    assert bold() == {'0'} and why.text == 'bold by motion: node 0'
    one(effects_page, '#by-effect').click()
    open_place(effects_page, '#clip-1')
    assert find(effects_page, '.why')[0].text == 'no node increases the class score'


def test_mean_curves_are_on_the_summary_page(effects_page):
    assert one(effects_page, '#curves').is_displayed()
    captions = [caption.text for caption in find(effects_page, '#plots figcaption')]
    assert [words.replace(')', ') ').split() for words in captions] == [
        ['effect', '(0.433)', 'motion', '(0.600)', 'random', '(0.600)'],
        ['effect', '(0.600)', 'motion', '(0.400)', 'random', '(0.400)'],
    ]
    for figure in find(effects_page, '#plots figure'):
        lines = figure.find_elements('css selector', '.curve')
        assert [line.get_attribute('class').split()[1] for line in lines] == ['random', 'motion', 'effect']
        assert all(line.rect['width'] > 200 and line.rect['height'] > 50 for line in lines)
    heads = [head.text for head in find(effects_page, 'th button')]
    assert 'largest effect' in heads
    assert [cell.text for cell in find(effects_page, '#table tbody td:last-child')] == ['0.000', '0.500']


def test_grad_cam_follows_the_slider(page, tmp_path):
    heat = np.zeros((FRAMES, 6, 6))
    heat[np.arange(FRAMES), 2, np.arange(FRAMES)] = 1
    write_report(tmp_path / 'heat.html', [CLIPS[0]._replace(heat=heat), CLIPS[1]])
    page.get((tmp_path / 'heat.html').as_uri())
    open_place(page, '#clip-0')
    pictures = []
    for _ in range(FRAMES):
        frame = one(page, '#heat-frame')
        assert frame.is_displayed() and frame.rect['width'] > 100
        pictures.append(frame.get_attribute('src'))
        one(page, '#time').send_keys('\ue014')
    assert len(set(pictures)) == FRAMES
    open_place(page, '#clip-1')
    assert not one(page, '#heat').is_displayed()


def test_effects_are_hidden_if_unknown(page):
    assert not one(page, '#curves').is_displayed()
    open_clip(page, 0)
    assert not find(page, '.bar') and not one(page, '#by-effect').is_displayed()
    assert not one(page, '#effects-hint').is_displayed()
    assert [why.text for why in find(page, '.why')] == ['bold by motion: node 0', 'no node moves']


def test_going_back_returns_to_the_same_place(page, tmp_path):
    from selenium import webdriver
    from selenium.webdriver.common.keys import Keys

    write_report(tmp_path / 'long.html', [clip(f'{i}.webm', i / 40, 0.1) for i in range(40)])
    page.get((tmp_path / 'long.html').as_uri())
    link = one(page, '#table a[href="#clip-30"]')
    page.execute_script('arguments[0].scrollIntoView({block: "center"})', link)
    scrolled = page.execute_script('return scrollY')
    assert scrolled > 300
    for back in (page.back, lambda: press(page, Keys.ESCAPE), one(page, '#home').click):
        link.send_keys(Keys.ENTER)
        until(page, one(page, '#clip').is_displayed)
        until(page, lambda: page.execute_script('return scrollY') == 0)
        back()
        until(page, one(page, '#summary').is_displayed)
        assert page.execute_script('return scrollY') == pytest.approx(scrolled, abs=1)
        assert page.switch_to.active_element == link
    link.send_keys(Keys.ENTER)
    until(page, one(page, '#clip').is_displayed)
    page.set_window_size(1280, 500)
    page.execute_script('document.getElementById("objects").focus({preventScroll: true}); scrollTo(0, 60)')
    assert page.execute_script('return scrollY') == 60
    webdriver.ActionChains(page).send_keys('n').perform()
    until(page, lambda: one(page, '#name').text == '31.webm')
    page.back()
    until(page, lambda: one(page, '#name').text == '30.webm')
    assert page.execute_script('return [scrollY, document.activeElement.id]') == [60, 'objects']


def test_non_finite_values_are_shown(page, tmp_path):
    nan = clip('nan.webm', 0.5, np.nan)
    nan.nodes['layer2.1'].center[2:, 0] = np.nan
    nan.nodes['layer2.1'].half_size[:, 1] = np.inf
    write_report(tmp_path / 'nan.html', [nan._replace(scores=[], truth_score=None), CLIPS[0]])
    page.get((tmp_path / 'nan.html').as_uri())
    assert one(page, '#totals').text == '2 clips, 1 of 2 correct'
    open_place(page, '#clip-0')
    assert one(page, '#no-scores').is_displayed()
    dots = find(page, '.panel[data-plugin="layer2.1"] .center')
    shown = []
    for _ in range(FRAMES):
        shown.append(sum(dot.is_displayed() for dot in dots))
        one(page, '#time').send_keys('\ue014')
    assert shown == [2, 2, 1, 1, 1]


def test_playback_has_the_speed_of_the_clip(page):
    open_clip(page, 0)
    one(page, '#play').click()
    seen = page.execute_async_script("""
        const done = arguments[0], seen = [], began = performance.now();
        let last = document.getElementById('time').value;
        const look = setInterval(() => {
            const now = document.getElementById('time').value;
            if (now !== last) { seen.push(performance.now() - began); last = now; }
            if (seen.length === 5) { clearInterval(look); done(seen); }
        }, 5);""")
    assert 350 < seen[4] - seen[0] < 4000  # four frames of a tenth of a second; later on a busy machine
    one(page, '#play').click()
    stopped = one(page, '#time').get_attribute('value')
    assert one(page, '#play').get_attribute('aria-pressed') == 'false'
    page.execute_async_script('setTimeout(arguments[0], 300)')
    assert one(page, '#time').get_attribute('value') == stopped


def test_keyboard_shortcuts(page):
    open_clip(page, 1)  # the worst
    start = center(page)
    press(page, '\ue014')
    assert center(page)[0] > start[0]
    press(page, '\ue012')
    assert center(page) == start
    press(page, ' ')
    assert one(page, '#play').get_attribute('aria-pressed') == 'true'
    press(page, ' ')
    press(page, 'n')
    until(page, lambda: one(page, '#name').text == 'middle.webm')
    press(page, 'p')
    until(page, lambda: one(page, '#name').text == CLIPS[1].name)
    press(page, '\ue00c')
    until(page, one(page, '#summary').is_displayed)


def test_all_controls_can_be_reached_by_tab(page):
    open_clip(page, 0)
    reached = page.execute_script("""
        return [...document.querySelectorAll('#clip button, #clip input, #steps a')]
            .filter(element => element.offsetParent !== null && element.tabIndex < 0).length""")
    assert reached == 0
    one(page, '#name').send_keys('\ue004')
    assert page.switch_to.active_element.get_attribute('id') == 'play'


@pytest.mark.parametrize('width', [360, 768, 1280])
def test_page_fits_phones_and_desktops(page, width):
    page.execute_cdp_cmd(
        'Emulation.setDeviceMetricsOverride', dict(width=width, height=800, deviceScaleFactor=1, mobile=width < 600)
    )
    try:
        for place in ('', '#clip-0'):
            open_place(page, place)
            overflow = page.execute_script('return document.documentElement.scrollWidth - window.innerWidth')
            assert overflow <= 0, place
        panels = [panel.rect for panel in find(page, '.panel')]
        assert (panels[0]['y'] == panels[1]['y']) == (width >= 768)  # side by side if the page is wide enough
        assert all(panel['x'] + panel['width'] <= width for panel in panels)
        assert one(page, '#time').rect['width'] > 150
    finally:
        page.execute_cdp_cmd('Emulation.clearDeviceMetricsOverride', {})


def names(page):
    return [link.text for link in find(page, '#table tbody a')]


def test_only_wrong_clips_are_shown_on_request(page):
    assert len(names(page)) == 3
    one(page, '#wrong-only').click()
    assert names(page) == [f'bad {EVIL}']
    one(page, '#wrong-only').click()
    assert len(names(page)) == 3


def test_confusion_matrix_has_accuracies_and_shows_its_clips(page):
    rows = [[cell.text for cell in row.find_elements('css selector', 'th, td')] for row in find(page, '#confusion tr')]
    assert rows == [
        ['class', 'accuracy', 'clips', 'as 1', 'as 2'],
        ['1 down', '–', '0', '', ''],
        [f'2 up {EVIL}', '0.667', '3', '1', '2'],
    ]
    one(page, '#confusion .mistake .count').click()
    assert names(page) == [f'bad {EVIL}'] and 'predicted down' in one(page, '#pair').text
    one(page, '#table tbody a').click()
    until(page, lambda: one(page, '#name').text == f'bad {EVIL}')
    one(page, '#home').click()
    until(page, one(page, '#summary').is_displayed)
    one(page, '#all-pairs').click()
    assert len(names(page)) == 3
    one(page, '#confusion .right .count').click()
    assert names(page) == ['middle.webm', 'good.webm']


def test_filtered_clip_has_previous_and_next(page):
    one(page, '#wrong-only').click()
    page.execute_script("go('#clip-0')")
    until(page, lambda: one(page, '#name').text == 'good.webm')
    assert one(page, '#previous').get_attribute('href').endswith('#clip-2')
    one(page, '#home').click()
    until(page, one(page, '#summary').is_displayed)
    assert names(page) == [f'bad {EVIL}']


def test_training_curves_and_details_are_shown(page):
    labels = [svg.get_attribute('aria-label') for svg in find(page, '#training-plots svg')]
    assert [label.split(',')[0] for label in labels] == ['loss', 'held-out accuracy']
    points = [
        tuple(map(float, point.split(',')))
        for point in one(page, '#training-plots figure:first-child polyline').get_attribute('points').split()
    ]
    assert points == [(160, 0), (320, 135)]
    assert [cell.text for cell in find(page, '#about dt, #about dd')] == [
        'checkpoint',
        f'epoch_1.pth {EVIL}',
        'command',
        'dyreg regions',
    ]


def test_curves_of_a_run_join_its_restarts(tmp_path):
    lines = {
        '1': ['{"loss": 3, "step": 1}', '{"loss": 2, "step": 2}', '{"loss": 1, "st'],
        '2': ['{"loss": 1.5, "step": 2}', '{"acc/top1": 0.5, "step": 1}', '{"loss": NaN, "step": 3}', '[]'],
    }
    for name, rows in lines.items():
        (tmp_path / name / 'vis_data').mkdir(parents=True)
        (tmp_path / name / 'vis_data/scalars.json').write_text('\n'.join(rows))
    assert read_curves(tmp_path) == {'loss': [(1, 3.0), (2, 1.5)], 'acc/top1': [(1, 0.5)]}
    assert read_curves(tmp_path / 'nowhere') == {}


def test_long_curves_are_thinned(tmp_path):
    (tmp_path / '1/vis_data').mkdir(parents=True)
    rows = [json.dumps(dict(loss=step % 2, step=step)) for step in range(1, 2001)]
    (tmp_path / '1/vis_data/scalars.json').write_text('\n'.join(rows))
    (curve,) = read_curves(tmp_path).values()
    assert len(curve) == 400 and curve[-1][0] == 2000 and 0.4 <= curve[0][1] <= 0.6
