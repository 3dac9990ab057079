/** What one verification carries from step to step. */
import { type Basis, type Check, Checklist } from "../core/check.ts";
import type { Sha256Digest } from "../core/digest.ts";
import type { UnixSeconds } from "../core/time.ts";
import type { Bundle } from "../receipt/bundle.ts";
import type { Waiver } from "../trust/trust-file.ts";
import { verifyChecks } from "./check-table.ts";
import type { Claim, VerifyOptions } from "./verdict.ts";

/** A witness's clock may lag the operator's, and a checkpoint may wait for its cosignature, by a minute. */
export const CLOCK_LAG_SECONDS = 60;

/** A moment, and what it rests on. */
export interface Moment {
  readonly seconds: UnixSeconds;
  readonly basis: Basis;
}

/** State of one verification. Parts of the bundle that a step reads are marked as used. */
export class VerifyContext {
  readonly checks: Checklist<typeof verifyChecks>;
  readonly claims: Claim[] = [];
  readonly waivers: Waiver[] = [];
  readonly notes: string[] = [];
  readonly bundle: Bundle;
  readonly options: VerifyOptions;
  private readonly dangerouslyDisabled: ReadonlySet<string>;
  private readonly appraised: Check[] = [];
  private readonly skippable = new Set<string>();
  private readonly used = new Set<string>();

  /** @param dangerouslyDisabled see `judgeBundle`. */
  constructor(bundle: Bundle, options: VerifyOptions, dangerouslyDisabled: ReadonlySet<string>) {
    this.bundle = bundle;
    this.options = options;
    this.dangerouslyDisabled = dangerouslyDisabled;
    this.checks = new Checklist(verifyChecks, dangerouslyDisabled);
  }

  /** Checks that the paths' appraisers made. */
  get pathChecks(): readonly Check[] {
    return this.appraised;
  }

  /** Whether a path says that this check of it may be skipped. */
  mayPathSkip(id: string): boolean {
    return this.skippable.has(id);
  }

  /** Takes over the checks of an appraisal; `optional` are those that may be skipped. */
  addPathChecks(checks: readonly Check[], optional: ReadonlySet<string> = new Set()): void {
    for (const id of optional) this.skippable.add(id);
    this.appraised.push(...checks.filter(({ id, status }) => status !== "fail" || !this.dangerouslyDisabled.has(id)));
  }

  /** The blob of this digest, or null; it counts as used. */
  blob(digest: Sha256Digest): Uint8Array | null {
    this.used.add(`blob ${digest}`);
    return this.bundle.blobs.get(digest) ?? null;
  }

  /** Marks a session or a log entry as used. */
  use(part: "session" | "log", name: string): void {
    this.used.add(`${part} ${name}`);
  }

  /** Parts of the bundle that no step read. */
  unusedParts(): readonly string[] {
    const parts = [
      ...[...this.bundle.blobs.keys()].map((name) => `blob ${name}`),
      ...[...this.bundle.sessions.keys()].map((name) => `session ${name}`),
      ...[...this.bundle.log.keys()].map((name) => `log ${name}`),
    ];
    return parts.filter((part) => !this.used.has(part));
  }

  /** Notes that the trust file accepts a weakness in writing. */
  waive(entry: string, because: string | undefined): void {
    if (because !== undefined && !this.waivers.some((waiver) => waiver.entry === entry)) this.waivers.push({ entry, because });
  }
}
