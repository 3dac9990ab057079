/** Random choices that a seed repeats. */
import { seededNumbers } from "../tamper/random.ts";

/** A source of choices; equal seeds make equal choices. */
export class Dice {
  private readonly numbers: Generator<number>;

  constructor(seed: number) {
    this.numbers = seededNumbers(seed);
  }

  /** A whole number from 0 up to, but not including, `bound`; 0 where `bound` is not positive. */
  below(bound: number): number {
    const value: number = this.numbers.next().value ?? 0;
    return bound <= 0 ? 0 : value % bound;
  }

  /** Whether one chance in `chances` came true. */
  oneIn(chances: number): boolean {
    return this.below(chances) === 0;
  }

  /** One of `items`. @throws RangeError where there is none. */
  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new RangeError("nothing to pick from");
    return item;
  }
}
