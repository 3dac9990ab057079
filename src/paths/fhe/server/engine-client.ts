/** The engine behind its supervisor: started when it is needed, again with a growing pause when it died, cancelled and ended. */
import { setTimeout as delay } from "node:timers/promises";
import { encodeHex } from "../../../core/bytes.ts";
import { array, type Decoded, type Decoder, hexText, integer, object, oneOf, text } from "../../../core/decode.ts";
import { isTrisealError, TrisealError } from "../../../core/errors.ts";
import { isJsonObject, type JsonObject } from "../../../core/json.ts";
import type {
  CheckedKey,
  CrsInfo,
  Engine,
  EngineIdentity,
  EngineKeys,
  EngineOptions,
  EngineResult,
  EngineRun,
} from "./engine.ts";
import { lostError } from "./engine-connection.ts";
import type { EngineFrame } from "./engine-frame.ts";
import { EngineProcess, type EngineProgram } from "./engine-process.ts";

const FIRST_PAUSE_MS = 200;
const MAX_PAUSE_MS = 10_000;
/** How long an engine may go on with what it was told to end. One node takes milliseconds. */
const CANCEL_GRACE_MS = 10_000;
const HELLO_MS = 60_000;
const MAX_VALUES = 4096;

const answerOf = <T extends Readonly<Record<string, Decoder<unknown>>>>(members: T) =>
  object({ v: oneOf(1), id: integer(), ok: (value) => value === true, ...members }, { parts: array(integer(), MAX_VALUES) });

const decodeHello = answerOf({
  version: text(128),
  build: text(80),
  parameters: (value) => (isJsonObject(value) ? value : text(256)(value, "parameters")),
  publicKey: hexText(32),
  threads: integer(1, 4096),
});
const decodeCrs = answerOf({ digest: hexText(32), bytes: integer() });
const decodeKey = answerOf({ kind: text(16), tag: hexText(16), parameters: text(256), bytes: integer() });
const decodeList = answerOf({ types: array(text(8), MAX_VALUES) });
const decodeValue = answerOf({});
const decodeRun = answerOf({
  pbs: integer(),
  inputs: array(hexText(32), MAX_VALUES),
  outputs: array(hexText(32), MAX_VALUES),
});

/** What the operator is told. */
export type EngineNews = (line: { readonly level: "info" | "warn" | "error"; readonly event: string } & JsonObject) => void;

class SupervisedEngine implements Engine {
  private readonly program: EngineProgram;
  private readonly news: EngineNews;
  private current: EngineProcess | null = null;
  private starting: Promise<EngineProcess> | null = null;
  private pauseMs = 0;
  private closed = false;
  private said: EngineIdentity | null = null;

  constructor(program: EngineProgram, news: EngineNews) {
    this.program = program;
    this.news = news;
  }

  get identity(): EngineIdentity | null {
    return this.said;
  }

  async crs(options: EngineOptions): Promise<CrsInfo> {
    const { digest, bytes } = (await this.ask("crs", {}, [], decodeCrs, options)).message;
    return { digest, bytes };
  }

  async checkKey({ keyId, publicKey }: EngineKeys, options: EngineOptions): Promise<CheckedKey> {
    const { kind, tag, parameters, bytes } = (await this.ask("check-key", { keyId, publicKey }, [], decodeKey, options)).message;
    return { kind, tag, parameters, bytes };
  }

  async openList(list: Uint8Array, of: Parameters<Engine["openList"]>[1], options: EngineOptions) {
    const { keyId, publicKey, crs, metadata } = of;
    const members = { keyId, publicKey, crs, metadata: encodeHex(metadata) };
    const { message, parts } = await this.ask("open-list", members, [list], decodeList, options);
    if (message.types.length !== parts.length) throw this.broken();
    return { types: message.types, values: parts };
  }

  import(value: Uint8Array, of: Parameters<Engine["import"]>[1], options: EngineOptions): Promise<Uint8Array> {
    return this.one("import", { keyId: of.keyId, type: of.type }, [value], options);
  }

  expand(value: Uint8Array, of: Parameters<Engine["expand"]>[1], options: EngineOptions): Promise<Uint8Array> {
    return this.one("expand", { keyId: of.keyId, type: of.type }, [value], options);
  }

  async run({ run, keyId, seed, circuit, inputs }: EngineRun, options: EngineOptions): Promise<EngineResult> {
    const { message, parts } = await this.ask("run", { run, keyId, seed }, [circuit, ...inputs], decodeRun, options);
    if (message.inputs.length !== inputs.length || message.outputs.length !== parts.length) throw this.broken();
    return { pbs: message.pbs, inputs: message.inputs, outputs: message.outputs, values: parts };
  }

  claim(run: string, claim: JsonObject, options: EngineOptions): Promise<Uint8Array> {
    return this.one("claim", { run, claim }, [], options);
  }

  async close(): Promise<void> {
    this.closed = true;
    const started = this.starting?.catch(() => null);
    this.current?.end("the engine is shut down");
    (await started)?.end("the engine is shut down");
    await this.current?.ended;
  }

  private async one(op: string, members: JsonObject, parts: readonly Uint8Array[], options: EngineOptions): Promise<Uint8Array> {
    const answer = await this.ask(op, members, parts, decodeValue, options);
    const [value] = answer.parts;
    if (value === undefined || answer.parts.length !== 1) throw this.broken();
    return value;
  }

  private async ask<T>(
    op: string,
    members: JsonObject,
    parts: readonly Uint8Array[],
    decode: Decoder<T>,
    options: EngineOptions,
  ): Promise<{ readonly message: T; readonly parts: readonly Uint8Array[] }> {
    options.signal.throwIfAborted();
    const engine = await this.running(options.signal);
    const frame = await conduct(engine, { op, members, parts }, options);
    try {
      return { message: decode(frame.message, op), parts: frame.parts };
    } catch {
      throw this.broken();
    }
  }

  /** An engine that does not keep to the protocol is not asked again. */
  private broken(): TrisealError {
    this.current?.end("the engine broke its protocol");
    return lostError("the engine broke its protocol");
  }

  private async running(signal: AbortSignal): Promise<EngineProcess> {
    if (this.closed) throw lostError("the engine is shut down");
    if (this.current?.alive === true) return this.current;
    this.starting ??= this.start().finally(() => {
      this.starting = null;
    });
    return await abortable(this.starting, signal);
  }

  private async start(): Promise<EngineProcess> {
    if (this.pauseMs > 0) await delay(this.pauseMs);
    const pause = this.pauseMs;
    this.pauseMs = Math.min(Math.max(FIRST_PAUSE_MS, this.pauseMs * 2), MAX_PAUSE_MS);
    if (this.closed) throw lostError("the engine is shut down");
    const engine = await EngineProcess.start(this.program);
    try {
      const sent = engine.connection.send("hello", {}, []);
      const timer = setTimeout(() => engine.end("the engine did not say hello"), HELLO_MS);
      const hello = decodeHello((await sent.answer.finally(() => clearTimeout(timer))).message, "hello");
      this.said = identityOf(hello);
    } catch (error) {
      engine.end("the engine did not say hello");
      throw isTrisealError(error, "FHE_ENGINE_LOST") ? error : lostError("the engine did not say hello");
    }
    if (this.closed) engine.end("the engine is shut down");
    this.current = engine;
    this.news({ level: "info", event: "engine", state: "ready", pid: engine.pid, paused_ms: pause });
    const born = performance.now();
    void engine.ended.then(() => {
      // One that served for a while starts again at once.
      if (performance.now() - born > MAX_PAUSE_MS) this.pauseMs = 0;
      if (!this.closed) this.news({ level: "error", event: "engine", state: "ended", pid: engine.pid });
    });
    return engine;
  }
}

function identityOf({ version, build, parameters, publicKey, threads }: Decoded<typeof decodeHello>): EngineIdentity {
  return { version, build, parameters, publicKey, threads };
}

/** One request with its cancellation: whoever gives it up waits until the engine has, or it is ended. */
async function conduct(
  engine: EngineProcess,
  { op, members, parts }: { readonly op: string; readonly members: JsonObject; readonly parts: readonly Uint8Array[] },
  { signal, progress }: EngineOptions,
): Promise<EngineFrame> {
  const { id, answer } = engine.connection.send(op, members, parts, progress);
  let timer: NodeJS.Timeout | undefined;
  const cancel = () => {
    timer = setTimeout(() => engine.end("the engine went on with what it was told to end"), CANCEL_GRACE_MS);
    // What was cancelled answers under its own id; the answer to this one is nobody's.
    if (engine.alive) engine.connection.send("cancel", { target: id }, []).answer.catch(() => undefined);
  };
  signal.addEventListener("abort", cancel, { once: true });
  if (signal.aborted) cancel();
  try {
    return await answer;
  } catch (error) {
    if (signal.aborted) throw reasonOf(signal, error);
    throw error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", cancel);
  }
}

function reasonOf({ reason }: AbortSignal, cause: unknown): TrisealError {
  return isTrisealError(reason) ? reason : new TrisealError("CLIENT_ABORTED", "the request was aborted", { cause });
}

/** `work`, or the abort of the one who waits for it; others may wait on. */
function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const leave = () => reject(reasonOf(signal, null));
    signal.addEventListener("abort", leave, { once: true });
    if (signal.aborted) leave();
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", leave));
  });
}

/** An engine that is started with its first operation. */
export function createEngine(program: EngineProgram, news: EngineNews): Engine {
  return new SupervisedEngine(program, news);
}
