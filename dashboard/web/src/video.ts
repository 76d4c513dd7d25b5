// Live pictures: fragmented MP4 over a WebSocket into a MediaSource. In tile mode
// each fragment is one keyframe and the element stands still on the newest; in
// full mode it plays and is kept close to the live edge. Browsers with WebCodecs go
// another way: decode.ts.
import { socketURL } from "./socket";
import { Tiles, TILES_MP4 } from "./tiles";
import { VideoLink, type Gone, type Listener, type Source } from "./video-link";

export type Mode = "tile" | "full";
/** Buffer behind the newest frame that is kept, s. */
const KEEP = { tile: 4, full: 20 };
/** Fragments waiting to be appended; more means that the decoder does not follow, and only the newest help. */
const QUEUE_MAX = 64;

export interface Hooks {
  /** A frame came; the argument is when it was painted, ms since 1970 by performance's clock, which is no other. */
  onFrame?: (at: number) => void;
  /** The camera is not there for us, which it may be again, or nothing here can play it. */
  onGone?: (why: Gone) => void;
}

let tiles: Tiles | null = null;
/** The tiles' socket; it is opened by the first who asks. */
export const theTiles = (): Tiles => (tiles ??= new Tiles(TILES_MP4));

export class Player {
  private link: Source | null = null;
  private media: MediaSource | null = null;
  private buffer: SourceBuffer | null = null;
  private url = "";
  private type = "";
  private queue: Uint8Array<ArrayBuffer>[] = [];
  private stopped = false;
  private painted = false;

  constructor(private readonly video: HTMLVideoElement, camera: string, private readonly mode: Mode, private readonly hooks: Hooks = {}) {
    video.muted = true;
    video.disableRemotePlayback = true;
    if (typeof MediaSource === "undefined") {
      hooks.onGone?.("unsupported");
      return;
    }
    this.open(); // it takes the browser as long as the server's first word takes to come
    const listener: Listener = { told: (m) => this.told(m), came: (data) => this.fragment(data), gone: (why) => this.hooks.onGone?.(why) };
    this.link = mode === "tile" ? theTiles().watch(camera, listener) : new VideoLink(socketURL(`cameras/${encodeURIComponent(camera)}/video?mode=full`), "ioc.video.v1", listener);
  }

  stop(): void {
    this.stopped = true;
    this.link?.stop();
    this.release();
  }

  private told(m: any): void {
    if (m.type === "init") this.begin(`video/mp4; codecs="${m.codec}"`);
    // Nothing to show until the camera sends another codec; the server then says init.
    if (m.type === "unsupported") { this.release(); this.hooks.onGone?.("unsupported"); }
  }

  /** A new init: the codec or size may have changed, so a source that has begun starts over. */
  private begin(type: string): void {
    if (this.type || !this.media) {
      this.release();
      this.open();
    }
    if (!MediaSource.isTypeSupported(type)) {
      this.release();
      this.link?.stop();
      this.hooks.onGone?.("unsupported");
      return;
    }
    this.type = type;
    this.fill();
  }

  private open(): void {
    const media = new MediaSource();
    this.media = media;
    this.url = URL.createObjectURL(media);
    this.video.src = this.url;
    media.addEventListener("sourceopen", () => {
      if (this.media !== media) return;
      URL.revokeObjectURL(this.url);
      this.fill();
    }, { once: true });
  }

  /** Begins to append once the source is open and its type is known. */
  private fill(): void {
    const media = this.media;
    if (!media || media.readyState !== "open" || !this.type || this.buffer) return;
    this.buffer = media.addSourceBuffer(this.type);
    this.buffer.addEventListener("updateend", () => this.settle(media));
    this.buffer.addEventListener("error", () => this.broken(media));
    this.pump();
  }

  private fragment(data: Uint8Array<ArrayBuffer>): void {
    if (!this.media) return;
    // The first of a source is its init segment and is never dropped.
    if (this.queue.length >= QUEUE_MAX) this.queue.splice(this.buffer ? 0 : 1, QUEUE_MAX / 2);
    this.queue.push(data);
    this.pump();
  }

  private pump(): void {
    const b = this.buffer;
    if (!b || b.updating || !this.queue.length || this.media?.readyState !== "open") return;
    try {
      // All that waits at once: the first picture comes right behind its head, and each
      // append waits for a busy page's turn.
      b.appendBuffer(joined(this.queue));
      this.queue = [];
    } catch (e) {
      if ((e as DOMException).name === "QuotaExceededError" && b.buffered.length) b.remove(0, b.buffered.end(b.buffered.length - 1) - 1);
      else this.broken(this.media);
    }
  }

  private settle(media: MediaSource): void {
    const b = this.buffer;
    if (this.media !== media || !b || b.updating) return;
    if (b.buffered.length) {
      const end = b.buffered.end(b.buffered.length - 1), start = b.buffered.start(0), v = this.video;
      const lastStart = b.buffered.start(b.buffered.length - 1);
      if (this.mode === "tile") {
        const newest = Math.max(lastStart, end - 0.02);
        if (Math.abs(v.currentTime - newest) > 0.01) { v.currentTime = newest; this.seen(); }
      } else {
        if (v.currentTime < lastStart || end - v.currentTime > 2) v.currentTime = Math.max(lastStart, end - 0.3);
        if (v.paused) v.play().catch(() => {});
        this.seen();
      }
      if (!this.queue.length && end - start > 2 * KEEP[this.mode]) {
        b.remove(0, end - KEEP[this.mode]);
        return;
      }
    }
    this.pump();
  }

  /** A frame has come; the first counts when it is on the screen. */
  private seen(): void {
    const told = () => { this.painted = true; if (!this.stopped) this.hooks.onFrame?.(performance.timeOrigin + performance.now()); };
    if (this.painted || !("requestVideoFrameCallback" in this.video)) told();
    else this.video.requestVideoFrameCallback(told);
  }

  private broken(media: MediaSource | null): void {
    if (this.media !== media) return;
    this.release();
    if (!this.stopped) this.link?.restart();
  }

  private release(): void {
    this.queue = [];
    this.type = "";
    this.buffer = null;
    if (!this.media) return;
    this.media = null;
    URL.revokeObjectURL(this.url);
    this.video.removeAttribute("src");
    this.video.load();
  }
}

function joined(parts: Uint8Array<ArrayBuffer>[]): Uint8Array<ArrayBuffer> {
  if (parts.length === 1) return parts[0]!;
  const whole = new Uint8Array(parts.reduce((n, p) => n + p.byteLength, 0));
  let at = 0;
  for (const p of parts) { whole.set(p, at); at += p.byteLength; }
  return whole;
}
