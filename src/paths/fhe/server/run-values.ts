/** The compressed values that a run starts from: of accounts and handles from the blobs, fresh ones from the caller's ciphertexts. */
import { encodeHex } from "../../../core/bytes.ts";
import { digestFromHex, digestHex, digestOf } from "../../../core/digest.ts";
import { TrisealError } from "../../../core/errors.ts";
import type { StateAccount } from "../../../core/kept-state.ts";
import type { UnixSeconds } from "../../../core/time.ts";
import type { ClaimedInput } from "../wire/claim.ts";
import { fheError } from "../wire/codes.ts";
import type { InputName } from "../wire/handle.ts";
import { listMetadata } from "../wire/list-metadata.ts";
import { assertLweInput } from "../wire/lwe-file.ts";
import { accountsOf, type RunInput } from "../wire/run.ts";
import { ZERO_SEED, zeroCircuit } from "../wire/zero.ts";
import { forbidden } from "./access.ts";
import type { Engine, EngineOptions } from "./engine.ts";
import type { KeyVault } from "./key-vault.ts";
import type { BlobPort } from "./ports.ts";
import type { RunPlan } from "./run-plan.ts";
import type { AccountStates } from "./state.ts";
import { warmStates } from "./warm-states.ts";

/** One input, as the engine, the claim and the handles need it. */
export interface ResolvedInput {
  readonly n: string;
  /** Null for a clear one. */
  readonly value: Uint8Array | null;
  readonly claimed: ClaimedInput;
  readonly name: InputName;
  /** Whether its bytes are new and must be kept. */
  readonly isFresh: boolean;
}

/** Where values come from. */
export interface ValueSources {
  readonly engine: Engine;
  readonly blobs: BlobPort;
  readonly states: AccountStates;
  readonly keys: KeyVault;
}

interface Opened {
  readonly types: readonly string[];
  readonly values: readonly Uint8Array[];
}

/**
 * Every input of a run, in the program's order.
 * @param rows what the accounts hold now; they are taken.
 * @throws TrisealError `FHE_FORBIDDEN_HANDLE`, `FHE_INPUT_UNPROVEN`, `FHE_INPUT_FOREIGN_KEY`, `FHE_INPUT_INVALID`, and as the engine.
 */
export async function resolveInputs(
  plan: RunPlan,
  rows: ReadonlyMap<string, StateAccount>,
  exp: UnixSeconds,
  sources: ValueSources,
  options: EngineOptions,
): Promise<readonly ResolvedInput[]> {
  const isWarmed = plan.run.lists.length === 0 ? null : warmStates(plan, rows, sources, options);
  const [lists] = await Promise.all([openLists(plan, exp, sources, options), isWarmed]);
  const resolved: ResolvedInput[] = [];
  const { kind } = plan.program;
  for (const { n, t } of plan.program.inputs) {
    const input = plan.run.inputs.get(n);
    if (input === undefined) throw fheError("FHE_RUN_INVALID", "an input is missing");
    if (kind === "lwe") resolved.push(fresh(n, await modelInput(plan, input, sources)));
    else resolved.push(await resolve(plan, { n, t, input }, rows, lists, sources, options));
  }
  return resolved;
}

async function openLists(
  { run, tenant }: RunPlan,
  exp: UnixSeconds,
  { engine, keys }: ValueSources,
  options: EngineOptions,
): Promise<readonly Opened[]> {
  if (run.lists.length === 0) return [];
  const { keyId, programDigest, nonce } = run;
  const key = await keys.find(tenant, keyId);
  if (key?.publicKey == null) throw fheError("FHE_INPUT_UNPROVEN", "the key set has no public key that lists are made under");
  const crs = (await engine.crs(options)).digest;
  const metadata = listMetadata({ tenant, accounts: accountsOf(run), programDigest, nonce, exp });
  const of = { keyId, publicKey: digestHex(key.publicKey.digest), crs, metadata };
  const opened: Opened[] = [];
  for (const list of run.lists) opened.push(await engine.openList(list, of, options));
  return opened;
}

async function resolve(
  plan: RunPlan,
  { n, t, input }: { readonly n: string; readonly t: string; readonly input: RunInput },
  rows: ReadonlyMap<string, StateAccount>,
  lists: readonly Opened[],
  sources: ValueSources,
  options: EngineOptions,
): Promise<ResolvedInput> {
  const { keyId } = plan.run;
  if ("clear" in input) {
    const { clear } = input;
    return { n, value: null, claimed: { n, clear }, name: { clear }, isFresh: false };
  }
  if ("account" in input) {
    const row = rows.get(input.account);
    if (row === undefined) throw forbidden();
    if (row.handle === null) return fresh(n, await zeroOf(keyId, t, sources, options));
    return kept(n, row.handle, await bytesOf(row.digest, sources.blobs));
  }
  if ("handle" in input) return kept(n, input.handle, await handled(plan, input.handle, t, sources.blobs));
  if ("ciphertext" in input) return fresh(n, await sources.engine.import(input.ciphertext, { keyId, type: t }, options));
  const list = lists[input.list];
  const value = list?.values[input.index];
  if (value === undefined || list?.types[input.index] !== t)
    throw fheError("FHE_INPUT_INVALID", "a list has no value of that type at that place");
  return fresh(n, value);
}

/** The input of a model, which the engine takes as it is: what is no such file is not even kept. */
async function modelInput({ tenant, run }: RunPlan, input: RunInput, { keys }: ValueSources): Promise<Uint8Array> {
  const key = await keys.find(tenant, run.keyId);
  if (!("ciphertext" in input) || key === null) throw fheError("FHE_RUN_INVALID", "a model takes one ciphertext");
  assertLweInput(input.ciphertext, key.tag);
  return input.ciphertext;
}

function fresh(n: string, value: Uint8Array): ResolvedInput {
  const digest = digestOf(value);
  return { n, value, claimed: { n, digest, handle: null }, name: { digest }, isFresh: true };
}

function kept(n: string, handle: string, value: Uint8Array): ResolvedInput {
  return { n, value, claimed: { n, digest: digestOf(value), handle }, name: { handle }, isFresh: false };
}

/** The value of a handle, which this caller may give to this program. */
async function handled(plan: RunPlan, handle: string, t: string, blobs: BlobPort): Promise<Uint8Array> {
  const taken = plan.taken.get(handle);
  if (taken === undefined) throw forbidden();
  const { facts, digest } = taken;
  if (facts.keyId !== plan.run.keyId) throw fheError("FHE_INPUT_FOREIGN_KEY", "a handle is under another key than the run");
  if (facts.t !== t) throw fheError("FHE_INPUT_INVALID", "a handle is of another type than the program's value");
  if (plan.isState && !facts.proven)
    throw fheError("FHE_INPUT_UNPROVEN", "a handle comes of ciphertexts that nothing was proven of");
  return bytesOf(digest, blobs);
}

async function bytesOf(hex: string | null, blobs: BlobPort): Promise<Uint8Array> {
  const bytes = hex === null ? null : await blobs.get(digestFromHex(hex));
  if (bytes === null) throw new TrisealError("LOG_CORRUPT", "the bytes of a value are missing");
  return bytes;
}

/** What an account holds that nothing was written to. */
async function zeroOf(keyId: string, t: string, { engine }: ValueSources, options: EngineOptions): Promise<Uint8Array> {
  const run = newRunId();
  const made = await engine.run({ run, keyId, seed: ZERO_SEED, circuit: zeroCircuit(t), inputs: [] }, options);
  const [value] = made.values;
  if (value === undefined) throw fheError("FHE_PROTOCOL", "the engine made no zero");
  return value;
}

/** The id of a run at the engine: 128 random bits, 32 hexadecimal digits. */
export function newRunId(): string {
  return encodeHex(crypto.getRandomValues(new Uint8Array(16)));
}
