// What is known of the tree: the last snapshot, the events since, and what is wrong.

import { cause, clock, culprits, duration, ended, restarts } from './words.js';

export const MINUTE = 60_000;
export const SPAN = 10 * MINUTE;
const MOST_EVENTS = 20_000;
const MOST_PER_NODE = 200;
/** Longer than this is worth a word, in milliseconds. */
const SLOW = 5_000;

export const BAD = new Set(['exited_badly', 'start_failed', 'restarting', 'not_restarted', 'unresponsive', 'aborted', 'blocked', 'stuck', 'abandoned', 'refused', 'left_down', 'gave_up']);

/** Why a process was aborted. */
const ABORTED = { missed_heartbeat: 'missed its heartbeat', not_ready_in_time: 'was not ready in time', killed: 'was killed' };

/** The children for which a supervisor in this state waits. */
const HOLDS = {
  running: (child) => child.state !== 'stopped' && !child.ready && child.spec?.readiness !== false,
  starting: (child) => child.state === 'starting',
  stopping: (child) => child.state === 'stopping',
};

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
    // The spans of time of which no events came. The last one ends where the window begins that is seen now.
    this.unseen = [{ from: 0, to: null }];
  }

  /** Takes one line of the stream. */
  apply(line) {
    if (line.hello) this.hello = line.hello;
    if (line.lost) this.lost += line.lost;
    if ((line.hello || line.lost) && this.seenFrom != null) this.unseen.push({ from: this.at, to: null });
    const at = line.at ?? line.event?.at;
    if (at != null) this.unseen[this.unseen.length - 1].to ??= at;
    if (line.event) this.addEvent(line);
    if (line.snapshot) this.setSnapshot(line);
    if (line.at) this.at = Math.max(this.at, line.at);
  }

  /** Since when all events are seen. */
  get seenFrom() { return this.unseen[this.unseen.length - 1].to; }

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
      const { failing } = node;
      if (failing && node.attempt == null) {
        node.attempt = failing.attempt;
        node.failingAt = at - failing.since_seconds * 1000;
        node.nextAt = failing.next_in_seconds == null ? null : at + failing.next_in_seconds * 1000;
      }
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
    // A give-up is told three times: when it is decided, when the supervisor has ended, and by the one above.
    const said = event.text.replace('supervisor ended: ', '');
    event.repeats = ['ended', 'exited'].includes(event.kind) && own.findLast((earlier) => !earlier.repeats)?.text === said;
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
    const become = (state) => { node.state = state; node.sinceAt = event.at; node.stuck = false; node.nextAt = null; node.hasJustEnded = false; node.abort_reason = null; };
    const data = event.data || {};
    if (event.process_id != null) node.process_id = event.process_id;
    switch (event.kind) {
      case 'started': if (node.state === 'restarting') node.restarts += 1; become('starting'); node.ready = false; break;
      case 'ready': become('running'); node.ready = true; break;
      case 'stopping': become('stopping'); break;
      case 'ignored': case 'restart_cancelled': become('stopped'); break;
      case 'exited': become('stopped'); node.hasJustEnded = event.bad; this.end(node, { phase: 'run', ...data }, event.at); break;
      case 'start_failed': become('stopped'); node.hasJustEnded = true; this.end(node, { phase: 'start', ...data }, event.at); break;
      case 'restarting':
        become('restarting');
        node.attempt = data.attempt;
        if (data.attempt === 1) node.failingAt = event.at;
        if (data.delay_seconds) node.nextAt = event.at + data.delay_seconds * 1000;
        if (data.cause) this.end(node, data.cause, event.at);
        break;
      case 'unresponsive': node.abort_reason = 'missed_heartbeat'; break;
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

  /** Its restarts in all, and those that were seen here in the last minute, in words. */
  restarted(node, now) {
    if (!node.restarts) return '';
    const seen = now - this.seenFrom, from = Math.max(now - MINUTE, this.seenFrom);
    // Each began with an event, but the last one of these may not have come yet.
    const begun = (this.perNode.get(node.key) || []).filter((event) => event.kind === 'restarting' && event.at >= from).length;
    const lately = Math.min(node.restarts, begun - (node.state === 'restarting' ? 1 : 0));
    const all = this.hasSnapshot ? restarts(node.restarts) : `${restarts(node.restarts)} seen`;
    return lately > 0 ? `${all}, ${lately} in the ${seen >= MINUTE ? 'last minute' : `${duration(seen / 1000)} seen here`}` : all;
  }

  /** Since when it fails again and again, and how often it was restarted, in words. */
  failing(node, now) {
    const since = node.failingAt == null ? '' : `failing since ${clock(node.failingAt)} (${duration((now - node.failingAt) / 1000)})`;
    return [since, this.restarted(node, now)].filter(Boolean).join(', ');
  }

  /** When the next attempt to start it comes, in words. */
  nextAttempt(node, now) {
    if (node.state !== 'restarting' || node.nextAt == null) return '';
    const left = (node.nextAt - now) / 1000, attempt = node.attempt ? ` (attempt ${node.attempt})` : '';
    return left > 0 ? `next attempt in ${duration(left)}${attempt}` : `the next attempt is due${attempt}`;
  }

  /** The lowest processes for which a supervisor waits until it is ready, or has stopped. */
  waitedFor(node) {
    const holds = HOLDS[node.state];
    if (node.kind !== 'supervisor' || !holds) return [];
    let found = node.children.filter(holds);
    // One after the other.
    if (node.state === 'starting') found = found.slice(0, 1);
    if (node.state === 'stopping' && node.supervisor?.shutdown_order !== 'concurrent') found = found.slice(-1);
    return found.flatMap((child) => {
      const below = child.state === node.state ? this.waitedFor(child) : [];
      return below.length ? below : [child];
    });
  }

  /** What a process waits for, in words. */
  waitsFor(node, now) {
    const state = (child) => ` (${child.stuck ? 'stuck' : child.state} for ${duration((now - child.sinceAt) / 1000)})`;
    if (node.state === 'restarting') {
      const sibling = node.above?.children.find((child) => child.state === 'stopping');
      return sibling && node.nextAt == null ? sibling.path + state(sibling) : '';
    }
    const found = this.waitedFor(node), more = found.length - 3;
    const name = (child) => child.path.slice(node.path.length + 1);
    if (found.length === 1) return name(found[0]) + state(found[0]);
    return found.slice(0, 3).map(name).join(', ') + (more > 0 ? ` and ${more.toLocaleString('en')} more` : '');
  }

  /** How bad it is (0 to 5), how it looks, and what is wrong in words. The server ranks in the same order. */
  assess(node, now) {
    const since = node.sinceAt == null ? 0 : now - node.sinceAt, ago = node.endedAt == null ? Infinity : now - node.endedAt;
    const gaveUp = culprits(node.last_exit).length > 0;
    const why = gaveUp ? ended(node.last_exit) : cause(node.last_exit), because = why ? `: ${why}` : '';
    const failing = () => `${this.failing(node, now)}${because}`;
    const isFlapping = node.restarts > 0 && ago < MINUTE;
    const unread = node.supervisor?.unread_for_seconds || 0;
    const blocked = this.blocked(node, now);
    if (node.stuck) {
      const reason = ABORTED[node.abort_reason], aborted = reason ? `aborted because it ${reason}, but` : 'aborted but';
      const lasting = node.sinceAt == null ? '' : `, since ${clock(node.sinceAt)} (${duration(since / 1000)})`;
      return [5, 'stuck', `is stuck: ${aborted} has not yielded${lasting}`];
    }
    if (node.abandoned) return [5, 'stuck', 'was abandoned: aborted but never yielded'];
    if (unread > 1) return [5, 'blocked', `has left its messages unread for ${duration(unread)}: its executor is blocked`];
    if (blocked) return [5, 'blocked', `blocks its thread: one poll has lasted more than ${duration(blocked)}`];
    switch (node.state) {
      case 'restarting': {
        const next = this.nextAttempt(node, now), waits = this.waitsFor(node, now);
        const text = next ? `waits to restart, ${next}` : `waits to restart${waits ? `, and for ${waits}` : ''}`;
        return [4, 'restarting', [text, failing()].filter(Boolean).join('; ')];
      }
      case 'stopped': return this.assessStopped(node, because, now);
      case 'starting':
        if (isFlapping) return [3, 'flapping', `is starting again; ${failing()}`];
        return since > SLOW ? [2, 'starting', `has been starting for ${duration(since / 1000)}`] : [0, 'starting', ''];
      case 'stopping':
        if (since > SLOW) return [2, 'stopping', `has been stopping for ${duration(since / 1000)}`];
        return isFlapping && node.failingAt != null ? [3, 'stopping', `is stopping; ${failing()}`] : [0, 'stopping', ''];
      default:
        if (isFlapping) return [3, 'flapping', failing()];
        return [0, node.ready ? 'running' : 'unready', ''];
    }
  }

  assessStopped(node, because, now) {
    const exit = node.last_exit, restart = node.spec?.restart;
    if (!node.above) return exit && cause(exit) && !(exit.reason?.kind === 'requested') ? [4, 'down', `has ended: ${ended(exit)}`] : [1, 'stopped', 'has ended'];
    const failed = exit && (exit.phase === 'start' || ['failed', 'panicked', 'lost', 'unresponsive'].includes(exit.kind) || culprits(exit).length > 0);
    // What its supervisor does about it is the next event.
    if (node.hasJustEnded) return [3, 'stopped', [ended(exit), this.failing(node, now)].filter(Boolean).join('; ')];
    if (restart === 'temporary') return [0, 'stopped', ''];
    const { above } = node;
    if (failed && above.state !== 'running') {
      const does = { stopped: 'is stopped', stopping: 'is stopping', starting: 'is starting', restarting: 'waits to restart' }[above.state];
      return [3, 'stopped', `is stopped; its supervisor ${above.path} ${does}${because}`];
    }
    if (failed) return [4, 'down', `is stopped, and is not restarted${because}`];
    // Its supervisor has stopped it, and the state of that says the rest.
    if (above.state !== 'running') return [0, 'stopped', ''];
    if (restart === 'permanent') return [2, 'stopped', 'is stopped, and is not restarted by itself'];
    return [0, 'stopped', ''];
  }

  /** For how many seconds a poll of this process has lasted that may still last. */
  blocked(node, now) {
    const own = this.perNode.get(node.key);
    const last = own?.[own.length - 1];
    if (last?.kind !== 'blocked' || now - last.at > 15_000 || last.at < this.seenFrom) return 0;
    return last.data.lasted_seconds + (now - last.at) / 1000;
  }

  /** Whether its trouble is a part of that of its supervisor, which gave up because of it, or is not there to restart it. */
  isPart(node) {
    const { above } = node;
    if (!above || above.rank < 2 || node.rank > 4) return false;
    const isLeft = node.state === 'stopped' && above.state !== 'running';
    return isLeft || (above.rank >= 3 && culprits(above.last_exit).includes(node.path));
  }

  /** Assesses all processes, and returns the ones in trouble, worst first: one for each cause. */
  judge(now) {
    const troubled = [];
    let total = 0, hidden = 0;
    // Those above come before those below.
    const order = [...this.nodes.values()], upwards = [...order].reverse();
    for (const node of upwards) {
      // Between two snapshots. One of which not all children are listed is as the snapshot says.
      if (node.kind === 'supervisor' && !this.summaries.has(node.key)) node.ready = node.state === 'running' && !node.children.some(HOLDS.running);
    }
    for (const node of order) {
      [node.rank, node.look, node.trouble] = this.assess(node, now);
      node.worst = node.rank;
      node.troubledBelow = 0;
      total += 1;
      node.counts = node.rank >= 2 && !this.isPart(node);
      if (node.counts) troubled.push(node);
    }
    for (const node of upwards) {
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
      node.above.troubledBelow += node.troubledBelow + (node.counts ? 1 : 0);
    }
    troubled.sort((a, b) => b.rank - a.rank || b.restarts - a.restarts);
    return { total, troubled, hidden, count: troubled.length + hidden };
  }
}
