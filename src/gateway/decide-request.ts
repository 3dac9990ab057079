/** From a request to the decision about it: the policy in force, on what the caller states and what the gateway observes. */
import { encodeHex } from "../core/bytes.ts";
import { TrisealError } from "../core/errors.ts";
import type { CallerFacts } from "../core/oip.ts";
import { holdsUntil, type UnixSeconds } from "../core/time.ts";
import type { ServedModel } from "../paths/path.ts";
import { type Candidate, decide, type Fact, factsFromCaller } from "../policy/index.ts";
import { findStatement } from "./cited-statement.ts";
import { type Decided, decided, type ReceivedRequest } from "./exchange.ts";
import type { ActivePolicy, GatewayOptions } from "./options.ts";

/** What is to be decided. */
export interface Undecided {
  readonly received: ReceivedRequest;
  readonly facts: CallerFacts;
  readonly model: ServedModel;
  readonly at: UnixSeconds;
  readonly candidates: readonly Candidate[];
  /** What the caller makes itself; null where a backend computes. */
  readonly submits: string | null;
}

type DecidingOptions = Pick<GatewayOptions, "policy" | "paths" | "ledger">;

/** The policy in force at a moment. @throws TrisealError `POLICY_UNAVAILABLE`. */
export function policyInForce({ policy }: Pick<GatewayOptions, "policy">, at: UnixSeconds): ActivePolicy {
  const active = policy();
  if ("unavailable" in active) throw new TrisealError("POLICY_UNAVAILABLE", active.unavailable);
  if (at < active.notBefore || !holdsUntil(active.notAfter, at))
    throw new TrisealError("POLICY_UNAVAILABLE", "the signed policy is not in force now");
  return active;
}

/**
 * The decision, under a nonce of 128 random bits, also on what a cited statement shows.
 * @throws TrisealError `POLICY_UNAVAILABLE`, `REQUEST_NOT_SEALED`, and as `findStatement`.
 */
export async function decideRequest(options: DecidingOptions, undecided: Undecided): Promise<Decided> {
  const { received, facts: stated, at, candidates } = undecided;
  const active = policyInForce(options, at);
  if (stated.seal === "caller" && received.sealedBy !== "caller") {
    throw new TrisealError("REQUEST_NOT_SEALED", "the request asks to be refused unless the caller sealed it");
  }
  const statement = await findStatement(options, stated.statement, received.caller.tenant.id, at);
  const nonce = encodeHex(crypto.getRandomValues(new Uint8Array(16)));
  const facts = [...factsFromCaller(stated), ...(statement?.facts ?? []), ...gatewayFacts(options, undecided)];
  return decided(active, decide(active.policy, { at, nonce, facts, candidates }), statement);
}

function gatewayFacts({ paths }: Pick<GatewayOptions, "paths">, { received, model, submits }: Undecided): readonly Fact[] {
  const { tenant } = received.caller;
  const serving = paths.filter((path) => path.models().some((served) => served.digest === model.digest));
  const values: Readonly<Record<string, Fact["value"] | null>> = {
    "request.sealed": received.sealedBy === "caller" ? "caller" : "gateway",
    "request.submits": submits,
    "request.bytes": received.body.length,
    "tenant.id": tenant.id,
    "tenant.tier": tenant.tier,
    "tenant.jurisdiction": tenant.jurisdiction,
    "model.name": model.name,
    "model.version": model.version,
    "model.digest": model.digest,
    "model.paths": serving.map((path) => path.id),
  };
  return Object.entries(values).flatMap(([name, value]) => (value === null ? [] : [{ name, origin: "gateway" as const, value }]));
}
