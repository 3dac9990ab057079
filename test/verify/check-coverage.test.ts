/** Every check can be the reason of a refusal: a check that never fails alone would check nothing. */
import { beforeAll, describe, expect, it } from "vitest";
import { digestOf } from "../../src/core/digest.ts";
import { encodeJcs } from "../../src/core/jcs.ts";
import { type JsonObject, parseJson } from "../../src/core/json.ts";
import type { Appraiser, LegClaims } from "../../src/paths/path.ts";
import { teeChecks } from "../../src/paths/tee/evidence/check-table.ts";
import { teeAppraiser } from "../../src/paths/tee/evidence/tee-appraiser.ts";
import { parseTeeLeg } from "../../src/paths/tee/wire/leg.ts";
import { verifyChecks } from "../../src/verify/check-table.ts";
import { createBundleVerifier } from "../../src/verify/index.ts";
import { type Attack, createScene, mount, reportedCheck, type Scene } from "../fixtures/attack.ts";
import { buildBundle, type Changes } from "../fixtures/bundle.ts";
import { failedChecks, PLAIN } from "../fixtures/verdict.ts";
import { POLICY_TEXT, trustOf } from "../fixtures/world.ts";
import { gatewayAttacks } from "./gateway-attacks.ts";
import { crossedEntries, missingEntries, revokedEntries } from "./trust-attacks.ts";

const attacks: readonly Attack[] = [
  ...missingEntries,
  ...revokedEntries,
  ...crossedEntries,
  ...Object.values(gatewayAttacks).flat(),
];

/** Checks that no bundle of the shipped paths can fail first, and why. */
const UNREACHABLE: Readonly<Record<string, string>> = {
  "bundle.verifiable": "a reader that throws where it must not: none is known, and the verdict would be a refusal",
  "leg.session-cited": "`leg.cited` compares with the cited session before any leg is appraised, and fails first without one",
  "binding.legs-agree": "one shipped path makes one leg; two legs are compared below, with a second path that lives only here",
};

let scene: Scene;
beforeAll(async () => {
  scene = await createScene();
});

describe("the checks", () => {
  it("are each the reported reason of at least one refusal", async () => {
    const reported = new Set<string>();
    for (const attack of attacks) {
      const check = reportedCheck(await mount(attack, scene));
      if (check !== null) reported.add(check);
    }
    const all = [...Object.keys(verifyChecks), ...Object.keys(teeChecks)];
    expect(all.filter((id) => !reported.has(id)).sort()).toEqual(Object.keys(UNREACHABLE).sort());
  });

  it("are all made of an honest answer, apart from those about what it does not have", async () => {
    const { checks } = await createBundleVerifier([teeAppraiser])(scene.honest.bundle, trustOf(scene.world), PLAIN);
    const made = new Set(checks.map(({ id }) => id));
    const all = [...Object.keys(verifyChecks), ...Object.keys(teeChecks)];
    expect(all.filter((id) => !made.has(id))).toEqual(["leg.not-overdue", "bundle.verifiable"]);
  });
});

/** A second path whose leg is its claims, so that two legs stand in one receipt. */
const echo: Appraiser = {
  path: "echo",
  legMediaType: "application/x-echo",
  attestedUpstream: false,
  appraise: async (leg) => ({ checks: [], claims: parseJson(leg) as unknown as LegClaims }),
};

const bothPaths = new TextEncoder().encode(
  new TextDecoder()
    .decode(POLICY_TEXT)
    .replaceAll("all: [tee]", "all: [tee, echo]")
    .replaceAll("evidence: {", "evidence: { from: [tee],"),
);

function claimsLike(legBytes: Uint8Array, event: JsonObject, change: Partial<LegClaims>): JsonObject {
  const { binding, factsDigest, wire } = parseTeeLeg(legBytes).statement;
  const { requestDigest, responseDigest, modelDigest, decisionDigest, nonce } = binding;
  const word = { text: "echoed", basis: "assertion" };
  const claims = {
    requestDigest,
    responseDigest,
    modelDigest,
    decisionDigest,
    nonce,
    factsDigest,
    wire,
    evidence: { digest: event["evidence_digest"], mediaType: event["evidence_media_type"] },
    inputCommitment: null,
    outputs: null,
    outputCommitment: null,
    backendFacts: {},
    confidentiality: word,
    correctness: word,
  };
  return { ...claims, ...change } as unknown as JsonObject;
}

/** A receipt with a tee leg and an echo leg that claims the same, apart from `change`. */
function withEcho(change: Partial<LegClaims>): Changes {
  let teeLeg: Uint8Array = new Uint8Array();
  let echoLeg: Uint8Array = new Uint8Array();
  const addEcho = (event: JsonObject): readonly JsonObject[] => {
    if (event["type"] !== "leg.sealed") return [event];
    echoLeg = encodeJcs(claimsLike(teeLeg, event, change));
    return [event, { ...event, path: "echo", leg_digest: digestOf(echoLeg), leg_media_type: "application/x-echo" }];
  };
  return {
    policyText: bothPaths,
    candidates: (candidates) => [...candidates, { id: "echo:1", path: "echo", facts: [] }],
    legBytes: (leg) => {
      teeLeg = leg;
      return leg;
    },
    events: (events) => events.flatMap(addEcho),
    parts: (parts) => ({ ...parts, blobs: [...parts.blobs, echoLeg] }),
  };
}

describe("two legs of one receipt", () => {
  const verify = createBundleVerifier([teeAppraiser, echo]);
  const judged = async (change: Partial<LegClaims>) =>
    verify((await buildBundle(scene.world, withEcho(change))).bundle, trustOf(scene.world), PLAIN);

  it("are accepted where they are about one exchange", async () => {
    const verdict = await judged({});
    expect(failedChecks(verdict)).toEqual([]);
    expect(verdict.outcome).toBe("accepted");
  });

  it("are refused where they are about two requests", async () => {
    const wire = { requestDigest: digestOf(new Uint8Array(1)), responseDigest: digestOf(new Uint8Array(2)) };
    const verdict = await judged({ requestDigest: digestOf(new Uint8Array(3)), wire });
    expect(verdict.outcome).toBe("rejected");
    expect(failedChecks(verdict)).toContain("binding.legs-agree");
  });

  it("are refused where they ran two models", async () => {
    const verdict = await judged({ modelDigest: digestOf(new Uint8Array(4)) });
    expect(verdict).toMatchObject({ outcome: "rejected", code: "BINDING_MODEL_MISMATCH" });
  });
});
