// The tree, as rows. Only the rows that are seen are in the document, so ten thousand cost no more than twenty.

import { cause, clock, duration, ended, mark, restarts as restartsOf } from './words.js';

const EXTRA = 6;

export class Tree {
  constructor(box, space, { onSelect, onShowAll }) {
    Object.assign(this, { box, space, onSelect, onShowAll });
    this.rows = [];
    this.closed = new Set();
    this.selected = null;
    this.filter = '';
    this.byTrouble = true;
    this.onlyTrouble = false;
    this.byBusy = false;
    this.shown = new Map();
    box.addEventListener('scroll', () => this.paint());
    box.addEventListener('keydown', (event) => this.key(event));
    box.addEventListener('click', (event) => this.click(event));
    new ResizeObserver(() => this.paint()).observe(box);
  }

  /** Takes the tree as it is now. */
  show(model, now) {
    this.model = model;
    this.now = now;
    this.rows = [];
    if (model.root) this.collect(model.root);
    this.paint();
  }

  matches(node) {
    if (this.onlyTrouble && node.rank < 2) return false;
    if (!this.filter) return true;
    const text = [node.path, node.state, ...mark(node.look), node.ready ? '' : 'not ready', node.counts ? 'trouble' : '', node.trouble,
      ended(node.last_exit)].join(' ').toLowerCase();
    return this.filter.split(/\s+/).every((word) => text.includes(word));
  }

  collect(root) {
    const narrowed = this.filter || this.onlyTrouble;
    const kept = new Set();
    if (narrowed) {
      for (const node of this.model.nodes.values()) {
        if (!this.matches(node)) continue;
        for (let at = node; at && !kept.has(at); at = at.above) kept.add(at);
      }
      if (!kept.size) return;
    }
    const toCome = [{ node: root, level: 1, place: 1, of: 1 }];
    while (toCome.length) {
      const row = toCome.pop();
      this.rows.push(row);
      const { node, level } = row;
      if (row.more || (this.closed.has(node.key) && !narrowed)) continue;
      let below = narrowed ? node.children.filter((child) => kept.has(child)) : node.children;
      if (this.byBusy) below = [...below].sort((a, b) => (b.total?.busy_seconds || 0) - (a.total?.busy_seconds || 0));
      else if (this.byTrouble) below = [...below].sort((a, b) => b.worst - a.worst);
      const summary = this.model.summaries.get(node.key);
      const missing = summary ? summary.children - node.children.length : 0;
      // Pushed first, so it comes last.
      if (missing > 0 && !narrowed) toCome.push({ more: missing, node, summary, level: level + 1 });
      for (let index = below.length - 1; index >= 0; index -= 1) {
        toCome.push({ node: below[index], level: level + 1, place: index + 1, of: below.length });
      }
    }
  }

  rowHeight() {
    return parseInt(getComputedStyle(document.documentElement).getPropertyValue('--row'), 10) || 30;
  }

  paint() {
    const height = this.rowHeight(), top = this.box.scrollTop;
    this.space.style.height = `${this.rows.length * height}px`;
    const first = Math.max(0, Math.floor(top / height) - EXTRA);
    const last = Math.min(this.rows.length, Math.ceil((top + this.box.clientHeight) / height) + EXTRA);
    const wanted = new Map();
    for (let index = first; index < last; index += 1) {
      const row = this.rows[index];
      const key = row.more ? `more-${row.node.key}` : row.node.key;
      const element = this.shown.get(key) || this.make(key);
      element.style.top = `${index * height}px`;
      if (row.more) this.fillMore(element, row); else this.fill(element, row);
      wanted.set(key, element);
      this.shown.delete(key);
    }
    for (const element of this.shown.values()) element.remove();
    this.shown = wanted;
    // A screen reader reads in the order of the document.
    let index = 0;
    for (const element of wanted.values()) {
      if (this.space.children[index] !== element) this.space.insertBefore(element, this.space.children[index]);
      index += 1;
    }
    if (wanted.has(this.selected)) this.box.setAttribute('aria-activedescendant', `row-${this.selected}`);
    else this.box.removeAttribute('aria-activedescendant');
  }

  make(key) {
    const element = document.createElement('div');
    element.className = 'row';
    element.id = `row-${key}`;
    element.dataset.key = key;
    element.setAttribute('role', 'treeitem');
    for (const name of ['state', 'name', 'restarts number', 'since number', 'said']) {
      const cell = document.createElement('span');
      cell.className = name;
      element.append(cell);
    }
    const [state, name] = element.children;
    state.append(span('mark'), span('word'));
    name.append(span('twist'), document.createElement('b'), span('below'));
    this.space.append(element);
    return element;
  }

  fill(element, { node, level, place, of }) {
    const [state, name, restarts, since, said] = element.children;
    const [symbol, word] = mark(node.look);
    const hasBelow = node.children.length > 0;
    const isOpen = hasBelow && (!this.closed.has(node.key) || Boolean(this.filter || this.onlyTrouble));
    const lasting = node.sinceAt == null ? '' : duration((this.now - node.sinceAt) / 1000);
    const last = node.endedAt == null ? '' : `${duration((this.now - node.endedAt) / 1000)} ago: `;
    const waits = this.model.waitsFor(node, this.now);
    const reason = node.rank === 3 || node.rank === 4 ? cause(node.last_exit) : '';
    // The reason first: a row has little room, and the bar has the rest.
    const trouble = reason ? [reason, this.model.nextAttempt(node, this.now), this.model.failing(node, this.now)].filter(Boolean).join('; ') : node.trouble;
    const news = trouble || (waits ? `waits for ${waits}` : node.last_exit ? `${last}${ended(node.last_exit)}` : '');
    const busy = this.byBusy && node.total ? `busy for ${duration(node.total.busy_seconds)}` : '';
    const happened = [busy, news].filter(Boolean).join('; ');
    state.dataset.state = node.look;
    put(state.children[0], symbol);
    put(state.children[1], word);
    name.style.paddingLeft = `${(level - 1) * 14}px`;
    put(name.children[0], hasBelow ? (isOpen ? '▾' : '▸') : '');
    put(name.children[1], node.name);
    put(name.children[2], node.troubledBelow ? `${node.troubledBelow} in trouble` : '');
    put(restarts, node.restarts.toLocaleString('en'));
    restarts.dataset.none = String(node.restarts === 0);
    restarts.title = this.model.restarted(node, this.now) || 'never restarted by its supervisor';
    since.title = node.sinceAt == null ? '' : `${node.state} since ${clock(node.sinceAt)}`;
    put(since, lasting);
    put(said, happened);
    said.title = happened;
    name.title = node.path;
    element.dataset.kind = node.kind;
    element.dataset.rank = node.rank;
    element.setAttribute('aria-level', level);
    element.setAttribute('aria-posinset', place);
    element.setAttribute('aria-setsize', of);
    element.setAttribute('aria-selected', String(node.key === this.selected));
    if (hasBelow) element.setAttribute('aria-expanded', String(isOpen)); else element.removeAttribute('aria-expanded');
    element.setAttribute('aria-label', [node.name, node.kind, word, `${node.state} for ${lasting}`,
      node.restarts ? restartsOf(node.restarts) : '', busy, node.trouble || news].filter(Boolean).join(', '));
  }

  fillMore(element, { more, node, summary, level }) {
    if (element.classList.contains('more') && element.dataset.count === String(more)) return;
    element.className = 'row more';
    element.dataset.count = more;
    element.setAttribute('aria-level', level);
    const parts = ['running', 'starting', 'restarting', 'stopping', 'stopped'].filter((state) => summary[state])
      .map((state) => `${summary[state].toLocaleString('en')} ${state}`);
    const [state, name, , , said] = element.children;
    put(state.children[0], '…');
    put(state.children[1], `${more.toLocaleString('en')} more`);
    name.style.paddingLeft = `${level * 14}px`;
    name.replaceChildren();
    const button = document.createElement('button');
    button.type = 'button';
    button.tabIndex = -1;
    button.dataset.all = node.key;
    button.textContent = 'Show all';
    name.append(button);
    put(said, `of ${summary.children.toLocaleString('en')} children: ${parts.join(', ')}`);
    element.setAttribute('aria-label', `${more} more children, Enter shows all`);
  }

  click(event) {
    const all = event.target.closest('[data-all]');
    if (all) return this.onShowAll(all.dataset.all);
    const row = event.target.closest('.row');
    if (!row || row.classList.contains('more')) return;
    if (event.target.closest('.twist')) this.toggle(row.dataset.key);
    this.select(row.dataset.key);
  }

  toggle(key) {
    if (!this.closed.delete(key)) this.closed.add(key);
    this.show(this.model, this.now);
  }

  select(key, reveal = false) {
    this.selected = key;
    if (reveal) {
      for (let at = this.model.nodes.get(key)?.above; at; at = at.above) this.closed.delete(at.key);
      this.show(this.model, this.now);
    }
    const index = this.rows.findIndex((row) => (row.more ? `more-${row.node.key}` : row.node.key) === key);
    if (index >= 0) this.scrollTo(index);
    this.paint();
    this.onSelect(key);
  }

  scrollTo(index) {
    const height = this.rowHeight(), top = index * height;
    if (top < this.box.scrollTop) this.box.scrollTop = top;
    else if (top + height > this.box.scrollTop + this.box.clientHeight) this.box.scrollTop = top + height - this.box.clientHeight;
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.rows.length) return;
    const keyOf = (row) => (row.more ? `more-${row.node.key}` : row.node.key);
    const at = this.rows.findIndex((row) => keyOf(row) === this.selected);
    const row = this.rows[at];
    const go = (index) => this.select(keyOf(this.rows[Math.max(0, Math.min(this.rows.length - 1, index))]));
    const page = Math.max(1, Math.floor(this.box.clientHeight / this.rowHeight()) - 1);
    const isOpen = row && !row.more && row.node.children.length > 0 && !this.closed.has(row.node.key);
    switch (event.key) {
      case 'ArrowDown': go(at + 1); break;
      case 'ArrowUp': go(at < 0 ? 0 : at - 1); break;
      case 'PageDown': go(at + page); break;
      case 'PageUp': go(at - page); break;
      case 'Home': go(0); break;
      case 'End': go(this.rows.length - 1); break;
      case 'ArrowRight':
        if (isOpen) go(at + 1);
        else if (row && !row.more && row.node.children.length) this.toggle(row.node.key);
        break;
      case 'ArrowLeft':
        if (isOpen) this.toggle(row.node.key);
        else if (row) { const above = row.more ? row.node : row.node.above; if (above) this.select(above.key); }
        break;
      case 'Enter': case ' ':
        if (row?.more) this.onShowAll(row.node.key); else if (row) this.toggle(row.node.key);
        break;
      default: return;
    }
    event.preventDefault();
  }

  closeAll() {
    for (const node of this.model?.nodes.values() || []) if (node.above && node.children.length) this.closed.add(node.key);
    this.show(this.model, this.now);
  }

  openAll() {
    this.closed.clear();
    if (this.model) this.show(this.model, this.now);
  }
}

function span(name) {
  const element = document.createElement('span');
  element.className = name;
  return element;
}

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
