/** Checkpoints as they are stored: notes, of which witnesses cosigned some. */
import { type Checkpoint, parseCheckpointText } from "../checkpoint.ts";
import { parseNote } from "../note.ts";

/** Checkpoints that witnesses cosigned, by size. */
export class CosignedCheckpoints {
  private readonly notes = new Map<number, string>();
  /** Ascending. */
  private readonly sizes: number[] = [];

  has(size: number): boolean {
    return this.notes.has(size);
  }

  /** Keeps the note of a checkpoint. */
  keep(size: number, note: string): void {
    if (!this.notes.has(size)) this.sizes.splice(this.firstAbove(size), 0, size);
    this.notes.set(size, note);
  }

  /** Size of the largest one; 0 where there is none. */
  largest(): number {
    return this.sizes.at(-1) ?? 0;
  }

  /** The note of the first one that covers leaf `index`, or null. */
  covering(index: number): string | null {
    const size = this.sizes[this.firstAbove(index)];
    return size === undefined ? null : (this.notes.get(size) ?? null);
  }

  /** Place of the first size that is greater than `value`. */
  private firstAbove(value: number): number {
    let low = 0;
    let high = this.sizes.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.sizes[middle] ?? 0) > value) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

/** The checkpoint of a stored note, or null where the bytes are none. Its signature is not verified: the log key may have changed since. */
export function readCheckpoint(bytes: Uint8Array): Checkpoint | null {
  try {
    return parseCheckpointText(parseNote(new TextDecoder().decode(bytes)).text);
  } catch {
    return null;
  }
}
