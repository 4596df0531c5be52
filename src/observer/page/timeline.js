// The events of the last ten minutes: as a strip of bars, and as a list.

import { SPAN } from './model.js';
import { clock } from './words.js';

const BARS = 120;
const LISTED = 100;

export function drawStrip(canvas, all, now, unseen) {
  const events = all.filter((event) => !event.repeats);
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
  const x = (at) => Math.max(0, (at - (now - SPAN)) / SPAN * width);
  context.font = `11px ${style.fontFamily}`;
  for (const { from, to } of unseen.map((span) => ({ from: x(span.from), to: x(span.to) }))) {
    if (to <= 0) continue;
    // As wide as a bar at least, so that it is seen.
    hatch(context, Math.min(from, to - step), to, height, style.outlineColor);
    const text = 'not seen', { width: wide } = context.measureText(text);
    context.fillStyle = style.borderColor;
    if (to - from > wide + 12) context.fillText(text, (from + to - wide) / 2, 14);
  }
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
  const seenFrom = unseen[unseen.length - 1].to, partly = seenFrom > now - SPAN ? ` that were seen since ${clock(seenFrom)}` : '';
  const label = `${badCount} failures and restarts, and ${events.length - badCount} other events in the last 10 minutes${partly}`;
  if (canvas.getAttribute('aria-label') !== label) canvas.setAttribute('aria-label', label);
}

/** Marks a part of the strip as not seen. */
function hatch(context, from, to, height, colour) {
  context.save();
  context.beginPath();
  context.rect(from, 0, to - from, height);
  context.clip();
  context.strokeStyle = colour;
  context.beginPath();
  for (let x = from - height; x < to; x += 8) {
    context.moveTo(x, height);
    context.lineTo(x + height, 0);
  }
  context.moveTo(to - 0.5, 0);
  context.lineTo(to - 0.5, height);
  context.stroke();
  context.restore();
}

/** Lists events, the last one first, of which all are seen since this moment. */
export function listEvents(list, all, seenFrom, most = LISTED) {
  const events = all.filter((event) => !event.repeats);
  const last = events[events.length - 1];
  const mark = last ? `${events.length}-${last.at}-${last.text}` : `none-${seenFrom}`;
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
    item.textContent = seenFrom == null ? 'No events yet.' : `No events seen since ${clock(seenFrom)}.`;
    item.className = 'none';
    items.push(item);
  }
  list.replaceChildren(...items);
}
