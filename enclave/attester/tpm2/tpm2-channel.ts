/** Ways to a TPM: the kernel's resource manager, or the socket of a simulator. One command at a time. */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { concatBytes } from "../../../src/core/bytes.ts";
import { isTrisealError } from "../../../src/core/errors.ts";
import { attesterError } from "../attester-error.ts";
import { MAX_TPM_BYTES, malformedResponse, statedLength } from "./tpm2-wire.ts";

/** A way to one TPM. Commands do not overlap: the caller waits for each response. */
export interface TpmChannel {
  /** The response to one command, in whole. @throws TrisealError; the reason of `signal`. The channel is of no use afterwards. */
  send(command: Uint8Array, signal: AbortSignal): Promise<Uint8Array>;
  close(): Promise<void>;
}

function unavailable(cause: unknown): never {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "closed";
  throw attesterError("ATTESTER_UNAVAILABLE", `no TPM can be reached: ${code}`, { cause });
}

/** A TPM behind a device file such as `/dev/tpmrm0`: one write is a command, one read its response. */
export async function openTpmDevice(path: string): Promise<TpmChannel> {
  const file: FileHandle = await open(path, constants.O_RDWR).catch(unavailable);
  return {
    async send(command, signal) {
      signal.throwIfAborted();
      try {
        const { bytesWritten } = await file.write(command, 0, command.length, null);
        if (bytesWritten !== command.length) throw attesterError("ATTESTER_FAILED", "the TPM took a part of a command");
        const { bytesRead, buffer } = await file.read(new Uint8Array(MAX_TPM_BYTES), 0, MAX_TPM_BYTES, null);
        return buffer.subarray(0, bytesRead);
      } catch (error) {
        if (isTrisealError(error)) throw error;
        const busy = error instanceof Error && "code" in error && error.code === "EBUSY";
        throw attesterError(busy ? "ATTESTER_BUSY" : "ATTESTER_FAILED", "the TPM's device failed", { cause: error });
      }
    },
    close: async () => await file.close(),
  };
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error("the request was given up", { cause: reason });
}

/** The bytes of one response off a stream that may cut them anywhere. */
function receive(socket: Socket, signal: AbortSignal): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    let received = new Uint8Array();
    const settle = (act: () => void) => {
      socket.off("data", take).off("error", fail).off("close", fail);
      signal.removeEventListener("abort", abort);
      act();
    };
    const fail = () => settle(() => reject(attesterError("ATTESTER_UNAVAILABLE", "the TPM closed its connection")));
    const abort = () => settle(() => reject(asError(signal.reason)));
    const take = (chunk: Uint8Array) => {
      received = new Uint8Array(concatBytes(received, chunk));
      try {
        const length = statedLength(received);
        if (length === null || received.length < length) return;
        if (received.length > length) malformedResponse("bytes after its end");
        settle(() => resolve(received));
      } catch (error) {
        settle(() => reject(asError(error)));
      }
    };
    socket.on("data", take).on("error", fail).on("close", fail);
    signal.addEventListener("abort", abort, { once: true });
  });
}

/** A simulator behind a unix socket that carries bare commands and responses, as swtpm does. */
export async function openTpmSocket(path: string): Promise<TpmChannel> {
  const socket = connect({ path });
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve).once("error", reject);
  }).catch(unavailable);
  // A later failure is the next command's to tell.
  socket.on("error", () => {});
  return {
    async send(command, signal) {
      signal.throwIfAborted();
      if (socket.destroyed) unavailable(null);
      const response = receive(socket, signal);
      socket.write(command);
      try {
        return await response;
      } catch (error) {
        // What comes later would be taken for the answer to the next command.
        socket.destroy();
        throw error;
      }
    },
    close: async () => {
      socket.destroy();
    },
  };
}
