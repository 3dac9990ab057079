/** Raw bytes to an HTTP server and what comes back, without a client's opinion on either. */
import { connect } from "node:net";

/** One response out of the bytes of a connection. */
export interface RawResponse {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

/** What came back on one connection. */
export interface RawExchange {
  readonly responses: readonly RawResponse[];
  /** Bytes that are no whole response. */
  readonly rest: Buffer;
  /** Whether the server left the connection open, though nothing more could come. */
  readonly hung: boolean;
}

const HEAD_END = "\r\n\r\n";

function chunkedBody(bytes: Buffer): { readonly body: Buffer; readonly length: number } | null {
  const parts: Buffer[] = [];
  for (let at = 0; ; ) {
    const lineEnd = bytes.indexOf("\r\n", at);
    const size = lineEnd < 0 ? Number.NaN : Number.parseInt(bytes.toString("latin1", at, lineEnd), 16);
    if (Number.isNaN(size) || bytes.length < lineEnd + 4 + size) return null;
    if (size === 0) return { body: Buffer.concat(parts), length: lineEnd + 4 };
    parts.push(bytes.subarray(lineEnd + 2, lineEnd + 2 + size));
    at = lineEnd + 4 + size;
  }
}

function readResponse(bytes: Buffer, isHead: boolean): { readonly response: RawResponse; readonly length: number } | null {
  const headEnd = bytes.indexOf(HEAD_END);
  const lines = headEnd < 0 ? [] : bytes.toString("latin1", 0, headEnd).split("\r\n");
  const status = Number(/^HTTP\/1\.1 (\d{3})(?: |$)/.exec(lines[0] ?? "")?.[1] ?? Number.NaN);
  if (Number.isNaN(status)) return null;
  const pairs = lines.slice(1).map((line): [string, string] => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  });
  const headers = new Map(pairs);
  const start = headEnd + HEAD_END.length;
  const behind = bytes.subarray(start);
  if (headers.get("transfer-encoding") === "chunked" && !isHead) {
    const read = chunkedBody(behind);
    return read === null ? null : { response: { status, headers, body: read.body }, length: start + read.length };
  }
  const length = isHead || status < 200 || status === 204 || status === 304 ? 0 : Number(headers.get("content-length") ?? 0);
  if (behind.length < length) return null;
  return { response: { status, headers, body: behind.subarray(0, length) }, length: start + length };
}

/** The whole responses in `bytes`, without interim ones. */
export function readResponses(
  bytes: Buffer,
  isHead: boolean,
): { readonly responses: readonly RawResponse[]; readonly rest: Buffer } {
  const responses: RawResponse[] = [];
  let rest = bytes;
  for (;;) {
    const read = readResponse(rest, isHead);
    if (read === null) return { responses, rest };
    if (read.response.status >= 200) responses.push(read.response);
    rest = rest.subarray(read.length);
  }
}

/**
 * Sends `bytes` to 127.0.0.1 and reads until the connection is closed. The sending side is closed once a whole response
 * is there, or after `quietMs` without a byte: a server that has everything then answers or closes, within `timeoutMs`.
 */
export function exchangeRaw(
  port: number,
  bytes: Uint8Array,
  times: { readonly quietMs: number; readonly timeoutMs: number },
): Promise<RawExchange> {
  const isHead = Buffer.from(bytes.subarray(0, 5)).toString("latin1") === "HEAD ";
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    const received: Buffer[] = [];
    let hung = false;
    let quiet = setTimeout(() => socket.end(), times.quietMs);
    const late = setTimeout(() => {
      hung = true;
      socket.destroy();
    }, times.timeoutMs);
    socket.on("error", () => undefined);
    socket.on("end", () => socket.end());
    socket.on("close", () => {
      clearTimeout(quiet);
      clearTimeout(late);
      resolve({ ...readResponses(Buffer.concat(received), isHead), hung });
    });
    socket.on("data", (chunk: Buffer) => {
      received.push(chunk);
      clearTimeout(quiet);
      const { responses, rest } = readResponses(Buffer.concat(received), isHead);
      // Answers to pipelined requests come one after the other.
      const settled = responses.length > 0 && rest.length === 0;
      quiet = setTimeout(() => socket.end(), settled ? 5 : times.quietMs);
    });
    socket.write(bytes);
  });
}
