/** The history of one account over many claims: a chain of heads, what is missing of it, and where it splits. */
import type { Sha256Digest } from "../../../core/digest.ts";
import { headOf } from "../wire/handle.ts";
import type { ReceiptedClaim } from "./receipted-claim.ts";

/** One version of an account. */
export interface AccountVersion {
  readonly version: number;
  readonly handle: string | null;
  /** Of the compressed ciphertext. */
  readonly digest: Sha256Digest | null;
  readonly clear: string | null;
  readonly head: string;
  readonly receiptId: string;
}

/** Two receipts that cannot be of one history. */
export interface Fork {
  /** The version that they disagree about. */
  readonly version: number;
  readonly receiptIds: readonly [string, string];
  readonly what: string;
}

/** What claims show of an account. What came after the last version they do not show. */
export interface AccountHistory {
  /** In order. Of a version that is written twice, the first one found. */
  readonly versions: readonly AccountVersion[];
  /** Versions from the first to the last shown that no claim shows, both ends included. */
  readonly gaps: readonly { readonly from: number; readonly to: number }[];
  readonly forks: readonly Fork[];
  /** Digest of the account's document, 64 hexadecimal digits; null where version 1 is not shown. */
  readonly opened: string | null;
}

interface Written extends AccountVersion {
  readonly prevHead: string;
}

/** The history that `claims` show of `account`, all of one tenant of one service; each is believed. A claim that stands in it twice is one. */
export function historyOf(account: string, claims: readonly ReceiptedClaim[]): AccountHistory {
  const allWritten = claims.flatMap((given) => writtenBy(account, given)).toSorted((left, right) => left.version - right.version);
  const first = new Map<number, Written>();
  const forks: Fork[] = [];
  for (const state of allWritten) {
    const known = first.get(state.version);
    if (known === undefined) first.set(state.version, state);
    else if (known.head !== state.head) forks.push(forkOf(known, state, "two states were written"));
  }
  const versions = [...first.values()];
  for (const state of versions) {
    const before = first.get(state.version - 1);
    if (before !== undefined && before.head !== state.prevHead) {
      forks.push({ ...forkOf(before, state, "the next version follows another state"), version: before.version });
    }
  }
  forks.push(...misread(account, claims, first));
  const gaps = versions.flatMap(({ version }, at) => {
    const before = versions[at - 1]?.version ?? 0;
    return version > before + 1 ? [{ from: before + 1, to: version - 1 }] : [];
  });
  const shown = versions.map((written) => {
    const { prevHead: _, ...state } = written;
    return state;
  });
  return { versions: shown, gaps, forks, opened: first.get(1)?.prevHead ?? null };
}

function forkOf(left: Written, right: Written, what: string): Fork {
  return { version: right.version, receiptIds: [left.receiptId, right.receiptId], what };
}

function writtenBy(account: string, { receiptId, claim }: ReceiptedClaim): readonly Written[] {
  const own = claim.writes.filter((write) => write.account === account);
  return own.map((write) => {
    const { account: _, ...state } = write;
    return { ...state, head: headOf(write), receiptId };
  });
}

/** Reads of a state that another claim wrote otherwise or, where no claim shows it written, that another claim read otherwise. */
function misread(account: string, claims: readonly ReceiptedClaim[], first: ReadonlyMap<number, Written>): readonly Fork[] {
  const seen = new Map<number, Pick<Written, "handle" | "receiptId">>(first);
  return claims.flatMap(({ receiptId, claim }) =>
    claim.reads.flatMap(({ account: name, version, handle }): Fork[] => {
      if (name !== account) return [];
      const state = seen.get(version);
      if (state === undefined) seen.set(version, { handle, receiptId });
      if (state === undefined || state.handle === handle) return [];
      return [{ version, receiptIds: [state.receiptId, receiptId], what: "another state was read" }];
    }),
  );
}
