/** A caller of a gateway that dies: key set, accounts and runs on them through HTTP, and what the accounts say afterwards. */
import { encodeBase64 } from "../../../src/core/bytes.ts";
import { digest, hexText, seconds } from "../../../src/core/decode.ts";
import { digestHex, type Sha256Digest } from "../../../src/core/digest.ts";
import { encodeJcs } from "../../../src/core/jcs.ts";
import type { JsonObject } from "../../../src/core/json.ts";
import { hashApiKey } from "../../../src/gateway/authenticate.ts";
import { type AccountDocument, encodeAccount } from "../../../src/paths/fhe/wire/account.ts";
import { encodeKeyDocument, type KeyDocument } from "../../../src/paths/fhe/wire/key-document.ts";
import { type ListPurpose, listMetadata } from "../../../src/paths/fhe/wire/list-metadata.ts";
import { clock } from "../../e2e/gateway-harness.ts";

const CHUNK = 8 * 2 ** 20;

/** An answer that was read. */
export interface Answer {
  readonly status: number;
  readonly json: JsonObject;
  readonly bytes: Uint8Array;
}

/** A key set with the bytes that are uploaded. */
export interface KeyUpload {
  readonly document: KeyDocument;
  readonly server: Uint8Array;
  readonly public: Uint8Array;
}

/** A run that a caller wants. */
export interface WantedRun {
  readonly program: string;
  readonly inputs: JsonObject;
  readonly writes: Readonly<Record<string, string>>;
  /** Names of inputs that come in one list, and the list for what it has to be bound to. */
  readonly fresh?: { readonly names: readonly string[]; readonly list: (metadata: Uint8Array) => Uint8Array };
}

/** The state of an account as the gateway shows it. */
export interface AccountState {
  readonly version: number;
  /** The compressed ciphertext; null before the first write. */
  readonly bytes: Uint8Array | null;
}

/** What a caller of one gateway knows. */
export class FheCaller {
  private readonly port: number;
  private readonly apiKey: string;
  private readonly keyId: string;

  constructor(port: number, apiKey: string, keyId: string) {
    this.port = port;
    this.apiKey = apiKey;
    this.keyId = keyId;
  }

  async call(method: string, path: string, body?: Uint8Array, headers: Record<string, string> = {}): Promise<Answer> {
    const init = { method, headers: { authorization: `Bearer ${this.apiKey}`, ...headers }, signal: AbortSignal.timeout(60_000) };
    const sent = body === undefined ? init : { ...init, body: Uint8Array.from(body) };
    const response = await fetch(`http://127.0.0.1:${this.port}${path}`, sent);
    const bytes = new Uint8Array(await response.arrayBuffer());
    const isJson = response.headers.get("content-type")?.includes("json") === true;
    return { status: response.status, json: isJson ? (JSON.parse(new TextDecoder().decode(bytes)) as JsonObject) : {}, bytes };
  }

  /** @throws where the answer is none of the wanted ones. */
  async must(method: string, path: string, body?: Uint8Array, headers?: Record<string, string>): Promise<Answer> {
    const answer = await this.call(method, path, body, headers);
    if (answer.status < 300) return answer;
    throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.json)}`);
  }

  /** Uploads a key set. */
  async upload({ document, ...files }: KeyUpload): Promise<void> {
    await this.must("POST", "/v1/fhe/keys", encodeKeyDocument(document));
    for (const [piece, bytes] of [
      [document.serverKey, files.server],
      [document.publicKey, files.public],
    ] as const)
      for (let offset = 0; offset < bytes.length; offset += CHUNK) {
        const path = `/v1/fhe/keys/${digestHex(piece?.digest as Sha256Digest)}`;
        await this.must("PATCH", path, bytes.subarray(offset, offset + CHUNK), { "upload-offset": String(offset) });
      }
  }

  /** Opens an account of the caller's. */
  async open(account: string, more: Partial<AccountDocument> & Pick<AccountDocument, "type">): Promise<void> {
    const acl = { read: [], debit: [], credit: [], programs: "any" } as const;
    const fixed = {
      v: 1,
      kind: "account",
      tenant: "dev",
      account,
      keyId: this.keyId,
      cap: null,
      nonce: "00".repeat(16),
    } as const;
    const document = encodeAccount({ ...fixed, owner: hashApiKey(this.apiKey), acl, created: clock(), ...more });
    await this.must("POST", "/v1/fhe/accounts", document);
  }

  /** Asks for a challenge, and submits a run under it; `submitted` is called between the two. */
  async run(wanted: WantedRun, submitted: () => void = () => undefined): Promise<Answer> {
    const body = encodeJcs({ model: wanted.program, parameters: { kind: "state" } });
    const { json } = await this.must("POST", "/v1/fhe/challenges", body);
    const nonce = hexText(16)(json["nonce"], "nonce");
    const [exp, modelDigest] = [seconds(json["exp"], "exp"), digest(json["modelDigest"], "modelDigest")];
    const read = Object.values(wanted.inputs).flatMap((input) => ((input as JsonObject)["account"] as string) ?? []);
    const accounts = [...new Set([...read, ...Object.values(wanted.writes)])];
    const purpose: ListPurpose = { tenant: "dev", accounts, programDigest: modelDigest, nonce, exp };
    const { fresh, writes } = wanted;
    const lists = fresh === undefined ? [] : [encodeBase64(fresh.list(listMetadata(purpose)))];
    const listed = Object.fromEntries((fresh?.names ?? []).map((name, index) => [name, { list: 0, index }]));
    const inputs = { ...wanted.inputs, ...listed };
    const document = encodeJcs({ v: 1, nonce, programDigest: modelDigest, keyId: this.keyId, inputs, lists, writes });
    const answer = this.call("POST", "/v1/fhe/run", document);
    submitted();
    return answer;
  }

  async state(name: string): Promise<AccountState> {
    const { json } = await this.must("GET", `/v1/fhe/accounts/${name}`);
    const { digest, version } = json as unknown as { digest: string | null; version: number };
    if (digest === null) return { version, bytes: null };
    return { version, bytes: (await this.must("GET", `/v1/fhe/blobs/${digest.replace("sha256:", "")}`)).bytes };
  }
}
