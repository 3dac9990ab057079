/**
 * What a run may write (SPEC.md section 6.1). The shipped programs of the ledger move units between accounts; each writes exactly
 * what it is made for, so that no unit appears or is lost by leaving a write out.
 */
import type { AccountDocument } from "../wire/account.ts";
import { fheError } from "../wire/codes.ts";
import type { RunDocument } from "../wire/run.ts";
import { forbidden, type Permission } from "./access.ts";
import type { RunProgram } from "./programs.ts";

/** What a shipped program does to the account behind each of its outputs. */
interface LedgerProgram {
  readonly writes: Readonly<Record<string, "debit" | "credit">>;
  /** Name of the clear input that an asset grows by; null where nothing is minted. */
  readonly mints: string | null;
}

/** Name under which a run that mints writes its asset. */
export const SUPPLY = "supply";

const LEDGER: Readonly<Record<string, LedgerProgram>> = {
  "transfer-u64": { writes: { from: "debit", to: "credit" }, mints: null },
  "mint-u64": { writes: { to: "credit" }, mints: "amount" },
  "burn-u64": { writes: { from: "debit" }, mints: null },
};

/** The clear input that the asset of a run grows by; null where it mints nothing. */
export function mintedBy({ name }: RunProgram): string | null {
  return Object.hasOwn(LEDGER, name) ? (LEDGER[name]?.mints ?? null) : null;
}

/**
 * Checks which outputs are written where, by names alone.
 * @throws TrisealError `FHE_RUN_INVALID`; `FHE_SAME_ACCOUNT` where two inputs are one account.
 */
export function assertWrites(program: RunProgram, run: RunDocument): void {
  const accounts = [...run.inputs.values()].flatMap((input) => ("account" in input ? [input.account] : []));
  if (new Set(accounts).size !== accounts.length) throw fheError("FHE_SAME_ACCOUNT", "two inputs are one account");
  const rules = Object.hasOwn(LEDGER, program.name) ? LEDGER[program.name] : undefined;
  const outputs = program.outputs.map(({ n }) => n);
  for (const name of run.writes.keys()) {
    const isSupply = name === SUPPLY && rules?.mints != null;
    if (!outputs.includes(name) && !isSupply) throw fheError("FHE_RUN_INVALID", "a write names no output of the program");
  }
  if (rules !== undefined) assertLedger(rules, run);
  for (const [name, input] of run.inputs) {
    // An output that is named as an account went in is what becomes of that account.
    if (!("account" in input) || !outputs.includes(name) || run.writes.size === 0) continue;
    if (run.writes.get(name) !== input.account)
      throw fheError("FHE_RUN_INVALID", "an output that is named as an account went in is written to that account");
  }
}

function assertLedger({ writes, mints }: LedgerProgram, run: RunDocument): void {
  const isState = run.writes.size > 0 || [...run.inputs.values()].some((input) => "account" in input);
  // On values that are no accounts the program is a program like any other.
  if (!isState) return;
  const wanted = [...Object.keys(writes), ...(mints === null ? [] : [SUPPLY])];
  const complete = wanted.length === run.writes.size && wanted.every((name) => run.writes.has(name));
  const own = Object.keys(writes).every((name) => "account" in (run.inputs.get(name) ?? {}));
  if (!complete || !own)
    throw fheError("FHE_RUN_INVALID", `this program takes and writes exactly these accounts: ${wanted.join(", ")}`);
}

/** What a run does to each account that it names. Whoever writes a program of its own can do anything: that is a debit. */
export function permissionsOf(program: RunProgram, run: RunDocument): ReadonlyMap<string, Permission> {
  const rules = Object.hasOwn(LEDGER, program.name) ? LEDGER[program.name] : undefined;
  const needed = new Map<string, Permission>();
  for (const input of run.inputs.values()) if ("account" in input) needed.set(input.account, "read");
  for (const [output, account] of run.writes)
    needed.set(account, output === SUPPLY && rules?.mints != null ? "credit" : (rules?.writes[output] ?? "debit"));
  return needed;
}

/**
 * Accounts that are written together hold units of one asset, and what mints is that asset.
 * @throws TrisealError `FHE_FORBIDDEN_HANDLE`, `FHE_RUN_INVALID`.
 */
export function assertOneAsset(run: RunDocument, documents: ReadonlyMap<string, AccountDocument>): void {
  const written = [...run.writes].map(([output, account]) => ({ output, document: documents.get(account) }));
  const assets = new Set<string | null>();
  for (const { output, document } of written) {
    if (document === undefined) throw forbidden();
    if ((document.kind === "asset") !== (output === SUPPLY))
      throw fheError("FHE_RUN_INVALID", "an asset is written as `supply` alone, and nothing else is");
    assets.add(document.kind === "asset" ? document.account : (document.asset ?? null));
  }
  if (assets.size > 1) throw fheError("FHE_RUN_INVALID", "the accounts hold units of different assets");
}

/** What an asset's state is after a run. @throws TrisealError `FHE_SUPPLY_EXCEEDED`. */
export function grown(asset: AccountDocument, state: string | null, by: string): string {
  const after = BigInt(state ?? "0") + BigInt(by);
  const most = asset.cap === null ? 2n ** 64n - 1n : BigInt(asset.cap);
  if (after > most) throw fheError("FHE_SUPPLY_EXCEEDED", "more would be minted than the asset's cap");
  return after.toString();
}
