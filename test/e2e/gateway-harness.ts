/** A development gateway with its worker, and a witness where asked for, as real processes in a temporary folder. */
import { readdirSync, readFileSync } from "node:fs";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import type { JsonObject } from "../../src/core/json.ts";
import { unixSeconds } from "../../src/core/time.ts";
import { parseModelPackage, standardizeRow } from "../../src/model/model-package.ts";
import { parseTrust, type Trust, type Verdict, verifyBundle } from "../../src/verify/index.ts";
import { childrenOf, isRunning, type Program, repository, runCli, startProgram, textOf, until } from "./gateway-process.ts";

/** The machine's clock. */
export const clock = () => unixSeconds(Math.floor(Date.now() / 1000));

/** A second API key that the gateway knows, of another tenant. */
export interface ApiKey {
  readonly key: string;
  readonly hash: string;
  readonly tenant: string;
}

/** Makes an API key with the command line. */
export async function makeApiKey(tenant: string): Promise<ApiKey> {
  const { stdout } = await runCli(["keys", "api", "--tenant", tenant, "--json"]);
  return JSON.parse(stdout) as ApiKey;
}

/** How a service is started. */
export interface ServiceOptions {
  /** Sections of the configuration beside the log's origin; each replaces the default one. */
  readonly config?: JsonObject;
  /** Starts a witness, too, and asks for its cosignature. */
  readonly witness?: boolean;
  /** Name of the log. */
  readonly origin?: string;
}

/** A development gateway in a folder of its own. */
export interface Service {
  readonly folder: string;
  readonly dataDir: string;
  readonly configFile: string;
  readonly trustFile: string;
  readonly apiKey: string;
  /** Changes with each start. */
  url: string;
  program: Program;
  trust(): Promise<Trust>;
  /** Starts the gateway again on the same folder; it must have ended. */
  restart(): Promise<void>;
  /** Ends everything. Resolves with the exit code of the gateway. @throws where a child outlives it. */
  close(): Promise<number | null>;
}

const ORIGIN = "triseal.test/log";
const WITNESS = "triseal.test/witness";

function serveArgs(configFile: string, dataDir: string): readonly string[] {
  return ["serve", "--dev", "--config", configFile, "--data", dataDir, "--port", "0", "--json"];
}

/** Keys of the folder, made before the gateway starts: a witness must be told the log's key. */
async function logKeyOf(folder: string, dataDir: string): Promise<string> {
  const configFile = join(folder, "keys.config.yaml");
  await writeFile(configFile, stringify({ log: { origin: ORIGIN } }));
  const { stdout } = await runCli(["keys", "init", "--dev", "--config", configFile, "--data", dataDir, "--json"]);
  const events = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as JsonObject);
  return textOf(
    events.find((event) => event["purpose"] === "log"),
    "publicKey",
  );
}

async function startWitness(folder: string, dataDir: string): Promise<Program> {
  const watched = `${ORIGIN}=${await logKeyOf(folder, dataDir)}`;
  const args = ["log", "witness", "--name", WITNESS, "--data", join(folder, "witness"), "--log", watched, "--json"];
  return await startProgram(args);
}

/** Starts a service. `close` it in `afterAll`. */
export async function startService(options: ServiceOptions = {}): Promise<Service> {
  const folder = await mkdtemp(join(tmpdir(), "triseal-e2e-"));
  const dataDir = join(folder, "data");
  const configFile = join(folder, "triseal.config.yaml");
  const witness = options.witness === true ? await startWitness(folder, dataDir) : null;
  const peers = witness === null ? [] : [{ name: WITNESS, url: witness.ready["url"], publicKey: witness.ready["publicKey"] }];
  const config = {
    log: { origin: options.origin ?? ORIGIN },
    ...(witness === null ? {} : { witnesses: { quorum: 1, peers } }),
    workers: { jurisdiction: "EU", concurrency: 1 },
    ...options.config,
  };
  await writeFile(configFile, stringify(config));
  try {
    const program = await startProgram(serveArgs(configFile, dataDir));
    return service(folder, dataDir, configFile, program, witness);
  } catch (error) {
    await witness?.stop();
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

function service(folder: string, dataDir: string, configFile: string, program: Program, witness: Program | null): Service {
  const trustFile = textOf(program.ready, "trust");
  const started: Service = {
    folder,
    dataDir,
    configFile,
    trustFile,
    apiKey: textOf(program.ready, "apiKey"),
    url: textOf(program.ready, "url"),
    program,
    trust: async () => parseTrust(new Uint8Array(await readFile(trustFile))),
    restart: async () => {
      started.program = await startProgram(serveArgs(configFile, dataDir));
      started.url = textOf(started.program.ready, "url");
    },
    close: async () => {
      const children = childrenOf(started.program.pid);
      // A worker that a test stopped cannot end by itself.
      for (const child of children) process.kill(child, "SIGCONT");
      const code = await started.program.stop();
      await witness?.stop();
      const left = children.filter(isRunning);
      await rm(folder, { recursive: true, force: true });
      if (left.length > 0) throw new Error(`processes ${left.join(", ")} outlived the gateway`);
      return code;
    },
  };
  return started;
}

/** The one worker of a service. */
export function workerOf(of: Service): number {
  const [worker] = childrenOf(of.program.pid);
  if (worker === undefined) throw new Error("no worker");
  return worker;
}

/** An answer of the gateway, read to its end. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Uint8Array;
  readonly text: string;
  /** The body as a JSON object; empty where it is none. */
  readonly json: Readonly<Record<string, unknown>>;
  readonly receiptId: string | null;
}

/** Reads an answer. */
export async function readAnswer(response: Response): Promise<Answer> {
  const bytes = new Uint8Array(await response.arrayBuffer());
  const text = new TextDecoder().decode(bytes);
  const isJson = /json/.test(response.headers.get("content-type") ?? "") && text.startsWith("{");
  const json = isJson ? (JSON.parse(text) as Record<string, unknown>) : {};
  return {
    status: response.status,
    headers: response.headers,
    bytes,
    text,
    json,
    receiptId: response.headers.get("x-receipt-id"),
  };
}

/** GET with the service's key, another one, or none. */
export async function get(of: Service, path: string, key: string | null = of.apiKey): Promise<Answer> {
  const headers: Record<string, string> = key === null ? {} : { authorization: `Bearer ${key}` };
  return await readAnswer(await fetch(`${of.url}${path}`, { headers, signal: AbortSignal.timeout(25_000) }));
}

/** Number of log lines that are about requests so far. Lines are gathered for a moment; a refusal is written at once, with what came before. */
export async function linesSoFar({ program, url }: Service): Promise<number> {
  const { length } = program.logged();
  await fetch(`${url}/v1/none`);
  const last = () =>
    program.logged().findIndex(({ event, code }, at) => at >= length && event === "refused" && code === "NOT_FOUND");
  return await until(() => last() >= 0 && last() + 1, "line of the refusal");
}

/** POST of an inference request; `body` is sent as it is, or as JSON. */
export async function infer(
  of: Service,
  body: unknown,
  more: { model?: string; headers?: Record<string, string>; signal?: AbortSignal } = {},
): Promise<Answer> {
  const raw = typeof body === "string" || body instanceof Uint8Array;
  const response = await fetch(`${of.url}/v2/models/${more.model ?? "digits-mlp"}/infer`, {
    method: "POST",
    headers: { authorization: `Bearer ${of.apiKey}`, "content-type": "application/json", ...more.headers },
    body: raw ? (typeof body === "string" ? body : Uint8Array.from(body)) : JSON.stringify(body),
    signal: more.signal ?? AbortSignal.timeout(25_000),
  });
  return await readAnswer(response);
}

/** The held-back set of a shipped model: rows as the model takes them, with the labels that people gave them. */
export async function heldBackSet(model: string) {
  const folder = join(repository, "models", model);
  const described = parseModelPackage(new Uint8Array(await readFile(join(folder, "model.json"))));
  const document = JSON.parse(await readFile(join(folder, "heldback.json"), "utf8")) as {
    rows: { x: number[]; label: string }[];
  };
  const rows = document.rows.map(({ x, label }) => ({ input: standardizeRow(described, x), label }));
  return { rows, inputs: described.inputs, labels: described.labels ?? [], accuracy: described.accuracy?.heldBack ?? 0 };
}

/** One held-back record of a shipped model. */
export async function heldBack(
  model: string,
  row: number,
): Promise<{ readonly input: readonly number[]; readonly label: string }> {
  const record = (await heldBackSet(model)).rows[row];
  if (record === undefined) throw new RangeError(`${model} has no held-back row ${row}`);
  return record;
}

/** An OIP request for `digits-mlp` about one image. */
export function digitsBody(data: readonly number[] = Array<number>(64).fill(1), more: JsonObject = {}): JsonObject {
  return { id: "e2e", inputs: [{ name: "pixels", datatype: "FP32", shape: [data.length / 64, 64], data }], ...more };
}

/** The bundle of a receipt. */
export async function bundleOf(of: Service, receiptId: string | null): Promise<Uint8Array> {
  const answer = await get(of, `/v1/receipts/${receiptId}/bundle`);
  if (answer.status !== 200) throw new Error(`no bundle of ${receiptId}: ${answer.text}`);
  return answer.bytes;
}

/** What the auditor's library says about a bundle under the service's trust file. */
export async function verdictOn(
  of: Service,
  bundle: Uint8Array,
  shown: { request?: Uint8Array; response?: Uint8Array } = {},
): Promise<Verdict> {
  const options = {
    now: clock(),
    at: null,
    request: shown.request ?? null,
    response: shown.response ?? null,
    opening: null,
    allowPending: false,
  };
  return await verifyBundle(bundle, await of.trust(), options);
}

/** A folder that is removed by `remove`. */
export async function temporaryFolder(): Promise<{ readonly path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), "triseal-e2e-"));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

/** Every file under `folder`, in full. A file that a running gateway removes meanwhile is none. */
export function filesUnder(folder: string): readonly { readonly path: string; readonly bytes: Buffer }[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .flatMap((entry) => {
      const path = join(entry.parentPath, entry.name);
      try {
        return [{ path, bytes: readFileSync(path) }];
      } catch (error) {
        if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
        throw error;
      }
    });
}

/** Copies a folder. */
export async function copyFolder(from: string, to: string): Promise<void> {
  await cp(from, to, { recursive: true });
}
