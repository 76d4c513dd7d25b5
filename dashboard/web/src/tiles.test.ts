import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Tiles, TILES_UNITS } from "./tiles";
import { QUIET_MS, type Listener } from "./video-link";

class FakeSocket {
  static readonly OPEN = 1;
  readyState = 0;
  binaryType = "";
  onopen = () => {};
  onmessage = (_: { data: unknown }) => {};
  onclose = (_: { code: number }) => {};
  sent: any[] = [];
  constructor(readonly url: string, readonly protocol: string) { sockets.push(this); }
  send(data: string) { this.sent.push(JSON.parse(data)); }
  close() { this.readyState = 3; }
  /** Opens; the server says that it lives, as long as the link is well. */
  open(well = true) {
    this.readyState = 1;
    this.onopen();
    if (well) setInterval(() => this.say({ id: 0, type: "alive" }), QUIET_MS / 3);
  }
  say(message: object) { this.onmessage({ data: JSON.stringify(message) }); }
  bring(...bytes: number[]) { this.onmessage({ data: new Uint8Array(bytes).buffer }); }
  end(code: number) { this.readyState = 3; this.onclose({ code }); }
}

let sockets: FakeSocket[];
const last = () => sockets[sockets.length - 1]!;

function listener() {
  const seen: unknown[] = [];
  const l: Listener = { told: (m) => seen.push(m.type), came: (data) => seen.push([...data]), gone: (why) => seen.push(why) };
  return { seen, l };
}

beforeEach(() => {
  vi.useFakeTimers({ now: 1_700_000_000_000 });
  vi.stubGlobal("WebSocket", FakeSocket);
  vi.stubGlobal("location", { protocol: "https:", host: "centre" });
  vi.spyOn(Math, "random").mockReturnValue(1);
  sockets = [];
});
afterEach(() => { vi.useRealTimers(); vi.unstubAllGlobals(); vi.restoreAllMocks(); });

describe("tiles", () => {
  it("share one socket, which is open before any is asked for", () => {
    const tiles = new Tiles(TILES_UNITS);
    expect([last().url, last().protocol]).toEqual(["wss://centre/api/v1/tiles", TILES_UNITS]);
    last().open();
    const a = listener(), b = listener();
    tiles.watch("cam-a", a.l);
    tiles.watch("cam-b", b.l);
    expect(last().sent).toEqual([{ type: "watch", id: 1, camera: "cam-a" }, { type: "watch", id: 2, camera: "cam-b" }]);
    last().say({ id: 2, type: "init" });
    last().bring(0, 0, 0, 2, 9, 8);
    last().bring(0, 0, 0, 1, 7);
    last().bring(0, 0, 0, 3, 7); // nobody's
    last().bring(0, 0); // cut off
    expect([a.seen, b.seen, sockets.length]).toEqual([[[7]], ["init", [9, 8]], 1]);
  });

  it("keep a socket of cameras that send nothing", () => {
    const tiles = new Tiles(TILES_UNITS), a = listener();
    last().open();
    vi.advanceTimersByTime(10 * QUIET_MS);
    tiles.watch("cam-a", a.l);
    last().say({ id: 1, type: "state", state: "offline", since: 0 });
    vi.advanceTimersByTime(10 * QUIET_MS);
    expect([sockets.length, a.seen]).toEqual([1, ["state"]]);
  });

  it("leave a socket on which nothing comes, and no other", () => {
    const tiles = new Tiles(TILES_UNITS), a = listener();
    last().open(false);
    tiles.watch("cam-a", a.l);
    vi.advanceTimersByTime(QUIET_MS - 1000);
    last().bring(0, 0, 0, 1, 7);
    vi.advanceTimersByTime(QUIET_MS - 1000);
    expect([sockets.length, last().readyState]).toEqual([1, 1]);
    vi.advanceTimersByTime(QUIET_MS);
    expect([sockets.length, sockets[0]!.readyState]).toEqual([2, 3]);
    last().open();
    expect(last().sent).toEqual([{ type: "watch", id: 1, camera: "cam-a" }]);
  });

  it("are asked for when the socket opens, and again when it comes back", () => {
    const tiles = new Tiles(TILES_UNITS), a = listener(), b = listener();
    tiles.watch("cam-a", a.l);
    const left = tiles.watch("cam-b", b.l);
    expect(last().sent).toEqual([]);
    last().open();
    left.stop();
    expect(last().sent.slice(2)).toEqual([{ type: "unwatch", id: 2 }]);
    last().bring(0, 0, 0, 2, 9);
    last().end(1006);
    vi.advanceTimersByTime(999);
    expect(sockets).toHaveLength(1);
    vi.advanceTimersByTime(1);
    last().open();
    expect(last().sent).toEqual([{ type: "watch", id: 1, camera: "cam-a" }]);
    expect([a.seen, b.seen, sockets.length]).toEqual([[], [], 2]);
  });

  it("that end are asked for after a pause that grows, those that are not there after minutes", () => {
    const tiles = new Tiles(TILES_UNITS), a = listener(), b = listener();
    last().open();
    tiles.watch("cam-a", a.l);
    const other = tiles.watch("cam-b", b.l);
    last().say({ id: 1, type: "end", code: 4404, why: "" });
    last().say({ id: 2, type: "end", code: 1013, why: "" });
    expect([a.seen, b.seen]).toEqual([["unknown"], []]);
    for (const [id, pause] of [[3, 1000], [4, 2000], [5, 4000]] as const) {
      vi.advanceTimersByTime(pause - 1);
      expect(last().sent).toHaveLength(id - 1);
      vi.advanceTimersByTime(1);
      expect(last().sent.slice(id - 1)).toEqual([{ type: "watch", id, camera: "cam-b" }]);
      last().say({ id, type: "end", code: 1013, why: "" });
    }
    other.stop();
    vi.advanceTimersByTime(300_000);
    expect(last().sent.slice(5)).toEqual([{ type: "watch", id: 6, camera: "cam-a" }]);
  });

  it("begin anew when what came cannot be played", () => {
    const tiles = new Tiles(TILES_UNITS), a = listener();
    last().open();
    const source = tiles.watch("cam-a", a.l);
    source.restart();
    last().bring(0, 0, 0, 1, 9);
    vi.advanceTimersByTime(1000);
    expect(last().sent.slice(1)).toEqual([{ type: "unwatch", id: 1 }, { type: "watch", id: 2, camera: "cam-a" }]);
    source.restart();
    source.stop();
    vi.advanceTimersByTime(60_000);
    expect([last().sent.length, a.seen]).toEqual([4, []]);
  });

  it("do not wait for the pause of a page that nobody had signed in to", () => {
    const tiles = new Tiles(TILES_UNITS);
    for (let i = 0; i < 5; i++) { last().end(1006); vi.advanceTimersByTime(30_000); }
    last().end(1006);
    const before = sockets.length;
    tiles.watch("cam-a", listener().l);
    expect(sockets).toHaveLength(before + 1);
    tiles.watch("cam-b", listener().l); // it is under way
    vi.advanceTimersByTime(60_000);
    expect(sockets).toHaveLength(before + 1);
  });

  it("are all gone when the socket says that nothing is left to see, and asked for again minutes later", () => {
    const tiles = new Tiles(TILES_UNITS), a = listener();
    last().open();
    tiles.watch("cam-a", a.l);
    last().end(4403);
    vi.advanceTimersByTime(60_000);
    expect([a.seen, sockets.length]).toEqual([["unknown"], 1]);
    vi.advanceTimersByTime(240_000);
    last().open();
    expect([sockets.length, last().sent]).toEqual([2, [{ type: "watch", id: 1, camera: "cam-a" }]]);
  });

  it("of which one is no longer within the scope are asked for again minutes later", () => {
    const tiles = new Tiles(TILES_UNITS), a = listener();
    last().open();
    tiles.watch("cam-a", a.l);
    last().say({ id: 1, type: "end", code: 4403, why: "" });
    vi.advanceTimersByTime(60_000);
    expect([a.seen, last().sent.length]).toEqual([["unknown"], 1]);
    vi.advanceTimersByTime(240_000);
    expect(last().sent.slice(1)).toEqual([{ type: "watch", id: 2, camera: "cam-a" }]);
    last().say({ id: 2, type: "end", code: 4404, why: "" }); // nobody is told that it exists
    vi.advanceTimersByTime(300_000);
    expect(last().sent.slice(2)).toEqual([{ type: "watch", id: 3, camera: "cam-a" }]);
  });
});
