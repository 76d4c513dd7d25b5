// The page's side of decode.worker.ts.
import type { Ask, Told } from "./decode.worker";
import { theTiles, type Hooks, type Mode } from "./video";

let worker: Worker | null = null, serial = 0, broken = false, shown = false;
const open = new Map<number, UnitPlayer>();

/**
 * Whether pictures go by WebCodecs: where the browser has all of it, and nothing has
 * shown that it cannot decode. `?video=mse` and `?video=units` in the address decide
 * otherwise, for comparing the two.
 */
export function unitsFit(): boolean {
  if (broken || typeof Worker === "undefined" || typeof VideoDecoder === "undefined" || typeof OffscreenCanvas === "undefined") return false;
  return new URLSearchParams(location.search).get("video") !== "mse";
}

function theWorker(): Worker {
  if (worker) return worker;
  worker = new Worker(new URL("./decode.worker.ts", import.meta.url), { type: "module" });
  worker.onmessage = (e: MessageEvent<Told>) => open.get(e.data.id)?.told(e.data);
  worker.onerror = () => {
    broken = true;
    worker?.terminate();
    worker = null;
    for (const p of [...open.values()]) p.told({ id: 0, what: "unfit" });
  };
  return worker;
}

/** Starts the worker, or opens the tiles' socket, before the first picture is asked for: it would be in every first picture's way. */
export function warmUp(): void {
  if (!unitsFit()) { theTiles(); return; }
  const canvas = document.createElement("canvas").transferControlToOffscreen();
  theWorker().postMessage({ do: "prime", canvas } satisfies Ask, [canvas]);
}

/** How wide a tile is painted, px: it takes a third of a wide screen, or all of a narrow one. */
function tileAtMost(): number {
  const width = Math.max(innerWidth, screen.width); // a window may grow, and may span several screens
  return Math.ceil(Math.max(width / 3, Math.min(width, 480)) * devicePixelRatio);
}

/** Plays a camera onto a canvas that nobody has drawn on yet, and never will again. */
export class UnitPlayer {
  private readonly id = ++serial;

  constructor(canvas: HTMLCanvasElement, camera: string, mode: Mode, private readonly hooks: Hooks & { onUnfit: () => void }) {
    open.set(this.id, this);
    const offscreen = canvas.transferControlToOffscreen();
    const ask: Ask = { do: "open", id: this.id, mode, canvas: offscreen, camera, most: mode === "tile" ? tileAtMost() : Infinity };
    theWorker().postMessage(ask, [offscreen]);
  }

  told(t: Told): void {
    if (t.what === "frame") { shown = true; this.hooks.onFrame?.(t.at); }
    else if (t.what === "gone") this.hooks.onGone?.(t.why);
    else {
      broken ||= !shown; // where others are seen, it is this camera's own matter
      this.stop();
      this.hooks.onUnfit();
    }
  }

  stop(): void {
    open.delete(this.id);
    worker?.postMessage({ do: "close", id: this.id } satisfies Ask);
  }
}
