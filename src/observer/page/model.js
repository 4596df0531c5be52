// What is known of the tree: the last snapshot, the events since, and what is wrong.

import { cause, duration, ended, times } from './words.js';

export const MINUTE = 60_000;
export const SPAN = 10 * MINUTE;
const MOST_EVENTS = 20_000;
const MOST_PER_NODE = 200;
/** Longer than this is worth a word, in milliseconds. */
const SLOW = 5_000;

export const BAD = new Set(['exited_badly', 'start_failed', 'restarting', 'not_restarted', 'unresponsive', 'aborted', 'blocked', 'stuck', 'abandoned', 'refused', 'left_down', 'gave_up']);

export function keyOf(node) {
  return node.child_id == null ? `p${node.path}` : `c${node.child_id}`;
}

export function isBad(event) {
  if (event.kind !== 'exited') return BAD.has(event.kind);
  const data = event.data || {};
  return !(data.kind === 'normal' || data.kind === 'ignored' || (data.kind === 'shutdown' && data.reason.kind === 'requested'));
}

/** The sum of what polls have taken. Either may be missing. */
function plus(a, b) {
  if (!a || !b) return a || b || null;
  return {
    polls: a.polls + b.polls, wakes: a.wakes + b.wakes, busy_seconds: a.busy_seconds + b.busy_seconds,
    slowest_poll_seconds: Math.max(a.slowest_poll_seconds, b.slowest_poll_seconds),
  };
}

export class Model {
  constructor() { this.reset(); }

  reset() {
    this.root = null;
    this.nodes = new Map();
    this.summaries = new Map();
    this.events = [];
    this.perNode = new Map();
    this.lost = 0;
    this.at = 0;
    this.hasSnapshot = false;
    this.hello = null;
    this.full = new Map();
  }

  /** Takes one line of the stream. */
  apply(line) {
    if (line.hello) this.hello = line.hello;
    if (line.lost) this.lost += line.lost;
    if (line.event) this.addEvent(line);
    if (line.snapshot) this.setSnapshot(line);
    if (line.at) this.at = Math.max(this.at, line.at);
  }

  setSnapshot({ snapshot, summaries, at }) {
    this.hasSnapshot = true;
    this.at = Math.max(this.at, at);
    this.summaries = new Map((summaries || []).map((summary) => [keyOf(summary), summary]));
    this.root = snapshot;
    this.rebuild(at);
  }

  /** Takes all children of a supervisor, of which snapshots list only some. */
  setFull(tree) {
    const toCome = [tree];
    while (toCome.length) {
      const node = toCome.pop(), key = keyOf(node);
      toCome.push(...node.children);
      if (this.full.has(key)) this.full.set(key, { children: node.children, at: tree.captured_at });
    }
    if (this.root) this.rebuild(this.at);
  }

  rebuild(at) {
    this.nodes = new Map();
    const toCome = [[this.root, null, at]];
    while (toCome.length) {
      const [node, above, at] = toCome.pop();
      const key = keyOf(node);
      node.key = key;
      node.above = above;
      node.name = above ? node.path.slice(node.path.lastIndexOf('.') + 1) : node.path;
      node.sinceAt ??= node.since_seconds == null ? null : at - node.since_seconds * 1000;
      node.endedAt ??= node.last_exit?.ago_seconds == null ? null : at - node.last_exit.ago_seconds * 1000;
      this.nodes.set(key, node);
      const full = this.full.get(key);
      let childrenAt = at;
      if (full?.children && this.summaries.has(key)) {
        const listed = new Map(node.children.map((child) => [keyOf(child), child]));
        node.children = full.children.map((child) => listed.get(keyOf(child)) || child);
        childrenAt = full.at;
      }
      for (const child of node.children) toCome.push([child, node, childrenAt]);
    }
  }

  addEvent({ event, text }) {
    event.text = text || `${event.path} ${event.kind}`;
    event.bad = isBad(event);
    this.at = Math.max(this.at, event.at);
    this.events.push(event);
    const key = keyOf(event);
    let own = this.perNode.get(key);
    if (!own) this.perNode.set(key, own = []);
    own.push(event);
    if (own.length > MOST_PER_NODE) own.shift();
    this.forget();
    this.follow(event, key);
  }

  forget() {
    const from = this.at - SPAN;
    let over = 0;
    while (over < this.events.length && (this.events[over].at < from || this.events.length - over > MOST_EVENTS)) over += 1;
    if (over < 512 && this.events.length <= MOST_EVENTS) return;
    for (const event of this.events.splice(0, over)) {
      const key = keyOf(event), own = this.perNode.get(key);
      while (own && own.length && own[0].at < from) own.shift();
      if (own && !own.length) this.perNode.delete(key);
    }
  }

  /** Changes the state of a process by an event. The next snapshot is right in any case. */
  follow(event, key) {
    let node = this.nodes.get(key);
    if (!node && !this.hasSnapshot) node = this.invent(event, key);
    if (!node) return;
    const become = (state) => { node.state = state; node.sinceAt = event.at; node.stuck = false; node.waits = null; node.hasJustEnded = false; };
    const data = event.data || {};
    if (event.process_id != null) node.process_id = event.process_id;
    switch (event.kind) {
      case 'started': if (node.state === 'restarting') node.restarts += 1; become('starting'); node.ready = false; break;
      case 'ready': become('running'); break;
      case 'stopping': become('stopping'); break;
      case 'ignored': case 'restart_cancelled': become('stopped'); break;
      case 'exited': become('stopped'); node.hasJustEnded = event.bad; this.end(node, { phase: 'run', ...data }, event.at); break;
      case 'start_failed': become('stopped'); node.hasJustEnded = true; this.end(node, { phase: 'start', ...data }, event.at); break;
      case 'restarting': become('restarting'); node.waits = data; if (data.cause) this.end(node, data.cause, event.at); break;
      case 'stuck': node.stuck = true; break;
      case 'abandoned': node.abandoned = true; break;
      case 'ended': if (!node.above) { become('stopped'); this.end(node, { phase: 'run', kind: 'shutdown', reason: data }, event.at); } break;
    }
  }

  end(node, exit, at) {
    node.last_exit = exit;
    node.endedAt = exit.kind === 'normal' ? null : at;
  }

  /** Puts a tree together from the names in events, for a recording without snapshots. */
  invent(event, key) {
    const make = (path, key, child_id, kind) => ({
      key, path, child_id, kind, name: path.slice(path.lastIndexOf('.') + 1), process_id: null, state: 'running', stuck: false,
      abandoned: false, ready: true, restarts: 0, last_exit: null, spec: null, supervisor: null, children: [], above: null,
      since_seconds: null, sinceAt: event.at, endedAt: null,
    });
    const segments = event.path.split('.');
    let above = null;
    for (let depth = 1; depth <= segments.length; depth += 1) {
      const path = segments.slice(0, depth).join('.');
      const isIt = depth === segments.length;
      const found = isIt ? this.nodes.get(key) : depth === 1 ? this.root : above.children.find((child) => child.path === path);
      const node = found || make(path, isIt ? key : `p${path}`, isIt ? event.child_id : null, 'worker');
      if (!found) {
        node.above = above;
        this.nodes.set(node.key, node);
        if (above) { above.children.push(node); above.kind = 'supervisor'; } else this.root = node;
      }
      above = node;
    }
    return above;
  }

  /** The number of restarts of a process in the last so many milliseconds, as far as events were seen. */
  restartsSince(key, span, now) {
    const own = this.perNode.get(key) || [];
    let count = 0;
    for (let index = own.length - 1; index >= 0 && own[index].at >= now - span; index -= 1) {
      if (own[index].kind === 'restarting') count += 1;
    }
    return count;
  }

  /** How many of its restarts a supervisor has used within its period, as far as events were seen. */
  budgetUsed(node, now) {
    if (node.supervisor?.restarts_used != null) return node.supervisor.restarts_used;
    const period = node.supervisor?.period_seconds;
    const span = period == null ? Infinity : period * 1000;
    return node.children.reduce((sum, child) => sum + this.restartsSince(child.key, span, now), 0);
  }

  /** What a process waits for, in words. */
  waitsFor(node, now) {
    if (node.waits?.delay_seconds && node.state === 'restarting') {
      const left = node.waits.delay_seconds - (now - node.sinceAt) / 1000;
      if (left > 0.05) return `its backoff, another ${duration(left)}`;
    }
    const among = (list, state) => list.filter((child) => child.state === state);
    const name = (child) => `${child.path} (${child.stuck ? 'stuck' : child.state} for ${duration((now - child.sinceAt) / 1000)})`;
    if (node.state === 'restarting' && node.above) {
      const sibling = among(node.above.children, 'stopping')[0];
      if (sibling) return name(sibling);
    }
    if (node.kind !== 'supervisor') return '';
    if (node.state === 'starting') return among(node.children, 'starting').slice(0, 1).map(name).join('');
    if (node.state === 'stopping') return among(node.children, 'stopping').slice(-1).map(name).join('');
    return '';
  }

  /** How bad it is (0 to 5), how it looks, and what is wrong in words. The server ranks in the same order. */
  assess(node, now) {
    const since = node.sinceAt == null ? 0 : now - node.sinceAt, ago = node.endedAt == null ? Infinity : now - node.endedAt;
    const why = cause(node.last_exit), because = why ? `: ${why}` : '';
    const lately = this.restartsSince(node.key, MINUTE, now);
    const often = lately > 0 ? `restarted ${times(lately)} in the last minute` : node.restarts > 0 ? `restarted ${times(node.restarts)}` : '';
    const unread = node.supervisor?.unread_for_seconds || 0;
    const blocked = this.blocked(node, now);
    if (node.stuck) return [5, 'stuck', `is stuck: aborted but has not yielded, for ${duration(since / 1000)}`];
    if (node.abandoned) return [5, 'stuck', 'was abandoned: aborted but never yielded'];
    if (unread > 1) return [5, 'blocked', `has left its messages unread for ${duration(unread)}: its executor is blocked`];
    if (blocked) return [5, 'blocked', `blocks its thread: one poll has lasted more than ${duration(blocked)}`];
    const gaveUp = node.last_exit?.reason?.kind === 'gave_up' || node.last_exit?.kind === 'gave_up';
    switch (node.state) {
      case 'restarting': {
        const lasting = since > 1000 ? ` for ${duration(since / 1000)}` : '';
        return [4, 'restarting', `has been waiting to restart${lasting}${gaveUp ? `; ${ended(node.last_exit)}` : `${often && `; ${often}`}${because}`}`];
      }
      case 'stopped': return this.assessStopped(node, because);
      case 'starting':
        if (node.restarts > 0 && ago < MINUTE) return [3, 'flapping', `is starting again; ${often}${because}`];
        return since > SLOW ? [2, 'starting', `has been starting for ${duration(since / 1000)}`] : [0, 'starting', ''];
      case 'stopping': return since > SLOW ? [2, 'stopping', `has been stopping for ${duration(since / 1000)}`] : [0, 'stopping', ''];
      default:
        if (node.restarts > 0 && ago < MINUTE) {
          return [3, 'flapping', gaveUp ? `${ended(node.last_exit)}; ${often}` : `${often}${because}`];
        }
        return [0, node.state, ''];
    }
  }

  assessStopped(node, because) {
    const exit = node.last_exit, restart = node.spec?.restart;
    if (!node.above) return exit && cause(exit) && !(exit.reason?.kind === 'requested') ? [4, 'down', `has ended: ${ended(exit)}`] : [1, 'stopped', 'has ended'];
    const failed = exit && (exit.phase === 'start' || ['failed', 'panicked', 'lost', 'unresponsive'].includes(exit.kind));
    // What its supervisor does about it is the next event.
    if (node.hasJustEnded) return [3, 'stopped', ended(exit)];
    if (restart === 'temporary') return [0, 'stopped', ''];
    if (failed) return [4, 'down', `is stopped, and is not restarted${because}`];
    if (restart === 'permanent') return [2, 'stopped', 'is stopped, and is not restarted by itself'];
    return [0, 'stopped', ''];
  }

  /** For how many seconds a poll of this process has lasted that may still last. */
  blocked(node, now) {
    const own = this.perNode.get(node.key);
    const last = own?.[own.length - 1];
    if (last?.kind !== 'blocked' || now - last.at > 15_000) return 0;
    return last.data.lasted_seconds + (now - last.at) / 1000;
  }

  /** Assesses all processes, and returns the ones in trouble, worst first. */
  judge(now) {
    const troubled = [];
    let total = 0, hidden = 0;
    const order = [...this.nodes.values()];
    for (const node of order) {
      [node.rank, node.look, node.trouble] = this.assess(node, now);
      node.worst = node.rank;
      node.troubledBelow = 0;
      total += node.above ? 1 : 0;
      if (node.rank >= 2) troubled.push(node);
    }
    // Those above come before those below.
    for (const node of order.reverse()) {
      const summary = this.summaries.get(node.key);
      const below = summary ? [summary.accounting] : node.children.map((child) => child.total);
      node.total = [node.accounting, ...below].reduce(plus, null);
      if (summary) {
        const missing = Math.max(0, summary.children - node.children.length);
        const bad = node.children.filter((child) => child.state === 'restarting' || child.stuck).length;
        const more = Math.min(missing, Math.max(0, summary.restarting + summary.stuck - bad));
        total += missing;
        hidden += more;
        node.troubledBelow += more;
        if (more) node.worst = Math.max(node.worst, 4);
      }
      if (!node.above) continue;
      node.above.worst = Math.max(node.above.worst, node.worst);
      node.above.troubledBelow += node.troubledBelow + (node.rank >= 2 ? 1 : 0);
    }
    troubled.sort((a, b) => b.rank - a.rank || b.restarts - a.restarts);
    return { total, troubled, count: troubled.filter((node) => node.above).length + hidden };
  }
}
