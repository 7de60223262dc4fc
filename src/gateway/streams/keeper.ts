/** How long a change of a position may be unwritten: little beside the ten idle seconds after which a gateway may sleep. */
export const KEEP_MS = 50;

/**
 * Writes attachments a moment after they changed, so that a follower that is sent hundreds of frames a second has its own
 * written a few times. Nothing is lost by that: an object does not sleep while a timer is pending, and whatever else ends
 * it takes its sockets down too.
 */
export class Keeper {
  #due: (() => void)[] = [];

  /** Calls `keep` in a moment. */
  soon(keep: () => void): void {
    this.#due.push(keep);
    if (this.#due.length === 1) {
      setTimeout(() => this.#due.splice(0).forEach((write) => write()), KEEP_MS);
    }
  }
}
