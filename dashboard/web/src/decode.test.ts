import { expect, it, vi } from "vitest";

let worker: { onmessage: (e: { data: unknown }) => void };
vi.stubGlobal("Worker", class { onmessage = () => {}; constructor() { worker = this; } postMessage() {} terminate() {} });
vi.stubGlobal("VideoDecoder", class {});
vi.stubGlobal("OffscreenCanvas", class {});
vi.stubGlobal("location", { search: "" });
vi.stubGlobal("screen", { width: 1920 });
vi.stubGlobal("innerWidth", 1920);
vi.stubGlobal("devicePixelRatio", 1);
const canvas = () => ({ transferControlToOffscreen: () => ({}) }) as unknown as HTMLCanvasElement;

it.each([[true, "is that camera's own matter where another is seen"], [false, "is the browser's where none has been"]])("a decoder that fails %s: %s", async (seen) => {
  vi.resetModules();
  const { unitsFit, UnitPlayer } = await import("./decode");
  let unfit = 0;
  const play = () => new UnitPlayer(canvas(), "cam", "tile", { onUnfit: () => unfit++ });
  play();
  play();
  if (seen) worker.onmessage({ data: { id: 1, what: "frame", at: 1 } });
  worker.onmessage({ data: { id: 2, what: "unfit" } });
  expect([unfit, unitsFit()]).toEqual([1, seen]);
});
