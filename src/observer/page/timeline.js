// The events of the last ten minutes: as a strip of bars, and as a list.

import { SPAN } from './model.js';
import { clock } from './words.js';

const BARS = 120;
const LISTED = 100;

export function drawStrip(canvas, events, now) {
  const bad = new Array(BARS).fill(0), other = new Array(BARS).fill(0);
  let badCount = 0;
  for (const event of events) {
    const index = Math.floor((event.at - (now - SPAN)) / SPAN * BARS);
    const bar = Math.min(index, BARS - 1);
    if (bar < 0) continue;
    if (event.bad) { bad[bar] += 1; badCount += 1; } else other[bar] += 1;
  }
  const scale = window.devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight;
  if (canvas.width !== Math.round(width * scale)) canvas.width = Math.round(width * scale);
  if (canvas.height !== Math.round(height * scale)) canvas.height = Math.round(height * scale);
  const context = canvas.getContext('2d'), style = getComputedStyle(canvas);
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  const base = Math.round(height * 0.66), step = width / BARS;
  // A single event is seen beside a thousand: the root, not the number.
  const most = Math.max(4, ...bad), mostOther = Math.max(4, ...other);
  const size = (count, most, room) => (count ? Math.max(3, Math.sqrt(count / most) * room) : 0);
  for (let index = 0; index < BARS; index += 1) {
    const up = size(bad[index], most, base - 2), down = size(other[index], mostOther, height - base - 2);
    context.fillStyle = style.color;
    context.fillRect(index * step, base - up, Math.max(1.5, step - 1), up);
    context.fillStyle = style.borderColor;
    context.fillRect(index * step, base + 1, Math.max(1.5, step - 1), down);
  }
  context.fillStyle = style.outlineColor;
  context.fillRect(0, base, width, 1);
  const label = `${badCount} failures and restarts, and ${events.length - badCount} other events in the last 10 minutes`;
  if (canvas.getAttribute('aria-label') !== label) canvas.setAttribute('aria-label', label);
}

export function listEvents(list, events, most = LISTED) {
  const last = events[events.length - 1];
  const mark = last ? `${events.length}-${last.at}-${last.text}` : 'none';
  if (list.dataset.mark === mark) return;
  list.dataset.mark = mark;
  const items = [];
  for (let index = events.length - 1; index >= 0 && items.length < most; index -= 1) {
    const event = events[index], item = document.createElement('li');
    const time = document.createElement('time'), sign = document.createElement('span'), text = document.createElement('span');
    time.textContent = clock(event.at);
    time.dateTime = new Date(event.at).toISOString();
    sign.className = 'mark';
    sign.textContent = event.bad ? '▲' : '·';
    text.textContent = event.text;
    if (event.bad) item.className = 'bad';
    item.append(time, sign, text);
    items.push(item);
  }
  if (!items.length) {
    const item = document.createElement('li');
    item.textContent = 'No events since this page was opened.';
    item.className = 'none';
    items.push(item);
  }
  list.replaceChildren(...items);
}
