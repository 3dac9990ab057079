/**
 * What may flow where (SPEC.md section 6.1). A state takes the readers and programs of its account: whoever may read less of what went
 * in would read it there.
 */
import type { StateValue } from "../../../core/kept-state.ts";
import { type AccountDocument, allowsProgram } from "../wire/account.ts";
import { fheError } from "../wire/codes.ts";
import type { RunDocument } from "../wire/run.ts";
import { type Asking, forbidden, parseValueFacts, readersOf, type ValueFacts } from "./access.ts";

/** A value that a run takes by its handle. */
export interface TakenValue {
  readonly facts: ValueFacts;
  /** SHA-256 of its bytes, 64 hexadecimal digits. */
  readonly digest: string;
}

/**
 * The values of all handles that a run names.
 * @param find a value of the caller's tenant by its handle.
 * @throws TrisealError `FHE_FORBIDDEN_HANDLE` for one that is not there, or that this caller may not give to this program.
 */
export async function takenValues(
  { inputs }: RunDocument,
  { principal, programDigest }: Asking,
  find: (handle: string) => Promise<StateValue | null>,
): Promise<ReadonlyMap<string, TakenValue>> {
  const taken = new Map<string, TakenValue>();
  for (const input of inputs.values()) {
    if (!("handle" in input)) continue;
    const row = await find(input.handle);
    const facts = row === null ? null : parseValueFacts(row.document);
    if (row === null || facts === null) throw forbidden();
    if (!facts.readers.includes(principal) || !allowsProgram(facts.programs, programDigest)) throw forbidden();
    taken.set(input.handle, { facts, digest: row.digest });
  }
  return taken;
}

type Permitted = Pick<ValueFacts, "readers" | "programs">;

/**
 * Refuses a run that writes to an account what more people or programs may read there than where it comes from. The ledger's programs
 * move units between accounts of different readers: that a payee learns what was paid is what they are for, so only values by handle
 * count of them.
 * @param isLedger whether the program is one of the ledger's.
 * @param documents of every account that the run names.
 * @throws TrisealError `FHE_READERS_WIDENED`.
 */
export function assertNotWidened(
  run: RunDocument,
  isLedger: boolean,
  documents: ReadonlyMap<string, AccountDocument>,
  taken: ReadonlyMap<string, TakenValue>,
): void {
  const sources: Permitted[] = [...taken.values()].map(({ facts }) => facts);
  if (!isLedger) {
    for (const input of run.inputs.values()) {
      const document = "account" in input ? documents.get(input.account) : undefined;
      if (document !== undefined) sources.push(permittedBy(document));
    }
  }
  for (const account of run.writes.values()) {
    const document = documents.get(account);
    // An asset's state is clear, and comes of clear values alone.
    if (document === undefined || document.kind === "asset") continue;
    const { readers, programs } = permittedBy(document);
    const isNarrow = (source: Permitted) =>
      readers.every((reader) => source.readers.includes(reader)) &&
      (source.programs === "any" || (programs !== "any" && programs.every((program) => allowsProgram(source.programs, program))));
    if (!sources.every(isNarrow))
      throw fheError("FHE_READERS_WIDENED", "an account that is written has readers or programs that what goes in has not");
  }
}

function permittedBy(document: AccountDocument): Permitted {
  return { readers: readersOf(document), programs: document.acl.programs };
}
