/**
 * What a run may write (SPEC.md section 6.1). The shipped programs of the ledger move units between accounts; each writes exactly
 * what it is made for, so that no unit appears or is lost by leaving a write out.
 */
import { AFTER, BATCH_PAYEES, batchName, MINT } from "../compile/ledger-programs.ts";
import { type AccountDocument, supplyCap } from "../wire/account.ts";
import { fheError } from "../wire/codes.ts";
import type { RunDocument } from "../wire/run.ts";
import { forbidden, type Permission } from "./access.ts";
import type { RunProgram } from "./programs.ts";

/** What becomes of the accounts of a shipped program. */
interface LedgerProgram {
  /** By the name of the output: the input that it is what becomes of, and what that is to the account. */
  readonly writes: Readonly<Record<string, { readonly input: string; readonly is: "debit" | "credit" }>>;
  /** Name of the clear input that an asset grows by; null where nothing is minted. */
  readonly mints: string | null;
}

/** Name under which a run that mints writes its asset. */
export const SUPPLY = "supply";

function writesFor(is: Readonly<Record<string, "debit" | "credit">>): LedgerProgram["writes"] {
  return Object.fromEntries(Object.entries(is).map(([input, kind]) => [`${input}${AFTER}`, { input, is: kind }]));
}

function batch(payees: number): LedgerProgram {
  const to = Array.from({ length: payees }, (_, index) => [`to${index + 1}`, "credit"] as const);
  return { writes: writesFor({ from: "debit", ...Object.fromEntries(to) }), mints: null };
}

const LEDGER: ReadonlyMap<string, LedgerProgram> = new Map([
  ["transfer-u64", { writes: writesFor({ from: "debit", to: "credit" }), mints: null }],
  [MINT, { writes: writesFor({ balance: "credit" }), mints: "amount" }],
  // What an asset's state says is what was minted: how much of a hidden balance was burnt is hidden, too.
  ["burn-u64", { writes: writesFor({ balance: "debit" }), mints: null }],
  ...BATCH_PAYEES.map((payees) => [batchName(payees), batch(payees)] as const),
]);

/** Whether a program is one of the ledger's. */
export function isLedger({ name }: RunProgram): boolean {
  return LEDGER.has(name);
}

/** The clear input that the asset of a run grows by; null where it mints nothing. */
export function mintedBy({ name }: RunProgram): string | null {
  return LEDGER.get(name)?.mints ?? null;
}

/**
 * Checks which outputs are written where, by names alone.
 * @throws TrisealError `FHE_RUN_INVALID`; `FHE_SAME_ACCOUNT` where two inputs are one account.
 */
export function assertWrites(program: RunProgram, run: RunDocument): void {
  const accounts = [...run.inputs.values()].flatMap((input) => ("account" in input ? [input.account] : []));
  if (new Set(accounts).size !== accounts.length) throw fheError("FHE_SAME_ACCOUNT", "two inputs are one account");
  const rules = LEDGER.get(program.name);
  const outputs = program.outputs.map(({ n }) => n);
  for (const name of run.writes.keys()) {
    const isSupply = name === SUPPLY && rules?.mints != null;
    if (!outputs.includes(name) && !isSupply) throw fheError("FHE_RUN_INVALID", "a write names no output of the program");
  }
  if (rules !== undefined) assertLedger(rules, run);
  for (const [name, input] of run.inputs) {
    if (!("account" in input) || run.writes.size === 0) continue;
    const becomes = [name, `${name}${AFTER}`].filter((output) => outputs.includes(output));
    if (becomes.some((output) => run.writes.get(output) !== input.account))
      throw fheError("FHE_RUN_INVALID", "an output that is what becomes of an account is written to that account");
  }
}

function assertLedger({ writes, mints }: LedgerProgram, run: RunDocument): void {
  const isState = run.writes.size > 0 || [...run.inputs.values()].some((input) => "account" in input);
  // On values that are no accounts the program is a program like any other.
  if (!isState) return;
  const wanted = [...Object.keys(writes), ...(mints === null ? [] : [SUPPLY])];
  const complete = wanted.length === run.writes.size && wanted.every((name) => run.writes.has(name));
  const own = Object.entries(writes).every(([output, { input }]) => {
    const given = run.inputs.get(input);
    return given !== undefined && "account" in given && run.writes.get(output) === given.account;
  });
  if (!complete || !own)
    throw fheError("FHE_RUN_INVALID", `this program takes and writes exactly these accounts: ${wanted.join(", ")}`);
}

/**
 * What a run does to each account that it names. Whoever writes a program of its own can do anything with what it takes: that is a
 * debit, and a read too, as the state could go into an account of the caller's. A shipped program tells nobody what it moves.
 */
export function permissionsOf(program: RunProgram, run: RunDocument): ReadonlyMap<string, readonly Permission[]> {
  const rules = LEDGER.get(program.name);
  const needed = new Map<string, readonly Permission[]>();
  for (const input of run.inputs.values()) if ("account" in input) needed.set(input.account, ["read"]);
  for (const [output, account] of run.writes) {
    const is = output === SUPPLY && rules?.mints != null ? "credit" : rules?.writes[output]?.is;
    needed.set(account, is === undefined ? [...(needed.get(account) ?? []), "debit"] : [is]);
  }
  return needed;
}

/**
 * Accounts that are written together hold units of one asset, and what mints is that asset. No other program writes to them than
 * those of the ledger, which the asset may permit for other uses: its outputs would be units that nobody minted.
 * @throws TrisealError `FHE_FORBIDDEN_HANDLE`, `FHE_RUN_INVALID`.
 */
export function assertOneAsset(program: RunProgram, run: RunDocument, documents: ReadonlyMap<string, AccountDocument>): void {
  const written = [...run.writes].map(([output, account]) => ({ output, document: documents.get(account) }));
  const assets = new Set<string | null>();
  for (const { output, document } of written) {
    if (document === undefined) throw forbidden();
    if ((document.kind === "asset") !== (output === SUPPLY))
      throw fheError("FHE_RUN_INVALID", "an asset is written as `supply` alone, and nothing else is");
    assets.add(document.kind === "asset" ? document.account : (document.asset ?? null));
  }
  if (!isLedger(program) && [...assets].some((asset) => asset !== null))
    throw fheError("FHE_RUN_INVALID", "units of an asset are written by the ledger's programs alone");
  if (assets.size > 1) throw fheError("FHE_RUN_INVALID", "the accounts hold units of different assets");
}

/** What an asset's state is after a run. @throws TrisealError `FHE_SUPPLY_EXCEEDED`. */
export function grown(asset: AccountDocument, state: string | null, by: string): string {
  const after = BigInt(state ?? "0") + BigInt(by);
  if (after > supplyCap(asset)) throw fheError("FHE_SUPPLY_EXCEEDED", "more would be minted than the asset's cap");
  return after.toString();
}
