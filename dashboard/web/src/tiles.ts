// All tiles of a page over one socket (asyncapi.json, channel tiles): a browser opens
// the sockets of a host one after the other, so that of many the last would wait for
// all before it. This one is open before the page knows its cameras.
import { socketURL } from "./socket";
import { isGone, Pauses, VideoLink, type Listener, type Source } from "./video-link";

export const TILES_MP4 = "ioc.tiles.v1", TILES_UNITS = "ioc.tiles.units.v1";

/** Bytes before a message's data: the id of whose it is. */
const HEAD = 4;

class Watch implements Source {
  id = 0;
  timer: ReturnType<typeof setTimeout> | undefined;
  readonly pauses = new Pauses();

  constructor(private readonly tiles: Tiles, readonly camera: string, readonly listener: Listener) {}
  stop(): void { this.tiles.leave(this); }
  restart(): void { this.tiles.again(this); }
}

export class Tiles {
  private readonly link: VideoLink;
  private readonly all = new Set<Watch>();
  private readonly known = new Map<number, Watch>(); // by the id on this socket
  private serial = 0;

  constructor(protocol: typeof TILES_MP4 | typeof TILES_UNITS) {
    this.link = new VideoLink(socketURL("tiles"), protocol, {
      opened: () => {
        this.known.clear();
        this.serial = 0;
        for (const w of this.all) this.ask(w);
      },
      told: (m) => {
        const watch = this.known.get(m.id);
        if (watch && m.type === "end") this.ended(watch, m.code);
        else watch?.listener.told(m);
      },
      came: (data) => {
        if (data.length >= HEAD) this.known.get(new DataView(data.buffer, data.byteOffset).getUint32(0))?.listener.came(data.subarray(HEAD));
      },
      gone: () => { for (const w of [...this.all]) w.listener.gone("unknown"); },
    });
  }

  watch(camera: string, listener: Listener): Source {
    const watch = new Watch(this, camera, listener);
    // Whoever has just signed in does not wait for the pause of a page that nobody had.
    if (!this.all.size) this.link.hurry();
    this.all.add(watch);
    this.ask(watch);
    return watch;
  }

  leave(w: Watch): void {
    clearTimeout(w.timer);
    this.all.delete(w);
    if (this.known.delete(w.id)) this.link.say({ type: "unwatch", id: w.id });
  }

  again(w: Watch, code = 0): void {
    this.leave(w);
    this.all.add(w);
    w.timer = setTimeout(() => this.ask(w), w.pauses.next(code));
  }

  private ask(w: Watch): void {
    clearTimeout(w.timer);
    w.pauses.begin();
    w.id = ++this.serial;
    if (this.link.say({ type: "watch", id: w.id, camera: w.camera })) this.known.set(w.id, w);
  }

  private ended(w: Watch, code: number): void {
    this.known.delete(w.id);
    this.again(w, code);
    if (isGone(code)) w.listener.gone("unknown");
  }
}
