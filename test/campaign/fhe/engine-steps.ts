/** Valid messages of the engine's protocol, one for each op and form: what a campaign changes. */
import { utf8 } from "../../../src/core/bytes.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../../../src/core/json.ts";
import type { EngineSession, Message } from "./engine-session.ts";
import { CLAIMED, FRESH_RUN, METADATA } from "./engine-world.ts";

/** A message of a script: its members, and the names of its pieces. */
export type Step = readonly [members: JsonObject, ...pieces: readonly string[]];

/** One valid message for each op, and more for those that have forms. */
export function steps({ world }: EngineSession): Readonly<Record<string, Step>> {
  const { keyId, publicKey, otherKeyId, lweKeyId, crs } = world;
  const run = { op: "run", run: FRESH_RUN, keyId, seed: CLAIMED.seed };
  return {
    hello: [{ op: "hello" }],
    crs: [{ op: "crs" }],
    cancel: [{ op: "cancel", target: 7 }],
    key: [{ op: "check-key", keyId, publicKey }],
    lweKey: [{ op: "check-key", keyId: lweKeyId, publicKey: null }],
    wrongKey: [{ op: "check-key", keyId: otherKeyId, publicKey }],
    open: [{ op: "open-list", keyId, publicKey, crs, metadata: METADATA }, "list"],
    import: [{ op: "import", keyId, type: "bool" }, "expanded"],
    expand: [{ op: "expand", keyId, type: "bool" }, "value"],
    same: [run, "same", "value"],
    not: [run, "not", "value"],
    foreign: [run, "not", "foreign"],
    lwe: [{ ...run, keyId: lweKeyId }, "lweDot", "vector"],
    claim: [{ op: "claim", run: FRESH_RUN, claim: {} }],
  };
}

/** The bytes of a step's message, with the lengths of its pieces unless it states its own. */
export function messageOf(session: EngineSession, step: JsonValue, id: number): Message {
  const [members = null, ...names] = Array.isArray(step) ? step : [step];
  const { blobs } = session.world;
  // A name that was changed is its own piece, `constructor` as well.
  const pieceOf = (name: string): Uint8Array => (Object.hasOwn(blobs, name) ? blobs[name] : undefined) ?? utf8(name);
  const body = names.map((name) => pieceOf(String(name)));
  const whole = isJsonObject(members) ? { v: 1, id, parts: body.map((piece) => piece.length), ...members } : members;
  return { head: utf8(session.named(JSON.stringify(whole))), body };
}
