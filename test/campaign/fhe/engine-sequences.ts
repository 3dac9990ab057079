/** Subjects that are more than one message: sequences of them at once, and streams that are no frames any more. */
import { concatBytes, utf8 } from "../../../src/core/bytes.ts";
import { sha256Bytes } from "../../../src/core/digest.ts";
import type { JsonValue } from "../../../src/core/json.ts";
import { Dice } from "../dice.ts";
import type { Subject } from "../fuzz-target.ts";
import { mutate } from "../mutate.ts";
import { ANSWER_MS, FuzzedEngine } from "./engine-process.ts";
import { type EngineSession, frameOf, judgeAnswer } from "./engine-session.ts";
import { messageOf, steps } from "./engine-steps.ts";

/** Messages of one script; a mutation may repeat what stands there. */
const MAX_SCRIPT = 300;
const text = new TextDecoder();
const json = (value: unknown) => utf8(JSON.stringify(value));

/** Messages at once, in any order, on ids that are used twice, cancelled and given up. */
export function scriptSubject(session: EngineSession): Subject {
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

/** Messages of a burst. */
const BURST = 32;

/**
 * Many changed messages at once. A case is the first of them; the others are changed by choices that follow from its bytes, so that it
 * can be judged again.
 */
export function burstSubject(session: EngineSession, kinds: readonly string[]): Subject {
  const known = steps(session);
  const under = (id: number) =>
    kinds.map((kind) => {
      // One of the others, which may still be at work.
      const target = kind === "cancel" ? { target: 100 + ((id * 7) % BURST) } : {};
      return json({ v: 1, id, ...known[kind]?.[0], ...target, parts: [] });
    });
  const examples = Array.from({ length: BURST }, (_, place) => under(100 + place));
  return {
    name: "burst",
    examples: under(99),
    judge: async (bytes) => {
      const [one = 0, two = 0, three = 0] = sha256Bytes(bytes);
      const dice = new Dice((one << 16) | (two << 8) | three);
      const heads = [bytes, ...examples.slice(1).map((those) => mutate(those, dice))];
      const messages = heads.map((head) => ({ head: head.slice(0, 65_536), body: [] }));
      const { answers, fault } = await session.exchange(messages);
      const accepted = answers.filter(({ message }) => message["ok"] === true).length;
      return { outcome: accepted === 0 ? "none accepted" : "some accepted", fault };
    },
  };
}

/** Bytes of several frames, lengths and all; an engine of its own reads them to their end, and a second caller is turned away. */
export function streamSubject(session: EngineSession): Subject {
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
