/** Consecutive messages sent in one frame. */
type Run = { first: number; last: number; bytes: number };

/** What survives an eviction in a socket's attachment: numbers only, see {@link AckWindow.toStored}. */
export type StoredWindow = [floor: number, acked: number, sent: number, count: number];

/**
 * What a subscription was sent and has not acked: order, room, and how often each message was sent.
 *
 * Messages are sent in the stream's order from the ack floor on. When an ack is overdue, sending goes back to the floor
 * and a new round begins. So a message was sent once in each round that reached it, and the first unacked one most often.
 */
export class AckWindow {
  /** Where sending resumes after a go-back: all up to here is done. */
  #floor: number;
  /** The last message that is done, after which the next round begins; 0 before the first. */
  #acked: number;
  /** The last message sent in this round; `#acked` when none was. */
  #sent: number;
  #count = 0;
  #bytes = 0;
  #runs: Run[] = [];
  #isCounted = true;
  /** How far each earlier round got, of those that got past the floor. */
  #rounds: number[] = [];

  /** @param position Everything up to here does not concern the subscription. */
  constructor(position: number) {
    this.#floor = position;
    this.#acked = 0;
    this.#sent = 0;
  }

  /**
   * Restores a window. Only the number of unacked messages is stored, not their sequences. If there are fewer than
   * sequences since the floor, they have to be recounted; until then they are taken for the last ones, so that room is
   * never overestimated.
   */
  static restore([floor, acked, sent, count]: StoredWindow, rounds: readonly number[]): AckWindow {
    const window = new AckWindow(floor);
    window.#acked = acked;
    window.#sent = sent;
    window.#count = count;
    if (count > 0) {
      window.#runs = [{ first: sent - count + 1, last: sent, bytes: 0 }];
      window.#isCounted = sent - floor === count;
    }
    window.#rounds = [...rounds];
    return window;
  }

  toStored(): StoredWindow {
    return [this.#floor, this.#acked, this.#sent, this.#count];
  }

  get floor(): number {
    return this.#floor;
  }

  /** The message sent before the next one; 0 at the start. */
  get previous(): number {
    return this.#sent;
  }

  /** Messages sent in this round and not acked. */
  get count(): number {
    return this.#count;
  }

  /** Bytes of text sent in this round and not acked. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The last sequence that each earlier round sent, of those past the floor. */
  get rounds(): readonly number[] {
    return this.#rounds;
  }

  /** The highest sequence ever sent. */
  get highest(): number {
    return Math.max(this.#sent, this.#acked, ...this.#rounds);
  }

  /** How often the first unacked message was sent. */
  get timesSent(): number {
    return this.#rounds.length + (this.#count > 0 ? 1 : 0);
  }

  /** Whether it is known which messages are unacked. */
  get isCounted(): boolean {
    return this.#isCounted;
  }

  /** Takes which messages the log holds between the floor and the last one sent. Those acked meanwhile are left out. */
  recount(sequences: readonly number[]): void {
    this.#runs = [];
    this.#count = 0;
    this.#bytes = 0;
    const sent = this.#sent;
    for (const sequence of sequences) {
      if (sequence > this.#floor && sequence <= sent) {
        this.sent(sequence, sequence, 0);
      }
    }
    this.#sent = sent;
    this.#isCounted = true;
  }

  /** Consecutive messages were sent. */
  sent(first: number, last: number, bytes: number): void {
    this.#runs.push({ first, last, bytes });
    this.#count += last - first + 1;
    this.#bytes += bytes;
    this.#sent = last;
  }

  /**
   * Everything up to `through` is done.
   *
   * @returns Whether the floor moved.
   */
  ack(through: number): boolean {
    if (through <= this.#floor) {
      return false;
    }
    let done = 0;
    // For what only an earlier round sent, or what was sent before an eviction, it is not known which sequences are
    // messages. The acked one is, because a client acks what it got.
    let acked = through > this.#sent || !this.#isCounted ? through : this.#acked;
    for (const run of this.#runs) {
      if (run.first > through) {
        break;
      }
      acked = Math.max(acked, Math.min(run.last, through));
      this.#count -= Math.min(run.last, through) - run.first + 1;
      if (run.last > through) {
        run.first = through + 1;
        break;
      }
      this.#bytes -= run.bytes;
      done += 1;
    }
    this.#runs.splice(0, done);
    this.#floor = through;
    this.#acked = acked;
    this.#sent = Math.max(this.#sent, acked);
    this.#rounds = this.#rounds.filter((reached) => reached > through);
    return true;
  }

  /** With nothing unacked and nothing to send again, sequences that were passed over without a message are done too. */
  advanceFloor(position: number): void {
    if (this.#count === 0 && this.highest <= position) {
      this.#floor = Math.max(this.#floor, position);
      this.#rounds = [];
    }
  }

  /** Sending begins again after the floor. */
  goBack(): void {
    this.#rounds.push(this.#sent);
    this.#isCounted = true;
    this.#sent = this.#acked;
    this.#runs = [];
    this.#count = 0;
    this.#bytes = 0;
  }
}
