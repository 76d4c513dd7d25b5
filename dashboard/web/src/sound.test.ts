import { expect, it, vi } from "vitest";

/** A browser that gives sound only after somebody has touched the page. */
const page = new EventTarget();
let touched = false, tones = 0;
class Speaker {
  state = "suspended";
  currentTime = 0;
  destination = {};
  onstatechange: (e: unknown) => void = () => {};
  resume() {
    if (touched) this.state = "running";
    this.onstatechange({});
    return Promise.resolve();
  }
  createOscillator() { tones++; return { frequency: {}, connect: (to: unknown) => to, start: () => {}, stop: () => {} }; }
  createGain() { return { gain: { setValueAtTime: () => {}, linearRampToValueAtTime: () => {}, exponentialRampToValueAtTime: () => {} }, connect: () => {} }; }
}
vi.stubGlobal("AudioContext", Speaker);
vi.stubGlobal("addEventListener", page.addEventListener.bind(page));
vi.stubGlobal("removeEventListener", page.removeEventListener.bind(page));
const { audible, chime, keepAudible } = await import("./sound");

it("says that nothing can be heard until a key gives sound", () => {
  const leave = keepAudible();
  chime(true);
  expect([audible.value, tones]).toEqual([false, 0]);
  touched = true;
  page.dispatchEvent(new Event("keyup"));
  chime(true);
  expect([audible.value, tones]).toEqual([true, 3]);
  leave();
});
