/**
 * What a claim about a shipped program of the ledger must say of accounts: every unit that leaves one arrives at another, and what
 * is minted stands in its asset. A gateway refuses such runs before they start (SPEC 6.1); here its word is not taken.
 */
import { AFTER, LEDGER_PROGRAMS, MINT } from "../compile/ledger-programs.ts";
import { findShipped } from "../compile/shipped.ts";
import type { Claim, ClaimedWrite } from "../wire/claim.ts";

function digestOfShipped(name: string): string | undefined {
  return findShipped(name)?.program.digest;
}

function ledgerName({ programDigest }: Claim): string | undefined {
  return LEDGER_PROGRAMS.find((candidate) => digestOfShipped(candidate) === programDigest);
}

/** Whether a claim is about a shipped program of the ledger. */
export function isLedgerProgram(claim: Claim): boolean {
  return ledgerName(claim) !== undefined;
}

/** Whether a claim is about the program that mints. */
export function isMint(claim: Claim): boolean {
  return ledgerName(claim) === MINT;
}

/** What a claim about it says was minted; null where it does not. */
export function mintedAmount({ inputs }: Claim): bigint | null {
  const amount = inputs.flatMap((input) => (input.n === "amount" && "clear" in input ? [input.clear] : []))[0];
  return amount === undefined || !/^[0-9]+$/.test(amount) ? null : BigInt(amount);
}

/** What is wrong about the accounts of a claim about a program of the ledger, in words; null where nothing is, and of other programs. */
export function unbalancedLedger(claim: Claim): string | null {
  const { outputs, reads, writes } = claim;
  const name = ledgerName(claim);
  // On values that are no accounts it is a program like any other.
  if (name === undefined || reads.length + writes.length === 0) return null;
  const afters = outputs.filter(({ n }) => n.endsWith(AFTER));
  const supplies = writes.filter(({ clear }) => clear !== null);
  for (const { n, handle } of afters) {
    const write = writes.find((candidate) => candidate.handle === handle);
    if (write === undefined) return `${n} was written to no account`;
    if (!isWhatBecameOf(claim, n.slice(0, -AFTER.length), write)) return `${n} was written to another account than it came of`;
  }
  if (writes.length - supplies.length !== afters.length) return "more was written than the program is made for";
  if (supplies.length !== (name === MINT ? 1 : 0)) return "what was minted stands in one asset, and nothing else does";
  return supplies.every((supply) => hasGrown(claim, supply)) ? null : "the asset does not say what was minted";
}

/** Whether the account that was written is the one whose state went in under that name. */
function isWhatBecameOf({ inputs, reads }: Claim, name: string, { account }: ClaimedWrite): boolean {
  const input = inputs.find(({ n }) => n === name);
  const read = reads.find((candidate) => candidate.account === account);
  if (input === undefined || "clear" in input || read === undefined) return false;
  return read.handle === input.handle && (read.handle === null) === (read.version === 0);
}

/** How much it grew since a later version only a history shows. */
function hasGrown(claim: Claim, { account, version, clear }: ClaimedWrite): boolean {
  const amount = mintedAmount(claim);
  const isRead = claim.reads.some((read) => read.account === account && read.version === version - 1 && read.handle === null);
  if (amount === null || clear === null || !isRead) return false;
  return version === 1 ? BigInt(clear) === amount : BigInt(clear) >= amount;
}
