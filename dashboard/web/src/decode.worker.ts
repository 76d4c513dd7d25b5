// Decodes cameras' access units with WebCodecs and paints them, away from the page's
// own thread: sockets, decoders and canvases of all pictures of a page are here.
import { socketURL } from "./socket";
import { Tiles, TILES_UNITS } from "./tiles";
import { bytesOf, readUnits, UNITS, type Unit } from "./units";
import { VideoLink, type Gone, type Listener, type Source } from "./video-link";

/** most is how wide a picture is painted at most, px; what is primed is a canvas that nobody will see. */
export type Ask =
  | { do: "open"; id: number; camera: string; mode: "tile" | "full"; canvas: OffscreenCanvas; most: number }
  | { do: "close"; id: number }
  | { do: "prime"; canvas: OffscreenCanvas };
/** frame comes with the first frame and then at most twice a second, at is when it was painted, ms since 1970; unfit when this browser cannot decode it after all. */
export type Told = { id: number; what: "unfit" } | { id: number; what: "frame"; at: number } | { id: number; what: "gone"; why: Gone };

/** Units that may wait for a decoder; more means that it does not follow, and the next keyframe helps. */
const QUEUE_MAX = 12;
const TELL_MS = 500;
/** A stream whose decoder fails so often is left to the other way of playing. */
const FAILURES = 3;

/** Decoders that are made before pictures are asked for, and how long they wait for that. */
const SPARES = 6, SPARE_MS = 15_000;
/** A tile's first frame is painted once more after so long, ms: a canvas that was not on the screen yet may have lost it. */
const AGAIN_MS = 400;

const tell = (told: Told): void => postMessage(told);

/**
 * A decoder and whose it is. The first configuration of one waits for the page's own
 * thread, which is busy just when the pictures of a page are asked for; so some are
 * made before that, and get their stream's configuration when they are taken.
 */
class Decoder {
  owner: Feed | null = null;
  readonly video: VideoDecoder = new VideoDecoder({
    output: (frame) => { if (this.owner) this.owner.show(frame); else frame.close(); },
    error: () => this.owner?.failed(),
  });

  static readonly spares: Decoder[] = [];

  static take(owner: Feed): Decoder {
    const d = this.spares.find((s) => s.video.state === "configured") ?? new Decoder();
    const at = this.spares.indexOf(d);
    if (at >= 0) this.spares.splice(at, 1);
    d.owner = owner;
    return d;
  }

  static prepare(): void {
    for (let i = 0; i < SPARES; i++) {
      const d = new Decoder();
      try { d.video.configure({ codec: "avc1.42c01e", optimizeForLatency: true }); } catch { return; }
      this.spares.push(d);
    }
    setTimeout(() => { for (const d of this.spares.splice(0)) d.close(); }, SPARE_MS);
  }

  close(): void {
    this.owner = null;
    if (this.video.state !== "closed") this.video.close();
  }
}

class Feed {
  private readonly link: Source;
  private readonly paper: OffscreenCanvasRenderingContext2D;
  private decoder: Decoder | null = null;
  private config: VideoDecoderConfig | null = null;
  private waitKey = true;
  private next: VideoFrame | null = null;
  private asked = false;
  private toldAt = 0;
  private failures = 0;
  private stopped = false;

  constructor(private readonly id: number, camera: string, private readonly mode: "tile" | "full", private readonly canvas: OffscreenCanvas, private readonly most: number) {
    this.paper = canvas.getContext("2d", { alpha: false })!;
    const listener: Listener = { told: (m) => this.told(m), came: (data) => { for (const u of readUnits(data)) this.unit(u); }, gone: (why) => this.gone(why) };
    this.link = mode === "tile" ? tiles.watch(camera, listener) : new VideoLink(socketURL(`cameras/${encodeURIComponent(camera)}/video?mode=full`), UNITS, listener);
  }

  stop(): void {
    this.stopped = true;
    this.link.stop();
    this.release();
  }

  private told(m: any): void {
    if (m.type === "unsupported") { this.release(); this.config = null; tell({ id: this.id, what: "gone", why: "unsupported" }); }
    if (m.type !== "init") return;
    this.failures = 0;
    // The picture that stands stays until the first of the new format: a change of
    // stream is no blink.
    this.config = { codec: m.codec, description: bytesOf(m.description), optimizeForLatency: true };
    this.open();
  }

  private open(): void {
    this.close();
    this.waitKey = true;
    if (!this.config) return;
    this.decoder = Decoder.take(this);
    try { this.decoder.video.configure(this.config); } catch { this.failed(); }
  }

  failed(): void {
    if (this.stopped) return;
    if (++this.failures >= FAILURES) { this.stop(); tell({ id: this.id, what: "unfit" }); return; }
    this.open();
  }

  private unit(u: Unit): void {
    const d = this.decoder?.video;
    if (!d || d.state !== "configured") return;
    if (this.waitKey && !u.key) return;
    if (d.decodeQueueSize >= (this.mode === "tile" ? 2 : QUEUE_MAX)) {
      // Behind: what waits is given up, and the next keyframe is where it goes on.
      if (!u.key) { this.waitKey = true; return; }
      try { d.reset(); d.configure(this.config!); } catch { this.failed(); return; }
    }
    this.waitKey = false;
    try {
      d.decode(new EncodedVideoChunk({ type: u.key ? "key" : "delta", timestamp: u.timestamp, duration: u.duration, data: u.data }));
      // A decoder may hold a picture back until another comes: a tile's next one is far.
      if (this.mode === "tile") d.flush().catch(() => {});
    } catch { this.failed(); }
  }

  /**
   * Only the newest frame is painted, when the screen is. A first one does not wait
   * for that: a page that is being built keeps the screen waiting.
   */
  show(frame: VideoFrame): void {
    this.next?.close();
    this.next = frame;
    if (this.asked) return;
    this.asked = true;
    const paint = () => requestAnimationFrame(() => { this.asked = false; this.paint(); });
    const first = !this.toldAt;
    if (first) this.draw(frame);
    if (first && this.mode === "tile") setTimeout(paint, AGAIN_MS);
    else paint();
  }

  private paint(): void {
    const frame = this.next;
    this.next = null;
    if (!frame) return;
    this.draw(frame);
    frame.close();
  }

  private draw(frame: VideoFrame): void {
    const scale = Math.min(1, this.most / frame.displayWidth), width = Math.round(frame.displayWidth * scale), height = Math.round(frame.displayHeight * scale);
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
    this.paper.drawImage(frame, 0, 0, width, height);
    this.failures = 0;
    // The page may be busy when it hears of it: it is told when it was.
    const at = performance.timeOrigin + performance.now();
    if (at - this.toldAt >= TELL_MS) { this.toldAt = at; tell({ id: this.id, what: "frame", at }); }
  }

  private gone(why: Gone): void {
    this.release();
    tell({ id: this.id, what: "gone", why });
  }

  private close(): void {
    this.decoder?.close();
    this.decoder = null;
  }

  private release(): void {
    this.close();
    this.next?.close();
    this.next = null;
    this.paper.clearRect(0, 0, this.canvas.width, this.canvas.height);
  }
}

/**
 * The first picture that a worker paints waits for the page's own thread, as the
 * first decoder does: so one of nothing is painted before there is any.
 */
function prime(canvas: OffscreenCanvas): void {
  const frame = new VideoFrame(new Uint8Array(6), { format: "I420", codedWidth: 2, codedHeight: 2, timestamp: 0 });
  canvas.getContext("2d", { alpha: false })!.drawImage(frame, 0, 0);
  frame.close();
}

Decoder.prepare();
const tiles = new Tiles(TILES_UNITS); // opens at once: no picture is asked for yet
const feeds = new Map<number, Feed>();

onmessage = (e: MessageEvent<Ask>) => {
  const ask = e.data;
  if (ask.do === "open") {
    feeds.set(ask.id, new Feed(ask.id, ask.camera, ask.mode, ask.canvas, ask.most));
  } else if (ask.do === "close") {
    feeds.get(ask.id)?.stop();
    feeds.delete(ask.id);
  } else {
    prime(ask.canvas);
  }
};
