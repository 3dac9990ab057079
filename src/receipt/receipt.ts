/** Receipts: ACI `aci/1` documents (spec section 7) with Triseal's events. The format is described in SPEC.md beside this file. */
import { encodeHex, parseHex } from "../core/bytes.ts";
import {
  array,
  type Decoded,
  type Decoder,
  digest,
  hexText,
  integer,
  jsonObject,
  matching,
  nullable,
  object,
  oneOf,
  seconds,
  text,
} from "../core/decode.ts";
import { digestOfJson, type Sha256Digest } from "../core/digest.ts";
import { type Signer, verifyEd25519 } from "../core/ed25519.ts";
import { TrisealError } from "../core/errors.ts";
import { encodeJcs } from "../core/jcs.ts";
import { isJsonObject, type JsonObject, type JsonValue, parseJson } from "../core/json.ts";
import { ACI_VERSION } from "./keyset.ts";

const guessable = { digest: oneOf("guessable") };
const code = matching(/[A-Z][A-Z0-9_]{1,63}/, "an error code");

const decodeFinalLeg = object(
  {
    type: oneOf("leg.sealed"),
    path: text(32),
    leg_digest: digest,
    leg_media_type: text(128),
    evidence_digest: digest,
    evidence_media_type: text(128),
    status: oneOf("final"),
    sealed_by: oneOf("caller", "gateway"),
  },
  guessable,
);

/** A leg that is still to come has no bytes, so nothing to cite: a supplement receipt brings them. */
const decodePendingLeg = object(
  {
    type: oneOf("leg.sealed"),
    path: text(32),
    status: oneOf("pending"),
    sealed_by: oneOf("caller", "gateway"),
    deadline: seconds,
  },
  guessable,
);

/** A leg that is there. */
export type FinalLeg = Decoded<typeof decodeFinalLeg>;

const decodeLegEvent: Decoder<FinalLeg | Decoded<typeof decodePendingLeg>> = (value, place) =>
  (isJsonObject(value) && value["status"] === "pending" ? decodePendingLeg : decodeFinalLeg)(value, place);

const eventDecoders = {
  "request.received": object({ type: oneOf("request.received"), body_hash: digest }, guessable),
  "request.forwarded": object({ type: oneOf("request.forwarded"), body_hash: digest }),
  "response.returned": object({ type: oneOf("response.returned"), body_hash: digest }),
  "upstream.verified": object(
    { type: oneOf("upstream.verified"), result: oneOf("verified", "failed"), required: oneOfBoolean(), model_id: text(128) },
    { session_id: hexText(32), reason: text(512), upstream_name: text(128) },
  ),
  "service.described": object({ type: oneOf("service.described"), report_digest: digest }, { mode: oneOf("dev") }),
  "policy.decided": object({
    type: oneOf("policy.decided"),
    policy_digest: digest,
    statement_digest: digest,
    decision_digest: digest,
    rule_ids: array(text(128), 64),
    effect: oneOf("allow", "deny"),
  }),
  "statement.cited": object({
    type: oneOf("statement.cited"),
    receipt_id: text(128),
    receipt_digest: digest,
    path: text(32),
    leg_digest: digest,
    leg_media_type: text(128),
    evidence_digest: digest,
    evidence_media_type: text(128),
  }),
  "leg.sealed": decodeLegEvent,
  "request.refused": object({ type: oneOf("request.refused"), code, rule_id: nullable(text(128)) }),
  parent: object({ type: oneOf("parent"), receipt_id: text(128), receipt_digest: digest }),
};

function oneOfBoolean(): Decoder<boolean> {
  return (value, place) => {
    if (typeof value === "boolean") return value;
    throw new TrisealError("FORMAT_INVALID", `${place}: expected \`true\` or \`false\``);
  };
}

type EventDecoders = typeof eventDecoders;

/** Name of an event that this version defines. */
export type EventType = keyof EventDecoders;

/** An event of type `T`. */
export type EventOf<T extends EventType> = Decoded<EventDecoders[T]>;

/** An event of a receipt's log. Types that this version does not know are kept as they are and mean nothing to it (ACI section 7.4). */
export type ReceiptEvent = { [T in EventType]: EventOf<T> }[EventType] | UnknownEvent;

/** An event of a type that this version does not know. */
export interface UnknownEvent {
  readonly type: `unknown:${string}`;
  readonly content: JsonObject;
}

function isEventType(type: string): type is EventType {
  return Object.hasOwn(eventDecoders, type);
}

const decodeEvent: Decoder<ReceiptEvent> = (value, place) => {
  const content = jsonObject(value, place);
  const type = text(64)(content["type"], `${place}.type`);
  return isEventType(type) ? eventDecoders[type](content, place) : { type: `unknown:${type}`, content };
};

const decodeDocument = object({
  api_version: oneOf(ACI_VERSION),
  receipt_id: text(128),
  chat_id: nullable(text(256)),
  model: nullable(text(256)),
  workload_keyset_digest: digest,
  endpoint: text(512),
  method: text(16),
  served_at: seconds,
  event_log: array(decodeEvent, 64),
  key_id: text(128),
  signature: hexText(64),
});

/** A receipt as it is served: the parsed members, and the document itself for its digest and signature. */
export interface Receipt extends Decoded<typeof decodeDocument> {
  readonly document: JsonObject;
}

/** What a receipt is made of before it is signed: the document without `key_id` and `signature`. */
export interface UnsignedReceipt {
  readonly receiptId: string;
  readonly chatId: string | null;
  readonly model: string | null;
  readonly keysetDigest: Sha256Digest;
  readonly endpoint: string;
  readonly method: string;
  readonly servedAt: number;
  readonly events: readonly JsonObject[];
}

/** Checks that every number of a signed document is an integer (ACI Appendix A), so that all JCS writers agree on it. */
function assertIntegers(value: JsonValue, place: string): void {
  if (typeof value === "number") integer(Number.MIN_SAFE_INTEGER)(value, place);
  else if (Array.isArray(value)) value.forEach((item: JsonValue, index) => assertIntegers(item, `${place}[${index}]`));
  else if (isJsonObject(value))
    for (const [key, item] of Object.entries(value)) assertIntegers(item, `${place}.${key.slice(0, 80)}`);
}

/**
 * The receipt that `document` holds. Does not verify its signature.
 * @throws TrisealError `FORMAT_INVALID`: unknown or missing members, numbers that are not integers, first event not
 *   `request.received`, or a known event type with other members than its own.
 */
export function decodeReceipt(document: JsonValue | undefined, place = "receipt"): Receipt {
  const content = jsonObject(document, place);
  assertIntegers(content, place);
  const receipt = decodeDocument(content, place);
  if (receipt.event_log[0]?.type !== "request.received") {
    throw new TrisealError("FORMAT_INVALID", `${place}.event_log[0]: expected \`request.received\``);
  }
  return { ...receipt, document: content };
}

/**
 * Parses the bytes of a receipt.
 * @throws TrisealError `FORMAT_INVALID`.
 */
export function parseReceipt(bytes: Uint8Array): Receipt {
  return decodeReceipt(parseJson(bytes));
}

function signingInput(document: JsonObject): Uint8Array {
  const { signature: _, ...rest } = document;
  return encodeJcs(rest);
}

/** The signed receipt document (ACI section 7.2: Ed25519 over the JCS form without `signature`). */
export function signReceipt(unsigned: UnsignedReceipt, signer: Signer): Receipt {
  const document = {
    api_version: ACI_VERSION,
    receipt_id: unsigned.receiptId,
    chat_id: unsigned.chatId,
    model: unsigned.model,
    workload_keyset_digest: unsigned.keysetDigest,
    endpoint: unsigned.endpoint,
    method: unsigned.method,
    served_at: unsigned.servedAt,
    event_log: unsigned.events,
    key_id: signer.keyId,
  };
  return decodeReceipt({ ...document, signature: encodeHex(signer.sign(encodeJcs(document))) });
}

/** Whether the receipt is signed by `publicKey` (64 hexadecimal digits). Does not check whose key that is. */
export function verifyReceiptSignature(receipt: Receipt, publicKey: string): boolean {
  return verifyEd25519(publicKey, signingInput(receipt.document), parseHex(receipt.signature));
}

/** Digest of the whole receipt, signature included, over its JCS form: what the log's leaf commits to. */
export function receiptDigest(receipt: Receipt): Sha256Digest {
  return digestOfJson(receipt.document);
}

/** All events of one type, in order. */
export function eventsOf<T extends EventType>(receipt: Receipt, type: T): readonly EventOf<T>[] {
  return receipt.event_log.filter((event): event is EventOf<T> & ReceiptEvent => event.type === type) as unknown as EventOf<T>[];
}

/** The one event of a type, or null where the receipt has none or several. */
export function eventOf<T extends EventType>(receipt: Receipt, type: T): EventOf<T> | null {
  const events = eventsOf(receipt, type);
  return events.length === 1 ? (events[0] ?? null) : null;
}
