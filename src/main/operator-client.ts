/** Speaks to the gateway that serves a data folder, if one does. */
import { request } from "node:http";
import { TrisealError } from "../core/errors.ts";
import { type JsonValue, parseJson } from "../core/json.ts";
import { operatorSocket } from "./operator-channel.ts";
import {
  decodeOperatorAnswer,
  decodeOperatorRefusal,
  MAX_OPERATOR_BYTES,
  type OperatorAnswer,
  type OperatorPath,
  type OperatorRequest,
} from "./operator-message.ts";

/** A worker may take minutes to load its models, and there may be many. */
const TIMEOUT_MS = 3_600_000;

interface RawAnswer {
  readonly status: number;
  readonly body: Uint8Array;
}

function exchange(socketPath: string, path: OperatorPath, message: string): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(message), connection: "close" };
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const sent = request({ socketPath, method: "POST", path, headers, signal });
    sent.once("error", reject);
    sent.once("response", (response) => {
      const chunks: Buffer[] = [];
      let length = 0;
      response.on("data", (chunk: Buffer) => {
        length += chunk.length;
        if (length > MAX_OPERATOR_BYTES) response.destroy(new Error("the answer is too long"));
        else chunks.push(chunk);
      });
      response.once("error", reject);
      response.once("end", () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks) }));
    });
    sent.end(message);
  });
}

/** Nobody listens: there is no socket, or one that a gateway left which was killed. */
function isNobody(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ECONNREFUSED");
}

/**
 * Has the gateway of `dataDir` do something. Null where none listens.
 * @throws TrisealError the gateway's code and message; `OPERATOR_UNREACHABLE` where it does not answer as it should.
 */
export async function askGateway<P extends OperatorPath>(
  dataDir: string,
  path: P,
  body: Omit<OperatorRequest<P>, "v">,
): Promise<OperatorAnswer | null> {
  const socket = operatorSocket(dataDir);
  if (socket === null) return null;
  let answer: RawAnswer;
  let document: JsonValue;
  try {
    answer = await exchange(socket, path, JSON.stringify({ v: 1, ...body }));
    document = parseJson(answer.body);
    if (answer.status === 200) return decodeOperatorAnswer(document, "answer");
  } catch (cause) {
    if (isNobody(cause)) return null;
    const reason = cause instanceof Error ? cause.message.slice(0, 200) : "unknown";
    throw new TrisealError("OPERATOR_UNREACHABLE", `the gateway of ${dataDir} did not answer: ${reason}`, { cause });
  }
  const { code, message } = decodeOperatorRefusal(document, "refusal");
  throw new TrisealError(code as "INTERNAL", message);
}
