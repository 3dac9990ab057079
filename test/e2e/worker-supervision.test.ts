import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Supervisor, type WorkerProcess } from "../../src/paths/tee/server/supervisor.ts";
import { createWorkplace, nodeCommand, type Workplace } from "./worker-harness.ts";

let place: Workplace;

beforeAll(async () => {
  place = await createWorkplace();
});

afterAll(async () => {
  await place.remove();
});

/** Whether a process of that id runs; one that has ended and was not yet waited for does not. */
function isRunning(pid: number): boolean {
  return existsSync(`/proc/${pid}/status`) && !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
}

interface Watched {
  readonly supervisor: Supervisor;
  readonly ups: WorkerProcess[];
  readonly downs: string[];
}

/** Supervises a Node program given as text. */
function supervise(program: string, times: object = {}): Watched {
  const ups: WorkerProcess[] = [];
  const downs: string[] = [];
  const command = { command: process.execPath, args: ["-e", program], env: {}, config: { hello: 1 } };
  const events = { onUp: (up: WorkerProcess) => ups.push(up), onDown: (down: string) => downs.push(down), onLog: () => {} };
  return { supervisor: new Supervisor(command, events, { firstBackoffMs: 20, maxBackoffMs: 40, ...times }), ups, downs };
}

const READY = `console.log(JSON.stringify({ ready: true, port: 9, provider: "cpu" }));`;

describe("the supervisor", () => {
  it("hands the configuration over as one line, and starts a process anew whenever it ends", async () => {
    const watched = supervise(
      `process.stdin.once("data", (line) => { if (String(line) === '{"hello":1}\\n') ${READY} process.exit(3); });`,
    );
    await expect.poll(() => watched.ups.length, { timeout: 20_000 }).toBeGreaterThanOrEqual(3);
    await watched.supervisor.close();
    expect(watched.downs[0]).toBe("the worker ended with code 3");
    expect(new Set(watched.ups.map((up) => up.pid)).size).toBe(watched.ups.length);
  });

  it("tells the reason that a process gives for not starting", async () => {
    const line = JSON.stringify({ ready: false, code: "MODEL_INVALID", message: "no model" });
    const watched = supervise(`console.log(${JSON.stringify(line)}); process.exit(1);`);
    await expect.poll(() => watched.downs.length, { timeout: 20_000 }).toBeGreaterThanOrEqual(2);
    await watched.supervisor.close();
    expect(watched.downs[0]).toBe("MODEL_INVALID: no model");
    expect(watched.ups).toEqual([]);
  });

  it("takes a malformed ready line, a silent process and a missing program as failed starts", async () => {
    const malformed = supervise(`console.log("hello"); setInterval(() => {}, 1000);`);
    const silent = supervise("setInterval(() => {}, 1000);", { startTimeoutMs: 100 });
    const downs: string[] = [];
    const events = { onUp: () => {}, onDown: (down: string) => downs.push(down), onLog: () => {} };
    const missing = new Supervisor({ command: "/nonexistent/program", args: [], env: {}, config: {} }, events);
    await expect.poll(() => malformed.downs[0], { timeout: 20_000 }).toMatch(/JSON/);
    await expect.poll(() => silent.downs[0], { timeout: 20_000 }).toBe("the worker was not ready within 100 ms");
    await expect.poll(() => downs[0], { timeout: 20_000 }).toBe("the worker cannot be started");
    await Promise.all([malformed.supervisor.close(), silent.supervisor.close(), missing.close()]);
  });

  it("kills a process that ignores the request to end", async () => {
    const watched = supervise(`process.on("SIGTERM", () => {}); ${READY} setInterval(() => {}, 1000);`, { killAfterMs: 100 });
    await expect.poll(() => watched.ups.length, { timeout: 20_000 }).toBe(1);
    const pid = watched.supervisor.pid ?? 0;
    await watched.supervisor.close();
    expect(isRunning(pid)).toBe(false);
    expect(watched.supervisor.pid).toBe(null);
  });
});

describe("a worker whose parent is killed", () => {
  it("ends by itself", async () => {
    const { command, args, env } = nodeCommand("test/e2e/worker-orphan-parent.ts");
    const parent = spawn(command, [...args, JSON.stringify(place.command())], {
      env: { ...env },
      stdio: ["ignore", "pipe", "ignore"],
    });
    const [line] = (await once(createInterface({ input: parent.stdout }), "line")) as [string];
    const pid = Number(line);
    expect(isRunning(pid)).toBe(true);
    parent.kill("SIGKILL");
    await once(parent, "exit");
    await expect.poll(() => isRunning(pid), { timeout: 10_000 }).toBe(false);
  });
});
