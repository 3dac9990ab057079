/** Programs under measurement: each a process of its own, started, watched and ended by its id. */
import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";

type Line = Readonly<Record<string, unknown>>;

/** A program that printed its ready line. */
export interface Program {
  readonly pid: number;
  readonly ready: Line;
  stop(): Promise<void>;
}

/** Every program that runs now: none may outlive the bench. */
const running = new Set<ChildProcess>();

/** Ends every program at once: for a bench that is interrupted. */
export function killPrograms(): void {
  for (const child of running) child.kill("SIGKILL");
}

/** Ends `child` with the bench, should that be interrupted. */
export function watchProgram(child: ChildProcess): void {
  running.add(child);
  child.once("exit", () => running.delete(child));
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), 20_000);
  await gone;
  clearTimeout(timer);
}

/**
 * Starts Node with `args`, waits for one JSON line on its standard output, and hands every JSON line of its standard error to `onLine`.
 * @throws Error with the last line of standard error where it ends before that.
 */
export async function startProgram(args: readonly string[], onLine?: (line: Line) => void): Promise<Program> {
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  watchProgram(child);
  let last = "";
  createInterface({ input: child.stderr }).on("line", (text) => {
    last = text;
    if (onLine !== undefined && text.startsWith("{")) onLine(JSON.parse(text) as Line);
  });
  const first = new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).once("line", resolve);
    child.once("exit", (code) => reject(new Error(`${args.at(-1)} ended with ${code}: ${last}`)));
  });
  try {
    const ready = JSON.parse(await first) as Line;
    return { pid: child.pid ?? 0, ready, stop: () => end(child) };
  } catch (error) {
    await end(child);
    throw error;
  }
}

/** Resident bytes of a process, or 0 where it is gone. Linux. */
export function residentBytes(pid: number): number {
  try {
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** The most bytes that a process had resident so far, or 0 where it is gone. Linux. */
export function peakResidentBytes(pid: number): number {
  try {
    return Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** Length of a clock tick of /proc: 100 in a second on every Linux that Node runs on. */
const TICK_MS = 10;

/** Milliseconds of processor time that processes have used so far, in steps of 10. Linux. */
export function cpuMilliseconds(pids: readonly number[]): number {
  const one = (pid: number) => {
    try {
      // After the name, in parentheses: state is the first, user and system time the 12th and 13th field.
      const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
      return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
    } catch {
      return 0;
    }
  };
  return pids.reduce((total, pid) => total + one(pid), 0);
}

/** Ids of the children of a process. Linux. */
export function childrenOf(pid: number): readonly number[] {
  return readdirSync("/proc").flatMap((name) => {
    try {
      const [, parent] = readFileSync(`/proc/${name}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
      return /^\d+$/.test(name) && Number(parent) === pid ? [Number(name)] : [];
    } catch {
      return [];
    }
  });
}
