/** Keys of their own, logs of their own, other services, and other times. */
import type { Signer } from "../../src/core/ed25519.ts";
import { encodeTlogProof, type Note, parseTlogProof } from "../../src/log/index.ts";
import { forger, type Scene, strangeKey } from "../fixtures/attack.ts";
import type { BundleParts, Changes } from "../fixtures/bundle.ts";
import { MemoryLog, type TestWitness } from "../fixtures/memory-log.ts";
import { at, serviceEntry } from "../fixtures/world.ts";
import { editReceiptProof } from "../verify/attack-part.ts";
import { forged, type Way } from "./way.ts";

const because = "withdrawn";

/** Everything of the service but its receipt key: what whoever copies its public documents has. */
const ownGateway: Changes = { receiptSigner: strangeKey };

/** One signer in the place of all who sign checkpoints of the log. */
function checkpointsBy(log: Signer, witnesses: readonly TestWitness[]): NonNullable<Changes["checkpoint"]> {
  return { receipt: { log, witnesses }, session: { log, witnesses }, policy: { log, witnesses } };
}

/** RFC 8032: the order of the base point, little-endian in the upper half of a signature. */
const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;

/** The other half that naive verifiers take as well: S + L. */
function malleable(signer: Signer): Signer {
  const sign = (message: Uint8Array): Uint8Array => {
    const signature = signer.sign(message).slice();
    let scalar = [...signature.subarray(32)].reduceRight((sum, byte) => sum * 256n + BigInt(byte), 0n) + ORDER;
    for (let index = 32; index < 64; index += 1, scalar >>= 8n) signature[index] = Number(scalar & 255n);
    return signature;
  };
  return { ...signer, sign };
}

/** A second history under the service's name and key, which begins alike and which no witness has seen. */
function fork(
  { log, logSigner }: Scene["world"],
  witnesses: readonly TestWitness[],
  note: (note: Note) => Note = (same) => same,
) {
  return (parts: BundleParts): BundleParts => {
    const other = new MemoryLog(log.origin);
    // Further on than the documents that the receipt cites stand in the first history.
    for (let leaf = 0; leaf < 1000; leaf += 1) other.appendOther();
    const digest = [...parts.log.keys()].at(-1) ?? ("" as never);
    other.append("receipt", digest);
    other.checkpoint(at(102));
    return {
      ...parts,
      log: new Map([...parts.log, [digest, other.proof("receipt", digest, { log: logSigner, witnesses, note })]]),
    };
  };
}

/** The cosignature that the witness gave for another checkpoint of the log, pasted under this one. */
function pasted({ witness }: Scene["world"], parts: BundleParts): (note: Note) => Note {
  const [earlier] = [...parts.log.values()];
  const lines = parseTlogProof(earlier?.proof ?? "").note.signatures.filter(({ name }) => name === witness.name);
  return (note) => ({ ...note, signatures: [...note.signatures, ...lines] });
}

const identities: readonly Way[] = [
  forged(
    "any",
    "own gateway: a copy of the service's documents under a receipt key of its own",
    "trust.gateway-known",
    "TRUST_UNKNOWN_GATEWAY",
    {
      changes: ownGateway,
    },
  ),
  forged(
    "any",
    "own gateway that gives its receipt key the id of the trusted one",
    "trust.gateway-known",
    "TRUST_UNKNOWN_GATEWAY",
    {
      changes: ({ world }) => ({ receiptSigner: { ...strangeKey, keyId: world.gateway.keyId } }),
    },
  ),
  forged(
    "any",
    "own gateway that lists the trusted receipt key and signs with another",
    "receipt.signature",
    "RECEIPT_SIGNATURE_INVALID",
    {
      changes: ({ world }) => ({ receiptSigner: forger(world.gateway) }),
    },
  ),
  forged(
    "any",
    "a second signature of the receipt made from the first (S + L)",
    "receipt.signature",
    "RECEIPT_SIGNATURE_INVALID",
    {
      changes: ({ world }) => ({ receiptSigner: malleable(world.gateway) }),
    },
  ),
  forged("any", "own log under the name of the trusted one", "log.checkpoint", "LOG_CHECKPOINT_INVALID", {
    changes: ({ world }) => ({ checkpoint: checkpointsBy(strangeKey, [world.witness]) }),
  }),
  forged("any", "own log under a name of its own", "trust.log-known", "TRUST_UNKNOWN_LOG", {
    changes: ({ world }) => ({ parts: inOwnLog("log.mallory.test", world.witness) }),
  }),
  forged("any", "own log under the trusted name with a zero-width character in it", "trust.log-known", "TRUST_UNKNOWN_LOG", {
    changes: ({ world }) => ({ parts: inOwnLog(`${world.log.origin}\u200b`, world.witness) }),
  }),
  forged("any", "own witness under the name of the trusted one", "log.signatures-known", "LOG_SIGNATURE_FOREIGN", {
    changes: ({ world }) => ({
      checkpoint: checkpointsBy(world.logSigner, [{ name: world.witness.name, signer: strangeKey }]),
    }),
  }),
  forged("any", "one witness key counted twice under two names", "log.signatures-known", "LOG_SIGNATURE_FOREIGN", {
    changes: ({ world }) => ({
      checkpoint: checkpointsBy(world.logSigner, [world.witness, { name: "witness.twin.test", signer: world.witness.signer }]),
    }),
    trust: (entry) => {
      entry.witnesses.quorum = 2;
      entry.witnesses.keys.push({ name: "witness.twin.test", publicKey: strangeKey.publicKey });
    },
  }),
  forged("any", "forked log: a second history with the log's own signature", "log.quorum", "LOG_QUORUM_MISSING", {
    changes: ({ world }) => ({ parts: fork(world, []) }),
  }),
  forged(
    "any",
    "forked log with the witness's cosignature of the first history",
    "log.signatures-known",
    "LOG_SIGNATURE_FOREIGN",
    {
      changes: ({ world }) => ({ parts: (parts) => fork(world, [], pasted(world, parts))(parts) }),
    },
  ),
  forged("any", "a receipt that stands in the log as a document of another kind", "log.receipt", "LOG_INCLUSION_INVALID", {
    changes: ({ world }) => ({
      parts: (parts) => asKind(world, parts),
      receipt: (receipt) => ({ ...receipt, chatId: "another kind" }),
    }),
  }),
  forged("any", "the inclusion proof of another leaf of the same tree", "log.receipt", "LOG_INCLUSION_INVALID", {
    changes: {
      parts: editReceiptProof((own) => {
        const { index, hashes, note } = parseTlogProof(own.proof);
        return { ...own, proof: encodeTlogProof(index - 1, hashes, note) };
      }),
    },
  }),
];

/** The receipt in a log of the adversary's, signed by its key and by the trusted witness. */
function inOwnLog(origin: string, witness: TestWitness): (parts: BundleParts) => BundleParts {
  return (parts) => {
    const log = new MemoryLog(origin);
    const digest = [...parts.log.keys()].at(-1) ?? ("" as never);
    log.append("receipt", digest);
    log.checkpoint(at(102));
    return {
      ...parts,
      log: new Map([...parts.log, [digest, log.proof("receipt", digest, { log: strangeKey, witnesses: [witness] })]]),
    };
  };
}

function asKind({ log, logSigner, witness }: Scene["world"], parts: BundleParts): BundleParts {
  const digest = [...parts.log.keys()].at(-1) ?? ("" as never);
  log.append("session", digest);
  log.checkpoint(at(102));
  return {
    ...parts,
    log: new Map([...parts.log, [digest, log.proof("session", digest, { log: logSigner, witnesses: [witness] })]]),
  };
}

const services: readonly Way[] = [
  forged("any", "a receipt of another trusted service in this one's log", "trust.one-service", "TRUST_SERVICE_MISMATCH", {
    changes: ({ other }) => ({ receiptSigner: other.gateway }),
    services: ({ world, other }) => [serviceEntry(world), serviceEntry(other)],
  }),
  forged("any", "a policy of another trusted service", "policy.signed", "POLICY_UNSIGNED", {
    changes: ({ other }) => ({ policySigner: other.policySigner }),
    services: ({ world, other }) => [serviceEntry(world), serviceEntry(other)],
  }),
  forged("any", "a witness whom only another trusted service names", "log.signatures-known", "LOG_SIGNATURE_FOREIGN", {
    changes: ({ world, other }) => ({ checkpoint: checkpointsBy(world.logSigner, [other.witness]) }),
    services: ({ world, other }) => [serviceEntry(world), serviceEntry(other)],
  }),
  forged("any", "no trust file at all", "trust.log-known", "TRUST_UNKNOWN_LOG", { services: () => [] }),
];

const times: readonly Way[] = [
  forged(
    "any",
    "backdated: decided and served while an expired policy was in force, logged now",
    "policy.in-force",
    "POLICY_NOT_IN_FORCE",
    {
      changes: { statement: (body) => ({ ...body, notAfter: at(50) }), decidedAt: at(40), servedAt: at(41) },
    },
  ),
  forged("any", "backdated: served before its keyset expired, logged after", "keyset.current", "KEYSET_EXPIRED", {
    changes: { decidedAt: at(20), servedAt: at(21), keysetNotAfter: at(60) },
  }),
  forged("any", "backdated to before the revocation of the receipt key", "receipt.key-not-revoked", "KEY_REVOKED", {
    changes: { decidedAt: at(20), servedAt: at(21) },
    trust: (entry, { world }) => void entry.revoked.keys.push({ publicKey: world.gateway.publicKey, because }),
  }),
  forged("any", "postdated: a witness's clock that is ahead of the auditor's", "log.time", "LOG_TIME_INVALID", {
    changes: { checkpoint: { receipt: { time: at(9000) } } },
  }),
  forged("any", "the answer logged first, and the policy that allows it afterwards", "log.order", "LOG_ORDER_INVALID", {
    changes: { loggedLate: "policy", statement: (body) => ({ ...body, sequence: 91 }) },
  }),
  forged("any", "a withdrawn policy signer, whose policy is otherwise in force", "policy.signer-not-revoked", "KEY_REVOKED", {
    trust: (entry, { world }) => void entry.revoked.keys.push({ publicKey: world.policySigner.publicKey, because }),
  }),
  forged("any", "a withdrawn witness as the only one", "log.quorum", "LOG_QUORUM_MISSING", {
    trust: (entry, { world }) => void entry.revoked.keys.push({ publicKey: world.witness.signer.publicKey, because }),
  }),
];

/** All of them. */
export const logWays: readonly Way[] = [...identities, ...services, ...times];
