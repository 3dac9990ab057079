/** What a fuzz target is: subjects with valid examples and a judge, and a look at the whole between batches. */

/** How a judge found a case. */
export interface Judged {
  /** What came of it, in few words, for the tally: a code, a status, `accepted`. */
  readonly outcome: string;
  /** What is wrong, as `kind: particulars`, or null. */
  readonly fault: string | null;
}

/** One thing that is fed with mutated bytes. */
export interface Subject {
  readonly name: string;
  /** Valid examples that mutation starts from. */
  readonly examples: readonly Uint8Array[];
  /** Judges one case. What it throws counts as a fault. */
  readonly judge: (bytes: Uint8Array) => Judged | Promise<Judged>;
}

/** A target that runs. */
export interface OpenTarget {
  readonly subjects: readonly Subject[];
  /** Cases at one time. */
  readonly concurrency: number;
  /** A case that takes longer than this counts as a fault, in milliseconds. */
  readonly caseTimeoutMs: number;
  /** What is wrong with the whole, after a batch of cases; null where nothing is. */
  readonly inspect: () => Promise<string | null>;
  /** Numbers for the result, such as memory. */
  readonly numbers: () => Readonly<Record<string, number>>;
  readonly close: () => Promise<void>;
}

/** An entry of the list of targets. */
export interface FuzzTarget {
  readonly name: string;
  /** Whether it starts built programs, which are built first then. */
  readonly startsPrograms: boolean;
  readonly open: () => Promise<OpenTarget>;
}
