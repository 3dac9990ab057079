/** The shipped programs that move units between accounts, by name: what gateways and auditors hold their runs to is said beside them. */

/** An output that is what becomes of the input `from` is named `from_after`. */
export const AFTER = "_after";

/** The program that mints. */
export const MINT = "mint-u64";

/** How many payees a transfer to several has, each with a program of its own. */
export const BATCH_PAYEES: readonly number[] = [2, 3, 4, 5, 6, 7, 8];

/** Name of the transfer to so many payees. */
export function batchName(payees: number): string {
  return `transfer-batch-u64x${payees}`;
}

/** All of them. */
export const LEDGER_PROGRAMS: readonly string[] = ["transfer-u64", MINT, "burn-u64", ...BATCH_PAYEES.map(batchName)];
