// A client of the live socket, subprotocol ioc.live.v1. It stands alone: no
// framework, no other file of the pages, so that another page can copy it.
//
// What it promises: a topic's state is either exactly what the server says at a
// known sequence, or it is being fetched anew. A gap (prev ≠ the sequence held) is
// never painted over. Quiet for two heartbeats is "lost", whatever TCP says.

export type Entries = ReadonlyMap<string, unknown>;
export type LinkState = "connecting" | "live" | "lost" | "signin" | "refused";

/** Says what changed in a topic: whole is true after a snapshot. */
export interface Change { whole: boolean; keys: readonly string[] }
export type Listener = (state: Entries, change: Change) => void;

/** The part of WebSocket that is used, so that tests can stand in for it. */
export interface Socket {
  readonly readyState: number;
  onopen: ((e: any) => void) | null;
  onmessage: ((e: { data: any }) => void) | null;
  onclose: ((e: { code: number; reason: string }) => void) | null;
  onerror: ((e: any) => void) | null;
  send(data: string): void;
  close(code?: number, reason?: string): void;
}

export interface Options {
  /** A function is asked at each attempt: a replay comes back where it was. */
  url: string | (() => string);
  open?: (url: string, protocol: string) => Socket;
  /** Called when the link's state changes. */
  onLink?: (state: LinkState) => void;
  /** Called at each heartbeat, with the server's clock minus ours in ms. */
  onHeartbeat?: (offset: number) => void;
  onError?: (topic: string, code: string, detail: string) => void;
  /** Called when the server ends the link or refuses its handshake, with a close code of its own. */
  onRefused?: (code: number, reason: string) => void;
  /** A frame of a kind that is not the live socket's own. */
  onOther?: (frame: any) => void;
  now?: () => number;
  random?: () => number;
}

export const PROTOCOL = "ioc.live.v1";
/** Back-off: the first wait, the longest, and how long a link must hold before it starts from the first again. */
export const BACKOFF_MIN_MS = 500;
export const BACKOFF_MAX_MS = 30_000;
export const STABLE_MS = 30_000;
/** Until what was refused is asked for again: at least so long, and at most five times that. Meanwhile a catalogue may be put right. */
export const REFUSED_MS = 60_000;
/** Until hello names the real interval. */
const DEFAULT_HEARTBEAT_MS = 5_000;
const CONNECT_TIMEOUT_MS = 10_000;

interface Topic {
  listeners: Set<Listener>;
  state: Map<string, unknown>;
  epoch: string;
  seq: number | null; // null: nothing whole is held
  pending: { epoch: string; seq: number; next: number; parts: number; state: Map<string, unknown> } | null;
  waiting: boolean; // a snapshot was asked for after a gap; deltas until then are of no use
  behind: number | null; // the sequence held when a heartbeat last named a newer one
  refused: string; // the error code, when the server will not give this topic
}

export class LiveClient {
  link: LinkState = "connecting";
  /** Server clock minus ours, ms. */
  offset = 0;
  /** Our clock when a frame last came, ms; 0 before the first. */
  heard = 0;
  /** Steps that the last heartbeat was ahead of what is held, over all topics: how far behind this page is. */
  behind = 0;
  /** Counts for an operator's page and for tests. */
  readonly counts = { opens: 0, frames: 0, gaps: 0, bad: 0, snapshots: 0, resumes: 0 };

  private readonly topics = new Map<string, Topic>();
  private readonly options: Required<Options>;
  private socket: Socket | null = null;
  private heartbeat = DEFAULT_HEARTBEAT_MS;
  private attempts = 0;
  private helloAt = 0;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private anew: ReturnType<typeof setTimeout> | undefined; // when topics that were refused are asked for again
  private watch: ReturnType<typeof setInterval> | undefined;
  private openedAt = 0;
  private startedAt = 0;
  private greeted = false;

  constructor(options: Options) {
    this.options = {
      open: (url, protocol) => new WebSocket(url, protocol) as unknown as Socket,
      onLink: () => {}, onHeartbeat: () => {}, onError: () => {}, onRefused: () => {}, onOther: () => {}, now: Date.now, random: Math.random, ...options,
    };
  }

  /** Connects, and stays connected until stop. */
  start(): void {
    this.watch ??= setInterval(() => this.check(), 500);
    this.startedAt = this.options.now();
    if (!this.socket && this.retry === undefined) this.connect();
  }

  /** Ends for good; listeners hear nothing more. */
  stop(): void {
    clearInterval(this.watch);
    clearTimeout(this.retry);
    clearTimeout(this.anew);
    this.watch = this.retry = this.anew = undefined;
    this.drop(1000);
  }

  /** Follows a topic; the listener is called at once when state is already held. Returns the way to leave. */
  subscribe(name: string, listener: Listener): () => void {
    let topic = this.topics.get(name);
    if (!topic) {
      topic = { listeners: new Set(), state: new Map(), epoch: "", seq: null, pending: null, waiting: false, behind: null, refused: "" };
      this.topics.set(name, topic);
      if (this.greeted) this.send({ type: "subscribe", topics: [name] });
    }
    topic.listeners.add(listener);
    if (topic.seq !== null) listener(topic.state, { whole: true, keys: [] });
    return () => {
      const held = this.topics.get(name);
      if (!held?.listeners.delete(listener) || held.listeners.size > 0) return;
      this.topics.delete(name);
      if (this.greeted) this.send({ type: "unsubscribe", topics: [name] });
    };
  }

  /** Tries again now, after signin or refused, or instead of waiting. */
  reconnect(): void {
    clearTimeout(this.retry);
    this.retry = undefined;
    this.drop(1000);
    this.connect();
  }

  /** Says something of another protocol on this link; lost when it is down. */
  command(message: object): void {
    if (this.greeted) this.send(message);
  }

  /** The sequence held of each topic. */
  sequences(): Record<string, number> {
    const held: Record<string, number> = {};
    for (const [name, t] of this.topics) if (t.seq !== null) held[name] = t.seq;
    return held;
  }

  private connect(): void {
    this.retry = undefined;
    this.greeted = false;
    this.openedAt = this.options.now();
    this.counts.opens++;
    let socket: Socket;
    try {
      socket = this.options.open(typeof this.options.url === "string" ? this.options.url : this.options.url(), PROTOCOL);
    } catch {
      this.again();
      return;
    }
    this.socket = socket;
    // A late event of a socket that was given up must not touch its successor.
    socket.onmessage = (e) => { if (this.socket === socket) this.receive(e.data); };
    socket.onclose = (e) => { if (this.socket === socket) this.closed(e.code, e.reason); };
    socket.onerror = () => {}; // close follows and says why
  }

  private drop(code: number): void {
    const socket = this.socket;
    this.socket = null;
    this.greeted = false;
    if (!socket) return;
    socket.onmessage = socket.onclose = null;
    try { socket.close(code); } catch { /* already gone */ }
  }

  private closed(code: number, reason: string): void {
    this.socket = null;
    this.greeted = false;
    if (code >= 4400) this.options.onRefused(code, reason);
    if (code === 4401) return this.setLink("signin");
    if (code === 4403) {
      this.setLink("refused");
      return this.wait(this.minutes());
    }
    this.setLink(this.quiet() ? "lost" : this.link === "live" ? "connecting" : this.link);
    if (code === 1012) {
      let after = BACKOFF_MIN_MS;
      try {
        const named = JSON.parse(reason).retry_after_ms;
        if (Number.isFinite(named) && named >= 0) after = Math.min(named, 10 * BACKOFF_MAX_MS);
      } catch { /* no reason given: the shortest wait */ }
      // Every client hears the same number at the same moment: half as much again, at random.
      this.wait(after + after * 0.5 * this.options.random());
      return;
    }
    this.again();
  }

  private again(): void {
    if (this.helloAt && this.options.now() - this.helloAt >= STABLE_MS) this.attempts = 0;
    this.helloAt = 0;
    const ceiling = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** this.attempts++);
    this.wait(ceiling / 2 + (ceiling / 2) * this.options.random());
  }

  private wait(ms: number): void {
    clearTimeout(this.retry);
    this.retry = setTimeout(() => this.connect(), ms);
  }

  private minutes(): number {
    return REFUSED_MS * (1 + 4 * this.options.random());
  }

  private quiet(): boolean {
    return this.options.now() - (this.heard || this.startedAt) >= 2 * this.heartbeat;
  }

  private check(): void {
    const over = this.socket && (this.greeted || this.options.now() - this.openedAt >= CONNECT_TIMEOUT_MS);
    if (this.link === "signin" || (this.link === "refused" && !over)) return;
    if (!this.quiet()) return;
    this.setLink("lost");
    if (over) {
      this.drop(4000);
      this.again();
    }
  }

  private setLink(state: LinkState): void {
    if (this.link === state) return;
    this.link = state;
    this.options.onLink(state);
  }

  private send(message: unknown): void {
    if (this.socket?.readyState === 1) this.socket.send(JSON.stringify(message));
  }

  private receive(data: unknown): void {
    let message: any;
    try {
      message = JSON.parse(String(data));
    } catch {
      this.counts.bad++;
      return;
    }
    this.heard = this.options.now();
    for (const m of Array.isArray(message) ? message : [message]) {
      this.counts.frames++;
      this.handle(m);
    }
  }

  private handle(m: any): void {
    switch (m?.type) {
      case "hello": return this.hello(m);
      case "heartbeat": return this.beat(m);
      case "snapshot": return this.snapshot(m);
      case "delta": return this.delta(m);
      case "error": {
        const topic = this.topics.get(m.topic);
        if (topic) {
          topic.refused = m.code;
          topic.seq = topic.pending = null; // it comes back as a whole
          this.anew ??= setTimeout(() => this.askRefused(), this.minutes());
        }
        return this.options.onError(m.topic ?? "", m.code ?? "", m.detail ?? "");
      }
      default:
        this.counts.bad++; // a newer server may say more: not a reason to leave
        this.options.onOther(m);
    }
  }

  private clock(serverTime: string): void {
    const t = Date.parse(serverTime);
    if (Number.isFinite(t)) this.offset = t - this.options.now();
    this.options.onHeartbeat(this.offset);
  }

  private hello(m: any): void {
    this.heartbeat = m.heartbeat_ms > 0 ? m.heartbeat_ms : DEFAULT_HEARTBEAT_MS;
    this.helloAt = this.options.now();
    this.greeted = true;
    this.setLink("live");
    this.clock(m.server_time);
    const resume: Record<string, { epoch: string; seq: number }> = {};
    for (const [name, t] of this.topics) {
      t.pending = null;
      t.waiting = false;
      t.behind = null;
      t.refused = "";
      if (t.seq === null) continue;
      resume[name] = { epoch: t.epoch, seq: t.seq };
      this.counts.resumes++;
    }
    if (this.topics.size) this.send({ type: "subscribe", topics: [...this.topics.keys()], resume });
  }

  private beat(m: any): void {
    this.setLink("live");
    this.clock(m.server_time);
    this.behind = 0;
    for (const [name, seq] of Object.entries<number>(m.seq ?? {})) {
      const t = this.topics.get(name);
      if (t?.seq) this.behind += Math.max(0, seq - t.seq);
      if (!t || t.seq === null || t.waiting || t.pending) continue;
      // One heartbeat may run ahead of a delta that is still being merged for us;
      // two with no step between them mean that the delta is not coming.
      if (seq === t.seq) t.behind = null;
      else if (t.behind === t.seq) this.resync(name, t);
      else t.behind = t.seq;
    }
  }

  private snapshot(m: any): void {
    const t = this.topics.get(m.topic);
    if (!t) return;
    const parts = m.parts ?? 1, part = m.part ?? 1;
    if (part === 1) t.pending = { epoch: m.epoch, seq: m.seq, next: 1, parts, state: new Map() };
    const p = t.pending;
    if (!p || p.seq !== m.seq || p.epoch !== m.epoch || p.next !== part) return this.resync(m.topic, t);
    for (const key of Object.keys(m.state ?? {})) p.state.set(key, m.state[key]);
    if (p.next++ < p.parts) return;
    // Swapped only when whole: a half map never reaches the screen.
    t.pending = null;
    t.waiting = false;
    t.behind = null;
    t.refused = "";
    t.state = p.state;
    t.epoch = p.epoch;
    t.seq = p.seq;
    this.counts.snapshots++;
    this.tell(t, { whole: true, keys: [] });
  }

  private delta(m: any): void {
    const t = this.topics.get(m.topic);
    if (!t || t.waiting) return;
    if (t.seq === null || t.pending || m.prev !== t.seq) return this.resync(m.topic, t);
    const keys: string[] = [];
    for (const key of Object.keys(m.set ?? {})) { t.state.set(key, m.set[key]); keys.push(key); }
    for (const key of m.unset ?? []) { t.state.delete(key); keys.push(key); }
    t.seq = m.seq;
    t.behind = null;
    this.tell(t, { whole: false, keys });
  }

  /** Asks for everything again. What is held stays on screen meanwhile: it ages, and says so. */
  private resync(name: string, t: Topic): void {
    this.counts.gaps++;
    t.pending = null;
    t.waiting = true;
    t.behind = null;
    this.send({ type: "subscribe", topics: [name] });
  }

  private askRefused(): void {
    this.anew = undefined;
    const names = [...this.topics].filter(([, t]) => t.refused).map(([name]) => name);
    if (this.greeted && names.length) this.send({ type: "subscribe", topics: names });
  }

  private tell(t: Topic, change: Change): void {
    for (const listener of [...t.listeners]) listener(t.state, change);
  }
}
