// How often a page draws itself anew. Each drawing is measured: while one takes no
// longer than a frame or so, the page draws whatever comes as it comes. A wall of
// thousands of things on a small machine would be busy with nothing but drawing; it
// draws once a second, with its clock.

/** A drawing that takes so long, ms, makes a page slow, and quick again. */
const slowAbove = 24, quickBelow = 12;
/** How much one drawing counts: a single slow one is an accident. */
const weight = 0.2;

export class Pace {
  private cost = 0;
  /** The page draws once a second. */
  slow = false;

  /** A drawing took some ms, until it was on the screen. */
  drew(took: number): void {
    this.cost += weight * (took - this.cost);
    this.slow = this.cost > (this.slow ? quickBelow : slowAbove);
  }
}
