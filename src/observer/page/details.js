// The selected process: what it does, its settings, its history.

import { SPAN } from './model.js';
import { listEvents } from './timeline.js';
import { clock, duration, ended, label, mark, placeOf, setting } from './words.js';

const ACTIONS = [
  ['restart', 'Start', (node) => node.state === 'stopped', 'The child is started again.'],
  ['reload', 'Restart', (node) => node.state !== 'stopped', 'The child is stopped in order and started again. Under one-for-all and rest-for-one, siblings restart with it. Nothing is charged.'],
  ['terminate', 'Stop', (node) => node.state !== 'stopped', 'The child is stopped in order, and stays stopped. A temporary child, or one of a dynamic supervisor, is removed.'],
];

export class Details {
  constructor(box, onAction) {
    this.box = box;
    this.onAction = onAction;
    this.key = null;
  }

  show(model, node, now, mayControl) {
    if (!node) {
      if (this.key && this.title) this.title.textContent = `${this.path} (gone)`;
      return;
    }
    if (this.key !== node.key || this.control !== mayControl) this.build(node, mayControl);
    this.path = node.path;
    this.title.textContent = node.path;
    this.why.textContent = node.trouble ? `${node.path} ${node.trouble}` : '';
    this.why.hidden = !node.trouble;
    const [symbol, word] = mark(node.look);
    const facts = [
      ['State', `${symbol} ${word}`],
      ['Since', node.sinceAt == null ? '' : `${node.state} since ${clock(node.sinceAt)} (${duration((now - node.sinceAt) / 1000)})`],
      ['Waits for', model.waitsFor(node, now)],
      ['Next attempt', model.nextAttempt(node, now).replace('next attempt ', '')],
      ['Ready', node.ready ? 'yes' : 'no'],
      ['Failing since', node.failingAt == null ? '' : `${clock(node.failingAt)} (${duration((now - node.failingAt) / 1000)})`],
      ['Restarts', model.restarted(node, now) || 'none'],
      ['Last exit', node.last_exit ? ended(node.last_exit) : 'none'],
      ['When', node.endedAt == null ? '' : `${duration((now - node.endedAt) / 1000)} ago`],
      ['Where', placeOf(node.last_exit)],
      ...polls(node.accounting, ''),
      ...(node.children.length ? polls(node.total, ' with all below') : []),
      ['Unread messages', node.supervisor?.unread_for_seconds == null ? '' : `for ${duration(node.supervisor.unread_for_seconds)}`],
      ['Process', node.process_id == null ? '' : `number ${node.process_id}`],
      ['Child', node.child_id == null ? '' : `number ${node.child_id}`],
    ];
    fill(this.facts, facts.filter(([, value]) => value));
    this.showBudget(node);
    fill(this.spec, entries(node.spec, ['name', 'kind']));
    this.specTitle.hidden = !node.spec;
    fill(this.supervisor, entries(node.supervisor, ['unread_for_seconds', 'restarts_used']));
    this.supervisorTitle.hidden = !node.supervisor;
    for (const button of this.buttons.children) {
      button.disabled = !ACTIONS.find(([action]) => action === button.dataset.action)[2](node);
    }
    listEvents(this.history, model.perNode.get(node.key) || [], Math.max(model.seenFrom, now - SPAN), 50);
  }

  showBudget(node) {
    const most = node.supervisor?.intensity;
    this.budget.hidden = most == null || node.supervisor.restarts_used == null;
    if (this.budget.hidden) return;
    const { period_seconds: period, restarts_used: used } = node.supervisor;
    this.budgetText.textContent = `Restarts used: ${used} of ${most}${period == null ? '' : ` within ${duration(period)}`}`;
    Object.assign(this.meter, { min: 0, max: Math.max(most, 1), high: most * 0.7, optimum: 0, value: Math.min(used, most) });
  }

  build(node, mayControl) {
    this.key = node.key;
    this.control = mayControl;
    const make = (tag, name) => Object.assign(document.createElement(tag), { className: name || '' });
    const titled = (text) => Object.assign(make('h3'), { textContent: text });
    this.title = make('h2');
    this.why = make('p', 'why');
    this.facts = make('dl');
    this.budget = make('div');
    this.budgetText = make('span');
    this.meter = document.createElement('meter');
    this.meter.setAttribute('aria-label', 'Restarts used');
    this.budget.append(this.budgetText, this.meter);
    this.buttons = make('div', 'buttons');
    if (mayControl && node.child_id != null) {
      for (const [action, text, , consequence] of ACTIONS) {
        const button = Object.assign(make('button'), { type: 'button', textContent: text });
        button.dataset.action = action;
        button.addEventListener('click', () => this.onAction(this.key, action, text, consequence));
        this.buttons.append(button);
      }
    }
    this.specTitle = titled('Settings as a child');
    this.spec = make('dl');
    this.supervisorTitle = titled('Settings as a supervisor');
    this.supervisor = make('dl');
    this.history = make('ol', 'events');
    this.history.setAttribute('aria-label', 'History');
    this.history.tabIndex = 0;
    this.box.replaceChildren(this.title, this.why, this.buttons, this.facts, this.budget, titled('History'), this.history,
      this.specTitle, this.spec, this.supervisorTitle, this.supervisor);
  }
}

/** What the polls of a process have taken, if it is counted. */
function polls(taken, whose) {
  if (!taken) return [];
  return [
    [`Busy${whose}`, `${duration(taken.busy_seconds)} in ${taken.polls.toLocaleString('en')} polls`],
    [`Slowest poll${whose}`, duration(taken.slowest_poll_seconds)],
    [`Wakes${whose}`, taken.wakes.toLocaleString('en')],
  ];
}

function entries(settings, without) {
  return Object.entries(settings || {}).filter(([key]) => !without.includes(key)).map(([key, value]) => [label(key), setting(key, value)]);
}

function fill(list, pairs) {
  const mark = JSON.stringify(pairs);
  if (list.dataset.mark === mark) return;
  list.dataset.mark = mark;
  list.replaceChildren(...pairs.flatMap(([key, value]) => [
    Object.assign(document.createElement('dt'), { textContent: key }),
    Object.assign(document.createElement('dd'), { textContent: value }),
  ]));
}
