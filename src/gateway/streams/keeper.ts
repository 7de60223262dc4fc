/** How long a change of a position may be unwritten: little beside the ten idle seconds after which a gateway may sleep. */
export const KEEP_MS = 50;

/**
 * Writes attachments a moment after they changed, so that a follower that is sent hundreds of frames a second has its own
 * written a few times. Nothing is lost by that: an object does not sleep while a timer is pending, and whatever else ends
 * it takes its sockets down too.
 */
export class Keeper {
  /** What is to be written, by whose it is. */
  #due = new Map<object, () => void>();

  /** Calls `keep` in a moment, once however often it was asked for. @param of Whose it is. */
  soon(of: object, keep: () => void): void {
    if (this.#due.size === 0) {
      setTimeout(() => this.#write(), KEEP_MS);
    }
    this.#due.set(of, keep);
  }

  #write(): void {
    const due = this.#due;
    this.#due = new Map();
    due.forEach((keep) => keep());
  }
}
