/** One fuzz campaign: mutates, judges, inspects between batches, and keeps what failed. */
import { Dice } from "./dice.ts";
import type { Judged, OpenTarget, Subject } from "./fuzz-target.ts";
import { minimise } from "./minimise.ts";
import { mutate } from "./mutate.ts";

/** Cases between two inspections of the whole. */
const BATCH = 200;

/** A case that failed. */
export interface Failure {
  readonly subject: string;
  /** Number of the case within the campaign, from 0. */
  readonly index: number;
  readonly fault: string;
  readonly bytes: Uint8Array;
}

/** What a campaign found. */
export interface CampaignResult {
  readonly cases: number;
  /** Outcomes by subject. */
  readonly outcomes: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly slowestMs: number;
  readonly failures: readonly Failure[];
  /** What an inspection found, with the number of the last case before it. */
  readonly inspections: readonly { readonly afterCase: number; readonly fault: string }[];
}

/** Bounds of a campaign. */
export interface CampaignOptions {
  readonly seed: number;
  /** How long cases are made; null: until each subject had `casesPerSubject`. */
  readonly seconds: number | null;
  /** Cases of each subject, one subject after another; null: subjects are drawn until the time is up. */
  readonly casesPerSubject: number | null;
  /** Cases that are judged even where they take longer than `seconds`. */
  readonly minCases: number;
  /** The campaign ends at so many failures. */
  readonly maxFailures: number;
  /** Ends the campaign after the case that it is at. */
  readonly signal?: AbortSignal;
}

function kindOf(fault: string): string {
  return fault.split(":")[0] ?? "";
}

/** Judges one case; a judge that throws, or that takes too long, is a fault of the case. */
export async function judgeCase(
  subject: Subject,
  bytes: Uint8Array,
  timeoutMs: number,
): Promise<Judged & { readonly ms: number }> {
  const started = performance.now();
  let judged: Judged;
  try {
    judged = await subject.judge(bytes);
  } catch (error) {
    const said = error instanceof Error ? `${error.name} ${error.message.slice(0, 200)}` : typeof error;
    judged = { outcome: "threw", fault: `threw: ${said}` };
  }
  const ms = performance.now() - started;
  if (judged.fault === null && ms > timeoutMs) return { ...judged, fault: `slow: ${Math.round(ms)} ms`, ms };
  return { ...judged, ms };
}

class Campaign {
  private readonly target: OpenTarget;
  private readonly dice: Dice;
  private readonly options: CampaignOptions;
  private readonly end: number;
  private readonly last: number;
  private readonly outcomes: Record<string, Record<string, number>> = {};
  private readonly failures: Failure[] = [];
  private readonly inspections: { afterCase: number; fault: string }[] = [];
  private cases = 0;
  private slowestMs = 0;

  constructor(target: OpenTarget, options: CampaignOptions) {
    this.target = target;
    this.options = options;
    this.dice = new Dice(options.seed);
    const { seconds, casesPerSubject } = options;
    this.end = seconds === null ? Number.POSITIVE_INFINITY : performance.now() + seconds * 1000;
    this.last = casesPerSubject === null ? Number.POSITIVE_INFINITY : casesPerSubject * target.subjects.length;
  }

  async run(): Promise<CampaignResult> {
    while (!this.isOver()) {
      const until = this.cases + BATCH;
      await Promise.all(Array.from({ length: this.target.concurrency }, () => this.work(until)));
      const fault = await this.target.inspect();
      if (fault !== null) this.inspections.push({ afterCase: this.cases - 1, fault });
    }
    const { cases, outcomes, slowestMs, failures, inspections } = this;
    return { cases, outcomes, slowestMs: Math.round(slowestMs), failures, inspections };
  }

  private isOver(): boolean {
    const found = this.failures.length + this.inspections.length;
    if (this.options.signal?.aborted === true || found >= this.options.maxFailures || this.cases >= this.last) return true;
    return performance.now() >= this.end && this.cases >= this.options.minCases;
  }

  private async work(until: number): Promise<void> {
    while (this.cases < until && !this.isOver()) {
      const index = this.cases++;
      // Drawn in the order of the cases, whatever runs at one time: the seed repeats them.
      const subject = this.subjectOf(index);
      const bytes = mutate(subject.examples, this.dice);
      const judged = await judgeCase(subject, bytes, this.target.caseTimeoutMs);
      const tally = this.outcomes[subject.name] ?? {};
      this.outcomes[subject.name] = { ...tally, [judged.outcome]: (tally[judged.outcome] ?? 0) + 1 };
      this.slowestMs = Math.max(this.slowestMs, judged.ms);
      if (judged.fault !== null) await this.keep(subject, index, bytes, judged.fault);
    }
  }

  private subjectOf(index: number): Subject {
    const { subjects } = this.target;
    const each = this.options.casesPerSubject;
    const next = each === null ? undefined : subjects[Math.floor(index / each)];
    return next ?? this.dice.pick(subjects);
  }

  private async keep(subject: Subject, index: number, bytes: Uint8Array, fault: string): Promise<void> {
    if (this.failures.some((known) => known.subject === subject.name && kindOf(known.fault) === kindOf(fault))) return;
    const failure = { subject: subject.name, index, fault };
    const place = this.failures.push({ ...failure, bytes }) - 1;
    const smaller = await minimise(bytes, async (candidate) => {
      const again = await judgeCase(subject, candidate, this.target.caseTimeoutMs);
      return again.fault !== null && kindOf(again.fault) === kindOf(fault);
    });
    this.failures[place] = { ...failure, bytes: smaller };
  }
}

/** Runs a campaign against an open target. Equal seeds make equal cases, in the same order. */
export async function runCampaign(target: OpenTarget, options: CampaignOptions): Promise<CampaignResult> {
  return await new Campaign(target, options).run();
}
