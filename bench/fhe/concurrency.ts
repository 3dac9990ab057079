/** Independent transfers at once: how much of the machine the engine uses from the first request to the last answer. */
import { cpus } from "node:os";
import { cpuMilliseconds } from "../program.ts";
import { percentiles, ratioOfMedians } from "../statistics.ts";
import type { Ledger } from "./ledger.ts";
import type { ConcurrencyPart } from "./result.ts";

type Round = ConcurrencyPart["rounds"][number];

async function measureRound(ledger: Ledger, pairs: readonly (readonly [string, string])[]): Promise<Round> {
  const prepared = [];
  for (const [from, to] of pairs) prepared.push(await ledger.prepare(from, to, 1n));
  const [engine, gateway] = [[ledger.enginePid()], [ledger.gatewayPid]];
  const before = [cpuMilliseconds(engine), cpuMilliseconds(gateway)] as const;
  const started = performance.now();
  const answers = await Promise.all(prepared.map((one) => ledger.submit(one)));
  const wallMs = performance.now() - started;
  const [engineCpuMs, gatewayCpuMs] = [cpuMilliseconds(engine) - before[0], cpuMilliseconds(gateway) - before[1]];
  const share = (ms: number) => Number((ms / (wallMs * cpus().length)).toFixed(4));
  return {
    wallMs,
    engineCpuMs,
    gatewayCpuMs,
    engineShare: share(engineCpuMs),
    allShare: share(engineCpuMs + gatewayCpuMs),
    transferMs: percentiles(answers.map(({ ms }) => ms)),
  };
}

/** Rounds of one transfer for each pair of accounts, all sent at once. */
export async function measureConcurrency(
  ledger: Ledger,
  pairs: readonly (readonly [string, string])[],
  count: number,
): Promise<ConcurrencyPart> {
  const rounds: Round[] = [];
  for (let round = 0; round < count; round++) rounds.push(await measureRound(ledger, pairs));
  const all = rounds.map(({ wallMs }) => wallMs * cpus().length);
  return {
    transfers: pairs.length,
    rounds,
    engineShare: ratioOfMedians(
      rounds.map(({ engineCpuMs }) => engineCpuMs),
      all,
    ),
  };
}
