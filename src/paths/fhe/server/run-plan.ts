/** What a run asks for, checked against its program, its caller and the accounts that it names, before anything is taken or run. */
import { digestHex, digestOf } from "../../../core/digest.ts";
import { isTrisealError } from "../../../core/errors.ts";
import type { StateAccount } from "../../../core/kept-state.ts";
import type { Submission } from "../../path.ts";
import type { AccountDocument } from "../wire/account.ts";
import { fheError } from "../wire/codes.ts";
import { parseRun, type RunDocument } from "../wire/run.ts";
import { forbidden, type Permission, permits } from "./access.ts";
import { assertNotWidened, type TakenValue, takenValues } from "./flow-rules.ts";
import { assertOneAsset, assertWrites, isLedger, permissionsOf } from "./ledger-rules.ts";
import type { RunProgram } from "./programs.ts";
import type { AccountStates } from "./state.ts";
import { documentOf } from "./state-change.ts";

/** A run that may be done, as far as its names go. */
export interface RunPlan {
  readonly run: RunDocument;
  readonly program: RunProgram;
  readonly tenant: string;
  readonly principal: string;
  /** Of every account that it names; what an account holds is read once it is taken. */
  readonly documents: ReadonlyMap<string, AccountDocument>;
  readonly permissions: ReadonlyMap<string, readonly Permission[]>;
  /** By handle, of every value that it takes so. */
  readonly taken: ReadonlyMap<string, TakenValue>;
  /** Whether it reads or writes an account. */
  readonly isState: boolean;
}

/** @throws TrisealError `FHE_RUN_INVALID`, `FHE_SAME_ACCOUNT`. */
export function readRun(body: Uint8Array): RunDocument {
  try {
    return parseRun(body);
  } catch (cause) {
    if (isTrisealError(cause, "FORMAT_INVALID")) throw fheError("FHE_RUN_INVALID", cause.message, { cause });
    throw cause;
  }
}

/**
 * Checks a run by all that does not change: names, kinds, permissions.
 * @throws TrisealError `FHE_RUN_INVALID`, `FHE_SAME_ACCOUNT`, `FHE_INPUT_UNPROVEN`, `FHE_INPUT_REUSED`, `FHE_FORBIDDEN_HANDLE`,
 *   `FHE_INPUT_FOREIGN_KEY`, `FHE_INPUT_INVALID`, `FHE_READERS_WIDENED`.
 */
export async function planRun(submission: Submission, program: RunProgram, states: AccountStates): Promise<RunPlan> {
  const { tenant, principal, context } = submission;
  const run = readRun(submission.body);
  if (run.nonce !== context.nonce || run.programDigest !== program.digest)
    throw fheError("FHE_RUN_INVALID", "the run is not the one that the challenge is for");
  assertInputs(run, program);
  if (program.kind === "lwe") assertStateless(run);
  assertWrites(program, run);
  const permissions = permissionsOf(program, run);
  const isState = permissions.size > 0;
  assertProven(run, isState);
  await assertUnused(run, states);
  const documents = new Map<string, AccountDocument>();
  const asking = { principal, programDigest: program.digest };
  for (const [name, needed] of permissions) {
    const row = await states.account(tenant, name);
    const document = row === null ? null : documentOf(row);
    if (document === null || !needed.every((permission) => permits(document, permission, asking))) throw forbidden();
    documents.set(name, document);
  }
  const taken = await takenValues(run, asking, (handle) => states.value(tenant, handle));
  assertOneAsset(program, run, documents);
  assertTypes(run, program, documents);
  assertNotWidened(run, isLedger(program), documents, taken);
  return { run, program, tenant, principal, documents, permissions, taken, isState };
}

/** What an account holds must be what the run says it found. @throws TrisealError `FHE_STATE_CONFLICT`. */
export function assertVersions({ run }: RunPlan, rows: ReadonlyMap<string, StateAccount>): void {
  for (const input of run.inputs.values()) {
    if (!("account" in input) || input.version === undefined) continue;
    if (rows.get(input.account)?.version !== input.version)
      throw fheError("FHE_STATE_CONFLICT", "an account has another version than the run says");
  }
}

function assertInputs({ inputs }: RunDocument, program: RunProgram): void {
  const given = program.inputs.every(({ n, clear }) => {
    const input = inputs.get(n);
    return input !== undefined && clear === "clear" in input;
  });
  if (!given || inputs.size !== program.inputs.length)
    throw fheError("FHE_RUN_INVALID", "the inputs are not exactly those of the program, clear where it takes them so");
}

/** A model takes its input from the key's holder, and what comes of it is nobody's state. */
function assertStateless({ inputs, lists, writes }: RunDocument): void {
  const own = [...inputs.values()].every((input) => "ciphertext" in input);
  if (!own || lists.length > 0 || writes.size > 0)
    throw fheError("FHE_RUN_INVALID", "a run of a model takes one ciphertext, and touches no account");
}

/**
 * Dimensions do not show that a ciphertext is well-formed: one whose phase sits between two values would decode differently in
 * two operations, and make units of nothing. So state takes proven inputs only, and no value comes of both kinds.
 */
function assertProven({ inputs, lists }: RunDocument, isState: boolean): void {
  const bare = [...inputs.values()].some((input) => "ciphertext" in input);
  if (bare && isState) throw fheError("FHE_INPUT_UNPROVEN", "a run on accounts takes fresh inputs from proven lists only");
  if (bare && lists.length > 0)
    throw fheError("FHE_INPUT_UNPROVEN", "a run takes its fresh inputs from proven lists, or none of them");
}

async function assertUnused({ lists }: RunDocument, states: AccountStates): Promise<void> {
  const digests = lists.map((list) => digestHex(digestOf(list)));
  if (new Set(digests).size !== digests.length) throw fheError("FHE_INPUT_REUSED", "one list is given twice");
  for (const digest of digests)
    if (await states.isUsed(digest)) throw fheError("FHE_INPUT_REUSED", "a list was used in an earlier run");
}

/** @throws TrisealError `FHE_INPUT_FOREIGN_KEY`, `FHE_INPUT_INVALID`. */
function assertTypes(run: RunDocument, program: RunProgram, documents: ReadonlyMap<string, AccountDocument>): void {
  for (const { keyId } of documents.values())
    if (keyId !== run.keyId) throw fheError("FHE_INPUT_FOREIGN_KEY", "an account is under another key than the run");
  const typed = (name: string, t: string): boolean => {
    const document = documents.get(name);
    return document === undefined || document.type === t;
  };
  const fits =
    program.inputs.every(({ n, t }) => {
      const input = run.inputs.get(n);
      return input === undefined || !("account" in input) || typed(input.account, t);
    }) &&
    program.outputs.every(({ n, t }) => {
      const account = run.writes.get(n);
      return account === undefined || typed(account, t);
    });
  if (!fits) throw fheError("FHE_INPUT_INVALID", "an account is of another type than the program's value");
  if ([...run.inputs.values()].some((input) => "account" in input && documents.get(input.account)?.kind === "asset"))
    throw fheError("FHE_INPUT_INVALID", "an asset has no ciphertext");
}
