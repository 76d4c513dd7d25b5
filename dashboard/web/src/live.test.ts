import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { BACKOFF_MAX_MS, LiveClient, PROTOCOL, REFUSED_MS, type LinkState, type Socket } from "./live";

class FakeSocket implements Socket {
  readyState = 1;
  onopen: Socket["onopen"] = null;
  onmessage: Socket["onmessage"] = null;
  onclose: Socket["onclose"] = null;
  onerror: Socket["onerror"] = null;
  sent: any[] = [];
  closedWith: number | undefined;
  send(data: string) { this.sent.push(JSON.parse(data)); }
  close(code?: number) { this.readyState = 3; this.closedWith = code; }
  say(message: unknown) { this.onmessage?.({ data: JSON.stringify(message) }); }
  end(code: number, reason = "") { this.readyState = 3; this.onclose?.({ code, reason }); }
}

const T = "stations/15";
const hello = (epoch = "e1") => ({ type: "hello", server_time: new Date(Date.now() + 1500).toISOString(), heartbeat_ms: 1000, epoch });
const snapshot = (seq: number, state: object, part = 1, parts = 1, epoch = "e1") => ({ type: "snapshot", topic: T, epoch, seq, part, parts, state });
const delta = (prev: number, seq: number, set: object, unset: string[] = []) => ({ type: "delta", topic: T, prev, seq, set, unset });
const beat = (seq: Record<string, number> = {}) => ({ type: "heartbeat", server_time: new Date().toISOString(), seq });

let sockets: FakeSocket[], links: LinkState[], client: LiveClient, protocols: string[];
const last = () => sockets[sockets.length - 1]!;

beforeEach(() => {
  vi.useFakeTimers({ now: 1_700_000_000_000 });
  sockets = []; links = []; protocols = [];
  client = new LiveClient({
    url: "ws://host/api/v1/live", random: () => 0.5, onLink: (l) => links.push(l),
    open: (_url, protocol) => { protocols.push(protocol); sockets.push(new FakeSocket()); return last(); },
  });
});
afterEach(() => { client.stop(); vi.useRealTimers(); });

function follow() {
  const seen: { state: Record<string, unknown>; whole: boolean; keys: readonly string[] }[] = [];
  const leave = client.subscribe(T, (state, change) => seen.push({ state: Object.fromEntries(state), ...change }));
  return { seen, leave };
}

describe("state", () => {
  it("subscribes after hello, with the protocol named", () => {
    follow();
    client.start();
    expect(protocols).toEqual([PROTOCOL]);
    expect(last().sent).toEqual([]);
    last().say(hello());
    expect(last().sent).toEqual([{ type: "subscribe", topics: [T], resume: {} }]);
    expect(client.offset).toBe(1500);
    expect(links).toEqual(["live"]);
  });

  it("shows a snapshot only when all its parts are there", () => {
    const { seen } = follow();
    client.start();
    last().say(hello());
    last().say(snapshot(7, { a: 1 }, 1, 2));
    expect(seen).toEqual([]);
    last().say(snapshot(7, { b: 2 }, 2, 2));
    expect(seen).toEqual([{ state: { a: 1, b: 2 }, whole: true, keys: [] }]);
  });

  it("applies deltas in order, also several in one frame", () => {
    const { seen } = follow();
    client.start();
    last().say([hello(), snapshot(1, { a: 1, b: 1 })]);
    last().say([delta(1, 2, { a: 2 }), delta(2, 5, { c: 3 }, ["b"])]);
    expect(seen.at(-1)).toEqual({ state: { a: 2, c: 3 }, whole: false, keys: ["c", "b"] });
    expect(client.sequences()).toEqual({ [T]: 5 });
  });

  it("gives a second listener what is held, and unsubscribes with the last", () => {
    const one = follow();
    client.start();
    last().say([hello(), snapshot(1, { a: 1 })]);
    const two = follow();
    expect(two.seen).toHaveLength(1);
    one.leave();
    expect(last().sent.at(-1).type).toBe("subscribe");
    two.leave();
    two.leave();
    expect(last().sent.at(-1)).toEqual({ type: "unsubscribe", topics: [T] });
  });

  it("counts what it cannot read and goes on", () => {
    const { seen } = follow();
    client.start();
    last().say(hello());
    last().onmessage?.({ data: "{" });
    last().say({ type: "novelty" });
    last().say(snapshot(1, { a: 1 }));
    expect(client.counts.bad).toBe(2);
    expect(seen).toHaveLength(1);
  });
});

describe("gaps", () => {
  it("asks anew, without resume, when prev is not the sequence held", () => {
    const { seen } = follow();
    client.start();
    last().say([hello(), snapshot(1, { a: 1 })]);
    last().say(delta(3, 4, { a: 4 }));
    expect(last().sent.at(-1)).toEqual({ type: "subscribe", topics: [T] });
    expect(seen).toHaveLength(1);
    last().say(delta(4, 5, { a: 5 })); // of no use until the snapshot, and no second question
    expect(last().sent.filter((m) => m.type === "subscribe")).toHaveLength(2);
    last().say(snapshot(5, { a: 5 }));
    last().say(delta(5, 6, { a: 6 }));
    expect(seen.map((s) => s.state)).toEqual([{ a: 1 }, { a: 5 }, { a: 6 }]);
    expect(client.counts.gaps).toBe(1);
  });

  it("asks anew when a part is missing", () => {
    follow();
    client.start();
    last().say([hello(), snapshot(1, { a: 1 }, 1, 3), snapshot(1, { c: 1 }, 3, 3)]);
    expect(client.counts.gaps).toBe(1);
  });

  it("asks anew when two heartbeats name a sequence that never came", () => {
    follow();
    client.start();
    last().say([hello(), snapshot(1, { a: 1 })]);
    last().say(beat({ [T]: 2 }));
    expect(client.counts.gaps).toBe(0);
    last().say(delta(1, 2, { a: 2 }));
    last().say(beat({ [T]: 3 }));
    last().say(beat({ [T]: 4 }));
    expect(client.counts.gaps).toBe(1);
  });
});

describe("a topic that is refused", () => {
  it("is asked for again after minutes, as a whole", () => {
    const { seen } = follow();
    client.start();
    last().say([hello(), snapshot(1, { a: 1 })]);
    last().say({ type: "error", topic: T, code: "outside_scope", detail: "" });
    for (let ms = 0; ms < 5 * REFUSED_MS; ms += 1000) { vi.advanceTimersByTime(1000); last().say(beat()); }
    expect(last().sent.slice(1)).toEqual([{ type: "subscribe", topics: [T] }]);
    last().say(snapshot(9, { a: 9 }));
    expect(seen.at(-1)).toEqual({ state: { a: 9 }, whole: true, keys: [] });
    for (let ms = 0; ms < 5 * REFUSED_MS; ms += 1000) { vi.advanceTimersByTime(1000); last().say(beat()); }
    expect(last().sent).toHaveLength(2);
  });

  it("is not resumed on another connection: whoever follows it hears that it is whole again", () => {
    const { seen } = follow();
    client.start();
    last().say([hello(), snapshot(1, { a: 1 })]);
    last().say({ type: "error", topic: T, code: "outside_scope", detail: "" });
    last().end(1006);
    vi.advanceTimersByTime(1000);
    last().say(hello());
    expect(last().sent[0]).toEqual({ type: "subscribe", topics: [T], resume: {} });
    last().say(snapshot(1, { a: 1 }));
    expect(seen).toHaveLength(2);
  });
});

describe("link", () => {
  it("is lost after two heartbeats of silence, and resumes where it was", () => {
    const { seen } = follow();
    client.start();
    last().say([hello(), snapshot(9, { a: 1 })]);
    vi.advanceTimersByTime(1400);
    last().say(beat({ [T]: 9 }));
    vi.advanceTimersByTime(1900);
    expect(client.link).toBe("live");
    vi.advanceTimersByTime(600);
    expect(client.link).toBe("lost");
    expect(sockets[0]!.closedWith).toBe(4000);
    vi.advanceTimersByTime(1000);
    expect(sockets).toHaveLength(2);
    last().say(hello());
    expect(last().sent[0].resume).toEqual({ [T]: { epoch: "e1", seq: 9 } });
    last().say(delta(9, 10, { a: 2 }));
    expect(seen.at(-1)!.state).toEqual({ a: 2 });
    expect(links).toEqual(["live", "lost", "live"]);
  });

  it("ignores what a socket says after it was given up", () => {
    const { seen } = follow();
    client.start();
    const first = last();
    last().say([hello(), snapshot(1, { a: 1 })]);
    const late = first.onmessage!;
    vi.advanceTimersByTime(4000);
    late({ data: JSON.stringify(delta(1, 2, { a: 2 })) });
    expect(seen).toHaveLength(1);
  });

  it("backs off with jitter up to a limit, and starts anew only after a stable while", () => {
    client.start();
    const waits: number[] = [];
    const fail = () => {
      const n = sockets.length, t0 = Date.now();
      last().end(1006);
      while (sockets.length === n) vi.advanceTimersByTime(25);
      waits.push(Date.now() - t0);
    };
    for (let i = 0; i < 9; i++) { last().say(hello()); fail(); }
    expect(waits.slice(0, 4)).toEqual([375, 750, 1500, 3000]);
    expect(waits.at(-1)).toBe(BACKOFF_MAX_MS * 0.75);
    last().say(hello());
    for (let i = 0; i < 31; i++) { vi.advanceTimersByTime(1000); last().say(beat()); }
    fail();
    expect(waits.at(-1)).toBe(375);
  });

  it("comes back after 1012 when it is told to, jittered", () => {
    client.start();
    last().say(hello());
    last().end(1012, JSON.stringify({ retry_after_ms: 4000 }));
    vi.advanceTimersByTime(4999);
    expect(sockets).toHaveLength(1);
    vi.advanceTimersByTime(2);
    expect(sockets).toHaveLength(2);
  });

  it("stays away after 4401, until somebody has signed in", () => {
    client.start();
    last().say(hello());
    last().end(4401);
    vi.advanceTimersByTime(600_000);
    expect(sockets).toHaveLength(1);
    expect(client.link).toBe("signin");
    client.reconnect();
    expect(sockets).toHaveLength(2);
  });

  it("asks again minutes after 4403: a catalogue that was wrong is put right, and nobody is at the wall", () => {
    client.start();
    last().say(hello());
    for (let n = 1; n <= 3; n++) {
      last().end(4403, "no_scope");
      vi.advanceTimersByTime(REFUSED_MS - 1);
      expect([sockets.length, client.link]).toEqual([n, "refused"]);
      vi.advanceTimersByTime(2 * REFUSED_MS + 1);
      expect([sockets.length, client.link]).toEqual([n + 1, "refused"]);
    }
    last().say(hello());
    expect(client.link).toBe("live");
  });

  it("is lost, and goes on, when nobody answers to what is asked after 4403", () => {
    client.start();
    last().say(hello());
    last().end(4403);
    vi.advanceTimersByTime(5 * REFUSED_MS);
    expect(sockets.length).toBeGreaterThan(2); // the second hung and was given up
    expect(client.link).toBe("lost");
    last().say(hello());
    expect(client.link).toBe("live");
  });

  it("tells why a handshake was refused, and comes back", () => {
    const told: [number, string][] = [];
    client.stop();
    client = new LiveClient({ url: "ws://host", random: () => 0.5, onRefused: (code, reason) => told.push([code, reason]), open: () => { sockets.push(new FakeSocket()); return last(); } });
    client.start();
    last().end(4429, "too_many_replays");
    expect(told).toEqual([[4429, "too_many_replays"]]);
    vi.advanceTimersByTime(1000);
    last().end(1006);
    expect([told.length, sockets.length]).toEqual([1, 2]);
  });

  it("comes back after 4408 and resumes", () => {
    follow();
    client.start();
    last().say([hello(), snapshot(3, { a: 1 })]);
    last().end(4408);
    vi.advanceTimersByTime(500);
    last().say(hello());
    expect(last().sent[0].resume[T].seq).toBe(3);
  });

  it("replaces everything when the epoch changed", () => {
    const { seen } = follow();
    client.start();
    last().say([hello(), snapshot(3, { a: 1, b: 1 })]);
    last().end(1006);
    vi.advanceTimersByTime(500);
    last().say([hello("e2"), snapshot(1, { a: 9 }, 1, 1, "e2"), delta(1, 2, { c: 1 })]);
    expect(seen.at(-1)!.state).toEqual({ a: 9, c: 1 });
  });

  it("stops for good", () => {
    client.start();
    last().say(hello());
    client.stop();
    vi.advanceTimersByTime(600_000);
    expect(sockets).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
  });
});
