/**
 * What a history shows of an account beyond its chain: that an asset grew by what was minted, and by no more than its cap, and that
 * units of it are moved by the ledger's programs alone (SPEC 6.1). A gateway refuses other runs before they start; here its word is not taken.
 */
import { type AccountDocument, allowsProgram, firstHead, supplyCap } from "../wire/account.ts";
import type { Claim, ClaimedWrite } from "../wire/claim.ts";
import { isLedgerProgram, isMint, mintedAmount } from "./ledger-checks.ts";
import type { ReceiptedClaim } from "./receipted-claim.ts";

/** A version that no honest gateway writes. */
export interface BrokenRule {
  readonly version: number;
  readonly receiptId: string;
  readonly what: string;
}

interface Write {
  readonly receiptId: string;
  readonly claim: Claim;
  readonly write: ClaimedWrite;
}

/**
 * What breaks a rule, in the order of the versions. Rules that rest on a document are checked where the claims show it.
 * @param tenant whose account it is. @param claims those of that tenant; each is believed. One that stands there twice is one.
 */
export function brokenRules(account: string, tenant: string, claims: readonly ReceiptedClaim[]): readonly BrokenRule[] {
  const documents = new Map(claims.flatMap(({ opened }) => opened.map((document) => [firstHead(document), document] as const)));
  const writes = new Map<string, Write>();
  for (const { receiptId, claim } of claims)
    for (const write of claim.writes) if (write.account === account) writes.set(receiptId, { receiptId, claim, write });
  const ordered = [...writes.values()].toSorted((left, right) => left.write.version - right.write.version);
  const first = ordered.find(({ write }) => write.version === 1);
  const document = first === undefined ? undefined : documents.get(first.write.prevHead);
  const assets = assetsOf(claims, documents);
  return ordered.flatMap((made, at): readonly BrokenRule[] => {
    const { receiptId, write } = made;
    const found = [
      document === undefined ? null : otherDocument(made, document, tenant),
      write.clear === null ? otherUnits(made, document, assets) : wrongSupply(made, ordered[at - 1], document),
    ];
    return found.flatMap((what) => (what === null ? [] : [{ version: write.version, receiptId, what }]));
  });
}

/** The asset of each account whose document is shown; null where it has none. */
function assetsOf(claims: readonly ReceiptedClaim[], documents: ReadonlyMap<string, AccountDocument>) {
  const assets = new Map<string, string | null>();
  for (const { claim } of claims)
    for (const { version, account, prevHead } of claim.writes) {
      const document = version === 1 ? documents.get(prevHead) : undefined;
      if (document?.kind === "account") assets.set(account, document.asset ?? null);
    }
  return assets;
}

function otherDocument({ claim, write }: Write, { tenant, kind, keyId, acl }: AccountDocument, of: string): string | null {
  if (tenant !== of) return "the account's document is of another tenant";
  if (keyId !== claim.keyId) return "it was written under another key than the account's";
  if ((kind === "asset") !== (write.clear !== null)) return "an asset has a clear state, an account an encrypted one";
  return allowsProgram(acl.programs, claim.programDigest) ? null : "its document does not permit the program";
}

/** Units of an asset come from the ledger's programs, which move them between its accounts. */
function otherUnits(
  { claim, write }: Write,
  document: AccountDocument | undefined,
  assets: ReadonlyMap<string, string | null>,
): string | null {
  if (document === undefined) return null;
  const asset = document.asset ?? null;
  if (asset !== null && !isLedgerProgram(claim))
    return "units of an asset were written by a program that is none of the ledger's";
  for (const other of claim.writes) {
    if (other.account === write.account) continue;
    // An asset that a program other than the ledger's wrote is named by its own history.
    if (other.clear !== null && !isLedgerProgram(claim)) continue;
    // What a mint writes beside the account is its asset.
    const holds = other.clear === null ? assets.get(other.account) : other.account;
    if (holds !== undefined && holds !== asset) return `it was written together with ${other.account}, which is of another asset`;
  }
  return null;
}

/** By how much an asset grew, and whether it is within its cap. */
function wrongSupply({ claim, write }: Write, before: Write | undefined, document: AccountDocument | undefined): string | null {
  if (!isMint(claim)) return "an asset was written by a program that mints nothing";
  const amount = mintedAmount(claim);
  if (amount === null || write.clear === null) return "nothing says what was minted";
  const after = BigInt(write.clear);
  if (document !== undefined && after > supplyCap(document)) return `${after} is more than the asset's cap`;
  if (before === undefined || before.write.clear === null) return null;
  const since = after - amount - BigInt(before.write.clear);
  const follows = before.write.version === write.version - 1;
  // Between versions that are not shown more may have been minted, and never less.
  if (follows ? since !== 0n : since < 0n) return `it grew from ${before.write.clear} to ${after} where ${amount} was minted`;
  return null;
}
