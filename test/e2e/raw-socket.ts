/** Connections to a gateway whose every byte a test chooses. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { type RawResponse, readResponses } from "../campaign/http-exchange.ts";
import type { Service } from "./gateway-harness.ts";
import { until } from "./gateway-process.ts";

/** A connection and what it has received. */
export interface RawConnection {
  readonly socket: Socket;
  readonly isClosed: () => boolean;
  readonly received: () => Buffer;
  /** Resolves with the first `count` whole responses. @throws where the connection ends before. */
  responses(count?: number): Promise<readonly RawResponse[]>;
}

/** Opens a connection to a service and sends `bytes`. */
export async function openRaw(of: Service, bytes: string | Uint8Array = ""): Promise<RawConnection> {
  const socket = connect({ port: Number(new URL(of.url).port), host: "127.0.0.1", allowHalfOpen: true });
  const chunks: Buffer[] = [];
  let closed = false;
  socket.on("error", () => undefined);
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  socket.on("end", () => socket.end());
  socket.on("close", () => (closed = true));
  await once(socket, "connect");
  if (bytes.length > 0) socket.write(typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes);
  const received = () => Buffer.concat(chunks);
  const responses = async (count = 1) =>
    await until(() => {
      const read = readResponses(received(), false).responses;
      if (read.length >= count) return read;
      if (closed) throw new Error(`closed after ${JSON.stringify(received().toString("latin1").slice(0, 300))}`);
      return null;
    }, `${count} responses`);
  return { socket, isClosed: () => closed, received, responses };
}

/** Sends `bytes` and resolves with the first response. */
export async function sendRaw(of: Service, bytes: string): Promise<RawResponse> {
  const connection = await openRaw(of, bytes);
  const [first] = await connection.responses();
  connection.socket.destroy();
  if (first === undefined) throw new Error("no response");
  return first;
}

/** The code of a problem document; null where the body is none. */
export function codeOf({ headers, body }: RawResponse): unknown {
  if (headers.get("content-type") !== "application/problem+json") return null;
  return (JSON.parse(body.toString()) as { code?: unknown }).code;
}
