/** Subjects of the engine's protocol: messages and what they carry, one at a time. */
import { concatBytes, utf8 } from "../../../src/core/bytes.ts";
import { digestOf } from "../../../src/core/digest.ts";
import { isTrisealError } from "../../../src/core/errors.ts";
import { encodeJcs } from "../../../src/core/jcs.ts";
import type { JsonObject, JsonValue } from "../../../src/core/json.ts";
import { parseCircuit } from "../../../src/paths/fhe/wire/circuit.ts";
import { parseClaim, verifyClaim } from "../../../src/paths/fhe/wire/claim.ts";
import type { Judged, Subject } from "../fuzz-target.ts";
import { burstSubject, scriptSubject, streamSubject } from "./engine-sequences.ts";
import { type EngineSession, type Exchange, judgeAnswer } from "./engine-session.ts";
import { messageOf, type Step, steps } from "./engine-steps.ts";
import { CLAIMED, FRESH_RUN } from "./engine-world.ts";

const text = new TextDecoder();
const json = (value: unknown) => utf8(JSON.stringify(value));

/** The outcome of a single message. */
function judgeOne({ answers, fault }: Exchange): Judged {
  const [answer] = answers;
  return { outcome: answer === undefined ? "none" : judgeAnswer(answer).outcome, fault };
}

/** The JSON of a message, sent with the body of the op that it was changed from. */
function headSubject(session: EngineSession, name: string, kinds: readonly string[]): Subject {
  const known = steps(session);
  const made = kinds.map((kind) => messageOf(session, (known[kind] ?? []) as unknown as JsonValue, 5));
  const bodies = new Map(made.map(({ body }) => [JSON.stringify(body.map((piece) => piece.length)), body]));
  const stood = kinds.map((kind) => {
    const [members = {}, ...pieces] = known[kind] ?? [];
    const parts = pieces.map((piece) => (session.world.blobs[piece] ?? new Uint8Array()).length);
    return json({ v: 1, id: 5, ...members, parts });
  });
  return {
    name,
    examples: stood,
    judge: async (bytes) => {
      const parts = /"parts":(\[[0-9,]*\])/.exec(text.decode(bytes))?.[1] ?? "";
      // Raw bytes that are no UTF-8 go as they are.
      const named = session.named(text.decode(bytes));
      const head = named.includes("\ufffd") ? bytes : utf8(named);
      return judgeOne(await session.exchange([{ head: head.slice(0, 65_536), body: bodies.get(parts) ?? [] }]));
    },
  };
}

/** What the engine runs is a circuit for the compiler's side, too. */
function isCircuit(bytes: Uint8Array): boolean {
  try {
    parseCircuit(encodeJcs(JSON.parse(text.decode(bytes)) as JsonObject));
    return true;
  } catch (error) {
    if (isTrisealError(error)) return false;
    throw error;
  }
}

function circuitSubject(session: EngineSession): Subject {
  const { blobs, keyId } = session.world;
  const examples = ["not", "mixed"].map((name) => blobs[name] ?? new Uint8Array());
  return {
    name: "circuit",
    examples,
    judge: async (circuit) => {
      const inputs = (text.decode(circuit).match(/"bool"/g)?.length ?? 0) === 1 ? ["value"] : ["value", "value"];
      const members = { op: "run", run: FRESH_RUN, keyId, seed: CLAIMED.seed };
      const body = [circuit, ...inputs.map((name) => blobs[name] ?? new Uint8Array())];
      const whole = { v: 1, id: 9, ...members, parts: body.map((piece) => piece.length) };
      const found = await session.exchange([{ head: utf8(session.named(JSON.stringify(whole))), body }]);
      const judged = judgeOne(found);
      if (judged.fault !== null || judged.outcome !== "ok") return judged;
      return isCircuit(circuit) ? judged : { ...judged, fault: "accepted: a circuit that the compiler's side refuses" };
    },
  };
}

/** One piece of a body changed; `isSound` says what is wrong with an answer that accepts it. */
function pieceSubject(
  session: EngineSession,
  name: string,
  step: Step,
  piece: string,
  unsound: (changed: Uint8Array, exchange: Exchange) => string | null,
): Subject {
  const { blobs } = session.world;
  return {
    name,
    examples: [blobs[piece] ?? new Uint8Array()],
    judge: async (bytes) => {
      const [members, ...names] = step;
      const body = names.map((each) => (each === piece ? bytes : (blobs[each] ?? new Uint8Array())));
      const whole = { v: 1, id: 11, ...members, parts: body.map((each) => each.length) };
      const found = await session.exchange([{ head: utf8(session.named(JSON.stringify(whole))), body }]);
      const judged = judgeOne(found);
      return judged.outcome === "ok" && judged.fault === null ? { ...judged, fault: unsound(bytes, found) } : judged;
    },
  };
}

/** An answer names the bytes that it was made of. */
function otherInput(changed: Uint8Array, { answers: [answer] }: Exchange): string | null {
  const said = answer?.message["inputs"] as readonly string[] | undefined;
  return said?.length === 1 && `sha256:${said[0]}` === digestOf(changed) ? null : "accepted: an input under another digest";
}

/** A list that is not the proven one gives its values, and no others. */
async function listSubject(session: EngineSession): Promise<Subject> {
  const step = steps(session)["open"];
  if (step === undefined) throw new Error("no list");
  const good = await session.exchange([messageOf(session, step as unknown as JsonValue, 3)]);
  const values = (exchange: Exchange) => exchange.answers.flatMap(({ parts }) => parts.map(digestOf)).join();
  const original = values(good);
  return pieceSubject(session, "proven list", step, "list", (_, exchange) =>
    values(exchange) === original ? null : "accepted: a changed list",
  );
}

/** What the engine signed says of its run what the run was. */
function unsoundClaim(
  session: EngineSession,
  { input, output }: { readonly input: string; readonly output: string },
  signed: Uint8Array,
) {
  const { claim } = JSON.parse(text.decode(signed)) as { claim: Record<string, JsonValue> };
  const digests = (list: JsonValue | undefined) =>
    (list as readonly JsonObject[]).flatMap(({ digest }) => (typeof digest === "string" ? [digest] : [])).join();
  const { keyId, blobs } = session.world;
  const right = [input, output, CLAIMED.seed, keyId, digestOf(blobs["same"] ?? new Uint8Array()), 0];
  const { inputs, outputs, seed, keyId: key, circuitDigest, pbs } = claim;
  const said = [digests(inputs), digests(outputs), seed, key, circuitDigest, pbs];
  if (JSON.stringify(said) !== JSON.stringify(right)) return `accepted: a claim of another run: ${JSON.stringify(said)}`;
  try {
    return verifyClaim(parseClaim(signed)) ? null : "accepted: a claim whose signature does not hold";
  } catch (error) {
    // What the gateway says of its accounts the engine signs as it was said; who reads it refuses it.
    if (isTrisealError(error)) return null;
    throw error;
  }
}

/** The claim of a run that was made: what is signed is about that run, whatever was asked. */
async function claimSubject(session: EngineSession): Promise<Subject> {
  return {
    name: "claim",
    examples: [json((await session.claimed()).claim)],
    judge: async (bytes) => {
      const waiting = await session.claimed();
      const head = concatBytes(utf8(`{"v":1,"id":13,"op":"claim","run":"${waiting.run}","parts":[],"claim":`), bytes, utf8("}"));
      const found = await session.exchange([{ head: head.slice(0, 65_536), body: [] }]);
      const judged = judgeOne(found);
      if (judged.outcome !== "ok") return judged;
      session.forgetRun();
      const signed = found.answers[0]?.parts[0] ?? new Uint8Array();
      return judged.fault === null ? { ...judged, fault: unsoundClaim(session, waiting, signed) } : judged;
    },
  };
}

/** Ops without a body. */
const HEADS = ["hello", "cancel", "key", "lweKey", "wrongKey", "claim"];

const often = (times: number, subject: Subject): readonly Subject[] => Array.from({ length: times }, () => subject);

/** All of them; what costs the engine a bootstrap, a proof or its life stands there less often. */
export async function engineSubjects(session: EngineSession): Promise<readonly Subject[]> {
  const known = steps(session);
  const step = (name: string): Step => known[name] ?? [{}];
  return [
    ...often(800, burstSubject(session, HEADS)),
    ...often(400, headSubject(session, "message", HEADS)),
    ...often(100, headSubject(session, "message with a body", ["import", "expand", "same", "not", "foreign", "lwe", "crs"])),
    ...often(2, headSubject(session, "message with a list", ["open"])),
    ...often(20, circuitSubject(session)),
    ...often(80, await claimSubject(session)),
    ...often(60, scriptSubject(session)),
    ...often(4, pieceSubject(session, "compressed value", step("same"), "value", otherInput)),
    ...often(
      4,
      pieceSubject(session, "value to expand", step("expand"), "value", () => null),
    ),
    ...often(
      10,
      pieceSubject(session, "value to import", step("import"), "expanded", () => null),
    ),
    ...often(10, pieceSubject(session, "vector", step("lwe"), "vector", otherInput)),
    ...often(
      10,
      pieceSubject(session, "circuit of kind lwe", step("lwe"), "lweDot", () => null),
    ),
    await listSubject(session),
    ...often(2, streamSubject(session)),
  ];
}
