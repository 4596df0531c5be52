// The words of the page. Texts of the program go into text nodes only, so none of them can become a part of the document.

export function duration(seconds) {
  if (seconds == null || !isFinite(seconds)) return '';
  const s = Math.max(0, seconds);
  if (s < 1) return `${Math.round(s * 1000)} ms`;
  if (s < 10) return `${s.toFixed(1)} s`;
  if (s < 120) return `${Math.round(s)} s`;
  if (s < 7200) return `${Math.floor(s / 60)} min`;
  if (s < 172800) return `${Math.floor(s / 3600)} h`;
  return `${Math.floor(s / 86400)} d`;
}

export function restarts(count) {
  return `${count.toLocaleString('en')} ${count === 1 ? 'restart' : 'restarts'}`;
}

export function clock(at) {
  // A simulation begins at 1970.
  if (at < 1e9) return `${(at / 1000).toFixed(3)} s`;
  const date = new Date(at), two = (n) => String(n).padStart(2, '0');
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

function messages(failure) {
  return [failure.message, ...(failure.chain || [])].filter(Boolean).join(': ');
}

/** The error of a failure alone, without how it ended. */
export function cause(exit) {
  if (!exit) return '';
  if (exit.cause) return cause(exit.cause);
  if (exit.exit) return cause(exit.exit);
  if (exit.restarts && exit.restarts.length) return cause(exit.restarts[exit.restarts.length - 1]);
  if (exit.reason) return cause(exit.reason) || reason(exit.reason);
  return 'message' in exit ? messages(exit) : ended(exit);
}

/** The paths of those below because of which a process gave up, from the top down. Empty if it did not give up. */
export function culprits(exit) {
  const paths = [];
  for (let at = exit; at; ) {
    const data = at.reason || at, last = data.kind === 'gave_up' ? data.restarts?.[data.restarts.length - 1] : null;
    if (data.kind === 'gave_up') paths.push(last?.path);
    at = last?.cause;
  }
  return paths;
}

function gaveUp(data) {
  const last = cause(data);
  const limit = data.intensity == null ? 'its restarts allow' : `${restarts(data.intensity)} in ${duration(data.period_seconds) || 'all'}`;
  return `gave up: more than ${limit}${last ? `; last failure: ${last}` : ''}`;
}

function reason(data) {
  switch (data.kind) {
    case 'requested': return 'shut down on request';
    case 'killed': return 'killed';
    case 'gave_up': return gaveUp(data);
    case 'auto_shutdown': return `shut down because ${data.child} ended`;
    case 'failed_to_start': return `failed to start: ${data.path}: ${cause(data.cause)}`;
    default: return String(data.kind);
  }
}

/** How a process ended: the data of `last_exit`, or of an event. */
export function ended(exit) {
  if (!exit) return '';
  if (exit.phase === 'start') {
    switch (exit.kind) {
      case 'failed': return `failed to start: ${messages(exit)}`;
      case 'panicked': return `panicked at its start: ${messages(exit)}${place(exit)}`;
      case 'timed_out': return `failed to start: not ready within ${duration(exit.limit_seconds)}`;
      case 'below': return `failed to start: ${exit.path}: ${cause(exit.cause)}`;
      case 'gave_up': return gaveUp(exit);
      default: return `failed to start: ${exit.kind}`;
    }
  }
  switch (exit.kind) {
    case 'normal': return 'ended normally';
    case 'ignored': return 'had nothing to run';
    case 'failed': return `failed: ${messages(exit)}`;
    case 'panicked': return `panicked: ${messages(exit)}${place(exit)}`;
    case 'aborted': return 'was aborted';
    case 'unresponsive': return `missed its heartbeat: none within ${duration(exit.within_seconds)}`;
    case 'lost': return 'was lost: its executor dropped it';
    case 'shutdown': return reason(exit.reason);
    default: return String(exit.kind);
  }
}

export function place(exit) {
  const at = exit && exit.location;
  return at ? ` (at ${at.file}:${at.line}:${at.column})` : '';
}

/** The place of the last failure: of this process, or of the one below that made it end. */
export function placeOf(exit) {
  if (!exit) return '';
  if (exit.location) return `${exit.location.file}:${exit.location.line}:${exit.location.column}`;
  const inner = exit.cause || exit.exit || exit.reason || (exit.restarts && exit.restarts[exit.restarts.length - 1]);
  return inner ? placeOf(inner) : '';
}

const MARKS = {
  running: ['●', 'running'], starting: ['◔', 'starting'], restarting: ['↻', 'restarting'], stopping: ['◌', 'stopping'],
  stopped: ['■', 'stopped'], unready: ['◑', 'not ready'], stuck: ['✖', 'stuck'], blocked: ['✖', 'blocked'], down: ['✖', 'down'], flapping: ['▲', 'failing'],
};

export function mark(look) {
  return MARKS[look] || ['?', look];
}

/** A setting for a person: `limit_seconds: 5` is `5.0 s`. */
export function setting(key, value) {
  if (value === null) return key.endsWith('_seconds') || key === 'intensity' || key === 'max_children' ? 'none' : 'default';
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (key.endsWith('_seconds')) return duration(value);
  if (typeof value === 'object') {
    const { kind, ...rest } = value;
    const parts = Object.entries(rest).map(([key, value]) => `${label(key)} ${setting(key, value)}`);
    return [kind, ...parts].filter(Boolean).join(', ');
  }
  return String(value).replaceAll('_', ' ');
}

export function label(key) {
  return key.replace(/_seconds$/, '').replaceAll('_', ' ');
}
