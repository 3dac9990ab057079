/** Workers of their own, evidence of others, sealed bodies that come twice, and seals that are weaker than they look. */
import { ReplayGuard } from "../../enclave/worker/replay-guard.ts";
import { openRequest, parseEnvelope } from "../../src/paths/tee/wire/envelope.ts";
import { findReusedLegs } from "../../src/verify/index.ts";
import { editEvent, forger, strangeKey } from "../fixtures/attack.ts";
import { buildBundle, type Changes } from "../fixtures/bundle.ts";
import { SNP_FLOOR, snpEntry, snpHardware } from "../fixtures/evidence/worker-hardware.ts";
import { at, createTestWorker, modelDigestOf, type ServiceEntry } from "../fixtures/world.ts";
import { backendFact, other, otherBody } from "../verify/attack-part.ts";
import { forged, found, refused, type Way } from "./way.ts";

const workers: readonly Way[] = [
  forged(
    "tee",
    "own worker, with evidence that the gateway signs itself",
    "evidence.platform-trusted",
    "EVIDENCE_CHAIN_UNTRUSTED",
    {
      changes: ({ world }) => ({ evidence: { platform: world.gateway } }),
    },
  ),
  forged("tee", "own worker build on a platform that is trusted", "evidence.worker-accepted", "TRUST_UNKNOWN_WORKER", {
    changes: async ({ world }) => ({ worker: await createTestWorker("mallory", 120, world.platform, world.worker.modelDigests) }),
  }),
  forged("tee", "own leg key beside the evidence of an honest worker", "leg.key-attested", "LEG_KEY_NOT_ATTESTED", {
    changes: { legSigner: strangeKey },
  }),
  forged("tee", "own leg key under the name of the attested one", "leg.signature", "LEG_SIGNATURE_INVALID", {
    changes: ({ world }) => ({ legSigner: forger(world.worker.leg) }),
  }),
  forged("tee", "own keyset inside the evidence of an honest worker", "evidence.keyset-bound", "EVIDENCE_KEY_BINDING_INVALID", {
    changes: ({ world }) => ({
      evidence: {
        keyset: { ...world.worker.keyset, legKeys: [{ keyId: "leg-1", algo: "ed25519", publicKey: world.gateway.publicKey }] },
      },
      legSigner: { ...world.gateway, keyId: "leg-1" },
    }),
  }),
  forged("tee", "another worker's session for the leg of this one", "leg.signature", "LEG_SIGNATURE_INVALID", {
    changes: async ({ world }) => ({
      worker: await createTestWorker("second", 70, world.platform, world.worker.modelDigests),
      legSigner: world.worker.leg,
    }),
    trust: (entry) => void Object.assign(entry.paths.tee, { workers: { accept: "any", because: "a test" } }),
  }),
  forged("tee", "a model that the worker does not attest", "leg.model-attested", "LEG_MODEL_NOT_ATTESTED", {
    changes: { evidence: { statement: (plain) => ({ ...plain, modelDigests: [modelDigestOf("another")] }) } },
  }),
  forged(
    "tee",
    "simulated evidence that calls itself hardware in the session",
    "evidence.session-faithful",
    "SESSION_CLAIMS_UNFOUNDED",
    {
      changes: {
        session: (document) => ({
          ...document,
          claims: {
            ...(document["claims"] as object),
            tee_attested: { status: "asserted", source: "hardware_proven", reason: "no" },
          },
        }),
      },
    },
  ),
  forged(
    "tee",
    "simulated evidence where the policy's guardrail was told of hardware",
    "decision.backend",
    "DECISION_BACKEND_MISMATCH",
    {
      changes: () => ({
        candidates: (candidates) => backendFact("simulated", false)(backendFact("evidence_type", "sev-snp")(candidates)),
      }),
    },
  ),
];

const snp = (options: Parameters<typeof snpHardware>[0] = {}, without: readonly string[] = []): Changes => ({
  evidence: { type: "sev-snp", hardware: snpHardware(options, [], without) },
  backendFacts: { evidence_type: "sev-snp", simulated: false, tcb: "up-to-date" },
});
const trusting =
  (change: Parameters<typeof snpEntry>[0] = {}) =>
  (entry: ServiceEntry) => {
    entry.paths.tee.evidence = [snpEntry(change) as never];
  };

const hardware: readonly Way[] = [
  forged(
    "tee",
    "hardware evidence with its list of revoked certificates left out",
    "collateral.present",
    "EVIDENCE_COLLATERAL_MISSING",
    {
      changes: snp({}, ["crl"]),
      trust: trusting(),
    },
  ),
  forged("tee", "firmware that was current once and is below the floor now", "tcb.current", "EVIDENCE_TCB_OUT_OF_DATE", {
    changes: snp(),
    trust: trusting({ tcb: { ...SNP_FLOOR, snp: 25 } }),
  }),
  forged("tee", "a guest that its host can debug", "guest.not-debugged", "EVIDENCE_DEBUG_ENABLED", {
    changes: snp({ set: { [0x0a]: [0x0b] } }),
    trust: trusting(),
  }),
  forged("tee", "a hardware report about somebody else's statement", "report-data.matches", "EVIDENCE_REPORT_DATA_MISMATCH", {
    changes: snp({ reportData: new Uint8Array(64) }),
    trust: trusting(),
  }),
  forged(
    "tee",
    "a hardware report of own making, under roots of the adversary's own",
    "chain.trusted",
    "EVIDENCE_CHAIN_UNTRUSTED",
    {
      changes: snp(),
      trust: (entry) => {
        const { roots: _, ...vendors } = snpEntry();
        entry.paths.tee.evidence = [vendors as never];
      },
    },
  ),
];

const exchanges: readonly Way[] = [
  forged("tee", "spliced leg: a worker's real one, of another request", "binding.decision", "BINDING_DECISION_MISMATCH", {
    changes: async ({ world }) => {
      const { legBytes } = await buildBundle(world, { body: otherBody, nonce: "d".repeat(32) });
      return { legBytes: (own) => legBytes ?? own };
    },
  }),
  forged(
    "tee",
    "spliced leg: of another request that was worked under this very decision",
    "binding.request-received",
    "BINDING_REQUEST_MISMATCH",
    {
      changes: { workerBody: otherBody },
    },
  ),
  forged("tee", "another sealed answer than the worker's", "binding.response-returned", "BINDING_RESPONSE_MISMATCH", {
    changes: { kind: "caller-sealed", events: editEvent("response.returned", { body_hash: other }) },
  }),
  forged(
    "tee",
    "a request that the gateway read, receipted as sealed by its caller",
    "binding.request-received",
    "BINDING_REQUEST_MISMATCH",
    {
      changes: {
        facts: (facts) => facts.map((fact) => (fact.name === "request.sealed" ? { ...fact, value: "caller" } : fact)),
        events: editEvent("leg.sealed", { sealed_by: "caller" }),
      },
    },
  ),
  found("tee", "one answer of a worker in two receipts", "findReusedLegs", "LEG_REUSED", async ({ world }) => {
    const twin = (digit: string): Changes => ({ receipt: (receipt) => ({ ...receipt, receiptId: `rcpt-${digit.repeat(32)}` }) });
    // Under one decision, so that the worker's two legs look like those of two exchanges.
    const made = [await buildBundle(world, twin("1")), await buildBundle(world, twin("2"))];
    return findReusedLegs(made.map(({ bundle }) => bundle)).length > 0 ? "LEG_REUSED" : null;
  }),
  found("tee", "replayed sealed body: a caller's envelope that is sent to the worker again", "ReplayGuard", "replayed", () => {
    const guard = new ReplayGuard(8);
    guard.claim("its encapsulated key", 300, 0);
    const again = guard.claim("its encapsulated key", 300, 299);
    return again === "fresh" ? null : again;
  }),
  ...(
    [
      ["whose clear facts the gateway changed", { facts: { value_usd: 1 } }],
      ["whose life the gateway made longer", { exp: at(100_000) }],
      ["that the gateway marks as sealed by itself, to have the outputs stated", { sealer: "gateway" }],
    ] as const
  ).map(([what, change]) =>
    refused("tee", `a caller's envelope ${what}`, "openRequest", "SEALED_UNOPENABLE", async ({ world }) => {
      const { request } = await buildBundle(world, { kind: "caller-sealed" });
      await openRequest({ ...parseEnvelope(request.wire), ...change }, world.worker.sealKeys);
    }),
  ),
];

/** All of them. */
export const teeWays: readonly Way[] = [...workers, ...hardware, ...exchanges];
