'use strict';
const data = JSON.parse(document.getElementById('data').textContent);
const byId = id => document.getElementById(id);
const SVG = 'http://www.w3.org/2000/svg';
// Text from files is only set by textContent and setAttribute, which do not parse markup.
function make(tag, attributes, text) {
  const node = tag.startsWith('svg:') ? document.createElementNS(SVG, tag.slice(4)) : document.createElement(tag);
  set(node, attributes || {});
  if (text !== undefined) node.textContent = text;
  return node;
}
function set(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
}
const show = (number, digits = 3) => number === null || number === undefined ? '–' : number.toFixed(digits);
const predictedClass = clip => clip.scores.length ? clip.scores[0][0] : null;  // no scores if they are not finite

// ---- the summary

function mean(clip, name) {
  const known = clip.plugins.map(plugin => plugin.distances[name]).filter(value => typeof value === 'number');
  return known.length ? known.reduce((sum, value) => sum + value, 0) / known.length : null;
}
const effectsOf = clip => clip.plugins.flatMap(plugin => plugin.effects || []);
const largestEffect = clip => effectsOf(clip).length ? Math.max(...effectsOf(clip)) : null;
const COLUMNS = [
  {title: 'clip', value: clip => clip.name, text: true},
  {title: 'p(true class)', value: clip => clip.truthScore, worst: 1},
  {title: 'object to node', value: clip => mean(clip, 'dist_r'), worst: -1},
  {title: 'acting object to node', value: clip => mean(clip, 'dist_acting'), worst: -1},
  {title: 'objects with a node inside', value: clip => mean(clip, 'inside'), worst: 1},
  {title: 'switches', value: clip => mean(clip, 'switches'), worst: -1},
  {title: 'class', value: clip => clip.truth, text: true},
  {title: 'predicted', value: predictedClass, text: true},
  {title: 'largest effect', value: largestEffect, worst: 1},
].filter(column => data.clips.some(clip => column.value(clip) !== null));
const order = {column: COLUMNS.find(column => column.worst) || COLUMNS[0], direction: 1};
order.direction = order.column.worst || 1;

function compare(a, b) {
  const [x, y] = [order.column.value(a), order.column.value(b)];
  if (x === null || y === null) return (x === null) - (y === null);  // unknown values come last
  return order.direction * (order.column.text ? String(x).localeCompare(String(y)) : x - y);
}
function sorted() { return data.clips.filter(passes).sort(compare); }

function drawHead() {
  const row = byId('table').tHead.rows[0];
  row.append(make('th', {}, ''));
  for (const column of COLUMNS) {
    const head = make('th', {scope: 'col'});
    const button = make('button', {type: 'button'}, column.title);
    button.onclick = () => {
      order.direction = order.column === column ? -order.direction : column.worst || 1;
      order.column = column;
      drawTable();
    };
    head.append(button);
    row.append(head);
    column.head = head;
  }
}
function drawTable() {
  for (const column of COLUMNS) {
    if (column === order.column) set(column.head, {'aria-sort': order.direction > 0 ? 'ascending' : 'descending'});
    else column.head.removeAttribute('aria-sort');
  }
  byId('table').tBodies[0].replaceChildren(...sorted().map(clip => {
    const row = make('tr');
    const picture = make('td');
    picture.append(make('img', {src: clip.images[Math.floor(clip.images.length / 2)], alt: ''}));
    row.append(picture);
    for (const column of COLUMNS) {
      const value = column.value(clip);
      const cell = make('td', {}, column.text ? '' : show(value));
      if (column.title === 'clip') cell.append(make('a', {href: '#clip-' + data.clips.indexOf(clip)}, value));
      else if (column.text) {
        cell.textContent = value === null ? '–' : value;
        cell.className = 'text';
      }
      if (column.title === 'predicted' && clip.truth !== null && clip.truth !== value) cell.classList.add('wrong');
      row.append(cell);
    }
    return row;
  }));
}
function drawTotals() {
  const known = data.clips.filter(clip => clip.truth !== null);
  const right = known.filter(clip => clip.truth === predictedClass(clip)).length;
  byId('totals').textContent = data.clips.length + (data.clips.length === 1 ? ' clip' : ' clips') +
    (known.length ? ', ' + right + ' of ' + known.length + ' correct' : '');
}

function drawCurves() {
  byId('curves').hidden = !data.curves.length;
  const [width, height] = [320, 180], points = curve =>
    curve.map((value, i) => `${width * i / (curve.length - 1)},${height * (1 - value)}`).join(' ');
  byId('plots').append(...[['deletion', 'closed'], ['insertion', 'open']].map(([kind, what]) => {
    const figure = make('figure'), caption = make('figcaption');
    const svg = make('svg:svg', {viewBox: `-30 -14 ${width + 40} ${height + 44}`, role: 'img', 'aria-label': kind});
    svg.append(make('svg:path', {class: 'axis', d: `M0 0V${height}H${width}`}));
    for (const [px, py, anchor, text] of [[-4, 4, 'end', '1'], [-4, height + 4, 'end', '0'], [0, height + 15, 'middle', '0'],
      [width, height + 15, 'middle', '1'], [width / 2, height + 27, 'middle', 'fraction of nodes ' + what],
      [width / 2, -4, 'middle', kind + ': probability of the class']]) {
      svg.append(make('svg:text', {x: px, y: py, 'text-anchor': anchor}, text));
    }
    for (const curve of [...data.curves].reverse()) {  // the curve by effect is drawn on top
      svg.append(make('svg:polyline', {class: 'curve ' + curve.order, points: points(curve[kind])}));
    }
    caption.append(...data.curves.map(curve =>
      make('span', {class: curve.order}, `${curve.order} (${show(curve.areas[kind])})`)));
    figure.append(svg, caption);
    return figure;
  }));
}

// ---- a clip

let clip = null, frame = 0, timer = 0, panels = [];
const x = value => value * clip.width, y = value => value * clip.height;

function rect(box) {
  return {x: x(box[0]), y: y(box[1]), width: x(box[2] - box[0]), height: y(box[3] - box[1])};
}
function boxOf(plugin, i, t, scale) {  // the region, scaled around its center
  const [cx, cy] = plugin.center[t][i], [hx, hy] = plugin.halfSize[t][i].map(half => scale * half);
  return rect([cx - hx, cy - hy, cx + hx, cy + hy]);
}
function soft(color, kernel) {  // the outer product of two tents, or a uniform area, stretched over the region
  const side = 48, canvas = make('canvas', {width: side, height: side}), context = canvas.getContext('2d');
  context.fillStyle = color;
  for (let row = 0; row < side; row++) {
    for (let column = 0; column < side; column++) {
      const [v, h] = [row, column].map(p => kernel === 'area' ? 1 : 1 - Math.abs((2 * p + 1) / side - 1));
      context.globalAlpha = .85 * v * h;
      context.fillRect(column, row, 1, 1);
    }
  }
  return canvas.toDataURL();
}
function makePanel(plugin) {
  const unit = clip.width / 240;  // lines have the same width in all clips
  const panel = make('section', {class: 'panel', 'data-plugin': plugin.path});
  panel.append(make('h3', {}, plugin.path));
  const svg = make('svg:svg', {viewBox: `0 0 ${clip.width} ${clip.height}`, role: 'img', 'aria-label': 'frame with regions'});
  const image = make('svg:image', {class: 'frame', width: clip.width, height: clip.height, preserveAspectRatio: 'none'});
  const [v1, v2, v3, v4] = [x(clip.view[0]), y(clip.view[1]), x(clip.view[2]), y(clip.view[3])];
  const outside = make('svg:path', {
    d: `M0 0H${clip.width}V${clip.height}H0ZM${v1} ${v2}H${v3}V${v4}H${v1}Z`, 'fill-rule': 'evenodd', fill: '#0008'});
  const objects = make('svg:g', {class: 'objects', fill: 'none', stroke: '#fff'});
  const boxes = clip.acting.map(isActing => make('svg:rect', {'stroke-width': (isActing ? 2.2 : 1) * unit}));
  objects.append(...boxes);
  const veils = make('svg:g');
  svg.append(image, outside, veils, objects);
  const nodes = plugin.colors.map((color, i) => {
    const group = make('svg:g', {class: 'node', 'data-node': i});
    const trajectory = make('svg:polyline', {class: 'trajectory', fill: 'none', stroke: color, 'stroke-width': 2 * unit});
    const kernel = make('svg:image', {class: 'kernel', preserveAspectRatio: 'none', href: soft(color, plugin.kernel)});
    const veil = make('svg:g', {'data-node': i});
    veil.append(kernel);
    veils.append(veil);
    const region = make('svg:rect', {class: 'region', fill: 'none', stroke: color});
    const dot = make('svg:circle', {class: 'center', fill: color, stroke: '#fff'});
    const number = make('svg:text', {class: 'number', 'font-size': 9 * unit, 'stroke-width': 2 * unit}, i);
    group.append(trajectory, region, dot, number);
    return {group, veil, trajectory, kernel, region, dot, number};
  });
  const why = make('p', {class: 'why'});
  panel.append(svg, why, distanceList(plugin), nodeSwitches(plugin, nodes));
  return {plugin, unit, panel, svg, why, image, objects, boxes, nodes};
}
function highlight({plugin, unit, svg, why, nodes}) {
  const byEffect = plugin.effects !== null && byId('by-effect').checked;
  const chosen = byEffect ? plugin.boldByEffect : plugin.bold;
  nodes.forEach((node, i) => {
    const bold = node.bold = chosen.includes(i);
    set(node.region, {'stroke-width': (bold ? 2 : .5) * unit, 'stroke-opacity': bold ? 1 : .5});
    set(node.dot, {r: (bold ? 4 : 2) * unit, 'stroke-width': bold ? unit : 0});
    node.words.style.fontWeight = bold ? 'bold' : '';
  });
  for (const node of [...nodes].reverse()) if (!node.bold) svg.append(node.group);
  for (const node of nodes) if (node.bold) svg.append(node.group);
  const none = byEffect ? 'no node increases the class score' : 'no node moves';
  why.textContent = !chosen.length ? none :
    `bold by ${byEffect ? 'effect' : 'motion'}: ${chosen.length > 1 ? 'nodes' : 'node'} ${chosen.join(', ')}`;
}
function effectBar(effect, color) {  // starts at the middle, relative to the largest effect of the clip
  const largest = Math.max(...effectsOf(clip).map(Math.abs)) || 1, length = 50 * Math.abs(effect) / largest;
  const track = make('span', {class: 'track'}), bar = make('span', {class: 'bar'});
  Object.assign(bar.style, {left: `${effect < 0 ? 50 - length : 50}%`, width: `${length}%`, background: color});
  track.append(bar);
  return [track, make('span', {class: 'amount'}, (effect < 0 ? '−' : '+') + Math.abs(effect).toFixed(3))];
}
function distanceList(plugin) {
  const names = {dist_p: 'node to object', dist_r: 'object to node', dist_acting: 'acting object to node',
    inside: 'objects with a node inside', switches: 'switches'};
  const list = make('ul', {class: 'numbers'});
  for (const [name, words] of Object.entries(names)) {
    if (typeof plugin.distances[name] === 'number') list.append(make('li', {}, `${words} ${show(plugin.distances[name])}`));
  }
  return list;
}
function nodeSwitches(plugin, nodes) {
  const field = make('div', {class: plugin.effects ? 'nodes effects' : 'nodes', role: 'group', 'aria-label': 'nodes of ' + plugin.path});
  const inputs = nodes.map((node, i) => {
    const label = make('label'), input = make('input', {type: 'checkbox', 'data-node': i});
    input.checked = true;
    input.onchange = () => {
      for (const part of [node.group, node.veil]) part.setAttribute('display', input.checked ? 'inline' : 'none');
    };
    const swatch = make('span', {class: 'swatch'});
    swatch.style.background = plugin.colors[i];
    node.words = make('span', {class: 'words'}, `${i} (${show(plugin.motion[i], 2)})`);
    label.append(input, swatch, node.words, ...(plugin.effects ? effectBar(plugin.effects[i], plugin.colors[i]) : []));
    return [label, input];
  });
  const all = make('button', {type: 'button', class: 'all'}, 'all / none');
  all.onclick = () => {
    const on = !inputs.every(([, input]) => input.checked);
    for (const [, input] of inputs) { input.checked = on; input.onchange(); }
  };
  field.append(all, ...inputs.map(([label]) => label));
  return field;
}
function drawFrame(t) {
  frame = Math.max(0, Math.min(t, clip.images.length - 1));
  byId('time').value = frame;
  byId('clock').textContent = `${clip.times[frame].toFixed(2)} s, frame ${frame + 1} of ${clip.images.length}`;
  const trajectories = byId('trajectories').checked, kernels = byId('kernels').checked, annotated = byId('objects').checked;
  const numbers = byId('numbers').checked;
  if (clip.heat !== null) byId('heat-frame').src = clip.heat[frame];
  const display = (element, on) => element.setAttribute('display', on ? 'inline' : 'none');
  for (const {plugin, unit, image, objects, boxes, nodes} of panels) {
    image.setAttribute('href', clip.images[frame]);
    display(objects, annotated);
    boxes.forEach((box, k) => {
      const corners = clip.objects[frame][k], seen = !corners.includes(null);
      display(box, seen);
      if (seen) set(box, rect(corners));
    });
    const some = nodes.some(({bold}) => bold);
    nodes.forEach(({trajectory, kernel, region, dot, number, bold}, i) => {
      const [cx, cy] = plugin.center[frame][i];
      const known = ![...plugin.center[frame][i], ...plugin.halfSize[frame][i]].includes(null);  // a finite region
      const soft = kernels && (bold || !some);  // if none is bold, the kernels of all nodes
      display(kernel, known && soft);
      display(region, known && !soft);
      display(dot, known);
      display(number, known && numbers);
      display(trajectory, trajectories && bold);
      if (known) {
        set(region, boxOf(plugin, i, frame, plugin.boxScale));
        set(kernel, boxOf(plugin, i, frame, 1));
        set(dot, {cx: x(cx), cy: y(cy)});
        // to the upper right, but within the frame
        set(number, {x: Math.min(x(cx) + 4 * unit, clip.width - 12 * unit), y: Math.max(y(cy) - 4 * unit, 9 * unit)});
      }
      const points = plugin.center.slice(0, frame + 1).map(centers => centers[i]).filter(point => !point.includes(null));
      set(trajectory, {points: points.map(([px, py]) => `${x(px)},${y(py)}`).join(' ')});
    });
  }
}
function drawClip() {
  byId('name').textContent = clip.name;
  set(byId('time'), {max: clip.images.length - 1});
  panels = clip.plugins.map(makePanel);
  panels.forEach(highlight);
  byId('panels').replaceChildren(...panels.map(({panel}) => panel));
  byId('plugin-switches').replaceChildren(...(panels.length < 2 ? [] : panels.map(({plugin, panel}) => {
    const label = make('label'), input = make('input', {type: 'checkbox', 'data-plugin': plugin.path});
    input.checked = true;
    input.onchange = () => { panel.hidden = !input.checked; };
    label.append(input, make('span', {}, plugin.path));
    return label;
  })));
  byId('heat').hidden = clip.heat === null;
  byId('objects').parentElement.hidden = !clip.acting.length;
  byId('by-effect').parentElement.hidden = byId('effects-hint').hidden = !effectsOf(clip).length;
  byId('truth').textContent = [['Class', clip.truth], ['Explained', clip.explained]].filter(([, name]) => name !== null)
    .map(([what, name]) => `${what}: ${name}`).join('; ');
  byId('scores').replaceChildren(...clip.scores.map(([name, score]) => {
    const row = make('li');
    row.style.setProperty('--score', `calc(${score} * min(20rem, 60vw))`);
    row.append(make('b', {}, score.toFixed(3)), make('span', {}, name));
    return row;
  }));
  byId('no-scores').hidden = clip.scores.length > 0;
  const list = passes(clip) ? sorted() : [...data.clips].sort(compare), place = list.indexOf(clip), link = other => '#clip-' + data.clips.indexOf(other);
  byId('previous').href = link(list[(place + list.length - 1) % list.length]);
  byId('next').href = link(list[(place + 1) % list.length]);
  drawFrame(0);
}

// ---- time

function play(on) {
  clearTimeout(timer);
  timer = 0;
  set(byId('play'), {'aria-pressed': on});
  byId('play').textContent = on ? '❚❚ pause' : '▶ play';
  if (on) wait();
}
function wait() {  // show each frame for its duration in the clip
  const end = frame + 1 < clip.times.length ? clip.times[frame + 1] : clip.duration;
  timer = setTimeout(() => {
    drawFrame((frame + 1) % clip.images.length);
    wait();
  }, Math.max(1000 * (end - clip.times[frame]), 20));
}
const playing = () => timer !== 0;

// Places are URL fragments that are not ids of elements, so the browser does not scroll by itself.
const left = new Map();  // scroll position and focused element by place
let place = null, fresh = false;  // fresh: reached by a link, not by the back button
history.scrollRestoration = 'manual';
function go(to) {
  fresh = location.hash !== to;
  location.hash = to;
}
function route() {
  if (place !== null) left.set(place, {scroll: window.scrollY, focus: document.activeElement});
  const last = clip, back = !fresh, number = /^#clip-(\d+)$/.exec(location.hash);
  play(false);
  clip = number ? data.clips[Number(number[1])] || null : null;
  [place, fresh] = [clip === null ? '' : location.hash, false];
  const before = left.get(place) || {scroll: 0};
  byId('summary').hidden = clip !== null;
  byId('clip').hidden = byId('steps').hidden = clip === null;
  document.title = clip === null ? data.title : clip.name + ' – ' + data.title;
  if (clip === null) {
    window.scrollTo(0, before.scroll);
    // focus the link of the last clip; this scrolls only if it is not visible
    const link = last === null ? null : document.querySelector(`#table a[href="#clip-${data.clips.indexOf(last)}"]`);
    if (link !== null) link.focus();  // a filter may have hidden it
  } else {
    drawClip();
    const focus = back && before.focus && before.focus.id ? before.focus : byId('name');
    focus.focus({preventScroll: true});
    window.scrollTo(0, back ? before.scroll : 0);
  }
}
document.addEventListener('click', event => {
  const link = event.target.closest('a[href^="#"]');
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  go(link.hash);
});
byId('play').onclick = () => play(!playing());
byId('time').oninput = () => { play(false); drawFrame(Number(byId('time').value)); };
for (const id of ['objects', 'trajectories', 'kernels', 'numbers']) byId(id).onchange = () => drawFrame(frame);
byId('by-effect').onchange = () => { panels.forEach(highlight); drawFrame(frame); };
document.addEventListener('keydown', event => {
  if (clip === null || event.ctrlKey || event.altKey || event.metaKey) return;
  const control = event.target.closest('input, button, a');
  const step = {ArrowLeft: -1, ArrowRight: 1}[event.key];
  if (step && event.target !== byId('time')) { play(false); drawFrame(frame + step); }
  else if (event.key === ' ' && !control) play(!playing());
  else if (event.key === 'n') go(byId('next').hash);
  else if (event.key === 'p') go(byId('previous').hash);
  else if (event.key === 'Escape') go('#all');
  else return;
  event.preventDefault();
});
