/**
 * Mixed traffic against a whole real service at an open-loop rate, while its processes are killed at random: nothing acknowledged is
 * lost or doubled, no answer is wrong, every refusal is coded, balances add up, the log verifies, and memory stays flat.
 */
import { cpus } from "node:os";
import { Dice } from "../dice.ts";
import { soakQuestions } from "./answers.ts";
import { auditBundles, auditLog, auditMemory, findLosses, type MemorySample } from "./audit.ts";
import { CALL_WEIGHTS, type CallKind, SoakCalls } from "./calls.ts";
import { hasEngine, type LedgerResult, SoakLedger } from "./ledger.ts";
import { KILLABLE, type Killable, type SoakService, startSoakService } from "./service.ts";

/** How a soak runs. */
export interface SoakOptions {
  readonly seed: number;
  readonly seconds: number;
  /** Calls that arrive in a second, whatever becomes of the ones before. */
  readonly rate: number;
  readonly say: (line: string) => void;
}

/** What a soak saw. */
export interface SoakResult {
  readonly v: 1;
  readonly seed: number;
  readonly seconds: number;
  readonly rate: number;
  readonly calls: Readonly<Record<string, number>>;
  /** Answers that their callers have, each under a key of its own. */
  readonly acknowledged: number;
  readonly codes: Readonly<Record<string, number>>;
  readonly latencyMs: { readonly p50: number; readonly p99: number; readonly most: number };
  /** Most calls that were under way at one time. */
  readonly underWay: number;
  /** Part of the time in which the machine's processors worked, from 0 to 1. */
  readonly busy: number;
  readonly kills: Readonly<Record<Killable, number>>;
  readonly leaves: number;
  readonly bundlesVerified: number;
  /** Null where the engine is not built. */
  readonly ledger: LedgerResult | null;
  readonly memory: ReturnType<typeof auditMemory>["miB"];
  readonly problems: readonly string[];
}

/** Seconds between two kills. */
const KILL_EVERY_S = { least: 3, more: 5 };
/** Last part of a soak in which the gateway is not killed, so that its memory can be looked at. */
const CALM_PART = 0.4;
const SAMPLE_MS = 1000;
/** Calls that fail for the same reason fill no list. */
const MAX_PROBLEMS = 40;

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

function busyTicks(): { readonly busy: number; readonly all: number } {
  const times = cpus().map(({ times: { user, nice, sys, irq, idle } }) => ({ busy: user + nice + sys + irq, idle }));
  const busy = times.reduce((sum, one) => sum + one.busy, 0);
  return { busy, all: times.reduce((sum, one) => sum + one.idle, busy) };
}

const KINDS = Object.entries(CALL_WEIGHTS).flatMap(([kind, weight]) => Array<CallKind>(weight).fill(kind as CallKind));

class Soak {
  private readonly options: SoakOptions;
  private readonly service: SoakService;
  private readonly calls: SoakCalls;
  private readonly ledger: SoakLedger | null;
  private readonly kills = Object.fromEntries(KILLABLE.map((kind) => [kind, 0])) as Record<Killable, number>;
  private readonly samples: MemorySample[] = [];
  private readonly problems: string[] = [];
  private readonly started = performance.now();
  private underWay = 0;
  private most = 0;

  constructor(options: SoakOptions, service: SoakService, calls: SoakCalls, ledger: SoakLedger | null) {
    this.options = options;
    this.service = service;
    this.calls = calls;
    this.ledger = ledger;
  }

  private get elapsed(): number {
    return (performance.now() - this.started) / 1000;
  }

  async run(): Promise<SoakResult> {
    const before = busyTicks();
    this.ledger?.start();
    await Promise.all([this.arrive(), this.killAtRandom(), this.watch()]);
    const after = busyTicks();
    this.options.say(`traffic ended, ${this.underWay} calls under way`);
    await this.settle();
    await this.ledger?.stop();
    return this.audit((after.busy - before.busy) / (after.all - before.all));
  }

  /** Open loop: a call arrives when its time has come, however many are under way. */
  private async arrive(): Promise<void> {
    const { seed, seconds, rate } = this.options;
    const dice = new Dice(seed);
    let next = performance.now();
    while (this.elapsed < seconds) {
      next += (-Math.log(1 - dice.below(1_000_000) / 1_000_000) / rate) * 1000;
      const wait = next - performance.now();
      if (wait > 0) await sleep(wait);
      const kind = dice.pick(KINDS);
      this.most = Math.max(this.most, ++this.underWay);
      void this.calls.call(kind, new Dice(dice.below(2 ** 31))).finally(() => this.underWay--);
    }
  }

  private async killAtRandom(): Promise<void> {
    const { seed, seconds, say } = this.options;
    const dice = new Dice(seed ^ 0x5eed);
    for (;;) {
      await sleep((KILL_EVERY_S.least + dice.below(KILL_EVERY_S.more + 1)) * 1000);
      if (this.elapsed > seconds) return;
      const calm = this.elapsed > seconds * (1 - CALM_PART);
      // Of what was killed least: in a short soak every kind has its turn.
      const open = KILLABLE.filter((kind) => !(calm && kind === "gateway") && (kind !== "engine" || this.ledger !== null));
      const fewest = Math.min(...open.map((kind) => this.kills[kind]));
      const kind = dice.pick(dice.oneIn(3) ? open : open.filter((one) => this.kills[one] === fewest));
      try {
        if (await this.service.kill(kind)) this.kills[kind]++;
      } catch (error) {
        this.problems.push(`${kind} did not start again: ${String(error).slice(0, 300)}`);
        return;
      }
      say(`${Math.round(this.elapsed)} s: killed ${kind}; ${this.calls.acknowledged.length} answers, ${this.underWay} under way`);
    }
  }

  /** Looks at memory in the time in which the gateway lives on. */
  private async watch(): Promise<void> {
    const { seconds } = this.options;
    while (this.elapsed < seconds) {
      // The first tenth of that time is the gateway's to fill its caches after its last start.
      if (this.elapsed > seconds * (1 - CALM_PART * 0.9))
        this.samples.push({ seconds: Math.round(this.elapsed), miB: this.service.memory() });
      await sleep(SAMPLE_MS);
    }
  }

  /** Waits until every call has ended. */
  private async settle(): Promise<void> {
    for (let left = 600; left > 0 && this.underWay > 0; left--) await sleep(250);
    if (this.underWay > 0) this.problems.push(`hang: ${this.underWay} calls have not ended`);
  }

  private async audit(busy: number): Promise<SoakResult> {
    const { service, calls } = this;
    const ledger = (await this.ledger?.audit()) ?? null;
    const bundles = await auditBundles(service, calls.acknowledged);
    const exit = await service.stopGateway();
    if (exit !== 0) this.problems.push(`the gateway ended with ${exit}`);
    const log = await auditLog(service);
    const memory = auditMemory(this.samples);
    const losses = findLosses(service.dataDir, calls.acknowledged);
    const sorted = calls.latencies.toSorted((left, right) => left - right);
    const at = (part: number) => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0);
    const problems = [
      this.problems,
      calls.problems,
      ledger?.problems ?? [],
      bundles.problems,
      log.problems,
      memory.problems,
      losses,
    ];
    return {
      v: 1,
      seed: this.options.seed,
      seconds: this.options.seconds,
      rate: this.options.rate,
      calls: calls.counts,
      acknowledged: calls.acknowledged.length,
      codes: calls.codes,
      latencyMs: { p50: at(0.5), p99: at(0.99), most: at(1) },
      underWay: this.most,
      busy: Math.round(busy * 100) / 100,
      kills: this.kills,
      leaves: log.leaves,
      bundlesVerified: bundles.verified,
      ledger,
      memory: memory.miB,
      problems: problems.flat().slice(0, MAX_PROBLEMS),
    };
  }
}

/** Runs a soak to its end; `problems` of the result is empty where all held. Needs a fresh build. */
export async function runSoak(options: SoakOptions): Promise<SoakResult> {
  const questions = await soakQuestions();
  const service = await startSoakService();
  try {
    const ledger = hasEngine ? new SoakLedger(service) : null;
    await ledger?.prepare();
    options.say(`ready${ledger === null ? ", without an engine" : ""}`);
    return await new Soak(options, service, new SoakCalls(service, questions, `soak-${options.seed}`), ledger).run();
  } finally {
    await service.close();
  }
}
