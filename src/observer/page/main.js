// Puts the parts together. Nothing is drawn faster than the screen, and times go on between two messages.

import { Details } from './details.js';
import { Model, SPAN } from './model.js';
import { Player } from './player.js';
import { Stream } from './stream.js';
import { drawStrip, listEvents } from './timeline.js';
import { Tree } from './tree.js';
import { duration } from './words.js';

const $ = (id) => document.getElementById(id);
const NAMED = 4;

const model = new Model();
let arrived = performance.now();
let isDue = false;
let controlToken = null;

const tree = new Tree($('tree'), $('space'), { onSelect: () => draw(), onShowAll: showAll });
const details = new Details($('details'), askFor);
const player = new Player(model, { back: $('back'), play: $('play'), step: $('step'), position: $('position'), speed: $('speed'), where: $('where') }, () => draw());
const stream = new Stream({
  onLine(line) {
    model.apply(line);
    arrived = performance.now();
    draw();
  },
  onState(state, text) {
    $('connection').dataset.state = state;
    $('connection').textContent = text;
    // A new connection begins with a snapshot.
    if (state === 'bad') draw();
  },
  onToken(why) {
    ask('This tree needs a token', 'The program shows it only to those who have the token.', 'OK', true, why, async (token) => {
      stream.token = token;
      stream.start();
    });
  },
});

/** The time of the program, as far as it is known here. */
function now() {
  return player.isOn ? model.at : model.at + (performance.now() - arrived);
}

function draw() {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => {
    isDue = false;
    paint();
  });
}

function paint() {
  const time = now();
  if (!model.root) return;
  const verdict = model.judge(time);
  tree.show(model, time);
  $('none').hidden = tree.rows.length > 0;
  $('busy-row').hidden = !model.root.total;
  showVerdict(verdict);
  const mayControl = Boolean(model.hello?.control) && !player.isOn;
  details.show(model, model.nodes.get(tree.selected), time, mayControl);
  const recent = model.events.filter((event) => event.at >= time - SPAN);
  drawStrip($('strip'), recent, time);
  listEvents($('events'), recent);
  put($('name'), model.root.path);
  const silent = (performance.now() - arrived) / 1000;
  if (!player.isOn && silent > 15 && $('connection').dataset.state !== 'bad') {
    put($('connection'), `the program has sent nothing for ${duration(silent)}`);
  }
}

function showVerdict({ total, troubled, count }) {
  const worst = troubled[0]?.rank || 0;
  const children = (number) => `${number.toLocaleString('en')} ${number === 1 ? 'child' : 'children'}`;
  const root = model.root;
  const unsettled = [...model.nodes.values()].filter((node) => node.rank < 2 && (node.state === 'starting' || node.state === 'stopping') && node.above);
  let text;
  if (root.state === 'stopped') text = `✖ The tree has ended${root.trouble.startsWith('has ended:') ? root.trouble.slice(9) : ''}`;
  else if (count) text = `${worst >= 4 ? '✖' : '▲'} ${count.toLocaleString('en')} of ${children(total)} ${count === 1 ? 'is' : 'are'} in trouble`;
  else if (worst) text = `✖ ${root.path} ${root.trouble}`;
  else if (root.state === 'stopping') text = '▲ The tree is shutting down';
  else if (unsettled.length) text = `✔ No trouble; ${children(unsettled.length)} of ${total.toLocaleString('en')} ${unsettled.length === 1 ? 'is' : 'are'} starting or stopping`;
  else text = `✔ All ${children(total)} are well`;
  $('verdict').dataset.rank = root.state === 'stopped' ? Math.max(worst, 1) : worst;
  put($('headline'), text);
  document.title = `${text.slice(0, 60)} · ${root.path}`;
  const list = $('troubles');
  const lines = troubled.slice(0, NAMED);
  while (list.children.length > lines.length) list.lastChild.remove();
  lines.forEach((node, index) => {
    let item = list.children[index];
    if (!item) {
      item = document.createElement('li');
      const button = Object.assign(document.createElement('button'), { type: 'button' });
      button.append(document.createElement('b'), document.createElement('span'));
      button.addEventListener('click', () => tree.select(button.dataset.key, true));
      item.append(button);
      list.append(item);
    }
    const button = item.firstChild;
    button.dataset.key = node.key;
    put(button.firstChild, node.path);
    put(button.lastChild, ` ${node.trouble}`);
  });
  if (count > lines.length && lines.length === NAMED) {
    const item = document.createElement('li');
    item.textContent = `and ${(count - NAMED).toLocaleString('en')} more: the tree below has the worst ones first`;
    if (count > NAMED) list.append(item);
  }
  // What is below does not move whenever a line comes or goes.
  list.style.minHeight = count ? `${Math.max(parseFloat(list.style.minHeight) || 0, list.scrollHeight)}px` : '';
}

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

let fetching = null;

/** Shows all children of a supervisor of which the stream lists some: fetches the whole tree, again and again while it is shown. */
function showAll(key) {
  model.full.set(key, {});
  fetchAll();
}

async function fetchAll() {
  clearTimeout(fetching);
  if (player.isOn || !model.full.size) return;
  const begun = performance.now();
  try {
    const answer = await fetch('tree', { headers: stream.headers(), cache: 'no-store' });
    if (answer.ok) { model.setFull(await answer.json()); draw(); }
  } catch { /* The stream tells that the connection is lost. */ }
  fetching = setTimeout(fetchAll, Math.max(5_000, 10 * (performance.now() - begun)));
}

/** Asks for a confirmation, and a token if one is needed. `act` returns why it failed, or nothing. */
function ask(question, consequence, name, needsToken, why, act) {
  $('yes').textContent = name;
  $('question').textContent = question;
  $('consequence').textContent = consequence;
  $('answer').textContent = why;
  $('token-row').hidden = !needsToken;
  $('token').value = '';
  $('yes').disabled = false;
  $('yes').onclick = async () => {
    if (needsToken && !$('token').value) return $('token').focus();
    $('yes').disabled = true;
    const failed = await act($('token').value);
    $('yes').disabled = false;
    if (failed) $('answer').textContent = failed; else $('confirm').close();
  };
  if (!$('confirm').open) $('confirm').showModal();
  (needsToken ? $('token') : $('no')).focus();
}

function askFor(key, action, name, consequence) {
  const node = model.nodes.get(key);
  if (!node) return;
  ask(`${name} ${node.path}?`, consequence, name, !controlToken, '', async (given) => {
    const token = controlToken || given;
    let answer;
    try {
      answer = await fetch(`children/${node.child_id}/${action}`, { method: 'POST', headers: { Authorization: `Bearer ${token}` } });
    } catch (error) {
      return error.message;
    }
    controlToken = answer.status === 401 ? null : token;
    if (answer.status === 401) $('token-row').hidden = false;
    return answer.ok ? '' : (await answer.text()).trim();
  });
}

$('no').addEventListener('click', () => $('confirm').close());
$('token').addEventListener('keydown', (event) => { if (event.key === 'Enter') $('yes').click(); });
$('filter').addEventListener('input', () => { tree.filter = $('filter').value.trim().toLowerCase(); draw(); });
$('by-trouble').addEventListener('change', () => { tree.byTrouble = $('by-trouble').checked; draw(); });
$('only-trouble').addEventListener('change', () => { tree.onlyTrouble = $('only-trouble').checked; draw(); });
$('by-busy').addEventListener('change', () => { tree.byBusy = $('by-busy').checked; draw(); });
$('expand').addEventListener('click', () => tree.openAll());
$('collapse').addEventListener('click', () => tree.closeAll());
$('open').addEventListener('click', () => $('file').click());
$('file').addEventListener('change', async () => {
  const [file] = $('file').files;
  if (!file) return;
  stream.stop();
  const failed = player.open(await file.text(), file.name);
  $('file').value = '';
  $('player').hidden = Boolean(failed);
  $('connection').dataset.state = failed ? 'bad' : '';
  $('connection').textContent = failed || `replaying ${file.name}`;
  if (!failed) return;
  // A line that says why would be gone at once if the stream began now.
  player.close();
  setTimeout(() => { if (!player.isOn) { model.reset(); stream.start(); } }, 3_000);
});
$('live').addEventListener('click', () => {
  player.close();
  model.reset();
  $('player').hidden = true;
  stream.start();
});
document.addEventListener('keydown', (event) => {
  if (event.key === '/' && !/INPUT|SELECT/.test(event.target.tagName)) { $('filter').focus(); event.preventDefault(); }
});
setInterval(draw, 1_000);
stream.start();
