/** What one claim shows of the accounts that it names. That nothing is missing between two claims only a history shows. */
import { TrisealError } from "../../../core/errors.ts";
import { allowsProgram, parseAccount } from "../wire/account.ts";
import type { Claim, ClaimedWrite } from "../wire/claim.ts";
import { unbalancedLedger } from "./ledger-checks.ts";

/** What is wrong about reads and writes, in words; null where nothing is. */
export function unlinkedState(claim: Claim): string | null {
  const { inputs, outputs, reads, writes } = claim;
  const given = new Set(inputs.flatMap((input) => ("handle" in input ? [input.handle] : [])));
  const stray = reads.find(({ handle }) => handle !== null && !given.has(handle));
  if (stray !== undefined) return `the state of ${stray.account} was read and is no input`;
  // Only an asset has no handle after version 0, and none is read but to be written.
  const assets = new Set(writes.flatMap(({ account, clear }) => (clear === null ? [] : [account])));
  const hidden = reads.find(({ account, version, handle }) => handle === null && version > 0 && !assets.has(account));
  if (hidden !== undefined) return `the state of ${hidden.account} was read, and nothing says which`;
  for (const { account, version, handle, digest } of writes) {
    const made = handle === null || outputs.some((output) => output.handle === handle && output.digest === digest);
    if (!made) return `the state of ${account} is no output`;
    const read = reads.find((candidate) => candidate.account === account);
    if (read !== undefined && version !== read.version + 1) return `version ${version} of ${account} after ${read.version}`;
  }
  const written = writes.flatMap(({ handle }) => (handle === null ? [] : [handle]));
  if (new Set(written).size !== written.length) return "one output became the state of two accounts";
  return unbalancedLedger(claim);
}

/** The writes that are first versions: their accounts' documents must be in the bundle. */
export function firstWrites({ writes }: Claim): readonly ClaimedWrite[] {
  return writes.filter(({ version }) => version === 1);
}

/**
 * Refuses a first version that does not follow the document of its account.
 * @param tenant whose request it was: no run reaches into the accounts of another tenant.
 * @param document the bytes whose digest `prevHead` is; null where they are not in the bundle.
 * @throws TrisealError `FORMAT_INVALID`.
 */
export function assertOpened(claim: Claim, write: ClaimedWrite, tenant: string | null, document: Uint8Array | null): void {
  const refuse = (what: string): never => {
    throw new TrisealError("FORMAT_INVALID", `account ${write.account}: ${what}`);
  };
  if (document === null) return refuse("its document is not in the bundle");
  const account = parseAccount(document);
  if (account.account !== write.account) refuse("the document is of another account");
  if (account.tenant !== tenant) refuse("it is another tenant's");
  if (account.keyId !== claim.keyId) refuse("it is under another key");
  if (!allowsProgram(account.acl.programs, claim.programDigest)) refuse("it does not permit the program");
  if ((account.kind === "asset") !== (write.clear !== null)) refuse("an asset has a clear state, an account an encrypted one");
  const output = claim.outputs.find(({ handle }) => handle === write.handle);
  if (output !== undefined && output.t !== account.type) refuse(`its type is not ${output.t}`);
  if (write.clear !== null && account.cap !== null && BigInt(write.clear) > BigInt(account.cap)) refuse("more than its cap");
}
