// ---- training curves and details of the page

function linePlot(title, points) {
  const [width, height] = [320, 180], values = points.map(point => point[1]);
  const last = points[points.length - 1][0], low = Math.min(0, ...values), high = Math.max(...values, low + 1e-9);
  const place = ([step, value]) => `${width * step / (last || 1)},${height * (high - value) / (high - low)}`;
  const figure = make('figure'), svg = make('svg:svg', {viewBox: `-40 -14 ${width + 50} ${height + 44}`, role: 'img', 'aria-label': title});
  svg.append(make('svg:path', {class: 'axis', d: `M0 0V${height}H${width}`}));
  for (const [px, py, anchor, text] of [[-4, 4, 'end', show(high, 2)], [-4, height + 4, 'end', show(low, 2)],
    [width, height + 15, 'end', last], [width / 2, -4, 'middle', title]]) {
    svg.append(make('svg:text', {x: px, y: py, 'text-anchor': anchor}, text));
  }
  svg.append(make('svg:polyline', {class: 'curve', points: points.map(place).join(' ')}));
  figure.append(svg);
  return figure;
}
function drawTraining() {
  const titles = {loss: 'loss, by iteration', 'acc/top1': 'held-out accuracy, by epoch or iteration of validation'};
  const curves = Object.entries(data.training).filter(([, points]) => points.length > 1);
  byId('training').hidden = !curves.length;
  byId('training-plots').append(...curves.map(([name, points]) => linePlot(titles[name] || name, points)));
}
function drawAbout() {
  byId('about').hidden = !data.about.length;
  byId('about-list').append(...data.about.flatMap(([name, value]) => [make('dt', {}, name), make('dd', {}, value)]));
}
