/** From what the log holds to what it changes: the same for a run that just ended and for a leaf that is read at the start. */

import { parseUtf8, utf8 } from "../../../core/bytes.ts";
import { digestHex, digestOf } from "../../../core/digest.ts";
import { TrisealError } from "../../../core/errors.ts";
import type { StateAccount, StateChange, StateValue, StateWrite } from "../../../core/kept-state.ts";
import { type AccountDocument, firstHead, parseAccount } from "../wire/account.ts";
import { type Claim, FHE_CLAIM_TYPE, parseClaim } from "../wire/claim.ts";
import { headOf } from "../wire/handle.ts";
import { encodeValueFacts, intersection, parseValueFacts, readersOf, type ValueFacts } from "./access.ts";
import type { LoggedLeaf, StatePort } from "./ports.ts";

/** Who made a run. */
export interface Holder {
  readonly tenant: string;
  readonly principal: string;
}

type Lookup = Pick<StatePort, "account" | "value">;

const NOTHING: StateChange = { accounts: [], writes: [], values: [], inputs: [] };

/** What is kept of a fresh input: nothing, as no run takes it by its id. */
export const NO_FACTS = "null";

/** Id of a value that has no handle: a fresh input, by its digest and whose it is. @param digest 64 hexadecimal digits. */
export function freshId(digest: string, principal: string): string {
  return `fresh:${digest}:${principal}`;
}

/** What a leaf changes; null where it is none of this path's. @throws TrisealError `LOG_CORRUPT` for what cannot be read. */
export async function changeOfLeaf(leaf: LoggedLeaf, lookup: Lookup): Promise<StateChange | null> {
  try {
    if (leaf.kind === "account") return changeOfAccount(leaf.blobs[0] ?? new Uint8Array());
    const named = leaf.legs.find(({ mediaType }) => mediaType === FHE_CLAIM_TYPE);
    if (named === undefined || leaf.holder === null) return null;
    const bytes = leaf.blobs.find((blob) => digestOf(blob) === named.digest);
    const { tenant, keyHash: principal } = leaf.holder;
    return await changeOfClaim(parseClaim(bytes ?? new Uint8Array()).claim, { tenant, principal }, lookup);
  } catch (cause) {
    if (cause instanceof TrisealError && cause.code !== "FORMAT_INVALID") throw cause;
    throw new TrisealError("LOG_CORRUPT", "a logged account or claim cannot be read", { cause });
  }
}

/** A new account. The first document of a name stands. */
export function changeOfAccount(bytes: Uint8Array): StateChange {
  const document = parseAccount(bytes);
  const { tenant, account: name, kind } = document;
  const state = { version: 0, head: firstHead(document), handle: null, digest: null, clear: kind === "asset" ? "0" : null };
  return { ...NOTHING, accounts: [{ tenant, name, document: parseUtf8(bytes), ...state }] };
}

/** What a claim changes. @throws TrisealError `LOG_CORRUPT` where it names what was never logged. */
export async function changeOfClaim(claim: Claim, holder: Holder, lookup: Lookup): Promise<StateChange> {
  const { tenant } = holder;
  const documents = new Map<string, AccountDocument>();
  for (const { account } of [...claim.reads, ...claim.writes])
    documents.set(account, documentOf(await known(lookup.account(tenant, account))));
  const inherited = await inheritedFacts(claim, holder, documents, lookup);
  const writtenTo = new Map(claim.writes.map(({ handle, account }) => [handle, documents.get(account)]));
  const outputs = claim.outputs.map(({ t, digest, handle }): StateValue => {
    const account = writtenTo.get(handle);
    const own = account === undefined ? inherited : { ...factsOf(account), proven: true };
    return { tenant, id: handle, digest: digestHex(digest), document: encodeValueFacts({ t, keyId: claim.keyId, ...own }) };
  });
  return {
    accounts: [],
    writes: claim.writes.map((write): StateWrite => {
      const { account: name, version, handle, clear, prevHead } = write;
      const digest = write.digest === null ? null : digestHex(write.digest);
      return { tenant, name, version, head: headOf(write), handle, digest, clear, prevHead };
    }),
    values: [...outputs, ...freshRows(claim, holder)],
    inputs: claim.lists.map(digestHex),
  };
}

/** Fresh inputs: the caller needs their bytes to run the program again. No run takes one by this id, which is no handle. */
function freshRows({ inputs }: Claim, { tenant, principal }: Holder): readonly StateValue[] {
  return inputs.flatMap((input) => {
    if ("clear" in input || input.handle !== null) return [];
    const digest = digestHex(input.digest);
    return [{ tenant, id: freshId(digest, principal), digest, document: NO_FACTS }];
  });
}

type Inherited = Omit<ValueFacts, "t" | "keyId">;

function factsOf(account: AccountDocument): Omit<Inherited, "proven"> {
  return { readers: readersOf(account), programs: account.acl.programs, of: "state" };
}

/** What the outputs of a run inherit: the intersection of who may read and take its inputs. */
async function inheritedFacts(
  claim: Claim,
  { tenant, principal }: Holder,
  documents: ReadonlyMap<string, AccountDocument>,
  lookup: Lookup,
): Promise<Inherited> {
  const ofAccounts = new Set(claim.reads.map(({ handle }) => handle));
  const taken: Pick<Inherited, "readers" | "programs" | "proven">[] = claim.reads.flatMap(({ account }) => {
    const document = documents.get(account);
    return document === undefined ? [] : [{ ...factsOf(document), proven: true }];
  });
  let fresh = false;
  for (const input of claim.inputs) {
    if ("clear" in input) continue;
    if (input.handle === null) fresh = true;
    else if (!ofAccounts.has(input.handle))
      taken.push(parseValueFacts((await known(lookup.value(tenant, input.handle))).document));
  }
  // A run on accounts takes proven lists only, and lists and bare ciphertexts are never mixed.
  const isState = claim.reads.length + claim.writes.length > 0;
  if (fresh || taken.length === 0)
    taken.push({ readers: [principal], programs: "any", proven: isState || !fresh || claim.lists.length > 0 });
  const readers = intersection(taken.map((one) => one.readers));
  return {
    readers: readers === "any" ? [] : readers,
    programs: intersection(taken.map(({ programs }) => programs)) as Inherited["programs"],
    proven: taken.every(({ proven }) => proven),
    of: "output",
  };
}

async function known<T>(found: Promise<T | null>): Promise<T> {
  const row = await found;
  if (row === null) throw new TrisealError("LOG_CORRUPT", "a claim names an account or a handle that was not logged before");
  return row;
}

/** The document of an account's row. */
export function documentOf({ document }: Pick<StateAccount, "document">): AccountDocument {
  return parseAccount(utf8(document));
}
