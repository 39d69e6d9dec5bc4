// ---- classes: accuracies and confusion matrix, whose numbers filter the table of clips

const filter = {wrong: false, pair: null};
const isWrong = clip => clip.truth !== null && clip.truth !== predictedClass(clip);
const passes = clip => (!filter.wrong || isWrong(clip)) &&
  (filter.pair === null || (filter.pair[0] === clip.truth && filter.pair[1] === predictedClass(clip)));

function applyFilter(pair) {
  filter.pair = pair;
  filter.wrong = byId('wrong-only').checked;
  byId('pair-filter').hidden = pair === null;
  if (pair !== null) byId('pair').textContent = `class ${pair[0]}, predicted ${pair[1]}`;
  drawTable();
}
function confusionCell(truth, predicted, number, total) {
  const cell = make('td');
  if (!number) return cell;
  const link = make('button', {type: 'button', class: 'count',
    'aria-label': `${number} clips of class ${truth} predicted as ${predicted}`}, number);
  link.onclick = () => {
    applyFilter([truth, predicted]);
    byId('filters').scrollIntoView();
  };
  cell.style.setProperty('--share', number / total);
  cell.className = truth === predicted ? 'right' : 'mistake';
  cell.append(link);
  return cell;
}
function drawClasses() {
  const known = data.clips.filter(clip => clip.truth !== null && predictedClass(clip) !== null);
  byId('filters').hidden = byId('classes').hidden = !known.length;
  const names = [...new Set(known.flatMap(clip => [clip.truth, predictedClass(clip)]))]
    .sort((a, b) => a.localeCompare(b, undefined, {numeric: true}));
  const head = make('tr');
  head.append(make('th', {scope: 'col'}, 'class'), make('th', {scope: 'col'}, 'accuracy'), make('th', {scope: 'col'}, 'clips'),
    ...names.map((name, i) => make('th', {scope: 'col', title: name}, `as ${i + 1}`)));
  byId('confusion').tHead.replaceChildren(head);
  byId('confusion').tBodies[0].replaceChildren(...names.map((name, i) => {
    const labels = known.filter(clip => clip.truth === name).map(predictedClass), total = labels.length;
    const count = other => labels.filter(label => label === other).length;
    const row = make('tr');
    row.append(make('th', {scope: 'row'}, `${i + 1} ${name}`),
      make('td', {class: 'accuracy'}, total ? show(count(name) / total) : '–'), make('td', {}, total),
      ...names.map(other => confusionCell(name, other, count(other), total)));
    return row;
  }));
}
byId('wrong-only').onchange = () => applyFilter(filter.pair);
byId('all-pairs').onclick = () => applyFilter(null);
