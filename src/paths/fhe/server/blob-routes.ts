/** `/v1/fhe/blobs/<hex>`: keys, ciphertexts, programs and documents by digest, each for the tenant that has it. */

import { utf8 } from "../../../core/bytes.ts";
import { digestFromHex } from "../../../core/digest.ts";
import { TrisealError } from "../../../core/errors.ts";
import type { ResourceAnswer, ResourceCall, ResourceRoute } from "../../path.ts";
import { LWE_TYPE, typeName } from "../wire/document.ts";
import { forbidden } from "./access.ts";
import { fileBytes } from "./data-files.ts";
import type { Engine } from "./engine.ts";
import type { KeyVault } from "./key-vault.ts";
import type { BlobPort } from "./ports.ts";
import type { Programs } from "./programs.ts";
import { bytesAnswer, nameOf } from "./resources.ts";
import type { AccountStates } from "./state.ts";

/** Where blobs come from. */
export interface BlobRouteOptions {
  readonly states: () => Promise<AccountStates>;
  readonly programs: () => Promise<Programs>;
  readonly keys: KeyVault;
  readonly blobs: BlobPort;
  readonly engine: Engine;
  readonly timeoutMs: number;
  /** Digest of the reference string, 64 hexadecimal digits; null before it is there. */
  readonly crsName: () => string | null;
}

/**
 * The resource. Values and accounts' documents are for their readers: an account's state for whom its document names, an output for
 * whoever may read all that it came of, a fresh input for its caller. Keys and programs are for every API key of the tenant, as nobody
 * could execute a run again without them. Whatever else there is answers as if it were nowhere.
 */
export function blobRoute(options: BlobRouteOptions): ResourceRoute {
  return {
    kind: "resource",
    address: "blobs",
    methods: ["GET"],
    maxBodyBytes: 0,
    headers: [],
    answer: async (call) => {
      const name = nameOf(call);
      if (!/^[0-9a-f]{64}$/.test(name)) throw forbidden();
      if (call.query["form"] === "expanded") return expanded(options, call, name);
      if (call.query["form"] !== undefined && call.query["form"] !== "compressed")
        throw new TrisealError("REQUEST_MALFORMED", "`form` is `compressed` or `expanded`");
      const found = await find(options, call, name);
      if (found === null) throw forbidden();
      return bytesAnswer(found);
    },
  };
}

async function find(
  options: BlobRouteOptions,
  { tenant, principal }: ResourceCall,
  name: string,
): Promise<ResourceAnswer["body"] | null> {
  const { states, programs, keys, blobs, crsName } = options;
  if (await (await states()).mayRead(tenant, name, principal)) return blobs.get(digestFromHex(name));
  const program = (await programs()).find(tenant, `sha256:${name}`);
  if (program?.bytes != null) return program.bytes;
  const key = await keys.bytes(tenant, name);
  if (key !== null) return key;
  const document = await (await states()).documentWith(tenant, name, principal);
  if (document !== null) return utf8(document);
  // The reference string is everybody's.
  return crsName() === name ? fileBytes(`${keys.folder}/${name}`) : null;
}

/** A value as node-tfhe reads it, under the key that the caller's value facts name. */
async function expanded(options: BlobRouteOptions, call: ResourceCall, name: string): Promise<ResourceAnswer> {
  const { states, blobs, engine, timeoutMs } = options;
  const facts = await (await states()).factsOf(call.tenant, name, call.principal);
  const bytes = facts === null ? null : await blobs.get(digestFromHex(name));
  if (facts === null || bytes === null) throw forbidden();
  if (facts.t === LWE_TYPE) throw new TrisealError("REQUEST_MALFORMED", "the output of a model has one form only");
  const stated = call.query["type"];
  if (stated !== undefined && typeName(stated, "type") !== facts.t)
    throw new TrisealError("REQUEST_MALFORMED", "`type` is not the type of that value");
  const signal = AbortSignal.any([call.signal, AbortSignal.timeout(timeoutMs)]);
  return bytesAnswer(await engine.expand(bytes, { keyId: facts.keyId, type: facts.t }, { signal }));
}
