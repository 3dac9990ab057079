/**
 * Challenges: decisions that were made before there was anything to answer. Each is used up by the first submission of the
 * API key that asked for it. They are kept in memory alone: a restart forgets them, and nobody can bring one back.
 */
import { TrisealError } from "../core/errors.ts";
import type { CallerFacts } from "../core/oip.ts";
import { holdsUntil, type UnixSeconds } from "../core/time.ts";
import type { PathId, ServedModel } from "../paths/path.ts";
import type { Decided } from "./exchange.ts";
import { Quota } from "./quota.ts";

/** Most challenges of all tenants together: each holds a decision of some kilobytes. */
const MAX_CHALLENGES = 8192;

/** For what a challenge was asked, and by whom. */
export interface ChallengePurpose {
  readonly path: PathId;
  readonly submits: string;
  /** SHA-256 of the API key. */
  readonly keyHash: string;
}

/** A challenge that was not answered yet. */
export interface Challenge extends ChallengePurpose {
  readonly tenant: string;
  readonly model: ServedModel;
  readonly facts: CallerFacts;
  /** The decision, whose nonce names the challenge. */
  readonly made: Decided;
  /** The first second at which it no longer holds. */
  readonly exp: UnixSeconds;
}

/** The open challenges of one gateway. */
export class Challenges {
  private readonly open = new Map<string, Challenge>();
  private readonly quota: Quota;

  constructor(maxPerTenant: number) {
    this.quota = new Quota({ total: MAX_CHALLENGES, perTenant: maxPerTenant });
  }

  /** Opens a challenge. @throws TrisealError `TOO_MANY_REQUESTS`, `OVERLOADED` where as many are open as may be. */
  add(challenge: Challenge, now: UnixSeconds): void {
    if (this.quota.exceeded(challenge.tenant, 1) !== null) this.sweep(now);
    const exceeded = this.quota.exceeded(challenge.tenant, 1);
    if (exceeded === "total") throw new TrisealError("OVERLOADED", "as many challenges are open as may be");
    if (exceeded === "tenant") throw new TrisealError("TOO_MANY_REQUESTS", "this tenant has as many open challenges as it may");
    this.keep(challenge);
  }

  /** The challenge of that nonce, for the same purpose and the same key alone; null otherwise. It stays open. */
  find(nonce: string, { path, submits, keyHash }: ChallengePurpose): Challenge | null {
    const found = this.open.get(nonce);
    return found !== undefined && found.path === path && found.submits === submits && found.keyHash === keyHash ? found : null;
  }

  /**
   * Uses a challenge up.
   * @throws TrisealError `CHALLENGE_UNKNOWN` for a nonce that is none, was used, or belongs to another key or purpose: one
   *   answer for all; `CHALLENGE_EXPIRED`.
   */
  take(nonce: string, purpose: ChallengePurpose, now: UnixSeconds): Challenge {
    const found = this.find(nonce, purpose);
    if (found === null) throw new TrisealError("CHALLENGE_UNKNOWN", "no open challenge of this key has that nonce");
    this.drop(found);
    if (!holdsUntil(found.exp, now)) throw new TrisealError("CHALLENGE_EXPIRED", "the challenge has ended");
    return found;
  }

  /** Opens a challenge again that was taken for nothing: what failed was the gateway, and a retry may succeed. */
  giveBack(challenge: Challenge): void {
    this.keep(challenge);
  }

  private keep(challenge: Challenge): void {
    this.open.set(challenge.made.decision.nonce, challenge);
    this.quota.take(challenge.tenant, 1);
  }

  private drop(challenge: Challenge): void {
    this.open.delete(challenge.made.decision.nonce);
    this.quota.give(challenge.tenant, 1);
  }

  /** Ended challenges are kept until their place is needed, so that who comes late is told so. */
  private sweep(now: UnixSeconds): void {
    for (const challenge of this.open.values()) if (!holdsUntil(challenge.exp, now)) this.drop(challenge);
  }
}
