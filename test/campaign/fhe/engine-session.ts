/** One real engine under a campaign: messages sent to it and their answers judged, another one where it died, and a look at it. */
import { setTimeout as delay } from "node:timers/promises";
import { concatBytes } from "../../../src/core/bytes.ts";
import type { Sha256Digest } from "../../../src/core/digest.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../../../src/core/json.ts";
import type { EngineFrame } from "../../../src/paths/fhe/server/engine-frame.ts";
import type { Judged } from "../fuzz-target.ts";
import { FuzzedEngine } from "./engine-process.ts";
import { CLAIMED, claimOf, type EngineWorld, FRESH_RUN } from "./engine-world.ts";

/** Growth of the engine's memory beyond its full caches that ends a campaign. */
const MAX_GROWTH_MIB = 256;
/** A run that waits for its claim is forgotten by the engine after five minutes. */
const WAITING_MS = 200_000;
/** A whole look at the engine, with bootstraps under every key, once in so many inspections; the others ask it one question. */
const INSPECT_WHOLE = 10;
/** Codes of refusals that an engine with nothing wrong inside may give (SPEC section 8). A panic is contained, and is a fault. */
const REFUSALS = new Set([
  "FHE_CANCELLED",
  "FHE_CIRCUIT_INVALID",
  "FHE_CLAIM_INVALID",
  "FHE_INPUT_FOREIGN_KEY",
  "FHE_INPUT_MALFORMED",
  "FHE_INPUT_PROOF_INVALID",
  "FHE_INPUT_TRIVIAL",
  "FHE_INPUT_TYPE",
  "FHE_KEY_INVALID",
  "FHE_KEY_UNKNOWN",
  "FHE_PROTOCOL",
]);
/** How long the process of a connection that closed may take to be gone. */
const DEATH_MS = 5000;
const ANSWERS = ["v", "id", "ok", "parts"];

/** A message as it is sent: its JSON as bytes, and the pieces of its body. */
export interface Message {
  readonly head: Uint8Array;
  readonly body: readonly Uint8Array[];
}

/** Answers to messages, as far as they came. */
export interface Exchange {
  readonly answers: readonly EngineFrame[];
  /** What is wrong whatever the messages said, or null. */
  readonly fault: string | null;
}

/** A run that waits for its claim. */
interface Waiting {
  readonly run: string;
  readonly since: number;
  readonly input: Sha256Digest;
  readonly output: Sha256Digest;
}

/** A frame with right lengths, whatever the message says. */
export function frameOf({ head, body }: Message): Uint8Array {
  const lengths = new DataView(new ArrayBuffer(8));
  lengths.setUint32(0, head.length);
  lengths.setUint32(
    4,
    body.reduce((sum, piece) => sum + piece.length, 0),
  );
  return concatBytes(new Uint8Array(lengths.buffer), head, ...body);
}

/** What one answer is: `ok`, or the code of a refusal; and what is wrong with it whatever was asked. */
export function judgeAnswer({ message, parts }: EngineFrame): Judged {
  const { error } = message;
  if (message["v"] !== 1) return { outcome: "?", fault: "answer: of another version" };
  if (message["ok"] === true) return { outcome: "ok", fault: ANSWERS.every((name) => name in message) ? null : "answer: short" };
  if (!isJsonObject(error) || parts.length > 0) return { outcome: "?", fault: "answer: neither accepted nor refused" };
  const { code, message: text } = error;
  const isLine = typeof text === "string" && text.length > 0 && text.length <= 400 && !/[\n\r]/.test(text);
  if (typeof code !== "string" || !REFUSALS.has(code)) return { outcome: "?", fault: `code: ${JSON.stringify(error)}` };
  return { outcome: code, fault: isLine ? null : `message: ${JSON.stringify(text)}` };
}

/** The engine, and what a campaign counts of it. */
export class EngineSession {
  readonly world: EngineWorld;
  engine: FuzzedEngine;
  /** Messages that were sent, to this engine and those that are ended for each case. */
  messages = 0;
  /** Engines that ended though nobody ended them. */
  deaths = 0;
  /** Answers by their code, or `ok`. */
  private readonly answered: Record<string, number> = {};
  private fresh = 0;
  private waiting: Waiting | null = null;
  private expected: readonly string[] = [];
  private inspections = 0;
  private fullMiB = 0;
  private peakMiB = 0;

  private constructor(world: EngineWorld, engine: FuzzedEngine) {
    this.world = world;
    this.engine = engine;
  }

  /** Starts an engine, loads its keys, and checks with the client key that what it computes is right. */
  static async open(world: EngineWorld): Promise<EngineSession> {
    const session = new EngineSession(world, await FuzzedEngine.start(world.start));
    const { parts } = await session.mixedRun();
    const clear = await Promise.all(parts.map((part) => world.decrypt("u2", part)));
    if (clear.join() !== "2,1") throw new Error(`a run of true and true gave ${clear.join()}`);
    session.expected = await session.sentinel();
    return session;
  }

  /** A name that no run had. */
  freshRun(): string {
    return (++this.fresh).toString(16).padStart(32, "0");
  }

  /** The text with new names where examples have a stand-in. */
  named(text: string): string {
    return text.replaceAll(FRESH_RUN, () => this.freshRun());
  }

  /** Sends messages at once; there has to be one final answer to each, no more, with ids that were asked on. */
  async exchange(messages: readonly Message[]): Promise<Exchange> {
    this.messages += messages.length;
    this.engine.write(concatBytes(...messages.map(frameOf)));
    const answers = await this.engine.answers(messages.length);
    const fault = (await this.death(answers.length < messages.length)) ?? this.faultOf(messages, answers);
    for (const answer of answers) {
      const { outcome } = judgeAnswer(answer);
      this.answered[outcome] = (this.answered[outcome] ?? 0) + 1;
    }
    return { answers, fault };
  }

  /** A run that waits for its claim, and what the claim has to say of it. */
  async claimed(): Promise<Waiting & { readonly claim: JsonObject }> {
    if (this.waiting === null || performance.now() - this.waiting.since > WAITING_MS) {
      const run = this.freshRun();
      const { keyId, blobs } = this.world;
      const parts = [blobs["same"], blobs["value"]].map((part) => part ?? new Uint8Array());
      const { message } = await this.engine.ask("run", { run, keyId, seed: CLAIMED.seed }, parts);
      const [input, output] = [message["inputs"], message["outputs"]].map((list) => `sha256:${(list as string[])[0]}`);
      this.waiting = { run, since: performance.now(), input: input as Sha256Digest, output: output as Sha256Digest };
    }
    return { ...this.waiting, claim: claimOf(this.waiting.input, this.waiting.output) };
  }

  /** The waiting run was claimed. */
  forgetRun(): void {
    this.waiting = null;
  }

  /** What is wrong with the engine as a whole, or null. */
  async inspect(): Promise<string | null> {
    const dead = await this.death();
    if (dead !== null) return dead;
    const now = this.engine.residentMiB;
    this.peakMiB = Math.max(this.peakMiB, now);
    if (now > this.fullMiB + MAX_GROWTH_MIB) return `memory: the engine grew to ${now} MiB`;
    if (++this.inspections % INSPECT_WHOLE !== 1) return this.greets();
    const found = await this.sentinel().catch((error: unknown) => [String(error)]);
    return found.join() === this.expected.join() ? null : `a good run gives another result: ${found.join().slice(0, 300)}`;
  }

  private async greets(): Promise<string | null> {
    const said = await this.engine.ask("hello", {}).catch((error: unknown) => error);
    return said instanceof Error ? `an engine that does not greet: ${said.message.slice(0, 300)}` : null;
  }

  numbers(): Readonly<Record<string, number>> {
    const { messages, answered, deaths, fullMiB, peakMiB } = this;
    const panics = answered["FHE_ENGINE_PANIC"] ?? 0;
    return { messages, deaths, containedPanics: panics, memoryBoundMiB: fullMiB + MAX_GROWTH_MIB, peakMiB, ...answered };
  }

  close(): Promise<void> {
    return this.engine.close();
  }

  /** Says that an engine ended by itself, and starts another one. */
  private async death(isLikely = false): Promise<string | null> {
    // Its connection closes before the process is gone.
    if (isLikely) await Promise.race([this.engine.ended, delay(DEATH_MS)]);
    const { ending } = this.engine;
    if (ending === null && this.engine.broken === null) return null;
    this.deaths++;
    this.waiting = null;
    const said = JSON.stringify(ending ?? this.engine.broken).slice(0, 600);
    await this.engine.close();
    this.engine = await FuzzedEngine.start(this.world.start);
    await this.sentinel();
    return `died: ${said}`;
  }

  private faultOf(messages: readonly Message[], answers: readonly EngineFrame[]): string | null {
    if (answers.length !== messages.length) return `answers: ${answers.length} to ${messages.length} messages`;
    const asked = count(messages.map(({ head }) => idOf(head)));
    for (const { message } of answers) {
      // What cannot be read is refused on id 0.
      const id = Number(message["id"]);
      const left = asked.get(id) ?? 0;
      if (left > 0) asked.set(id, left - 1);
      else if (id !== 0) return `id: an answer on ${id}, which nobody asked on`;
    }
    for (const answer of answers) {
      const { fault } = judgeAnswer(answer);
      if (fault !== null) return fault;
    }
    return null;
  }

  /** Loads every key; returns what a run, its inputs and a list are: the same bytes each time. */
  private async sentinel(): Promise<readonly string[]> {
    const { otherKeyId, lweKeyId, blobs } = this.world;
    const part = (name: string) => blobs[name] ?? new Uint8Array();
    const run = (under: string, circuit: string, ...values: readonly string[]) =>
      this.engine.ask("run", { run: this.freshRun(), keyId: under, seed: CLAIMED.seed }, [circuit, ...values].map(part));
    const mixed = await this.mixedRun();
    const foreign = await run(otherKeyId, "not", "foreign");
    const lwe = await run(lweKeyId, "lwe", "vector");
    if (this.fullMiB === 0) this.fullMiB = this.engine.residentMiB + this.world.start.cacheBytes / 4 / 2 ** 20;
    return [mixed, foreign, lwe].map(({ message }) => JSON.stringify([message["inputs"], message["outputs"], message["pbs"]]));
  }

  private mixedRun(): Promise<EngineFrame> {
    const { keyId, blobs } = this.world;
    const parts = ["mixed", "value", "value"].map((name) => blobs[name] ?? new Uint8Array());
    return this.engine.ask("run", { run: this.freshRun(), keyId, seed: CLAIMED.seed }, parts);
  }
}

/** The id that an answer to this message has, as far as one can tell. */
function idOf(head: Uint8Array): number {
  try {
    const message = JSON.parse(new TextDecoder().decode(head)) as JsonValue;
    const id = isJsonObject(message) ? message["id"] : undefined;
    return typeof id === "number" && Number.isInteger(id) && id >= 0 && id < 2 ** 32 ? id : 0;
  } catch {
    return 0;
  }
}

function count(ids: readonly number[]): Map<number, number> {
  const found = new Map<number, number>();
  for (const id of ids) found.set(id, (found.get(id) ?? 0) + 1);
  return found;
}
