// The connection to the program. Not an EventSource: that cannot send a token in a header.

const LONGEST_WAIT = 5_000;

export class Stream {
  constructor({ onLine, onState, onToken }) {
    Object.assign(this, { onLine, onState, onToken });
    this.token = null;
    this.abort = null;
  }

  headers() {
    return this.token ? { Authorization: `Bearer ${this.token}` } : {};
  }

  start() {
    this.stop();
    this.abort = new AbortController();
    this.follow(this.abort.signal);
  }

  stop() {
    this.abort?.abort();
    this.abort = null;
  }

  async follow(signal) {
    let wait = 250;
    while (!signal.aborted) {
      try {
        const answer = await fetch('events', { headers: this.headers(), signal, cache: 'no-store' });
        if (answer.status === 401) {
          this.onState('bad', 'a token is needed');
          return this.onToken(this.token ? await answer.text() : '');
        }
        if (!answer.ok) throw new Error((await answer.text()).split('\n')[0]);
        wait = 250;
        this.onState('', 'live');
        await this.read(answer.body.getReader());
        throw new Error('the program has closed the connection');
      } catch (error) {
        if (signal.aborted) return;
        this.onState('bad', `not connected: ${error.message}; trying again`);
      }
      await new Promise((done) => setTimeout(done, wait));
      wait = Math.min(wait * 2, LONGEST_WAIT);
    }
  }

  async read(reader) {
    const decoder = new TextDecoder();
    let parts = [];
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const text = decoder.decode(value, { stream: true });
      if (!text.includes('\n')) { parts.push(text); continue; }
      const lines = (parts.join('') + text).split('\n');
      parts = [lines.pop()];
      for (const line of lines) if (line.startsWith('data: ')) this.onLine(JSON.parse(line.slice(6)));
    }
  }
}
