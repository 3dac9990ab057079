/** Keeps one worker process running: start, ready line, restart with backoff, and an end that leaves no orphan. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { boolean, integer, object, text } from "../../../core/decode.ts";
import { type JsonObject, parseJson } from "../../../core/json.ts";
import { pause } from "./pause.ts";

/** Longest line of a worker's log that is handed on, in characters. */
const MAX_LOG_LINE = 4096;

/** Where a worker listens: a port of 127.0.0.1, or a unix socket. */
export type WorkerAddress = { readonly port: number } | { readonly socketPath: string };

/** A worker process that said it is ready. */
export interface WorkerProcess {
  readonly pid: number;
  readonly address: WorkerAddress;
  /** Which execution provider runs its models, in its own words. */
  readonly provider: string;
}

/** How to run a worker. */
export interface WorkerCommand {
  readonly command: string;
  readonly args: readonly string[];
  /** The whole environment of the worker; nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  /** The worker's configuration, written to its standard input as one JSON line. */
  readonly config: JsonObject;
}

/** Times of a supervisor, in milliseconds. */
export interface SupervisorTimes {
  /** A process that is not ready by then is killed and counts as a failed start. */
  readonly startTimeoutMs: number;
  /** After SIGTERM, a process that is still there by then gets SIGKILL. */
  readonly killAfterMs: number;
  /** Wait before the first restart; it doubles with every start in a row that failed or did not last. */
  readonly firstBackoffMs: number;
  readonly maxBackoffMs: number;
  /** A process that ran this long resets the backoff. */
  readonly stableAfterMs: number;
}

const defaultTimes: SupervisorTimes = {
  startTimeoutMs: 120_000,
  killAfterMs: 5000,
  firstBackoffMs: 250,
  maxBackoffMs: 30_000,
  stableAfterMs: 30_000,
};

/** Whom a supervisor tells. */
export interface SupervisorEvents {
  /** A new process is ready. */
  readonly onUp: (process: WorkerProcess) => void;
  /** The process ended, or did not become ready; `reason` is one line for the operator. */
  readonly onDown: (reason: string) => void;
  /** One line of the worker's standard error. */
  readonly onLog: (line: string) => void;
}

const decodeReady = object(
  { ready: boolean },
  { pid: integer(1), port: integer(1, 65_535), socket: text(256), provider: text(32), code: text(64), message: text(512) },
);

function parseReadyLine(line: string, pid: number): WorkerProcess {
  const said = decodeReady(parseJson(line), "ready line");
  if (!said.ready) throw new Error(`${said.code ?? "INTERNAL"}: ${said.message ?? "no reason given"}`);
  const provider = said.provider ?? "unknown";
  if (said.port !== undefined) return { pid, address: { port: said.port }, provider };
  if (said.socket !== undefined) return { pid, address: { socketPath: said.socket }, provider };
  throw new Error("the ready line names no address");
}

/** Half of the doubled wait is random, so that workers which fell together do not start together. */
function backoffMs(failures: number, times: SupervisorTimes): number {
  const full = Math.min(times.maxBackoffMs, times.firstBackoffMs * 2 ** Math.min(failures, 20));
  return full / 2 + (Math.random() * full) / 2;
}

/** A supervised worker: always one process, or on its way to the next. */
export class Supervisor {
  private readonly worker: WorkerCommand;
  private readonly times: SupervisorTimes;
  private readonly events: SupervisorEvents;
  private readonly stopped = new AbortController();
  private child: ChildProcess | null = null;
  /** Why the process that runs now was killed by `replace`. */
  private replaced: string | null = null;
  private readonly loop: Promise<void>;

  /** Starts the first process at once. */
  constructor(worker: WorkerCommand, events: SupervisorEvents, times: Partial<SupervisorTimes> = {}) {
    this.worker = worker;
    this.events = events;
    this.times = { ...defaultTimes, ...times };
    this.loop = this.keepRunning();
  }

  /** Process id of the worker, ready or not; null while none runs. */
  get pid(): number | null {
    return this.child?.pid ?? null;
  }

  /** Kills the process of that id, so that a new one starts; does nothing where it has ended. `reason` is told as the reason of its end. */
  replace(pid: number, reason: string): void {
    if (this.child?.pid !== pid) return;
    this.replaced = reason;
    this.child.kill("SIGKILL");
  }

  /** Ends the worker for good; resolves once its process is gone. */
  async close(): Promise<void> {
    this.stopped.abort();
    await this.loop;
  }

  private async keepRunning(): Promise<void> {
    let failures = 0;
    while (!this.stopped.signal.aborted) {
      const started = performance.now();
      const ended = await this.runOnce();
      const reason = this.replaced ?? ended;
      this.replaced = null;
      if (this.stopped.signal.aborted) return;
      failures = performance.now() - started >= this.times.stableAfterMs ? 0 : failures + 1;
      this.events.onDown(reason);
      await pause(backoffMs(failures - 1, this.times), this.stopped.signal);
    }
  }

  /** One process from start to end; returns why it ended. */
  private async runOnce(): Promise<string> {
    const child = spawn(this.worker.command, [...this.worker.args], {
      env: { ...this.worker.env },
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.child = child;
    const exited = new Promise<string>((resolve) => {
      child.once("error", () => resolve("the worker cannot be started"));
      // Not `exit`: its last line, which says why, may come after that.
      child.once("close", (code, signal) => resolve(`the worker ended with ${signal ?? `code ${code}`}`));
    });
    const stop = () => this.endChild(child, exited);
    this.stopped.signal.addEventListener("abort", stop);
    try {
      const failed = await this.awaitReady(child, exited);
      if (failed !== null) {
        child.kill("SIGKILL");
        await exited;
        return failed;
      }
      return await exited;
    } finally {
      this.stopped.signal.removeEventListener("abort", stop);
      this.child = null;
    }
  }

  /** Null once the process is ready, or why it is not. */
  private async awaitReady(child: ChildProcess, exited: Promise<string>): Promise<string | null> {
    const { stdin, stdout, stderr, pid } = child;
    if (stdin === null || stdout === null || stderr === null) return "the worker has no pipes";
    // The parent's side stays open: the worker ends itself when it closes. A worker that is gone breaks the pipe.
    stdin.on("error", () => {});
    stdin.write(`${JSON.stringify(this.worker.config)}\n`);
    createInterface({ input: stderr }).on("line", (line) => this.events.onLog(line.slice(0, MAX_LOG_LINE)));
    const lines = createInterface({ input: stdout });
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<string>((resolve) => {
      timer = setTimeout(resolve, this.times.startTimeoutMs, `the worker was not ready within ${this.times.startTimeoutMs} ms`);
    });
    const said = once(lines, "line").then(([line]) => {
      this.events.onUp(parseReadyLine(String(line), pid ?? 0));
      return null;
    });
    try {
      return await Promise.race([said, late, exited]);
    } catch (error) {
      return error instanceof Error ? error.message : "the worker's ready line is malformed";
    } finally {
      clearTimeout(timer);
      // Nothing more is expected there; what comes anyway must not fill the pipe.
      lines.removeAllListeners("line");
      lines.on("line", () => {});
    }
  }

  private endChild(child: ChildProcess, exited: Promise<string>): void {
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), this.times.killAfterMs);
    void exited.finally(() => clearTimeout(timer));
  }
}
