/** `/v1/fhe/keys`: key sets, uploaded in pieces that go on where they were cut off. */
import { TrisealError } from "../../../core/errors.ts";
import type { JsonObject } from "../../../core/json.ts";
import type { ResourceAnswer, ResourceCall, ResourceRoute } from "../../path.ts";
import { fheError } from "../wire/codes.ts";
import type { KeyVault, UploadState } from "./key-vault.ts";
import { assertBytesType, assertJsonType, assertNoName, jsonAnswer, nameOf } from "./resources.ts";

/** Longest chunk of an upload. */
export const MAX_CHUNK_BYTES = 8 * 1024 * 1024;

const OFFSET = "upload-offset";
const LENGTH = "upload-length";

/** The resource. */
export function keyRoute(keys: KeyVault): ResourceRoute {
  return {
    kind: "resource",
    address: "keys",
    methods: ["GET", "POST", "PATCH"],
    maxBodyBytes: MAX_CHUNK_BYTES,
    headers: ["content-type", OFFSET],
    answer: async (call) => {
      if (call.method === "POST") return begin(keys, call);
      if (call.method === "PATCH") return append(keys, call);
      return call.name === null ? list(keys, call) : offset(keys, call);
    },
  };
}

async function begin(keys: KeyVault, call: ResourceCall): Promise<ResourceAnswer> {
  assertNoName(call);
  assertJsonType(call);
  return stateAnswer(await keys.begin(call.tenant, call.body, call.signal), null);
}

async function append(keys: KeyVault, call: ResourceCall): Promise<ResourceAnswer> {
  assertBytesType(call);
  const name = nameOf(call);
  const stated = call.headers[OFFSET] ?? "";
  if (!/^(?:0|[1-9][0-9]{0,14})$/.test(stated))
    throw fheError("FHE_UPLOAD_OFFSET", "`Upload-Offset` says where the chunk begins, in bytes");
  if (call.body.length === 0) throw new TrisealError("REQUEST_MALFORMED", "a chunk is not empty");
  return stateAnswer(await keys.append(call.tenant, name, Number(stated), call.body, call.signal), name);
}

/** Where a piece stands. Of a complete key its document: then offset and length are equal. */
async function offset(keys: KeyVault, call: ResourceCall): Promise<ResourceAnswer> {
  const name = nameOf(call);
  const at = await keys.offset(call.tenant, name);
  const headers = { [OFFSET]: String(at.offset), [LENGTH]: String(at.length) };
  return jsonAnswer({ piece: name, ...at, key: await keys.find(call.tenant, name) }, 200, headers);
}

async function list(keys: KeyVault, { tenant }: ResourceCall): Promise<ResourceAnswer> {
  return jsonAnswer({ keys: [...(await keys.list(tenant))] });
}

function stateAnswer({ key, pieces, complete }: UploadState, name: string | null): ResourceAnswer {
  const piece = pieces.find((one) => one.name === name);
  const headers = piece === undefined ? {} : { [OFFSET]: String(piece.offset), [LENGTH]: String(piece.length) };
  const stated = pieces.map((one): JsonObject => ({ piece: one.name, offset: one.offset, length: one.length }));
  return jsonAnswer({ keyId: key.keyId, complete, pieces: stated }, complete ? 201 : 202, headers);
}
