// What every page shares: the live link, the server's clock, who is asking.
import { computed, signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { api, Problem } from "./api";
import { socketURL } from "./socket";
import type { Me } from "./contract";
import { LiveClient, type Entries, type LinkState } from "./live";
import { Pace } from "./pace";

export const link = signal<LinkState>("connecting");
/** Counts heartbeats: the mark beside the clock pulses with it. */
export const beat = signal(0);
/** The server's clock, ms, ticking each second. */
export const now = signal(Date.now());
let minutes = 0;
/** By how many whole minutes this browser's clock is behind; steady while that hardly changes. */
export const skew = computed(() => {
  const exact = (now.value - Date.now()) / 60_000;
  if (Math.abs(exact - minutes) > 0.75) minutes = Math.round(exact);
  return minutes;
});
/** When anything last came, on the server's clock; 0 before. */
export const heard = signal(0);
/** undefined: not asked yet; null: nobody. */
export const me = signal<Me | null | undefined>(undefined);
/** The topics that the server will not give us, by its error code. */
export const denied = signal<Record<string, string>>({});
/** Nothing on the screen may look live when this is true. */
export const dead = computed(() => link.value === "lost" || link.value === "signin" || link.value === "refused");

export const live = new LiveClient({
  url: socketURL("live"),
  onLink: (state) => { link.value = state; },
  onHeartbeat: () => { beat.value++; },
  onError: (topic, code) => {
    if (!topic) return;
    denied.value = { ...denied.value, [topic]: code };
    void whoAmI(); // of whom another scope may be known by now
  },
});

/** Where the topics come from: the live socket, or a replay in its place. */
export const source = signal<LiveClient>(live);
/** What is shown is of the past: no live picture, no act. */
export const replaying = computed(() => source.value !== live);

/** Shows a replay instead of what is live, on the whole page; returns the way back. */
export function replayInstead(client: LiveClient): () => void {
  live.stop();
  link.value = client.link;
  denied.value = {};
  heard.value = 0;
  source.value = client;
  client.start();
  return () => {
    client.stop();
    source.value = live;
    link.value = "connecting";
    denied.value = {};
    live.start();
  };
}

const pace = new Pace();
function tick(): void {
  if (replaying.value) { // its frames move the clock
    setTimeout(tick, 1000);
    return;
  }
  // What waits for the clock is drawn with it, not after it.
  if (pace.slow && !document.hidden) requestAnimationFrame(() => { readClock(); flush(); });
  else readClock();
  setTimeout(tick, 1000 - ((Date.now() + live.offset) % 1000) + 5);
}
function readClock(): void {
  now.value = Date.now() + live.offset;
  if (live.heard) heard.value = live.heard + live.offset;
}
tick();

/** Why nobody has said yet who we are. */
export const trouble = signal<unknown>();
let asking: Promise<void> | undefined;

/** Asks who we are; a network that does not answer is asked again. */
export const whoAmI = (): Promise<void> => (asking ??= askWho().finally(() => { asking = undefined; trouble.value = undefined; }));

async function askWho(): Promise<void> {
  for (let wait = 500; ; wait = Math.min(wait * 2, 15_000)) {
    try {
      me.value = await api<Me>("GET", "me");
      return;
    } catch (e) {
      if (e instanceof Problem && e.status === 401) {
        me.value = null;
        return;
      }
      trouble.value = e;
      await new Promise((done) => setTimeout(done, wait * (0.5 + Math.random() / 2)));
    }
  }
}

// Deltas of one frame become one rendering; a page that is slow to draw draws with
// its clock. A hidden page has no frames, so a timer stands in for them.
const dirty = new Set<() => void>();
const drawn = new MessageChannel(); // its message comes after the frame is drawn
let scheduled = false;
let began = 0;
let hidden: ReturnType<typeof setTimeout>; // until no frame is expected any more
drawn.port1.onmessage = () => pace.drew(performance.now() - began);
function flush(): void {
  if (!scheduled) return;
  scheduled = false;
  clearTimeout(hidden);
  began = performance.now();
  const all = [...dirty];
  dirty.clear();
  for (const render of all) render();
  drawn.port2.postMessage(null);
}
function schedule(render: () => void): void {
  dirty.add(render);
  if (scheduled) return;
  scheduled = true;
  const clocked = pace.slow && !replaying.value;
  if (!clocked) requestAnimationFrame(flush);
  hidden = setTimeout(flush, clocked ? 1500 : 250);
}

const none: Entries = new Map();

/** Whether a topic's state has come: an empty one may be the server's own word. */
export const came = (state: ReadonlyMap<string, unknown>): boolean => state !== none;

/** The state of a live topic, followed for as long as the component stands. */
export function useTopic<T>(topic: string): ReadonlyMap<string, T> {
  const [, again] = useState(0);
  const from = source.value;
  const held = useRef<{ topic: string; from: LiveClient; state: Entries }>({ topic: "", from, state: none });
  useEffect(() => {
    const render = () => again((n) => n + 1);
    const leave = from.subscribe(topic, (state, { whole }) => {
      if (whole && denied.peek()[topic]) {
        const { [topic]: _, ...others } = denied.peek();
        denied.value = others;
      }
      held.current = { topic, from, state };
      schedule(render);
    });
    return () => { leave(); dirty.delete(render); };
  }, [topic, from]);
  return (held.current.topic === topic && held.current.from === from ? held.current.state : none) as ReadonlyMap<string, T>;
}

/** Why what a page is made of does not come, by who asks for it, again and again. */
export const unfetched = signal<ReadonlyMap<object, unknown>>(new Map());
function fetched(who: object, failed?: unknown): void {
  if (failed === undefined && !unfetched.peek().has(who)) return;
  const next = new Map(unfetched.peek());
  if (failed === undefined) next.delete(who);
  else next.set(who, failed);
  unfetched.value = next;
}

/** An answer of the API, fetched once per key and again after failures, which unfetched tells. */
export function useFetched<T>(key: string, get: (signal: AbortSignal) => Promise<T>): T | undefined {
  const [answer, set] = useState<{ key: string; value: T }>(), who = useRef({});
  useEffect(() => () => fetched(who.current), []);
  useEffect(() => {
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout>;
    const ask = (wait: number) => {
      get(stop.signal).then(
        (value) => { if (!stop.signal.aborted) { fetched(who.current); set({ key, value }); } },
        (e) => { if (!stop.signal.aborted) { fetched(who.current, e); timer = setTimeout(() => ask(Math.min(wait * 2, 30_000)), wait); } },
      );
    };
    ask(1000);
    return () => { stop.abort(); clearTimeout(timer); };
  }, [key]);
  return answer?.key === key ? answer.value : undefined;
}

/** The last answer, while the next one is being fetched. */
export function useKept<T>(v: T | undefined): T | undefined {
  const [kept, set] = useState<T>();
  if (v !== undefined && v !== kept) set(v);
  return v ?? kept;
}
