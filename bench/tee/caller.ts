/** Callers: the bare route's client, the SDK with its stages, and a caller that seals and opens but fetches no bundle. */
import { createNodeClient, nodePathClients } from "../../src/client/node/index.ts";
import { type JsonObject, measureStages, parseJson, type StageTimes, unixSeconds, utf8 } from "../../src/core/index.ts";
import type { Service } from "./service.ts";
import type { InputTensor } from "./workload.ts";

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

function encodeBody(inputs: readonly InputTensor[]): Uint8Array {
  return utf8(JSON.stringify({ id: randomId(), parameters: PARAMETERS, inputs }));
}

async function post(url: string, body: Uint8Array, headers: Readonly<Record<string, string>>): Promise<Uint8Array> {
  const signal = AbortSignal.timeout(CALL_TIMEOUT_MS);
  const response = await fetch(url, { method: "POST", body: Uint8Array.from(body), headers: { ...headers }, signal });
  const answer = new Uint8Array(await response.arrayBuffer());
  if (response.status !== 200) throw new Error(`${response.status}: ${new TextDecoder().decode(answer).slice(0, 200)}`);
  return answer;
}

const inferUrl = (url: string, model: string) => `${url}/v2/models/${model}/infer`;

function assertAnswer(body: Uint8Array): void {
  const { outputs } = JSON.parse(new TextDecoder().decode(body)) as { outputs?: readonly unknown[] };
  if (outputs?.length !== 1 && !((outputs?.length ?? 0) > 1)) throw new Error("an answer without outputs");
}

/** JSON over HTTP, answers parsed: the client of the bare route, and of a gateway that gets its requests in the clear. */
export function plainCaller(url: string, apiKey: string | null): Caller {
  const headers = { "content-type": "application/json", ...(apiKey === null ? {} : { authorization: `Bearer ${apiKey}` }) };
  return async (model, inputs) => {
    const begun = performance.now();
    assertAnswer(await post(inferUrl(url, model), encodeBody(inputs), headers));
    return { answered: performance.now() - begun, verified: null, stages: {}, bundle: null };
  };
}

/** The SDK as it is: seals, opens, fetches the bundle and verifies it. */
export function sdkCaller(service: Service, seal: boolean): Caller {
  const client = createNodeClient({ baseUrl: service.url, apiKey: service.apiKey, trust: service.trust, clock });
  return async (model, inputs) => {
    const stages: StageTimes = {};
    const measure = measureStages(stages, () => performance.now());
    const begun = performance.now();
    let answered = begun;
    const observe = (name: string) => {
      if (name === "bundle") answered = performance.now();
      return measure(name);
    };
    const call = { model, inputs, parameters: PARAMETERS };
    const { bundle } = await client.infer({ ...call, seal, stages: observe });
    return { answered: answered - begun, verified: performance.now() - begun, stages, bundle };
  };
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
    const request = { model: name, facts: PARAMETERS, body: encodeBody(inputs) };
    const prepared = await client.prepare(request, session, clock());
    const answer = await post(inferUrl(service.url, name), prepared.body, { ...headers, "content-type": prepared.mediaType });
    assertAnswer(await prepared.open(answer));
    return { answered: performance.now() - begun, verified: null, stages: {}, bundle: null };
  };
}
