import { describe, expect, it } from "vitest";
import { framed, nothing, told, worth, type About } from "./picture";

/** s is how many seconds the camera's pictures are apart. */
interface Story {
  s: number;
  behind?: number; // s until the page is told of a picture
  late?: number; // s until a picture is shown
  comes?: (second: number) => boolean; // whether the picture of a second is shown
  sleeps?: number; // s that go by at the centre and not here, after a minute
  state?: (second: number) => About["state"];
  odd?: boolean;
  dead?: boolean;
  full?: boolean;
  between?: number; // s of the newest picture since its keyframe
}

/** The spans of three minutes, in seconds, in which a picture is said to be lost, and old. */
function play({ s, behind = 1, late = 0, comes = () => true, sleeps = 0, state = () => "live", odd = false, dead = false, full = false, between = 0 }: Story) {
  const mode = full ? "full" : "tile", lost: number[][] = [], old: number[][] = [];
  const add = (spans: number[][], i: number) => { if (spans.at(-1)?.[1] === i - 1) spans.at(-1)![1] = i; else spans.push([i, i]); };
  let came = { ...nothing, odd };
  for (let i = 0; i < 180; i++) {
    const at = 70_000 + i * 1000, slept = i >= 60 ? sleeps : 0;
    const key = (Math.floor((i - behind) / s) * s + slept) * 1000 + 1_800_000_000_000;
    const c: About = { state: state(i), key_at: key, seen_at: key + between * 1000 };
    came = told(came, c, mode, at);
    if (i >= late && (i - late) % s === 0 && comes(i) && !odd) came = framed(came, at);
    const w = worth(came, c, mode, dead, at);
    if (w.lost) add(lost, i);
    if (w.old) add(old, i);
  }
  return { lost, old };
}

const never = () => false, until = (n: number) => (i: number) => i < n, all = [[0, 179]];

describe("a picture", () => {
  it.each<[string, Story, number[][]]>([
    ["that comes each second", { s: 1 }, []],
    ["of a slow camera", { s: 18 }, []],
    ["of a slow camera, told of before it is shown", { s: 18, behind: 0, late: 1 }, []],
    ["with a keyframe in a minute and a half", { s: 90 }, []],
    ["that stops", { s: 1, comes: until(20) }, [[35, 179]]],
    ["of a slow camera that stops", { s: 18, comes: until(60) }, [[86, 179]]],
    ["that stops and comes again", { s: 1, comes: (i) => i < 20 || i >= 50 }, [[35, 49]]],
    ["that never came", { s: 1, comes: never }, [[13, 179]]],
    ["of a slow camera that never came", { s: 18, comes: never }, [[13, 179]]],
    ["that never came, of a camera that goes off", { s: 1, comes: never, state: (i) => (i < 60 ? "live" : "offline") }, [[13, 59]]],
    ["of a camera that comes back after minutes", { s: 1, comes: (i) => i >= 122, state: (i) => (i < 120 ? "offline" : "live") }, []],
    ["of a camera whose picture stands", { s: 1, comes: never, state: () => "frozen" }, []],
    ["that this browser cannot show", { s: 1, odd: true }, []],
    ["on a page that slept for a night", { s: 1, sleeps: 30_000 }, []],
    ["of a slow camera on a page that slept", { s: 18, sleeps: 30_000 }, []],
    ["in full motion", { s: 1, full: true, between: 40 }, []],
  ])("%s is lost only when the server has it and this page does not", (_, story, lost) => expect(play(story).lost).toEqual(lost));

  it.each<[string, Story, number[][]]>([
    ["that moves", { s: 1 }, []],
    ["that is lost", { s: 1, comes: until(20) }, [[35, 179]]],
    ["behind a link that is dead", { s: 1, dead: true }, all],
    ["of a camera that is off", { s: 1, state: () => "offline" }, all],
    ["whose keyframe is long past", { s: 1, between: 16 }, all],
    ["in full motion between far keyframes", { s: 1, full: true, between: 16 }, []],
  ])("%s is old, or not", (_, story, old) => expect(play(story).old).toEqual(old));
});
