/** A real engine as a campaign talks to it: raw bytes in, every frame that comes back, and how the process ended. */
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { JsonObject } from "../../../src/core/json.ts";
import { nativeFile } from "../../../src/main/fhe/native-program.ts";
import { type EngineFrame, encodeFrame, FrameReader } from "../../../src/paths/fhe/server/engine-frame.ts";
import { tryConnect } from "../../../src/process/try-connect.ts";
import { residentMiB, until } from "../../e2e/gateway-process.ts";

/** How an engine is started. */
export interface EngineStart {
  readonly keysDir: string;
  readonly cacheBytes: number;
  readonly threads: number;
}

/** How an engine ended: a signal, or an exit code with the last of what it said. */
export type Ending = { readonly signal: string } | { readonly code: number; readonly said: string };

/** Longest time for an answer that is still no hang, in milliseconds. */
export const ANSWER_MS = 60_000;

/** A connection's frames, in the order of their arrival. */
class Arrivals {
  readonly frames: EngineFrame[] = [];
  private wake: () => void = () => undefined;
  closed = false;
  /** Where the engine itself broke the protocol. */
  broken: string | null = null;

  constructor(socket: Socket) {
    const reader = new FrameReader();
    socket.on("data", (chunk: Uint8Array) => {
      try {
        this.frames.push(...reader.push(chunk).filter(({ message }) => message["progress"] === undefined));
      } catch (error) {
        this.broken = String(error);
      }
      this.wake();
    });
    socket.on("error", () => undefined);
    socket.on("close", () => {
      this.closed = true;
      this.wake();
    });
  }

  /** Resolves with what there is as soon as there are so many frames, nothing more can come, or the time is up. */
  async take(count: number, timeoutMs: number): Promise<readonly EngineFrame[]> {
    const end = performance.now() + timeoutMs;
    while (this.frames.length < count && !this.closed && this.broken === null) {
      const left = end - performance.now();
      if (left <= 0) break;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return this.frames.splice(0);
  }
}

/** A running engine with one connection to it. */
export class FuzzedEngine {
  readonly pid: number;
  /** Resolves when the process is gone. */
  readonly ended: Promise<Ending>;
  /** How it ended; null while it runs. */
  ending: Ending | null = null;
  private readonly socket: Socket;
  private readonly arrivals: Arrivals;
  private readonly stop: () => void;

  private constructor(pid: number, socket: Socket, ended: Promise<Ending>, stop: () => void) {
    this.pid = pid;
    this.socket = socket;
    this.arrivals = new Arrivals(socket);
    this.stop = stop;
    this.ended = ended.then((ending) => {
      this.ending = ending;
      return ending;
    });
  }

  /** Starts an engine; `rivals` connections are tried at the same time, and whatever of them is not served must be closed. */
  static async start({ keysDir, cacheBytes, threads }: EngineStart, rivals: readonly Uint8Array[] = []): Promise<FuzzedEngine> {
    const folder = await mkdtemp(join(tmpdir(), "triseal-fuzz-fhe-"));
    const path = join(folder, "engine");
    const files = ["--socket", path, "--keys", keysDir, "--signing-key", join(keysDir, "..", "seed")];
    const args = ["engine", ...files, "--cache-bytes", String(cacheBytes), "--threads", String(threads)];
    const child = spawn(nativeFile(), args, { stdio: ["ignore", "ignore", "pipe"], env: {} });
    let said = "";
    child.stderr.on("data", (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-4000);
    });
    const ended = new Promise<Ending>((resolve) => {
      child.once("close", (code, signal) => {
        void rm(folder, { recursive: true, force: true });
        resolve(signal === null ? { code: code ?? -1, said } : { signal });
      });
    });
    const socket = await until(() => tryConnect(path), "connection to the engine");
    for (const bytes of rivals) rival(path, bytes);
    return new FuzzedEngine(child.pid ?? 0, socket, ended, () => void child.kill("SIGKILL"));
  }

  /** Sends bytes as they are. */
  write(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }

  /** Nothing more is sent. */
  finish(): void {
    this.socket.end();
  }

  /** The final answers that arrived: `count` of them, unless the engine ends or the time is up. */
  answers(count: number, timeoutMs: number = ANSWER_MS): Promise<readonly EngineFrame[]> {
    return this.arrivals.take(count, timeoutMs);
  }

  /** What the engine sent that is no frame, or null. */
  get broken(): string | null {
    return this.arrivals.broken;
  }

  /** One request and its answer. @throws where the engine gives none, or a refusal. */
  async ask(op: string, members: JsonObject, parts: readonly Uint8Array[] = []): Promise<EngineFrame> {
    for (const piece of encodeFrame({ message: { v: 1, id: 1, op, ...members }, parts })) this.write(piece);
    const [answer] = await this.answers(1);
    if (answer?.message["ok"] !== true) throw new Error(`${op}: ${JSON.stringify(answer?.message ?? this.ending)}`);
    return answer;
  }

  get residentMiB(): number {
    return residentMiB(this.pid);
  }

  /** Ends it, whatever it does. */
  async close(): Promise<void> {
    this.stop();
    await this.ended;
  }
}

/** A second caller on the same socket: its bytes are nobody's. */
function rival(path: string, bytes: Uint8Array): void {
  const socket = connect(path);
  socket.on("error", () => undefined);
  socket.on("data", () => undefined);
  socket.end(bytes);
}
