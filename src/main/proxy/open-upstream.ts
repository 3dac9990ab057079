/** The gateway behind the proxy, through the SDK. */

import type { TrisealClient } from "../../client/index.ts";
import type { NodeTransport } from "../../client/node/index.ts";
import { createNodeClient } from "../../client/node/index.ts";
import type { Clock } from "../../core/time.ts";
import type { Upstream } from "./create-proxy.ts";
import { type ModelMetadata, parseMetadata, parseModels } from "./plain-call.ts";
import { TrustedClient } from "./trusted-client.ts";

/** Which gateway, and what is to be believed of it. */
export interface UpstreamOptions {
  readonly url: string;
  readonly apiKey: string;
  readonly trustFile: string;
  /** Pins the gateway's TLS key; null for plain HTTP on this machine. */
  readonly transport: NodeTransport | null;
  readonly clock: Clock;
  /** Time for one request, all attempts included. */
  readonly timeoutMs: number;
}

const MAX_METADATA_BYTES = 256 * 1024;
/** How long what the gateway said of a model is used again. */
const METADATA_SECONDS = 60;
const MAX_KEPT_MODELS = 256;

interface KeptModel {
  readonly model: ModelMetadata;
  readonly until: number;
}

/** The upstream that SDK and trust file make. Contacts nobody yet. */
export class SdkUpstream implements Upstream {
  private readonly trusted: TrustedClient;
  private readonly clock: Clock;
  /** By client: what one state of the trust file let pass says nothing under another. */
  private kept = new WeakMap<TrisealClient, Map<string, KeptModel>>();

  /** Connects to nothing yet. */
  constructor({ url, apiKey, trustFile, transport, clock, timeoutMs }: UpstreamOptions) {
    this.clock = clock;
    const fixed = { baseUrl: url, apiKey, clock, retry: { deadlineMs: timeoutMs }, ...(transport === null ? {} : { transport }) };
    this.trusted = new TrustedClient(trustFile, (trust) => createNodeClient({ ...fixed, trust }));
  }

  /** Appraises the gateway, whether it says that it is ready or not. @throws TrisealError as `TrisealClient.establish`. */
  async appraise(signal: AbortSignal): Promise<void> {
    await (await this.trusted.current()).establish(signal);
  }

  async assertReady(signal: AbortSignal): Promise<void> {
    await this.look("/v2/health/ready", signal);
  }

  async models(signal: AbortSignal): Promise<readonly string[]> {
    return parseModels(await this.look("/v2/models", signal));
  }

  async model(name: string, signal: AbortSignal): Promise<ModelMetadata> {
    const client = await this.trusted.current();
    const kept = this.kept.get(client) ?? new Map<string, KeptModel>();
    this.kept.set(client, kept);
    const known = kept.get(name);
    if (known !== undefined && this.clock() < known.until) return known.model;
    const request = { method: "GET", maxBytes: MAX_METADATA_BYTES } as const;
    const model = parseMetadata(await client.resource(`/v2/models/${encodeURIComponent(name)}`, request, signal), name);
    if (kept.size >= MAX_KEPT_MODELS) kept.clear();
    kept.set(name, { model, until: this.clock() + METADATA_SECONDS });
    return model;
  }

  async assertModelReady(name: string, signal: AbortSignal): Promise<void> {
    await (await this.trusted.current()).appraiseModel(name, signal);
  }

  async infer(call: Parameters<Upstream["infer"]>[0]): ReturnType<Upstream["infer"]> {
    return (await this.trusted.current()).infer(call);
  }

  private async look(address: string, signal: AbortSignal): Promise<Uint8Array> {
    return (await this.trusted.current()).resource(address, { method: "GET", maxBytes: MAX_METADATA_BYTES }, signal);
  }
}
