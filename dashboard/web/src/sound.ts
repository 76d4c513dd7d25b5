// A new alarm can be heard. Two soft tones, three for a critical one; made here, so
// that no sound file is needed. Browsers allow sound only after a touch or a key.
let context: AudioContext | null = null;

/** To be called from a click, so that the browser lets later chimes sound. */
export function allowSound(): void {
  context ??= new AudioContext();
  void context.resume();
}

export function chime(critical: boolean): void {
  context ??= new AudioContext();
  if (context.state !== "running") return;
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
