/** A transfer through HTTP, with its state and receipt durable, beside tfhe-rs called directly under the same key: one of each a round. */
import { percentiles, quantile, ratioOfMedians } from "../statistics.ts";
import type { DirectRun } from "./direct.ts";
import { checkedRun, formRow, type Workload } from "./forms.ts";
import type { Answered, Ledger } from "./ledger.ts";
import type { TransferPart } from "./result.ts";

const AMOUNT = 7n;
const EXPECTED = "93,12,true";

/** Inputs of the direct calls, and what they must give. */
export const TRANSFER_VALUES: readonly string[] = ["100", "5", String(AMOUNT)];

interface Lanes {
  readonly http: number[];
  readonly challenge: number[];
  readonly circuit: DirectRun[];
  readonly usual: DirectRun[];
  readonly list: number[];
  readonly open: number[];
  last: Answered | null;
}

async function round(ledger: Ledger, [from, to]: readonly [string, string], workload: Workload, lanes: Lanes, turn: number) {
  const { direct } = ledger;
  const prepared = await ledger.prepare(from, to, AMOUNT);
  const steps = [
    async () => {
      lanes.last = await ledger.submit(prepared);
      lanes.http.push(prepared.challengeMs + lanes.last.ms);
      lanes.challenge.push(prepared.challengeMs);
    },
    async () => void lanes.circuit.push(await checkedRun(direct, workload.circuit, EXPECTED)),
    async () => void lanes.usual.push(await checkedRun(direct, workload.usual, EXPECTED)),
    async () => {
      const { ms, openMs } = await direct.ask({ op: "list", list: prepared.list, metadata: prepared.metadata });
      lanes.list.push(Number(ms));
      lanes.open.push(Number(openMs));
    },
  ];
  for (let step = 0; step < steps.length; step++) await steps[(turn + step) % steps.length]?.();
}

/** Rounds until the time is over, at least `least` after one that does not count. @throws Error where the money is not where it should be. */
export async function measureTransfers(
  ledger: Ledger,
  accounts: readonly [string, string],
  workload: Workload,
  { seconds, least }: { readonly seconds: number; readonly least: number },
): Promise<TransferPart> {
  const empty = (): Lanes => ({ http: [], challenge: [], circuit: [], usual: [], list: [], open: [], last: null });
  await round(ledger, accounts, workload, empty(), 0);
  const before = await ledger.balance(accounts[0]);
  const lanes = empty();
  const end = performance.now() + seconds * 1000;
  let rounds = 0;
  for (; rounds < least || performance.now() < end; rounds++) await round(ledger, accounts, workload, lanes, rounds);
  const moved = before - (await ledger.balance(accounts[0]));
  if (moved !== AMOUNT * BigInt(rounds)) throw new Error(`${rounds} transfers moved ${moved}`);
  const { http, circuit, usual, list, last } = lanes;
  const circuitMs = circuit.map(({ ms }) => ms);
  const opened = circuitMs.map((ms, at) => ms + (list[at] ?? 0));
  return {
    rounds,
    httpMs: percentiles(http),
    challengeMs: percentiles(lanes.challenge),
    answerBytes: last?.bytes ?? 0,
    direct: [formRow("circuit", circuit), formRow("usual", usual)],
    listMs: percentiles(list),
    openListMs: percentiles(lanes.open),
    overCircuit: ratioOfMedians(http, circuitMs),
    overUsual: ratioOfMedians(
      http,
      usual.map(({ ms }) => ms),
    ),
    overCircuitWithList: ratioOfMedians(http, opened),
    restMs: Number((quantile(http, 0.5) - quantile(opened, 0.5)).toFixed(2)),
    outcome: await ledger.outcome(last?.receiptId ?? ""),
  };
}
