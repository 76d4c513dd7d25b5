// The socket of a camera's video, which comes back by itself: with growing pauses,
// jittered, so that the tiles of a wall do not return in one millisecond.
const RETRY_MIN_MS = 1_000, RETRY_MAX_MS = 30_000, STABLE_MS = 20_000;

/** A camera's video is not there for us, or nothing here can play it: the link stays away. */
export type Gone = "unknown" | "unsupported";

export interface Listener {
  /** A JSON message: init, state or unsupported. */
  told: (message: any) => void;
  came: (data: ArrayBuffer) => void;
  gone: (why: Gone) => void;
}

export class VideoLink {
  private socket: WebSocket | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private attempts = 0;
  private openedAt = 0;
  private stopped = false;

  constructor(private readonly url: string, private readonly protocol: string, private readonly listener: Listener) {
    this.connect();
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
    const socket = this.socket;
    this.socket = null;
    socket?.close(1000);
  }

  /** What came cannot be played on from here: begin anew, after a pause. */
  restart(): void {
    const socket = this.socket;
    this.socket = null;
    socket?.close(1000);
    this.again();
  }

  private connect(): void {
    this.openedAt = Date.now();
    const socket = new WebSocket(this.url, this.protocol);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    socket.onmessage = (e) => {
      if (this.socket !== socket) return;
      if (typeof e.data !== "string") { this.listener.came(e.data as ArrayBuffer); return; }
      let message: unknown;
      try { message = JSON.parse(e.data); } catch { return; }
      this.listener.told(message);
    };
    socket.onclose = (e) => {
      if (this.socket !== socket) return;
      this.socket = null;
      if (e.code === 4404 || e.code === 4403) this.listener.gone("unknown");
      else this.again();
    };
  }

  private again(): void {
    if (this.stopped) return;
    if (Date.now() - this.openedAt > STABLE_MS) this.attempts = 0;
    const ceiling = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** this.attempts++);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.connect(), ceiling / 2 + (ceiling / 2) * Math.random());
  }
}
