/** Runs a witness as a server of its own, on the loopback address. */
import { once } from "node:events";
import type { Server } from "node:http";
import { createAdaptorServer } from "@hono/node-server";
import type { Signer } from "../core/ed25519.ts";
import type { Clock } from "../core/time.ts";
import { type DataLock, lockData } from "../log/store/data-lock.ts";
import { makeDurableDirectory, nodeFiles } from "../log/store/files.ts";
import { createWitness, type WitnessLog } from "../log/store/witness.ts";

/** A witness to run. */
export interface RunWitnessOptions {
  readonly name: string;
  readonly signer: Signer;
  readonly logs: readonly WitnessLog[];
  /** Folder of its state; made where it is missing, and held by this process alone until `close`. */
  readonly stateDir: string;
  /** 0 for any free port. */
  readonly port: number;
  readonly clock: Clock;
}

/** A witness that answers on 127.0.0.1. */
export interface RunningWitness {
  readonly port: number;
  /** Ends the requests under way, then gives up port and state folder. */
  close(): Promise<void>;
}

async function listen(server: Server, port: number): Promise<number> {
  server.listen(port, "127.0.0.1");
  // `once` rejects where the server emits `error` instead, for example because the port is taken.
  await once(server, "listening");
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : port;
}

async function closeServer(server: Server, lock: DataLock): Promise<void> {
  const closed = once(server, "close");
  server.close();
  server.closeIdleConnections();
  await closed;
  await lock.release();
}

/**
 * Starts a witness on the machine's file system.
 * @throws TrisealError `LOG_LOCKED` where another process holds the folder; `CONFIG_INVALID` and `LOG_CORRUPT` as
 *   `createWitness`. An error of the system where the port cannot be had.
 */
export async function runWitness({ port, ...options }: RunWitnessOptions): Promise<RunningWitness> {
  await makeDurableDirectory(nodeFiles, options.stateDir);
  const lock = await lockData(`${options.stateDir}/lock`);
  try {
    const app = await createWitness({ ...options, files: nodeFiles });
    const server = createAdaptorServer({ fetch: app.fetch }) as Server;
    const bound = await listen(server, port);
    return { port: bound, close: () => closeServer(server, lock) };
  } catch (error) {
    await lock.release();
    throw error;
  }
}
