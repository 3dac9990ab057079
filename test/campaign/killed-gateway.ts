/** A gateway that kills itself where it is told, as a child process with a folder and an address that outlive it. */
import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { repository } from "../e2e/gateway-process.ts";
import type { KillOrder } from "./killing-files.ts";

/** A folder, a configuration, and an address that every gateway of one test has. */
export interface Place {
  readonly folder: string;
  readonly dataDir: string;
  readonly configFile: string;
  readonly port: number;
  /** Another engine of the fhe path than the built one. */
  readonly fheEngine?: { readonly command: string; readonly args: readonly string[] };
}

/** A gateway that was started. */
export interface RunningChild {
  readonly pid: number;
  /** False from its end on. */
  readonly alive: boolean;
  /** Whether it answers; false where it ended before. */
  readonly ready: Promise<boolean>;
  /** The signal that ended it, or its exit code with what it said. */
  readonly ended: Promise<string>;
  stop(): void;
}

/** A port of the loopback address that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 0;
}

/** Starts a gateway that dies where `order` says. */
export function startChild({ configFile, dataDir, port, fheEngine }: Place, order: KillOrder): RunningChild {
  const main = join(repository, "test", "campaign", "kill-gateway.ts");
  const args = [
    "--import",
    "tsx",
    main,
    configFile,
    dataDir,
    String(port),
    JSON.stringify(order),
    JSON.stringify(fheEngine ?? null),
  ];
  const child = spawn(process.execPath, args, { cwd: repository, stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-2000);
  });
  const ended = new Promise<string>((resolve) =>
    child.once("close", (code, signal) => resolve(signal ?? `exit ${code}: ${said}`)),
  );
  const line = new Promise<boolean>((resolve) => createInterface({ input: child.stdout }).once("line", () => resolve(true)));
  return {
    pid: child.pid ?? 0,
    get alive() {
      return child.exitCode === null && child.signalCode === null;
    },
    ready: Promise.race([line, ended.then(() => false)]),
    ended,
    stop: () => child.kill("SIGKILL"),
  };
}
