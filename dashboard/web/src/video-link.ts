// A socket with pictures, which comes back by itself: with growing pauses, jittered,
// so that the pages of a wall do not return in one millisecond.
const RETRY_MIN_MS = 1_000, RETRY_MAX_MS = 30_000, STABLE_MS = 20_000;
/** After 4403 or 4404, at least so long and at most five times that: what is within a scope, and which cameras there are, may be put right. */
const REFUSED_MS = 60_000;
/** A socket on which nothing comes for so long, ms, is taken for dead, whatever TCP says: the server says each 10 s that it lives. */
export const QUIET_MS = 30_000;

/** A camera's video is not there for us, or nothing here can play it. */
export type Gone = "unknown" | "unsupported";

/** What a camera's pictures come to. */
export interface Listener {
  /** A JSON message: init, state or unsupported. */
  told: (message: any) => void;
  came: (data: Uint8Array<ArrayBuffer>) => void;
  gone: (why: Gone) => void;
}

/** Where a camera's pictures come from. restart says that what came cannot be played on from here: it begins anew, after a pause. */
export interface Source { stop(): void; restart(): void }

/** Whether a close code, or the code of a message's end, says that there is nothing for us: who asks again at once is told the same. */
export const isGone = (code: number): boolean => code === 4404 || code === 4403;

/** Pauses before another try, ms: each time longer, until something was stable for a while. */
export class Pauses {
  private attempts = 0;
  private began = performance.now();

  begin(): void { this.began = performance.now(); }

  next(code = 0): number {
    if (isGone(code)) return REFUSED_MS * (1 + 4 * Math.random());
    if (performance.now() - this.began > STABLE_MS) this.attempts = 0;
    const ceiling = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** this.attempts++);
    return ceiling / 2 + (ceiling / 2) * Math.random();
  }
}

export class VideoLink implements Source {
  private socket: WebSocket | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private stopped = false;
  private heard = 0; // performance.now() when anything last came
  private watch: ReturnType<typeof setInterval> | undefined;
  private readonly pauses = new Pauses();

  /**
   * opened is called each time that the socket has opened: what is said before is
   * not sent.
   */
  constructor(private readonly url: string, private readonly protocol: string, private readonly listener: Listener & { opened?: () => void }) {
    this.connect();
  }

  stop(): void {
    this.stopped = true;
    this.leave();
  }

  restart(): void {
    this.leave();
    this.again();
  }

  /** Does not wait for the end of a pause between two tries. */
  hurry(): void {
    if (!this.socket && !this.stopped) this.connect();
  }

  /** False when there is no open socket. */
  say(message: object): boolean {
    if (this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(message));
    return true;
  }

  private leave(): void {
    clearTimeout(this.timer);
    clearInterval(this.watch);
    const socket = this.socket;
    this.socket = null;
    socket?.close(1000);
  }

  private connect(): void {
    clearTimeout(this.timer);
    this.pauses.begin();
    const socket = new WebSocket(this.url, this.protocol);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    socket.onopen = () => {
      if (this.socket !== socket) return;
      this.heard = performance.now();
      this.watch = setInterval(() => {
        if (performance.now() - this.heard >= QUIET_MS) this.restart();
      }, QUIET_MS / 6);
      this.listener.opened?.();
    };
    socket.onmessage = (e) => {
      if (this.socket !== socket) return;
      this.heard = performance.now();
      if (typeof e.data !== "string") { this.listener.came(new Uint8Array(e.data as ArrayBuffer)); return; }
      let message: unknown;
      try { message = JSON.parse(e.data); } catch { return; }
      this.listener.told(message);
    };
    socket.onclose = (e) => {
      if (this.socket !== socket) return;
      this.socket = null;
      clearInterval(this.watch);
      if (isGone(e.code)) this.listener.gone("unknown");
      this.again(e.code);
    };
  }

  private again(code = 0): void {
    if (!this.stopped) this.timer = setTimeout(() => this.connect(), this.pauses.next(code));
  }
}
