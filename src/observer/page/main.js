// Puts the parts together. Nothing is drawn faster than the screen, and times go on between two messages.

import { Details } from './details.js';
import { Model, SPAN } from './model.js';
import { Player } from './player.js';
import { Stream } from './stream.js';
import { drawStrip, listEvents } from './timeline.js';
import { Tree } from './tree.js';
import { clock, duration } from './words.js';

const $ = (id) => document.getElementById(id);
const NAMED = 4;

const OTHERS = 20;
/** The program sends a snapshot every ten seconds, whatever happens. */
const SILENT = 15_000;

const model = new Model();
let arrived = performance.now();
/** Whether a line has come over the connection that there is now. */
let isFresh = false;
let connection = 'connecting';
let isDue = false;
let controlToken = null;

const tree = new Tree($('tree'), $('space'), { onSelect: () => draw(), onShowAll: showAll });
const details = new Details($('details'), askFor);
const player = new Player(model, { back: $('back'), play: $('play'), step: $('step'), position: $('position'), speed: $('speed'), where: $('where') }, () => draw());
const stream = new Stream({
  onLine(line) {
    model.apply(line);
    arrived = performance.now();
    // A new connection begins with a snapshot.
    isFresh ||= Boolean(line.snapshot);
    draw();
  },
  onState(state, text) {
    connection = text;
    if (state === 'bad') isFresh = false;
    draw();
    if (!model.root) showConnection(state === 'bad', text);
  },
  onToken(why) {
    ask('This tree needs a token', 'The program shows it only to those who have the token.', 'OK', true, why, async (token) => {
      stream.token = token;
      stream.start();
    });
  },
});

/** Returns whether the tree may be another one by now. */
function isOld() {
  return !player.isOn && (!isFresh || performance.now() - arrived > SILENT);
}

/** The time of the program, as far as it is known here. */
function now() {
  return player.isOn || isOld() ? model.at : model.at + (performance.now() - arrived);
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
  const old = isOld() ? `OLD: last seen ${clock(time)}` : '';
  document.body.classList.toggle('old', Boolean(old));
  const silence = isFresh ? `the program has sent nothing for ${duration((performance.now() - arrived) / 1000)}` : connection;
  if (!player.isOn) showConnection(Boolean(old), old ? `${old}; ${silence}` : connection);
  const verdict = model.judge(time);
  tree.show(model, time);
  $('none').hidden = tree.rows.length > 0;
  $('busy-row').hidden = !model.root.total;
  showVerdict(verdict, old);
  const mayControl = Boolean(model.hello?.control) && !player.isOn && !old;
  details.show(model, model.nodes.get(tree.selected), time, mayControl);
  const recent = model.events.filter((event) => event.at >= time - SPAN);
  drawStrip($('strip'), recent, time, model.unseen);
  listEvents($('events'), recent, Math.max(model.seenFrom, time - SPAN));
  put($('now'), player.isOn || old ? clock(time) : 'now');
  put($('name'), model.root.path);
}

function showConnection(isBad, text) {
  $('connection').dataset.state = isBad ? 'bad' : '';
  put($('connection'), text);
}

function showVerdict({ total, troubled, hidden, count }, old) {
  const worst = troubled[0]?.rank || (hidden ? 4 : 0);
  const processes = (number) => `${number.toLocaleString('en')} ${number === 1 ? 'process' : 'processes'}`;
  const root = model.root;
  const unsettled = [...model.nodes.values()].filter((node) => node.rank < 2 && (node.state === 'starting' || node.state === 'stopping') && node.above);
  let text;
  if (root.state === 'stopped') text = `✖ The tree has ended${root.trouble.startsWith('has ended:') ? root.trouble.slice(9) : ''}`;
  else if (count) text = `${worst >= 4 ? '✖' : '▲'} ${count.toLocaleString('en')} of ${processes(total)} ${count === 1 ? 'is' : 'are'} in trouble`;
  else if (root.state === 'stopping') text = '▲ The tree is shutting down';
  else if (unsettled.length) text = `✔ No trouble; ${processes(unsettled.length)} of ${total.toLocaleString('en')} ${unsettled.length === 1 ? 'is' : 'are'} starting or stopping`;
  else text = `✔ All ${processes(total)} are well`;
  if (old) text = `${old}. ${text}`;
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
      item.append(leadTo());
      list.append(item);
    }
    point(item.firstChild, node);
    put(item.firstChild.lastChild, ` ${node.trouble}`);
  });
  showOthers(troubled.slice(NAMED, NAMED + OTHERS), count - lines.length);
  // What is below does not move whenever a line comes or goes.
  list.style.minHeight = count ? `${Math.max(parseFloat(list.style.minHeight) || 0, list.scrollHeight)}px` : '';
}

/** Names those in trouble for which there is no line. */
function showOthers(nodes, count) {
  const box = $('others'), mark = `${count} ${nodes.map((node) => node.key)}`;
  box.hidden = count === 0;
  // A button is not replaced while it is pressed.
  if (box.dataset.mark === mark) return;
  box.dataset.mark = mark;
  const unnamed = count - nodes.length;
  if (count === 0) return box.replaceChildren();
  box.replaceChildren(`and ${count.toLocaleString('en')} more: `, ...nodes.map((node) => {
    const button = leadTo();
    point(button, node);
    return button;
  }));
  if (unnamed) box.append(`${nodes.length ? 'and ' : ''}${unnamed.toLocaleString('en')} in the tree below, the worst first`);
}

/** A button that leads to a process. */
function leadTo() {
  const button = Object.assign(document.createElement('button'), { type: 'button' });
  button.append(document.createElement('b'), document.createElement('span'));
  button.addEventListener('click', () => tree.select(button.dataset.key, true));
  return button;
}

function point(button, node) {
  button.dataset.key = node.key;
  put(button.firstChild, node.path);
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
$('help').addEventListener('click', () => $('keys').showModal());
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
  if (/INPUT|SELECT/.test(event.target.tagName) || $('confirm').open) return;
  if (event.key === '/') { $('filter').focus(); event.preventDefault(); }
  if (event.key === '?' && !$('keys').open) $('keys').showModal();
});
addEventListener('resize', () => { $('troubles').style.minHeight = ''; draw(); });
setInterval(draw, 1_000);
stream.start();
