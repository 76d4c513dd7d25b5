// How often a page may draw itself anew. A wall of thousands of things on a small
// machine would be busy with nothing but drawing: each drawing is measured, and
// the next one waits so long that drawing takes a ninth of the time at most. A
// page that draws in a few milliseconds notices nothing of it; none waits longer
// than a second.

/** Rest after a drawing, in parts of what drawing took. */
const rest = 8;
/** The longest rest, ms: what is shown may be so much later than it could be. */
const longest = 1000;
/** How much one drawing counts: a single slow one is an accident. */
const weight = 0.3;

export class Pace {
  private cost = 0;
  private began = 0;

  /** How long the next drawing has to wait at the time, ms. */
  wait(at: number): number {
    return Math.max(0, this.began + Math.min(longest, this.cost * rest) - at);
  }

  /** A drawing began, and was on the screen after some ms. */
  drew(began: number, took: number): void {
    this.began = began;
    this.cost += weight * (took - this.cost);
  }
}
