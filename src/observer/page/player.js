// Replays a recording: a file with the lines of the stream. It is read in this page, and sent nowhere.

import { clock } from './words.js';

const LONGEST_PAUSE = 2_000;

export class Player {
  constructor(model, elements, onChange) {
    Object.assign(this, { model, elements, onChange });
    this.lines = [];
    this.index = -1;
    this.timer = null;
    const { back, play, step, position } = elements;
    back.addEventListener('click', () => { this.pause(); this.seek(this.index - 1); });
    step.addEventListener('click', () => { this.pause(); this.seek(this.index + 1); });
    play.addEventListener('click', () => (this.timer ? this.pause() : this.play()));
    position.addEventListener('input', () => { this.pause(); this.seek(Number(position.value)); });
  }

  get isOn() { return this.lines.length > 0; }

  /** Takes the text of a file. Returns why it cannot, or nothing. */
  open(text, name) {
    const lines = [];
    for (const [index, line] of text.split('\n').entries()) {
      // Also a stream that was saved as it came.
      const json = line.startsWith('data: ') ? line.slice(6) : line;
      if (!json.trim()) continue;
      try {
        const value = JSON.parse(json);
        if (value.hello && value.hello.format !== 1) return `this recording has the format ${value.hello.format}, and this page reads format 1`;
        if (value.event || value.snapshot || value.lost) lines.push({ text: json, at: value.at ?? value.event?.at ?? 0, isSnapshot: Boolean(value.snapshot) });
      } catch {
        // The last line may be half a line, because the program ended.
        if (index < text.split('\n').length - 2) return `line ${index + 1} of ${name} is no JSON`;
      }
    }
    if (!lines.length) return `${name} has no snapshots and no events`;
    this.pause();
    this.model.reset();
    Object.assign(this, { lines, index: -1 });
    this.elements.position.max = lines.length - 1;
    this.seek(0);
  }

  close() {
    this.pause();
    this.lines = [];
    this.index = -1;
  }

  /** Shows the state after this line. */
  seek(index) {
    const goal = Math.max(0, Math.min(this.lines.length - 1, index));
    if (goal !== this.index + 1) {
      const { model } = this;
      model.reset();
      let snapshot = goal;
      while (snapshot > 0 && !this.lines[snapshot].isSnapshot) snapshot -= 1;
      // Older snapshots say nothing about now; older events are the history.
      model.apply({ at: this.lines[0].at });
      for (let at = 0; at < goal; at += 1) {
        if (at >= snapshot || !this.lines[at].isSnapshot) model.apply(JSON.parse(this.lines[at].text));
      }
    }
    this.index = goal;
    this.model.apply(JSON.parse(this.lines[goal].text));
    this.elements.position.value = goal;
    this.elements.where.textContent = `${goal + 1} of ${this.lines.length}, ${clock(this.model.at)}`;
    this.onChange();
  }

  play() {
    if (this.index >= this.lines.length - 1) this.seek(0);
    this.elements.play.textContent = 'Pause';
    const next = () => {
      if (this.index >= this.lines.length - 1) return this.pause();
      const pause = (this.lines[this.index + 1].at - this.lines[this.index].at) / Number(this.elements.speed.value);
      this.timer = setTimeout(() => { this.seek(this.index + 1); next(); }, Math.max(0, Math.min(LONGEST_PAUSE, pause)));
    };
    next();
  }

  pause() {
    clearTimeout(this.timer);
    this.timer = null;
    this.elements.play.textContent = 'Play';
  }
}
