/** Every check is needed: with it alone disabled, a bundle that it refuses is accepted. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { digestOf } from "../../src/core/digest.ts";
import { fheChecks } from "../../src/paths/fhe/evidence/check-table.ts";
import { fheAppraiser } from "../../src/paths/fhe/evidence/fhe-appraiser.ts";
import type { LegClaims } from "../../src/paths/path.ts";
import { teeChecks } from "../../src/paths/tee/evidence/check-table.ts";
import { teeAppraiser } from "../../src/paths/tee/evidence/tee-appraiser.ts";
import { callerProofAppraiser } from "../../src/paths/zk/evidence/caller-appraiser.ts";
import { zkChecks } from "../../src/paths/zk/evidence/check-table.ts";
import { zkAppraiser } from "../../src/paths/zk/evidence/zk-appraiser.ts";
import { verifyChecks } from "../../src/verify/check-table.ts";
import * as publicVerify from "../../src/verify/index.ts";
import { createBundleVerifier, type Verdict } from "../../src/verify/index.ts";
import { judgeBundle } from "../../src/verify/judge-bundle.ts";
import { type Attack, answerOf, createScene, mount, type Scene, stage, wanted } from "../fixtures/attack.ts";
import { buildBundle } from "../fixtures/bundle.ts";
import { withCallerProof } from "../fixtures/caller-proof.ts";
import { echo, withEcho } from "../fixtures/echo-path.ts";
import { trustFhe, withFhe } from "../fixtures/fhe-leg.ts";
import { trustStatement, withStatement } from "../fixtures/statement.ts";
import { failedChecks, PLAIN } from "../fixtures/verdict.ts";
import { trustOf } from "../fixtures/world.ts";
import { trustCommitted, trustZk, withZk } from "../fixtures/zk-leg.ts";
import { gatewayAttacks } from "./gateway-attacks.ts";
import { crossedEntries, missingEntries, revokedEntries } from "./trust-attacks.ts";

const attacks: readonly Attack[] = [
  ...missingEntries,
  ...revokedEntries,
  ...crossedEntries,
  ...Object.values(gatewayAttacks).flat(),
];

const CHECKS: Readonly<Record<string, { readonly code: string }>> = { ...verifyChecks, ...teeChecks, ...fheChecks, ...zkChecks };

/** Checks without which no bundle more would be accepted, and why they stand nevertheless. */
const NOT_ALONE: Readonly<Record<string, string>> = {
  "bundle.well-formed": "it is the reader: of bytes that are no bundle, nothing is left that could be accepted",
  "evidence.type-accepted":
    "it names the reason, a trust file that accepts no simulation at all; `evidence.platform-trusted` refuses the same bundles",
};

/**
 * Checks whose failure leaves the verifier without what later checks are about: a service, a decision, a leg, evidence, a key.
 * Their bundle is an honest one but for that one part, or under a trust file without that one entry. Under every other check
 * a bundle is accepted with all that is checked of an honest answer.
 */
const ENDS_READING: readonly string[] = [
  "trust.log-known",
  "trust.gateway-known",
  "policy.readable",
  "leg.known-path",
  "leg.final",
  "bundle.verifiable",
  "trust.section-readable",
  "evidence.readable",
  "evidence.supported",
  "leg.readable",
  "leg.key-attested",
  "fhe.section-readable",
  "fhe.leg-readable",
  "fhe.engine-accepted",
  "fhe.program-readable",
  "zk.section-readable",
  "zk.leg-readable",
  "zk.submission-readable",
  "zk.setup-readable",
  "zk.key-readable",
  "zk.key-sound",
];

let scene: Scene;
beforeAll(async () => {
  scene = await createScene();
});

/** What it takes to mount an honest bundle whose only leg is a proof. */
const PROVEN: Partial<Attack> = { changes: () => withZk(), trust: (entry) => trustZk(entry) };

/** What it takes to mount an honest bundle whose only leg is a claim of an engine. */
const CLAIMED: Partial<Attack> = { changes: () => withFhe(), trust: (entry) => trustFhe(entry) };

/** What it takes to mount an honest bundle whose decision rests on a statement. */
const CITED: Partial<Attack> = { changes: () => withStatement(), trust: (entry) => trustStatement(entry) };

/** Checks that are made of statements alone. */
const OF_STATEMENTS = /^(?:statement\.|decision\.statement|zk\.(?:credential|signer|statement))/;

/** The verdicts on one attack: that of the verifier, and that where no failure of the check in question counts. */
interface Pair {
  readonly refused: Verdict;
  readonly without: Verdict;
}

const pairs = new Map<Attack, Promise<Pair>>();

/** Both verdicts are on the same bytes: made once, since what one build has logged another one finds in the log. */
function bothVerdicts(attack: Attack): Promise<Pair> {
  const known = pairs.get(attack) ?? judgeTwice(attack);
  pairs.set(attack, known);
  return known;
}

async function judgeTwice(attack: Attack): Promise<Pair> {
  const { appraisers, bundle, trust, options } = await stage(attack, scene);
  return {
    refused: await createBundleVerifier(appraisers)(bundle, trust, options),
    without: await judgeBundle(appraisers, bundle, trust, options, new Set([attack.check])),
  };
}

/** Verdicts without this check on the attacks between which and acceptance it stands alone. */
async function stoppedBy(check: string): Promise<readonly Verdict[]> {
  const verdicts: Verdict[] = [];
  for (const attack of attacks.filter((candidate) => candidate.check === check)) {
    const { refused, without } = await bothVerdicts(attack);
    expect(answerOf(refused)).toEqual(wanted({ ...attack, code: CHECKS[check]?.code ?? "" }));
    if (without.outcome === "accepted") verdicts.push(without);
  }
  return verdicts;
}

describe("the check", () => {
  for (const id of Object.keys(CHECKS)) {
    if (id in NOT_ALONE) {
      it(`${id} never stands alone: ${NOT_ALONE[id]}`, async () => {
        expect(await stoppedBy(id)).toEqual([]);
      });
    } else {
      it(`${id} is all that stands between some bundle and acceptance`, async () => {
        const verdicts = await stoppedBy(id);
        expect(verdicts.length, "no bundle shows that this check is needed").toBeGreaterThan(0);
        expect(verdicts.every((verdict) => verdict.code === null && failedChecks(verdict).length === 0)).toBe(true);
      });
    }
  }

  it("ends what can be read only where that is said", async () => {
    const usualOf = async (attack: Partial<Attack>) =>
      new Set((await mount({ name: "", check: "", code: "", ...attack }, scene)).checks.map(({ id }) => id));
    const [answered, proven, cited] = [await usualOf({}), await usualOf(PROVEN), await usualOf(CITED)];
    const claimed = await usualOf(CLAIMED);
    const usualFor = (id: string) => {
      if (id.startsWith("fhe.")) return claimed;
      if (OF_STATEMENTS.test(id)) return cited;
      return id.startsWith("zk.") || id === "binding.facts-in-request" ? proven : answered;
    };
    const ends: string[] = [];
    for (const id of Object.keys(CHECKS)) {
      const verdicts = await stoppedBy(id);
      const usual = [...usualFor(id)];
      const isWhole = (verdict: Verdict) =>
        usual.every((other) => other === id || verdict.checks.some((made) => made.id === other));
      if (verdicts.length > 0 && !verdicts.some(isWhole)) ends.push(id);
    }
    expect(ends).toEqual(ENDS_READING);
  });
});

describe("all checks", () => {
  it("are made of an honest answer, apart from those about what it does not have", async () => {
    const answered = await createBundleVerifier([teeAppraiser])(scene.honest.bundle, trustOf(scene.world), PLAIN);
    const { bundle } = await buildBundle(scene.world, withZk());
    const proven = await createBundleVerifier([zkAppraiser])(bundle, trustOf(scene.world, trustZk), PLAIN);
    const hidden = await buildBundle(scene.world, withZk({ committed: true }));
    const committed = await createBundleVerifier([zkAppraiser])(hidden.bundle, trustOf(scene.world, trustCommitted), PLAIN);
    const own = await buildBundle(scene.world, withCallerProof());
    const byCaller = await createBundleVerifier([callerProofAppraiser])(own.bundle, trustOf(scene.world, trustZk), PLAIN);
    const run = await buildBundle(scene.world, withFhe());
    const claimed = await createBundleVerifier([fheAppraiser])(run.bundle, trustOf(scene.world, trustFhe), PLAIN);
    const rested = await mount({ name: "", check: "", code: "", ...CITED }, scene);
    const verdicts = [answered, proven, committed, byCaller, rested, claimed];
    expect(verdicts.map(({ outcome }) => outcome)).toEqual(verdicts.map(() => "accepted"));
    expect(rested.claims.map(({ text }) => text).join("\n")).toContain("a balance of at least 10000 usd, says First Bank");
    const made = new Set(verdicts.flatMap(({ checks }) => checks.map(({ id }) => id)));
    expect(Object.keys(CHECKS).filter((id) => !made.has(id))).toEqual([
      "log.supplement",
      "supplement.events",
      "supplement.signature",
      "supplement.parent",
      "supplement.legs",
      "leg.not-overdue",
      "bundle.verifiable",
    ]);
  });
});

describe("the switch that disables a check", () => {
  const SRC = fileURLToPath(new URL("../../src/", import.meta.url));

  it("is reached from no entry point: only the checklist and the judging itself know of it", () => {
    const files = readdirSync(SRC, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
    const naming = (pattern: RegExp) =>
      files
        .filter((file) => pattern.test(readFileSync(`${SRC}${file}`, "utf8")))
        .map((file) => file.replaceAll("\\", "/"))
        .sort();
    expect(naming(/dangerouslyDisabled/)).toEqual(["core/check.ts", "verify/context.ts", "verify/judge-bundle.ts"]);
    expect(naming(/judge-bundle\.ts"/)).toEqual(["verify/verify-bundle.ts"]);
    expect(naming(/\bNOTHING_DISABLED\b/)).toEqual(["core/check.ts", "verify/verify-bundle.ts"]);
    expect(naming(/new VerifyContext\(/)).toEqual(["verify/judge-bundle.ts"]);
    expect(Object.keys(publicVerify)).not.toContain("judgeBundle");
  });

  it("is not there for a caller who passes it nevertheless", async () => {
    const trust = trustOf(scene.world, (entry) => void delete entry.dev);
    const verify = createBundleVerifier as (...arguments_: unknown[]) => ReturnType<typeof createBundleVerifier>;
    const disabled = new Set(["trust.mode"]);
    const options = { ...PLAIN, dangerouslyDisabled: disabled };
    const verdict = await verify([teeAppraiser], disabled)(scene.honest.bundle, trust, options);
    expect(verdict).toMatchObject({ outcome: "rejected", code: "TRUST_DEV_MODE" });
  });
});

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
