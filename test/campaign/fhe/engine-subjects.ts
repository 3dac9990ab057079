/** Subjects of the engine's protocol: messages, what they carry, sequences of them, and streams that are no frames any more. */
import { concatBytes, utf8 } from "../../../src/core/bytes.ts";
import { digestOf } from "../../../src/core/digest.ts";
import { isTrisealError } from "../../../src/core/errors.ts";
import { encodeJcs } from "../../../src/core/jcs.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../../../src/core/json.ts";
import { parseCircuit } from "../../../src/paths/fhe/wire/circuit.ts";
import { parseClaim, verifyClaim } from "../../../src/paths/fhe/wire/claim.ts";
import type { Judged, Subject } from "../fuzz-target.ts";
import { ANSWER_MS, FuzzedEngine } from "./engine-process.ts";
import { type EngineSession, type Exchange, frameOf, judgeAnswer, type Message } from "./engine-session.ts";
import { CLAIMED, FRESH_RUN, METADATA } from "./engine-world.ts";

/** Messages of one script; a mutation may repeat what stands there. */
const MAX_SCRIPT = 300;
const text = new TextDecoder();
const json = (value: unknown) => utf8(JSON.stringify(value));

/** A message of a script: its members, and the names of its pieces. */
type Step = readonly [members: JsonObject, ...pieces: readonly string[]];

/** One valid message for each op, and more for those that have forms. */
function steps({ world }: EngineSession): Readonly<Record<string, Step>> {
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
function messageOf(session: EngineSession, step: JsonValue, id: number): Message {
  const [members = null, ...names] = Array.isArray(step) ? step : [step];
  const body = names.map((name) => session.world.blobs[String(name)] ?? utf8(String(name)));
  const whole = isJsonObject(members) ? { v: 1, id, parts: body.map((piece) => piece.length), ...members } : members;
  return { head: utf8(session.named(JSON.stringify(whole))), body };
}

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

/** Messages at once, in any order, on ids that are used twice, cancelled and given up. */
function scriptSubject(session: EngineSession): Subject {
  const known = steps(session);
  const script = (
    ...entries: readonly (readonly [id: number, kind: string] | readonly [id: number, target: "cancel", of: number])[]
  ) =>
    json(
      entries.map(([id, kind, of]) => {
        const [members = {}, ...pieces] = known[kind] ?? [];
        return [{ v: 1, id, ...members, ...(of === undefined ? {} : { target: of }) }, ...pieces];
      }),
    );
  return {
    name: "sequence",
    examples: [
      script([1, "hello"], [2, "key"], [3, "same"], [4, "claim"], [5, "cancel", 3], [6, "hello"]),
      script([1, "lwe"], [1, "lwe"], [1, "hello"], [2, "cancel", 1], [2, "cancel", 2], [3, "wrongKey"]),
      script([9, "foreign"], [8, "expand"], [7, "import"], [6, "same"], [5, "lweKey"], [4, "claim"]),
      script(
        [1, "hello"],
        [2, "cancel", 1],
        [3, "claim"],
        [4, "cancel", 3],
        [5, "hello"],
        [6, "key"],
        [7, "lweKey"],
        [8, "hello"],
      ),
    ],
    judge: async (bytes) => {
      let list: JsonValue;
      try {
        list = JSON.parse(text.decode(bytes)) as JsonValue;
        // As deep as this side can write it again.
        JSON.stringify(list);
      } catch {
        list = [text.decode(bytes)];
      }
      const entries = (Array.isArray(list) ? list : [list]).slice(0, MAX_SCRIPT);
      const messages = entries
        .map((entry: JsonValue) => messageOf(session, entry, 1))
        .filter(({ head }) => head.length <= 65_536);
      const { answers, fault } = await session.exchange(messages);
      const accepted = answers.filter(({ message }) => message["ok"] === true).length;
      return {
        outcome: accepted === messages.length ? "all accepted" : accepted === 0 ? "none accepted" : "some refused",
        fault,
      };
    },
  };
}

/** Bytes of several frames, lengths and all; an engine of its own reads them to their end, and a second caller is turned away. */
function streamSubject(session: EngineSession): Subject {
  const known = steps(session);
  const frames = (...kinds: readonly string[]) =>
    concatBytes(...kinds.map((kind, id) => frameOf(messageOf(session, (known[kind] ?? []) as unknown as JsonValue, id))));
  return {
    name: "stream",
    examples: [
      frames("hello", "cancel", "wrongKey", "hello", "claim"),
      frames("claim", "hello", "hello"),
      frames("hello", "crs", "hello"),
    ],
    judge: async (bytes) => {
      session.messages++;
      const start = { ...session.world.start, threads: 1, keysDir: `${session.world.start.keysDir}` };
      const engine = await FuzzedEngine.start(start, [bytes]);
      engine.write(bytes);
      engine.finish();
      const answers = await engine.answers(Number.MAX_SAFE_INTEGER, ANSWER_MS);
      const timer = setTimeout(() => void engine.close(), ANSWER_MS);
      const ending = await engine.ended;
      clearTimeout(timer);
      const bad = answers.map(judgeAnswer).find(({ fault }) => fault !== null);
      if (bad !== undefined) return bad;
      if ("signal" in ending) return { outcome: ending.signal, fault: `died: ${ending.signal}` };
      if (ending.said.includes("panicked")) return { outcome: "panic", fault: `panic: ${ending.said.slice(0, 300)}` };
      const coded = ending.code === 0 || (ending.code === 1 && /\{"error":\{"code":"[A-Z_]+"/.test(ending.said));
      return { outcome: `exit ${ending.code}`, fault: coded ? null : `ended: ${ending.code} ${ending.said.slice(-300)}` };
    },
  };
}

const often = (times: number, subject: Subject): readonly Subject[] => Array.from({ length: times }, () => subject);

/** All of them; what costs the engine a bootstrap, a proof or its life stands there less often. */
export async function engineSubjects(session: EngineSession): Promise<readonly Subject[]> {
  const known = steps(session);
  const step = (name: string): Step => known[name] ?? [{}];
  return [
    ...often(1600, headSubject(session, "message", ["hello", "cancel", "key", "lweKey", "wrongKey", "claim"])),
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
