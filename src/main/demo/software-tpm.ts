/** A TPM 2.0 in software (swtpm, of the package of that name), started for one run and gone with it. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { TrisealError } from "../../core/errors.ts";

const COMMAND_TIMEOUT_MS = 10_000;
const POLL_MS = 10;
const READY_POLLS = 1000;

/** A running TPM in software. */
export interface SoftwareTpm {
  /** Unix socket that carries bare commands and responses, one connection after another. */
  readonly socket: string;
  stop(): Promise<void>;
}

/** Whether swtpm is installed here. */
export function isSwtpmInstalled(): boolean {
  return spawnSync("swtpm", ["--version"], { stdio: "ignore", timeout: COMMAND_TIMEOUT_MS }).status === 0;
}

/**
 * Starts a TPM that nobody has started up; its keys and registers are in `folder`.
 * @throws TrisealError `INTERNAL` where it does not come up.
 */
export async function startSoftwareTpm(folder: string): Promise<SoftwareTpm> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const socket = join(folder, "tpm.sock");
  let ended = false;
  let running: ChildProcess | null = null;
  const start = () => {
    const server = ["--server", `type=unixio,path=${socket}`, "--flags", "not-need-init"];
    running = spawn("swtpm", ["socket", "--tpm2", "--tpmstate", `dir=${folder}`, ...server], { stdio: "ignore" });
    // A failed start says so by a socket that never comes.
    running.once("error", () => {});
    // Some versions end with a connection.
    running.once("exit", () => {
      if (!ended) start();
    });
  };
  start();
  for (let tries = 0; !existsSync(socket) && tries < READY_POLLS; tries++) await wait(POLL_MS);
  const stop = async () => {
    ended = true;
    const last = running;
    if (last === null || last.exitCode !== null || last.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => last.once("exit", () => resolve()));
    last.kill();
    await gone;
  };
  if (existsSync(socket)) return { socket, stop };
  await stop();
  throw new TrisealError("INTERNAL", "swtpm did not come up");
}
