/** State that a path keeps for its callers: accounts with versioned values. The log says what changed it; tables hold what it is now. */

/** An account as it is now. */
export interface StateAccount {
  readonly tenant: string;
  readonly name: string;
  /** The logged document, in JCS form. */
  readonly document: string;
  /** Writes so far. */
  readonly version: number;
  /** End of the chain of writes, 64 hexadecimal digits. */
  readonly head: string;
  /** 64 hexadecimal digits each; null before the first write. */
  readonly handle: string | null;
  readonly digest: string | null;
  readonly clear: string | null;
}

/** A write of an account. */
export interface StateWrite extends Omit<StateAccount, "document"> {
  /** The head that it follows: version `version - 1`. */
  readonly prevHead: string;
}

/** A value that an answer made, or was made from. */
export interface StateValue {
  readonly tenant: string;
  readonly id: string;
  /** SHA-256 of its bytes, 64 hexadecimal digits. */
  readonly digest: string;
  /** What the path keeps of it, in JCS form. */
  readonly document: string;
}

/** What one leaf changes. */
export interface StateChange {
  readonly accounts: readonly StateAccount[];
  readonly writes: readonly StateWrite[];
  readonly values: readonly StateValue[];
  /** Digests of inputs that are used up. */
  readonly inputs: readonly string[];
}
