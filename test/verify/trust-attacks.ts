/** A well-formed bundle whose maker lacks one entry of the trust file. */
import { type Attack, strangeKey } from "../fixtures/attack.ts";
import { serviceEntry } from "../fixtures/world.ts";

const because = "withdrawn";

/** Entries that are missing, or another's. */
export const missingEntries: readonly Attack[] = [
  { name: "with a trust file that names no service", check: "trust.log-known", code: "TRUST_UNKNOWN_LOG", services: () => [] },
  {
    name: "whose gateway key is unknown",
    check: "trust.gateway-known",
    code: "TRUST_UNKNOWN_GATEWAY",
    trust: (entry) => {
      entry.gateway.keys = [{ publicKey: strangeKey.publicKey }];
    },
  },
  {
    name: "whose log origin is unknown",
    check: "trust.log-known",
    code: "TRUST_UNKNOWN_LOG",
    trust: (entry) =>
      entry.logs.forEach((log) => {
        log.origin = "log.elsewhere.test";
      }),
  },
  {
    name: "whose log has another key",
    check: "log.checkpoint",
    code: "LOG_CHECKPOINT_INVALID",
    trust: (entry) =>
      entry.logs.forEach((log) => {
        log.publicKey = strangeKey.publicKey;
      }),
  },
  {
    name: "whose witness is unknown",
    check: "log.signatures-known",
    code: "LOG_SIGNATURE_FOREIGN",
    trust: (entry) => {
      entry.witnesses.keys = [{ name: "witness.elsewhere.test", publicKey: strangeKey.publicKey }];
    },
  },
  {
    name: "that no witness cosigned",
    check: "log.quorum",
    code: "LOG_QUORUM_MISSING",
    changes: { checkpoint: { receipt: { witnesses: [] }, session: { witnesses: [] }, policy: { witnesses: [] } } },
  },
  {
    name: "with one cosignature where two are wanted",
    check: "log.quorum",
    code: "LOG_QUORUM_MISSING",
    trust: (entry) => {
      entry.witnesses.quorum = 2;
      entry.witnesses.keys.push({ name: "witness.second.test", publicKey: strangeKey.publicKey });
    },
  },
  {
    name: "with witnesses where the trust file counts on none",
    check: "log.signatures-known",
    code: "LOG_SIGNATURE_FOREIGN",
    trust: (entry) => void Object.assign(entry, { witnesses: { accept: "none", because } }),
  },
  {
    name: "whose policy signer is not named",
    check: "policy.signed",
    code: "POLICY_UNSIGNED",
    trust: (entry) => {
      entry.policySigners = [];
    },
  },
  {
    name: "whose policy is older than the least sequence",
    check: "policy.not-rolled-back",
    code: "POLICY_ROLLED_BACK",
    trust: (entry) =>
      entry.policySigners.forEach((signer) => {
        signer.minSequence = 6;
      }),
  },
  {
    name: "whose gateway attestation type is not accepted",
    check: "trust.tee-type",
    code: "TRUST_TEE_TYPE",
    trust: (entry) => {
      entry.gateway.teeTypes = [];
    },
  },
  {
    name: "of a development gateway where development is not accepted",
    check: "trust.mode",
    code: "TRUST_DEV_MODE",
    trust: (entry) => void delete entry.dev,
  },
  {
    name: "with simulated evidence where none is accepted",
    check: "evidence.type-accepted",
    code: "TRUST_SIMULATED",
    trust: (entry) => {
      entry.paths.tee.evidence = [];
    },
  },
  {
    name: "of a path for which the trust file has no section",
    check: "evidence.type-accepted",
    code: "TRUST_SIMULATED",
    trust: (entry) => void Object.assign(entry, { paths: {} }),
  },
  {
    name: "of a path whose section cannot be read",
    check: "trust.section-readable",
    code: "TRUST_FILE_INVALID",
    trust: (entry) => void Object.assign(entry.paths.tee, { worker: [] }),
  },
  {
    name: "whose platform key is unknown",
    check: "evidence.platform-trusted",
    code: "EVIDENCE_CHAIN_UNTRUSTED",
    trust: (entry) =>
      entry.paths.tee.evidence.forEach((one) => {
        one.platformKeys = [strangeKey.publicKey];
      }),
  },
  {
    name: "whose worker build is unknown",
    check: "evidence.worker-accepted",
    code: "TRUST_UNKNOWN_WORKER",
    trust: (entry) => {
      entry.paths.tee.workers = [];
    },
  },
  {
    name: "whose model is unknown",
    check: "evidence.model-accepted",
    code: "TRUST_UNKNOWN_MODEL",
    trust: (entry) => {
      entry.paths.tee.models = [];
    },
  },
];

/** Entries that the relying party withdrew. */
export const revokedEntries: readonly Attack[] = [
  {
    name: "under a revoked gateway key",
    check: "receipt.key-not-revoked",
    code: "KEY_REVOKED",
    trust: (entry, { world }) => void entry.revoked.keys.push({ publicKey: world.gateway.publicKey, because }),
  },
  {
    name: "under a revoked log key",
    check: "log.key-not-revoked",
    code: "KEY_REVOKED",
    trust: (entry, { world }) => void entry.revoked.keys.push({ publicKey: world.logSigner.publicKey, because }),
  },
  {
    name: "cosigned by a revoked witness alone",
    check: "log.quorum",
    code: "LOG_QUORUM_MISSING",
    trust: (entry, { world }) => void entry.revoked.keys.push({ publicKey: world.witness.signer.publicKey, because }),
  },
  {
    name: "under a policy of a revoked signer",
    check: "policy.signer-not-revoked",
    code: "KEY_REVOKED",
    trust: (entry, { world }) => void entry.revoked.keys.push({ publicKey: world.policySigner.publicKey, because }),
  },
  {
    name: "from a revoked platform",
    check: "evidence.platform-not-revoked",
    code: "KEY_REVOKED",
    trust: (entry, { world }) => void entry.revoked.keys.push({ publicKey: world.platform.publicKey, because }),
  },
  {
    name: "under a revoked leg key",
    check: "leg.key-not-revoked",
    code: "KEY_REVOKED",
    trust: (entry, { world }) => void entry.revoked.keys.push({ publicKey: world.worker.leg.publicKey, because }),
  },
  {
    name: "from a revoked worker build",
    check: "evidence.worker-not-revoked",
    code: "MEASUREMENT_REVOKED",
    trust: (entry, { world }) => void entry.revoked.measurements.push({ digest: world.worker.workerDigest, because }),
  },
  {
    name: "with a revoked model",
    check: "evidence.model-not-revoked",
    code: "MEASUREMENT_REVOKED",
    trust: (entry, { world }) => void entry.revoked.measurements.push({ digest: world.model.digest, because }),
  },
];

/** Entries of one trusted service used for another: the bundle is alpha's, and one entry stands in beta's place. */
export const crossedEntries: readonly Attack[] = [
  {
    name: "whose gateway key is one service's and whose log another's",
    check: "trust.one-service",
    code: "TRUST_SERVICE_MISMATCH",
    services: ({ world, other }) => {
      const [alpha, beta] = [serviceEntry(world), serviceEntry(other)];
      return [
        { ...alpha, logs: beta.logs },
        { ...beta, logs: alpha.logs },
      ];
    },
  },
  {
    name: "whose policy signer is another service's",
    check: "policy.signed",
    code: "POLICY_UNSIGNED",
    changes: ({ other }) => ({ policySigner: other.policySigner }),
    services: ({ world, other }) => [serviceEntry(world), serviceEntry(other)],
  },
  {
    name: "whose worker is another service's",
    check: "evidence.platform-trusted",
    code: "EVIDENCE_CHAIN_UNTRUSTED",
    changes: ({ other }) => ({ worker: other.worker }),
    services: ({ world, other }) => [serviceEntry(world), serviceEntry(other)],
  },
  {
    name: "whose worker build is another service's on the same platform",
    check: "evidence.worker-accepted",
    code: "TRUST_UNKNOWN_WORKER",
    changes: ({ world, other }) => ({
      worker: other.worker,
      evidence: { platform: world.platform, statement: (plain) => ({ ...plain, modelDigests: world.worker.modelDigests }) },
    }),
    services: ({ world, other }) => [serviceEntry(world), serviceEntry(other)],
  },
  {
    name: "whose witness is another service's",
    check: "log.signatures-known",
    code: "LOG_SIGNATURE_FOREIGN",
    changes: ({ other }) => {
      const witnesses = [other.witness];
      return { checkpoint: { receipt: { witnesses }, session: { witnesses }, policy: { witnesses } } };
    },
    services: ({ world, other }) => [serviceEntry(world), serviceEntry(other)],
  },
  {
    name: "whose log key is another service's under this one's origin",
    check: "log.checkpoint",
    code: "LOG_CHECKPOINT_INVALID",
    changes: ({ other }) => {
      const log = other.logSigner;
      return { checkpoint: { receipt: { log }, session: { log }, policy: { log } } };
    },
    services: ({ world, other }) => [serviceEntry(world), serviceEntry(other)],
  },
  {
    name: "whose model only another service accepts",
    check: "evidence.model-accepted",
    code: "TRUST_UNKNOWN_MODEL",
    services: ({ world, other }) => {
      const [alpha, beta] = [serviceEntry(world), serviceEntry(other)];
      beta.paths.tee.models.push(...alpha.paths.tee.models);
      alpha.paths.tee.models = [];
      return [alpha, beta];
    },
  },
  {
    name: "whose simulated evidence only another service accepts",
    check: "evidence.type-accepted",
    code: "TRUST_SIMULATED",
    services: ({ world, other }) => {
      const [alpha, beta] = [serviceEntry(world), serviceEntry(other)];
      beta.paths.tee.evidence = alpha.paths.tee.evidence;
      alpha.paths.tee.evidence = [];
      return [alpha, beta];
    },
  },
  {
    name: "that two services claim",
    check: "trust.one-service",
    code: "TRUST_SERVICE_MISMATCH",
    services: ({ world }) => [serviceEntry(world), { ...serviceEntry(world), name: "twin" }],
  },
];
