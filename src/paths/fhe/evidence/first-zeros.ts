/** First balances: an account that nothing was written to holds zero, which whoever has the server key makes again. */
import type { Sha256Digest } from "../../../core/digest.ts";
import type { Claim } from "../wire/claim.ts";

/** Fresh inputs of a claim, any of which may be a zero that an account began with. */
export function freshInputs({ inputs }: Claim): readonly { readonly n: string; readonly digest: Sha256Digest }[] {
  return inputs.flatMap((input) => ("clear" in input || input.handle !== null ? [] : [{ n: input.n, digest: input.digest }]));
}

/** Accounts that went in and that nothing was written to before. An asset, whose state is clear, is none. */
export function emptyAccounts({ reads, writes }: Claim): readonly string[] {
  const assets = new Set(writes.flatMap(({ account, clear }) => (clear === null ? [] : [account])));
  return reads.flatMap(({ account, version }) => (version === 0 && !assets.has(account) ? [account] : []));
}

/**
 * What is wrong about first balances, in words; null where nothing is. An account that went in as `n` and that `n` or `n_after` was
 * written to is told by that name; the others by their number alone, as a claim does not say which input they were.
 * @param isZero whether an input of that name and digest is a zero of its type.
 */
export function wrongZero(claim: Claim, isZero: (n: string, digest: Sha256Digest) => boolean): string | null {
  const zeros = new Set(freshInputs(claim).flatMap(({ n, digest }) => (isZero(n, digest) ? [n] : [])));
  const empty = emptyAccounts(claim);
  for (const account of empty) {
    const write = claim.writes.find((candidate) => candidate.account === account);
    const output = write === undefined ? undefined : claim.outputs.find(({ handle }) => handle === write.handle);
    const input = claim.inputs.find(({ n }) => output !== undefined && (output.n === n || output.n === `${n}_after`));
    if (input !== undefined && !zeros.has(input.n)) return `${account} was written by nobody, and ${input.n} is no zero`;
  }
  if (zeros.size >= empty.length) return null;
  return `${empty.join(", ")}: written by nobody, and ${zeros.size} of ${empty.length} went in as zero`;
}
