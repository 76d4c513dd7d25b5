// A wall runs for months. The browser's leaks are not ours to mend, so the page
// loads itself anew before they hurt: when its heap nears its limit, otherwise once
// a day at a quiet hour. Never while the link is down: a blank page is worse.
import { untilQuiet } from "./quiet";
import { link } from "./store";

const HEAP_SHARE = 0.6;
const HEAP_BYTES = 1.2e9;

interface Heap { usedJSHeapSize: number; jsHeapSizeLimit: number }

export function watchMemory(reload = () => location.reload()): () => void {
  const due = Date.now() + untilQuiet(Date.now(), Math.random());
  const timer = setInterval(() => {
    if (link.value !== "live") return;
    const heap = (performance as unknown as { memory?: Heap }).memory;
    const full = heap && (heap.usedJSHeapSize > HEAP_SHARE * heap.jsHeapSizeLimit || heap.usedJSHeapSize > HEAP_BYTES);
    if (full || Date.now() >= due) reload();
  }, 60_000);
  return () => clearInterval(timer);
}

/** Asks the screen not to sleep, where the browser allows it. */
export function keepAwake(): () => void {
  let held: { release(): Promise<void> } | null = null, left = false;
  const ask = () => {
    (navigator as any).wakeLock?.request("screen").then(
      (lock: any) => { if (left) lock.release(); else held = lock; },
      () => { /* not a secure context, or refused: the panel's own settings decide */ },
    );
  };
  const seen = () => { if (document.visibilityState === "visible") ask(); };
  ask();
  document.addEventListener("visibilitychange", seen);
  return () => { left = true; document.removeEventListener("visibilitychange", seen); held?.release().catch(() => {}); };
}
