/** Callers: the bare route's client, the SDK with its stages, and a caller that seals and opens but fetches no bundle. */
import type { InferenceCall, TrisealClient } from "../../src/client/index.ts";
import { createNodeClient, nodePathClients } from "../../src/client/node/index.ts";
import {
  concatBytes,
  type JsonObject,
  measureStages,
  parseInferenceResponse,
  parseJson,
  type StageTimes,
  unixSeconds,
  utf8,
} from "../../src/core/index.ts";
import type { Service } from "./service.ts";
import type { InputTensor, Workload } from "./workload.ts";

const clock = () => unixSeconds(Math.floor(Date.now() / 1000));
const PARAMETERS = { classification: "internal" } as const;
const CALL_TIMEOUT_MS = 60_000;

/** One answered request: milliseconds until the opened answer was in hand, and what each stage took. */
export interface Timed {
  readonly answered: number;
  /** Until the bundle was fetched and verified, too; null where this caller does not. */
  readonly verified: number | null;
  readonly stages: StageTimes;
  readonly bundle: Uint8Array | null;
}

/** Sends one request and waits for its answer. @throws Error where there is none. */
export type Caller = (model: string, inputs: readonly InputTensor[]) => Promise<Timed>;

function randomId(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString("hex");
}

const JSON_LENGTH = "inference-header-content-length";

/** A request body, and how many bytes of it are JSON where typed arrays stand behind it as binary. */
interface Body {
  readonly bytes: Uint8Array;
  readonly jsonLength: number | null;
}

/** The body of a request in the clear: numbers in JSON, typed arrays as binary, and the answer likewise. */
function encodeBody(inputs: readonly InputTensor[]): Body {
  const arrays = inputs.flatMap(({ data }) => (data instanceof Float32Array ? [data] : []));
  const parameters = { ...PARAMETERS, ...(arrays.length === 0 ? {} : { binary_data_output: true }) };
  const members = inputs.map(({ data, ...rest }) =>
    data instanceof Float32Array ? { ...rest, parameters: { binary_data_size: data.byteLength } } : { ...rest, data },
  );
  const json = utf8(JSON.stringify({ id: randomId(), parameters, inputs: members }));
  if (arrays.length === 0) return { bytes: json, jsonLength: null };
  const parts = arrays.map((data) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  return { bytes: concatBytes(json, ...parts), jsonLength: json.length };
}

/** Bytes of the request that a workload's first input makes. */
export function requestBytes({ inputs: [first = []] }: Workload): number {
  return encodeBody(first).bytes.length;
}

async function post(url: string, body: Uint8Array, headers: Readonly<Record<string, string>>) {
  const signal = AbortSignal.timeout(CALL_TIMEOUT_MS);
  const response = await fetch(url, { method: "POST", body: Uint8Array.from(body), headers: { ...headers }, signal });
  const answer = new Uint8Array(await response.arrayBuffer());
  if (response.status !== 200) throw new Error(`${response.status}: ${new TextDecoder().decode(answer).slice(0, 200)}`);
  return { body: answer, jsonLength: Number(response.headers.get(JSON_LENGTH) ?? answer.length) };
}

const inferUrl = (url: string, model: string) => `${url}/v2/models/${model}/infer`;

/** What any client does to have the elements: JSON is parsed, binary elements are copied into an array of their own. */
function readAnswer(body: Uint8Array, jsonLength: number): void {
  const head = JSON.parse(new TextDecoder().decode(body.subarray(0, jsonLength))) as { outputs?: readonly unknown[] };
  const elements = body.slice(jsonLength);
  if ((head.outputs?.length ?? 0) < 1) throw new Error("an answer without outputs");
  if (elements.length % 4 !== 0) throw new Error("an answer with half an element");
}

/** HTTP, answers parsed: the client of the bare route, and of a gateway that gets its requests in the clear. */
export function plainCaller(url: string, apiKey: string | null): Caller {
  const authorization = apiKey === null ? {} : { authorization: `Bearer ${apiKey}` };
  return async (model, inputs) => {
    const begun = performance.now();
    const { bytes, jsonLength } = encodeBody(inputs);
    const type = jsonLength === null ? "application/json" : "application/octet-stream";
    const headers = { "content-type": type, ...(jsonLength === null ? {} : { [JSON_LENGTH]: String(jsonLength) }) };
    const answer = await post(inferUrl(url, model), bytes, { ...headers, ...authorization });
    readAnswer(answer.body, answer.jsonLength);
    return { answered: performance.now() - begun, verified: null, stages: {}, bundle: null };
  };
}

/** One inference by the SDK, timed until its opened answer was in hand and until its bundle was verified. */
export async function timedInference(client: TrisealClient, call: InferenceCall): Promise<Timed> {
  const stages: StageTimes = {};
  const measure = measureStages(stages, () => performance.now());
  const begun = performance.now();
  let answered = begun;
  const observe = (name: string) => {
    if (name === "bundle") answered = performance.now();
    return measure(name);
  };
  const { bundle } = await client.infer({ ...call, stages: observe });
  return { answered: answered - begun, verified: performance.now() - begun, stages, bundle };
}

/** The SDK as it is: seals, opens, fetches the bundle and verifies it. */
export function sdkCaller(service: Service, seal: boolean): Caller {
  const client = createNodeClient({ baseUrl: service.url, apiKey: service.apiKey, trust: service.trust, clock });
  return async (model, inputs) => await timedInference(client, { model, inputs, parameters: PARAMETERS, seal });
}

/**
 * Seals, posts and opens with the SDK's own parts, and leaves fetching and verifying the receipt for later, as a caller
 * under load would. Appraises nothing: the session is the first one listed.
 */
export async function sealingCaller(service: Service, model: string): Promise<Caller> {
  const [client] = nodePathClients;
  if (client === undefined) throw new Error("no path client");
  const headers = { authorization: `Bearer ${service.apiKey}` };
  const get = async (path: string) => {
    const response = await fetch(`${service.url}${path}`, { headers });
    return parseJson(new Uint8Array(await response.arrayBuffer())) as JsonObject;
  };
  const { sessions } = await get(`/v1/aci/sessions?model=${model}`);
  const [first] = sessions as readonly JsonObject[];
  const id = first?.["session_id"];
  if (typeof id !== "string") throw new Error("the gateway lists no session");
  const session = { id, document: await get(`/v1/aci/sessions/${id}`) };
  return async (name, inputs) => {
    const begun = performance.now();
    const request = { model: name, facts: PARAMETERS, body: encodeBody(inputs).bytes };
    const prepared = await client.prepare(request, session, clock());
    const answer = await post(inferUrl(service.url, name), prepared.body, { ...headers, "content-type": prepared.mediaType });
    parseInferenceResponse(await prepared.open(answer.body));
    return { answered: performance.now() - begun, verified: null, stages: {}, bundle: null };
  };
}
