// A new alarm can be heard. Two soft tones, three for a critical one; made here, so
// that no sound file is needed. Browsers allow sound only after a touch or a key.
import { signal } from "@preact/signals";

let context: AudioContext | null = null;

/** Whether this browser lets a chime be heard now. */
export const audible = signal(false);

/** Asks the browser for sound: it gives it after a touch or a key on this page, some at once. */
export function allowSound(): void {
  if (!context) {
    context = new AudioContext();
    context.onstatechange = () => { audible.value = context!.state === "running"; };
    context.onstatechange(new Event("statechange"));
  }
  void context.resume();
}

/** Asks at once and at each touch and key, until sound is there; returns the way to leave. */
export function keepAudible(): () => void {
  const ask = () => { if (!audible.peek()) allowSound(); };
  // Behind what is touched: the sound button is asked first what it says.
  addEventListener("click", ask);
  addEventListener("keyup", ask);
  ask();
  return () => { removeEventListener("click", ask); removeEventListener("keyup", ask); };
}

export function chime(critical: boolean): void {
  if (!context || !audible.peek()) return;
  const tones = critical ? [880, 660, 880] : [660, 880];
  tones.forEach((hz, i) => {
    const at = context!.currentTime + i * 0.22;
    const osc = context!.createOscillator(), gain = context!.createGain();
    osc.frequency.value = hz;
    gain.gain.setValueAtTime(0, at);
    gain.gain.linearRampToValueAtTime(0.25, at + 0.02);
    gain.gain.exponentialRampToValueAtTime(0.001, at + 0.4);
    osc.connect(gain).connect(context!.destination);
    osc.start(at);
    osc.stop(at + 0.42);
  });
}
