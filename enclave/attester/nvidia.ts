/** Reports of NVIDIA GPUs through NVIDIA's attestation CLI, `nvattest collect-evidence`, as a child process. Never run on hardware. */
import { spawn } from "node:child_process";
import { concatBytes, encodeHex, equalBytes, parseBase64, parseUtf8 } from "../../src/core/bytes.ts";
import { isJsonObject, type JsonObject, type JsonValue, parseJson } from "../../src/core/json.ts";
import type { CollectedEvidence } from "./attester.ts";
import { attesterError } from "./attester-error.ts";

/** Largest output that is read, in bytes: eight devices take less than half. */
const MAX_OUTPUT_BYTES = 1024 * 1024;
/** Most devices of one machine. */
const MAX_DEVICES = 16;
const MAX_CERTIFICATES = 8;
const NONCE_BYTES = 32;
/** An SPDM request: version, code, two parameters, nonce, slot. */
const NONCE_AT = 4;
const MIN_REPORT_BYTES = 37;

/** How the CLI is run. */
export interface NvidiaOptions {
  /** The program and the arguments before its own; `nvattest` by default. */
  readonly command?: readonly [string, ...string[]];
  /** Time to answer, in milliseconds. */
  readonly deadlineMs?: number;
}

/** A source of reports, one of each GPU. */
export interface DeviceSource {
  readonly kind: "nvidia-gpu";
  /**
   * Fresh evidence of each device, in the CLI's order.
   * @param nonce 32 bytes, which each report repeats.
   * @throws TrisealError of the attester's codes; the reason of `signal`.
   */
  collect(nonce: Uint8Array, signal: AbortSignal): Promise<readonly CollectedEvidence[]>;
}

function malformed(what: string, cause?: unknown): never {
  throw attesterError("ATTESTER_MALFORMED", `NVIDIA's tool: ${what}`, { cause });
}

/** What the program wrote to its standard output. It is killed at the deadline, at the limit, and with `signal`. */
function outputOf(command: readonly [string, ...string[]], deadlineMs: number, signal: AbortSignal): Promise<Uint8Array> {
  const [program, ...parameters] = command;
  return new Promise((resolve, reject) => {
    // Its own group, so that what it started dies with it. No standard input: it asks nobody.
    const child = spawn(program, parameters, { stdio: ["ignore", "pipe", "ignore"], detached: true });
    const chunks: Uint8Array[] = [];
    let length = 0;
    let refusal: unknown = null;
    const stop = (why: unknown) => {
      refusal ??= why;
      if (child.pid === undefined) return;
      try {
        process.kill(-child.pid, "SIGKILL");
      } catch {
        // It ended by itself in between.
      }
      // What escaped its group may hold the pipe open.
      child.stdout.destroy();
    };
    const deadline = setTimeout(
      () => stop(attesterError("ATTESTER_TIMEOUT", "NVIDIA's tool did not answer in time")),
      deadlineMs,
    );
    const abort = () => stop(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    const settle = (error: unknown) => {
      clearTimeout(deadline);
      signal.removeEventListener("abort", abort);
      if (error === null) resolve(concatBytes(...chunks));
      else reject(error instanceof Error ? error : new Error("the request was given up", { cause: error }));
    };
    child.stdout.on("data", (chunk: Uint8Array) => {
      length += chunk.length;
      if (length > MAX_OUTPUT_BYTES) stop(attesterError("ATTESTER_TOO_LARGE", "NVIDIA's tool wrote too much"));
      else chunks.push(chunk);
    });
    child.on("error", (cause) => settle(attesterError("ATTESTER_UNAVAILABLE", "NVIDIA's tool cannot be started", { cause })));
    child.on("close", (code, killedBy) => {
      const ended = code === null ? String(killedBy) : `exit code ${code}`;
      settle(refusal ?? (code === 0 ? null : attesterError("ATTESTER_FAILED", `NVIDIA's tool ended with ${ended}`)));
    });
  });
}

function textOf(object: JsonObject, name: string): string {
  const value = object[name];
  return typeof value === "string" ? value : malformed(`no text \`${name}\``);
}

function base64Of(text: string): Uint8Array {
  try {
    return parseBase64(text);
  } catch (cause) {
    return malformed("no base64", cause);
  }
}

/** DER of each certificate of a chain in PEM, in order. */
function certificatesOf(pem: Uint8Array): readonly Uint8Array[] {
  let text: string;
  try {
    text = parseUtf8(pem);
  } catch (cause) {
    return malformed("a chain that is no text", cause);
  }
  const block = /-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]{1,16384})-----END CERTIFICATE-----\s*/y;
  const chain: Uint8Array[] = [];
  for (block.lastIndex = 0; block.lastIndex < text.length; ) {
    const found = block.exec(text);
    if (found === null || chain.length === MAX_CERTIFICATES) return malformed("a chain that is not a few certificates in PEM");
    chain.push(base64Of((found[1] ?? "").replace(/\s/g, "")));
  }
  return chain.length === 0 ? malformed("no certificate") : chain;
}

/** The evidence of one device, about exactly this nonce. Members that are not needed may be there: the format is NVIDIA's. */
function deviceOf(value: JsonValue, nonce: Uint8Array): CollectedEvidence {
  if (!isJsonObject(value)) return malformed("a device that is no object");
  const report = base64Of(textOf(value, "evidence"));
  const certChain = certificatesOf(base64Of(textOf(value, "certificate")));
  if (report.length < MIN_REPORT_BYTES) malformed("a report that is cut");
  const stated = textOf(value, "nonce").replace(/^0x/i, "").toLowerCase();
  const inReport = report.subarray(NONCE_AT, NONCE_AT + NONCE_BYTES);
  if (stated !== encodeHex(nonce) || !equalBytes(inReport, nonce)) {
    throw attesterError("ATTESTER_MISMATCH", "NVIDIA's tool answered about another nonce");
  }
  return {
    evidence: new Map<string, Uint8Array | readonly Uint8Array[]>([
      ["report", report],
      ["certChain", certChain],
    ]),
    endorsements: new Map(),
  };
}

/** The devices of the CLI's answer. */
function devicesOf(output: Uint8Array, nonce: Uint8Array): readonly CollectedEvidence[] {
  let answer: JsonValue;
  try {
    answer = parseJson(output);
  } catch (cause) {
    return malformed("its output is no JSON", cause);
  }
  if (!isJsonObject(answer)) return malformed("its output is no object");
  const { evidences, result_code: result } = answer;
  if (result !== 0) throw attesterError("ATTESTER_FAILED", "NVIDIA's tool could not collect evidence");
  if (!Array.isArray(evidences)) return malformed("no list of evidence");
  if (evidences.length === 0) throw attesterError("ATTESTER_UNAVAILABLE", "NVIDIA's tool found no GPU");
  if (evidences.length > MAX_DEVICES) malformed(`more than ${MAX_DEVICES} devices`);
  return evidences.map((device: JsonValue) => deviceOf(device, nonce));
}

/** A source of GPU evidence. Manifests and revocation answers are NVIDIA's services' to give: the machine has none. */
export function createNvidiaSource({ command = ["nvattest"], deadlineMs = 30_000 }: NvidiaOptions = {}): DeviceSource {
  return {
    kind: "nvidia-gpu",
    async collect(nonce, signal) {
      if (nonce.length !== NONCE_BYTES) throw attesterError("ATTESTER_FAILED", "a GPU's nonce must have 32 bytes");
      signal.throwIfAborted();
      const asked = ["collect-evidence", "--device", "gpu", "--nonce", encodeHex(nonce)] as const;
      return devicesOf(await outputOf([...command, ...asked], deadlineMs, signal), nonce);
    },
  };
}
