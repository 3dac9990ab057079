/** Checks: what a verification looked at, what came out, and what that rests on. */

/** Weakest thing that a statement rests on, strongest first. */
export const BASES = ["proof", "attestation", "signature", "assertion"] as const;

/** What a check or a claim rests on. */
export type Basis = (typeof BASES)[number];

/** The weaker of two bases. */
export function weaker(left: Basis, right: Basis): Basis {
  return BASES.indexOf(left) >= BASES.indexOf(right) ? left : right;
}

/** The result of one check. `skipped` is never a pass. */
export interface Check {
  /** Stable name, `<part>.<what>`. */
  readonly id: string;
  readonly status: "pass" | "fail" | "skipped";
  readonly basis: Basis;
  /** Stable code of the failure, or of what was skipped; null on a pass. */
  readonly code: string | null;
  /** One line for a person. */
  readonly message: string;
  /** Where the rule is written. */
  readonly spec: string;
}

/** What is fixed about a check: its code when it fails, where its rule stands, what it states when it passes. */
export interface CheckRow {
  readonly code: string;
  readonly spec: string;
  readonly states: string;
  /** Only these may be skipped without a waiver. */
  readonly optional?: true;
}

/** Check rows by id, in the order in which a failure is reported. */
export type CheckTable = Readonly<Record<string, CheckRow>>;

/** No check is disabled: what every entry point of the verifier passes. */
export const NOTHING_DISABLED: ReadonlySet<string> = new Set();

/** Collects the checks of one table. */
export class Checklist<Table extends CheckTable> {
  private readonly table: Table;
  private readonly dangerouslyDisabled: ReadonlySet<string>;
  private readonly recorded: Check[] = [];

  /**
   * @param dangerouslyDisabled ids whose failures are forgotten, as if the check had not been written. Only the suite that
   *   shows that every check is needed names any.
   */
  constructor(table: Table, dangerouslyDisabled: ReadonlySet<string> = NOTHING_DISABLED) {
    this.table = table;
    this.dangerouslyDisabled = dangerouslyDisabled;
  }

  /** Records whether the statement of `id` holds, and returns that. `detail` is added to the message: got and want, no content. */
  expect(id: keyof Table & string, holds: boolean, basis: Basis, detail = ""): boolean {
    return this.add(id, holds ? "pass" : "fail", basis, detail);
  }

  /** Records that `id` was not checked, and why. */
  skip(id: keyof Table & string, basis: Basis, why: string): void {
    this.add(id, "skipped", basis, why);
  }

  /** Runs a reader that throws on bad input; a throw records a failure of `id` and returns null, a value records nothing. */
  attempt<T>(id: keyof Table & string, basis: Basis, read: () => T): T | null {
    try {
      return read();
    } catch (error) {
      this.add(id, "fail", basis, error instanceof Error ? error.message : "unreadable");
      return null;
    }
  }

  /** All checks recorded so far, in the order of the table; within one id in the order of recording. */
  all(): readonly Check[] {
    const order = Object.keys(this.table);
    return this.recorded.toSorted((left, right) => order.indexOf(left.id) - order.indexOf(right.id));
  }

  private add(id: keyof Table & string, status: Check["status"], basis: Basis, detail: string): boolean {
    const row = this.table[id];
    if (row === undefined) throw new Error(`no such check: ${id}`);
    if (status === "fail" && this.dangerouslyDisabled.has(id)) return true;
    const statement = status === "fail" ? `not so: ${row.states}` : row.states;
    const message = detail === "" ? statement : `${statement} (${detail})`;
    this.recorded.push({ id, status, basis, code: status === "pass" ? null : row.code, message, spec: row.spec });
    return status === "pass";
  }
}
