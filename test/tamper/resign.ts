/** One changed document of a bundle, and everything downstream made anew and signed: by the gateway, and by a worker that colludes. */
import { encodeBase64, encodeHex, parseBase64, utf8 } from "../../src/core/bytes.ts";
import { digestHex, digestOf, digestOfJson, type Sha256Digest } from "../../src/core/digest.ts";
import { encodeJcs } from "../../src/core/jcs.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../../src/core/json.ts";
import { BUNDLE_VERSION } from "../../src/receipt/bundle.ts";
import type { Built } from "../fixtures/bundle.ts";
import { MemoryLog } from "../fixtures/memory-log.ts";
import { at, type World } from "../fixtures/world.ts";

/** Documents of a bundle, each before those that cite it. */
export const LAYERS = ["evidence", "session", "statement", "decision", "leg", "receipt"] as const;

/** One of them. */
export type Layer = (typeof LAYERS)[number];

/** The documents of one bundle; the receipt without its signature. A refusal has no evidence, session and leg. */
export type Documents = Readonly<Partial<Record<Layer, JsonValue>>>;

/** An honest bundle, taken apart. */
export interface Opened {
  readonly documents: Documents;
  readonly bundle: JsonObject;
}

function parse(text: string): JsonValue {
  return JSON.parse(text) as JsonValue;
}

function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** The documents of a bundle that was built. */
export function openBuilt(built: Built): Opened {
  const bundle = parse(textOf(built.bundle)) as JsonObject;
  const { signature: _, ...receipt } = built.receipt.document;
  const { data } = built.session["evidence"] as { data: string };
  const answered = built.legBytes !== null;
  return {
    bundle,
    documents: {
      receipt,
      ...(built.decision === null
        ? {}
        : { statement: parse(textOf(built.statementBytes)), decision: parse(JSON.stringify(built.decision)) }),
      ...(answered
        ? {
            leg: parse(textOf(built.legBytes ?? new Uint8Array())),
            session: built.session,
            evidence: parse(textOf(parseBase64(data.slice(data.indexOf(",") + 1)))),
          }
        : {}),
    },
  };
}

/** The bytes of the bundle in which `layer` is `changed`, and everything that cites it follows. */
export function resign(world: World, honest: Opened, layer: Layer, changed: JsonValue): Uint8Array {
  const documents: Partial<Record<Layer, JsonValue>> = { ...honest.documents, [layer]: changed };
  for (const [index, upstream] of LAYERS.entries()) {
    if (upstream !== layer) follow(world, honest, documents, upstream);
    else if (layer === "leg" && isJsonObject(changed)) documents.leg = signLeg(world, honest.documents.leg, changed);
    for (const downstream of LAYERS.slice(index + 1)) replaceCitation(honest, documents, upstream, downstream);
  }
  return encode(world, honest, documents);
}

/** What stands in a document about an earlier one, apart from its digest. */
function follow(world: World, honest: Opened, documents: Partial<Record<Layer, JsonValue>>, layer: Layer): void {
  const document = documents[layer];
  if (!isJsonObject(document)) return;
  const { decision, session } = documents;
  if (layer === "decision") documents.decision = withAge(document, session);
  if (layer === "leg") documents.leg = signLeg(world, honest.documents.leg, withNonce(document, decision));
  if (layer === "receipt") documents.receipt = withEvent(document, honest.documents.decision, decision);
}

/** The gateway computes the age of the evidence from the session that it wrote. */
function withAge(decision: JsonObject, session: JsonValue | undefined): JsonObject {
  const established = isJsonObject(session) ? session["established_at"] : null;
  const decidedAt = decision["at"];
  if (typeof established !== "number" || typeof decidedAt !== "number") return decision;
  const text = JSON.stringify(decision);
  return parse(
    text.replace(
      /("name":"backend\.evidence_age_seconds","origin":"evidence","value":)-?[\d.e+]+/,
      `$1${decidedAt - established}`,
    ),
  ) as JsonObject;
}

/** The worker signs the nonce that the gateway gives it. */
function withNonce(leg: JsonObject, decision: JsonValue | undefined): JsonObject {
  const nonce = isJsonObject(decision) ? decision["nonce"] : undefined;
  const { statement } = leg;
  if (typeof nonce !== "string" || !isJsonObject(statement) || !isJsonObject(statement["binding"])) return leg;
  return { ...leg, statement: { ...statement, binding: { ...statement["binding"], nonce } } };
}

/** Signed anew where the statement is another; a change beside the statement stays as it is. */
function signLeg(world: World, honest: JsonValue | undefined, leg: JsonObject): JsonObject {
  const before = isJsonObject(honest) ? JSON.stringify(honest["statement"]) : "";
  const { statement = null } = leg;
  if (JSON.stringify(statement) === before || leg["signature"] === undefined) return leg;
  const message = new Uint8Array([...utf8("triseal.leg.v1\0"), ...encodeJcs(statement)]);
  return { ...leg, signature: encodeHex(world.worker.leg.sign(message)) };
}

/** The receipt's event repeats what the decision says now. */
function withEvent(receipt: JsonObject, honest: JsonValue | undefined, decision: JsonValue | undefined): JsonObject {
  const events = receipt["event_log"];
  if (!isJsonObject(decision) || JSON.stringify(decision) === JSON.stringify(honest) || !Array.isArray(events)) return receipt;
  const { effect = null, ruleIds = null, policyDigest = null } = decision;
  const repeat = (event: JsonValue): JsonValue =>
    isJsonObject(event) && event["type"] === "policy.decided"
      ? { ...event, effect, rule_ids: ruleIds, policy_digest: policyDigest }
      : event;
  return { ...receipt, event_log: events.map((event: JsonValue) => repeat(event)) };
}

function replaceCitation(honest: Opened, documents: Partial<Record<Layer, JsonValue>>, upstream: Layer, downstream: Layer): void {
  const [before, after, citing] = [honest.documents[upstream], documents[upstream], documents[downstream]];
  if (before === undefined || after === undefined || citing === undefined) return;
  const data = (value: JsonValue) => encodeBase64(encodeJcs(value));
  const text = JSON.stringify(citing)
    .replaceAll(digestHex(digestOfJson(before)), digestHex(digestOfJson(after)))
    .replaceAll(data(before), data(after));
  documents[downstream] = parse(text);
}

function encode(world: World, honest: Opened, documents: Partial<Record<Layer, JsonValue>>): Uint8Array {
  const { receipt: unsigned = null, session, statement, decision, leg } = documents;
  const receipt = isJsonObject(unsigned)
    ? { ...unsigned, signature: encodeHex(world.gateway.sign(encodeJcs(unsigned))) }
    : unsigned;
  const blobs = { ...(honest.bundle["blobs"] as JsonObject) } as Record<string, JsonValue>;
  for (const layer of ["statement", "decision", "leg"] as const) {
    const before = honest.documents[layer];
    if (before !== undefined) delete blobs[digestOfJson(before)];
  }
  for (const blob of [statement, decision, leg]) {
    if (blob !== undefined) blobs[digestOf(encodeJcs(blob))] = encodeBase64(encodeJcs(blob));
  }
  return encodeJcs({
    v: BUNDLE_VERSION,
    receipt,
    supplements: [],
    keyset: honest.bundle["keyset"] ?? null,
    sessions: session === undefined ? {} : { [digestHex(digestOfJson(session))]: session },
    blobs,
    log: logged(world, receipt, session, statement),
  });
}

/** The gateway's log accepts whatever it is given, and its witness cosigns it. */
function logged(world: World, receipt: JsonValue, session: JsonValue | undefined, statement: JsonValue | undefined): JsonObject {
  const log = new MemoryLog(world.log.origin);
  const by = { log: world.logSigner, witnesses: [world.witness] };
  const proofs: Record<string, JsonValue> = {};
  const documents: (readonly ["policy" | "session" | "receipt", JsonValue | undefined])[] = [
    ["policy", statement],
    ["session", session],
    ["receipt", receipt],
  ];
  for (const [kind, document] of documents) {
    if (document === undefined) continue;
    const digest: Sha256Digest = digestOfJson(document);
    log.append(kind, digest);
    log.checkpoint(kind === "receipt" ? at(102) : at(2));
    proofs[digest] = { ...log.proof(kind, digest, by) };
  }
  return proofs;
}
