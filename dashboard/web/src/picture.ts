// What a camera's picture on a page is worth. Pure, so that it can be tested without
// a page. Times are of performance.now(), ms, which nobody sets; the server's are
// compared with each other only.
import type { CameraState } from "./contract";
import type { Mode } from "./video";

/** One picture at most so old, ms, still counts as what the camera sees. */
export const OLD_MS = 15_000;
/** What the server has may be told here so much later than it is shown, ms: cameras are told of each second. */
const BEHIND_MS = 3_000;

export type About = Pick<CameraState, "state" | "key_at" | "seen_at">;

/** What came to a page of a camera's pictures. */
export interface Came {
  /** When the last frame was heard; null: none was. */
  heard: number | null;
  /** The newest picture that the server was known to have, on its clock. */
  newest: number | null;
  /** Since when the server is known to have one that did not come; null: it has none. */
  owed: number | null;
  /** This browser cannot show it. */
  odd: boolean;
}

export const nothing: Came = { heard: null, newest: null, owed: null, odd: false };

/** A frame was heard. */
export const framed = (came: Came, at: number): Came => ({ ...came, heard: at, owed: null, odd: false });

/** Whether the camera's state is that of one that shows what is there now. */
export const moving = (c: About): boolean => c.state === "live" || c.state === "degraded";

/** The server told of the camera: it has no other clock for when a picture is due than when it has one itself, slow as a camera may be. */
export function told(came: Came, c: About, mode: Mode, at: number): Came {
  const newest = mode === "tile" ? c.key_at : c.seen_at;
  if (came.odd || !moving(c)) return { ...came, newest, owed: null };
  if (newest === null || newest === came.newest) return came;
  const shown = came.heard !== null && at - came.heard < BEHIND_MS; // it is the one that was heard
  return { ...came, newest, owed: shown ? null : (came.owed ?? at) };
}

/**
 * Lost when the camera is well and its pictures do not come here, old when it may
 * not look live; dead says that nothing comes.
 */
export function worth(came: Came, c: About, mode: Mode, dead: boolean, at: number): { lost: boolean; old: boolean } {
  const lost = moving(c) && came.owed !== null && at - came.owed > OLD_MS - BEHIND_MS;
  const stale = mode === "tile" && c.key_at !== null && c.seen_at !== null && c.seen_at - c.key_at > OLD_MS;
  return { lost, old: !moving(c) || lost || dead || stale };
}
