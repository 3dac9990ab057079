/**
 * Expands the states that a run reads while its lists are checked. Most of that check runs on one core; expanding takes as long as half
 * of a transfer's bootstraps, and the engine keeps what it expanded for the run that follows. Which accounts those are, and that this
 * caller may give them to this program, is known by then; nothing depends on whether it succeeds.
 */
import { digestFromHex } from "../../../core/digest.ts";
import type { StateAccount } from "../../../core/kept-state.ts";
import type { Engine, EngineOptions } from "./engine.ts";
import type { BlobPort } from "./ports.ts";
import type { RunPlan } from "./run-plan.ts";

/** Resolves once the engine has expanded every account's state that goes in, or could not. Never rejects. */
export async function warmStates(
  { program, run }: RunPlan,
  rows: ReadonlyMap<string, StateAccount>,
  { engine, blobs }: { readonly engine: Engine; readonly blobs: BlobPort },
  options: EngineOptions,
): Promise<void> {
  const warmed = program.inputs.map(async ({ n, t: type }) => {
    const input = run.inputs.get(n);
    const row = input !== undefined && "account" in input ? rows.get(input.account) : undefined;
    const bytes = row?.digest == null ? null : await blobs.get(digestFromHex(row.digest));
    if (bytes !== null) await engine.expand(bytes, { keyId: run.keyId, type }, options);
  });
  await Promise.allSettled(warmed);
}
