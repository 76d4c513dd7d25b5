// Once a minute a wall tells how it fares: whoever looks after it sees a wall that
// lags or fills its memory before somebody in front of it does.
import { api } from "./api";
import { picturesLive } from "./camera";
import type { WallReport } from "./contract";
import { dead, heard, link, live, now } from "./store";

const EVERY_MS = 60_000, FIRST_MS = 8_000;

/** Frames that the browser draws in a second; 0 when it draws none, as behind another window. */
function frameRate(): Promise<number> {
  return new Promise((done) => {
    let n = 0, on = true;
    const began = performance.now();
    const step = () => { n++; if (on) requestAnimationFrame(step); };
    requestAnimationFrame(step);
    setTimeout(() => { on = false; done(Math.round((n / (performance.now() - began)) * 1000)); }, 1000);
  });
}

export function reporting(what: () => { layout: string; scene: string }): () => void {
  const since = Date.now();
  const tell = async () => {
    if (link.value === "signin" || link.value === "refused") return;
    const heap = (performance as unknown as { memory?: { usedJSHeapSize: number; jsHeapSizeLimit: number } }).memory;
    const report: WallReport = {
      ...what(), link: link.value, heap_bytes: heap?.usedJSHeapSize ?? 0, heap_limit: heap?.jsHeapSizeLimit ?? 0,
      quiet_ms: heard.value && !dead.value ? Math.max(0, Math.round(now.value - heard.value)) : Math.round(Date.now() - (live.heard || since)),
      behind: live.behind, sequence: live.sequences(), gaps: live.counts.gaps, opens: live.counts.opens,
      uptime_s: Math.round((Date.now() - since) / 1000), screen: [Math.round(innerWidth * devicePixelRatio), Math.round(innerHeight * devicePixelRatio)],
      frames_s: await frameRate(), pictures_live: picturesLive(),
    };
    await api("POST", "walls/me/report", report).catch(() => { /* the next minute tells it */ });
  };
  const first = setTimeout(() => void tell(), FIRST_MS), timer = setInterval(() => void tell(), EVERY_MS);
  return () => { clearTimeout(first); clearInterval(timer); };
}
