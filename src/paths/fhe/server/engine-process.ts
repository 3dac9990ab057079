/** One engine as a child process with its socket: started, watched and ended here. */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import type { TrisealError } from "../../../core/errors.ts";
import { residentBytes } from "../../../process/resident-bytes.ts";
import { tryConnect } from "../../../process/try-connect.ts";
import { fheError } from "../wire/codes.ts";
import { EngineConnection, lostError } from "./engine-connection.ts";

/** How an engine is started. */
export interface EngineProgram {
  /** The program, and what stands before the engine's own arguments. */
  readonly command: string;
  readonly args: readonly string[];
  /** Folder of keys and reference string. */
  readonly keysDir: string;
  /** Seed of the key that signs claims. */
  readonly signingKeyFile: string;
  readonly cacheBytes: number;
  readonly threads: number;
  /** Resident memory beyond which it is ended, checked ten times a second (Linux). */
  readonly memoryBytes: number;
}

const MEMORY_POLL_MS = 100;
const STARTUP_MS = 60_000;
const CONNECT_EVERY_MS = 50;

type Child = ChildProcessByStdio<null, null, Readable>;

/** A running engine. It is ended for good by `end`, by its own death, or where it breaks the protocol. */
export class EngineProcess {
  private readonly child: Child;
  private readonly memoryBytes: number;
  private readonly watch: NodeJS.Timeout;
  private connected: EngineConnection | null = null;
  private lost: TrisealError | null = null;
  private lastError = "";
  /** Resolves when process and socket are gone. */
  readonly ended: Promise<void>;

  private constructor({ memoryBytes, ...program }: EngineProgram, folder: string, socket: string) {
    this.memoryBytes = memoryBytes;
    const files = ["--socket", socket, "--keys", program.keysDir, "--signing-key", program.signingKeyFile];
    const limits = ["--cache-bytes", String(program.cacheBytes), "--threads", String(program.threads)];
    const args = [...program.args, "engine", ...files, ...limits];
    this.child = spawn(program.command, args, { stdio: ["ignore", "ignore", "pipe"], env: {} });
    createInterface({ input: this.child.stderr }).on("line", (line) => {
      this.lastError = line.slice(0, 300);
    });
    this.ended = new Promise((resolve) => {
      const gone = (reason: string) => {
        this.lose(lostError(reason));
        void rm(folder, { recursive: true, force: true }).then(resolve, resolve);
      };
      this.child.once("error", () => gone("the engine could not be started"));
      this.child.once("close", () => gone(this.lastError === "" ? "the engine died" : `the engine died: ${this.lastError}`));
    });
    this.watch = setInterval(() => void this.checkMemory(), MEMORY_POLL_MS);
    this.watch.unref();
  }

  /**
   * Starts a program and connects to it, in a folder that only this user may enter.
   * @throws TrisealError `FHE_ENGINE_LOST`.
   */
  static async start(program: EngineProgram): Promise<EngineProcess> {
    const folder = await mkdtemp(join(tmpdir(), "triseal-fhe-"));
    await chmod(folder, 0o700);
    const socket = join(folder, "engine");
    const engine = new EngineProcess(program, folder, socket);
    const timer = setTimeout(() => engine.end("the engine did not start in time"), STARTUP_MS);
    try {
      engine.connected = new EngineConnection(await engine.connect(socket));
      void engine.connected.ended.then(() => engine.end("the engine closed its connection"));
      return engine;
    } catch (error) {
      engine.end("the engine could not be reached");
      await engine.ended;
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Whether it can take a request. */
  get alive(): boolean {
    return this.lost === null && this.connected?.alive === true;
  }

  get pid(): number | null {
    return this.child.pid ?? null;
  }

  /** @throws TrisealError as what ended it. */
  get connection(): EngineConnection {
    if (this.lost !== null) throw this.lost;
    if (this.connected === null) throw lostError("the engine is not connected");
    return this.connected;
  }

  /** Ends the process at once, whatever it is doing; what it did fails with `FHE_ENGINE_LOST`. */
  end(reason: string): void {
    this.lose(lostError(reason));
  }

  private async connect(path: string): Promise<Socket> {
    for (;;) {
      if (this.lost !== null) throw this.lost;
      const socket = await tryConnect(path);
      if (socket !== null) return socket;
      await delay(CONNECT_EVERY_MS);
    }
  }

  private lose(error: TrisealError): void {
    clearInterval(this.watch);
    this.lost ??= error;
    this.connected?.end(this.lost);
    this.child.kill("SIGKILL");
  }

  private async checkMemory(): Promise<void> {
    const used = this.child.pid === undefined ? null : await residentBytes(this.child.pid);
    if (used === null || used <= this.memoryBytes || this.lost !== null) return;
    this.lose(fheError("FHE_ENGINE_MEMORY", `the engine used more than ${Math.round(this.memoryBytes / 2 ** 20)} MiB`));
  }
}
