/** Processes of the built command line: started, watched and ended by their ids. */
import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { JsonObject } from "../../src/core/json.ts";

/** The repository. */
export const repository = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

const PROGRAM = join(repository, "dist", "src", "main", "triseal.js");

/** Waits between two looks at something that is awaited. */
const POLL_MS = 20;

/** Resolves with the first value of `look` that is neither null nor false. @throws where there is none within `timeoutMs`. */
export async function until<T>(
  look: () => T | null | false | Promise<T | null | false>,
  what: string,
  timeoutMs = 20_000,
): Promise<T> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const seen = await look();
    if (seen !== null && seen !== false) return seen;
    if (performance.now() > end) throw new Error(`no ${what} within ${timeoutMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** What a command that ended left behind. */
export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `triseal` with `args` to its end. */
export function runCli(args: readonly string[], cwd = repository, more: NodeJS.ProcessEnv = {}): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, ...more };
    const child = spawn(process.execPath, [PROGRAM, ...args], { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, stdout, stderr }));
  });
}

/** A program that said it is ready. */
export interface Program {
  readonly pid: number;
  /** The ready line. */
  readonly ready: JsonObject;
  /** Everything on standard error so far. */
  stderr(): string;
  /** The lines on standard error so far that are JSON objects. */
  logged(): readonly JsonObject[];
  /** Sends `signal` and resolves once the process is gone, with its exit code (null after a deadly signal). */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
  /** Resolves with the exit code once the process is gone. */
  readonly gone: Promise<number | null>;
}

/** Runs `triseal` with `args`, which must contain `--json`, until its ready line. @throws its error line where there is none. */
export async function startProgram(args: readonly string[], cwd = repository): Promise<Program> {
  const child = spawn(process.execPath, [PROGRAM, ...args], { cwd, stdio: ["ignore", "pipe", "pipe"] });
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const gone = new Promise<number | null>((resolve) => child.once("close", resolve));
  const first = new Promise<string>((resolve) => createInterface({ input: child.stdout }).once("line", resolve));
  const line = await Promise.race([first, gone.then(() => null)]);
  if (line === null) throw new Error(stderr.trim());
  return {
    pid: child.pid ?? 0,
    ready: JSON.parse(line) as JsonObject,
    stderr: () => stderr,
    logged: () => stderr.split("\n").flatMap((text) => (text.startsWith("{") ? [JSON.parse(text) as JsonObject] : [])),
    stop: (signal = "SIGTERM") => endChild(child, gone, signal),
    gone,
  };
}

function endChild(child: ChildProcess, gone: Promise<number | null>, signal: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) child.kill(signal);
  const timer = setTimeout(() => child.kill("SIGKILL"), 20_000);
  return gone.finally(() => clearTimeout(timer));
}

/** Whether a process of that id runs; one that has ended and was not yet waited for does not. */
export function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

/** Memory of a process that is in RAM, in MiB. */
export function residentMiB(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Math.round(Number(line?.[1] ?? 0) / 1024);
}

/** Process ids of the children of `pid`. */
export function childrenOf(pid: number): readonly number[] {
  return readdirSync("/proc")
    .filter((name) => /^[0-9]+$/.test(name))
    .map(Number)
    .filter((candidate) => {
      try {
        // After the name, which may hold anything, in parentheses: state and parent.
        const [, parent] = readFileSync(`/proc/${candidate}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
        return Number(parent) === pid && isRunning(candidate);
      } catch {
        return false;
      }
    });
}

interface TcpRow {
  readonly port: number;
  readonly state: string;
  readonly unread: number;
  readonly inode: string;
}

/** Bytes that arrived for the listening ports of process `pid` and that it has not read: a stopped process reads nothing. */
export function unreadBytes(pid: number): number {
  const rows = readFileSync(`/proc/${pid}/net/tcp`, "utf8")
    .trim()
    .split("\n")
    .slice(1)
    .map((line): TcpRow => {
      const fields = line.trim().split(/\s+/);
      const port = Number.parseInt(fields[1]?.split(":")[1] ?? "", 16);
      const unread = Number.parseInt(fields[4]?.split(":")[1] ?? "", 16);
      return { port, state: fields[3] ?? "", unread, inode: fields[9] ?? "" };
    });
  const sockets = new Set(readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkQuiet(`/proc/${pid}/fd/${fd}`)));
  const listening = new Set(
    rows.filter((row) => row.state === "0A" && sockets.has(`socket:[${row.inode}]`)).map((row) => row.port),
  );
  return rows.filter((row) => listening.has(row.port) && row.state !== "0A").reduce((sum, row) => sum + row.unread, 0);
}

function readlinkQuiet(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

/** The text under `name` in what a program printed. @throws where there is none. */
export function textOf(printed: JsonObject | undefined, name: string): string {
  const value = printed?.[name];
  if (typeof value !== "string") throw new Error(`no text \`${name}\``);
  return value;
}
