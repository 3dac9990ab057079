/** Whatever is changed about a claim of an engine: by whoever has the bundle, by the gateway, and by the engine itself. */
import { beforeAll, describe, expect, it } from "vitest";
import type { Binding } from "../../src/core/binding.ts";
import { utf8 } from "../../src/core/bytes.ts";
import { digestOf, digestOfJson } from "../../src/core/digest.ts";
import { canonicalJson } from "../../src/core/jcs.ts";
import type { JsonObject, JsonValue } from "../../src/core/json.ts";
import { unixSeconds } from "../../src/core/time.ts";
import { fheAppraiser } from "../../src/paths/fhe/evidence/fhe-appraiser.ts";
import { encodeAccount } from "../../src/paths/fhe/wire/account.ts";
import { type Claim, encodeClaim, signClaim } from "../../src/paths/fhe/wire/claim.ts";
import type { AppraisalInputs, LegClaims } from "../../src/paths/path.ts";
import type { Trust } from "../../src/verify/index.ts";
import { buildBundle } from "../fixtures/bundle.ts";
import { account, asset, claimOver, engine, PROGRAM, program, trustFhe, withFhe } from "../fixtures/fhe-leg.ts";
import { judge } from "../fixtures/verdict.ts";
import { at, createWorld, type ServiceEntry, trustOf, type World } from "../fixtures/world.ts";
import { type Tampered, tamper } from "./tamper-walk.ts";

const TIMEOUT_MS = 240_000;
const LATER_VERSION = "unsupported BUNDLE_VERSION_UNSUPPORTED";
let world: World;
let trust: Trust;

beforeAll(async () => {
  world = await createWorld();
  trust = trustOf(world, trustFhe);
});

const parsed = (bytes: Uint8Array) => JSON.parse(new TextDecoder().decode(bytes)) as JsonValue;

/** What a changed bundle is answered with; empty for a refusal without claims. */
async function answerTo(bundle: Uint8Array): Promise<string> {
  try {
    const { outcome, code, claims } = await judge(bundle, trust);
    const isRefusal = (outcome === "rejected" || outcome === "malformed") && typeof code === "string" && claims.length === 0;
    return isRefusal ? "" : `${outcome} ${code}`;
  } catch (error) {
    return `threw ${String(error)}`;
  }
}

/** Places of those changes that are not refused, each once. @param answerOf empty for a refusal. */
async function notRefused(changes: Iterable<Tampered>, original: JsonValue, answerOf: (document: JsonValue) => Promise<string>) {
  const same = canonicalJson(original);
  const places = new Map<string, string>();
  let count = 0;
  for (const { place, document } of changes) {
    if (canonicalJson(document) === same) continue;
    count++;
    const answer = await answerOf(document);
    if (answer !== "") places.set(place, answer);
  }
  expect(count).toBeGreaterThan(500);
  return [...places].map(([place, answer]) => `${place}: ${answer}`);
}

/** The honest leg of one binding. */
async function honestLeg(): Promise<Uint8Array> {
  const [requestDigest, responseDigest, decisionDigest, facts] = ["request", "response", "decision", "facts"].map(digestOfJson);
  const binding = { v: 1, requestDigest, responseDigest, modelDigest: PROGRAM, decisionDigest, nonce: "7".repeat(32) } as Binding;
  return encodeClaim(signClaim(claimOver(binding, facts ?? PROGRAM), engine));
}

/** What the honest leg is appraised with. */
function inputs(): AppraisalInputs {
  const moment = { seconds: unixSeconds(at(100)), basis: "signature" } as const;
  const blobs = new Map([program, encodeAccount(account), encodeAccount(asset)].map((bytes) => [digestOf(bytes), bytes]));
  const entry = { paths: {} } as ServiceEntry;
  trustFhe(entry);
  return {
    trust: (entry.paths as unknown as { readonly fhe: JsonObject }).fhe,
    revoked: { keys: new Set(), measurements: new Set() },
    model: "risk",
    tenant: "acme",
    session: null,
    programs: new Map(),
    blob: (digest) => blobs.get(digest) ?? null,
    at: moment,
    answeredAt: moment,
    now: moment.seconds,
  };
}

describe("a bundle with a claim", () => {
  it("is accepted as it is, and refused with any one place changed", { timeout: TIMEOUT_MS }, async () => {
    const { bundle } = await buildBundle(world, withFhe());
    expect(await answerTo(bundle)).toBe("accepted null");
    const document = parsed(bundle);
    const answers = await notRefused(tamper(document), document, (changed) => answerTo(utf8(JSON.stringify(changed))));
    expect(answers).toEqual([`bundle.v: ${LATER_VERSION}`]);
  });
});

/** Whether an appraisal of a leg says what that of the honest one says, without a failed check. */
async function saysTheSame(leg: Uint8Array): Promise<boolean> {
  const { checks, claims } = await fheAppraiser.appraise(leg, inputs());
  const honest = await fheAppraiser.appraise(await honestLeg(), inputs());
  const compared = (made: LegClaims) => {
    const { correctness: _, confidentiality: __, ...rest } = made;
    return canonicalJson(rest as unknown as JsonObject);
  };
  if (claims === null || honest.claims === null || checks.some(({ status }) => status === "fail")) return false;
  // What differs here differs from receipt and decision, and is refused there.
  return compared(claims) === compared(honest.claims);
}

describe("a claim", () => {
  it("is refused with any one place changed by the gateway, which signs the receipt anew", { timeout: TIMEOUT_MS }, async () => {
    const leg = parsed(await honestLeg());
    const answer = async (changed: JsonValue) => ((await saysTheSame(utf8(JSON.stringify(changed)))) ? "accepted" : "");
    expect(await notRefused(tamper(leg, "leg"), leg, answer)).toEqual([]);
  });

  it("that its engine signs anew can say otherwise only what rests on the engine's word", { timeout: TIMEOUT_MS }, async () => {
    const { claim } = parsed(await honestLeg()) as { claim: JsonObject };
    const answer = async (changed: JsonValue) => {
      const signed = signClaim(changed as unknown as Claim, engine);
      return (await saysTheSame(encodeClaim(signed))) ? "accepted" : "";
    };
    const open = await notRefused(tamper(claim, "claim"), claim, answer);
    expect(open.map((line) => line.replace(/: accepted$/, "")).sort()).toEqual([
      "claim.engine.version",
      "claim.inputs[0].digest",
      "claim.lists",
      "claim.lists[0]",
      "claim.parameters",
      "claim.reads",
      "claim.reads[0].account",
      "claim.reads[1].account",
      "claim.writes",
      "claim.writes[0].account",
      "claim.writes[0].prevHead",
      "claim.writes[2].clear",
      "claim.writes[2].version",
    ]);
  });
});
