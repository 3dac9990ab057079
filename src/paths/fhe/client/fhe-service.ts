/** What the service keeps for its callers on the fhe path (SPEC 4 to 6): key sets, accounts, and bytes by digest. */
import { array, boolean, type Decoded, digest, hexText, integer, nullable, object, oneOf, text } from "../../../core/decode.ts";
import { digestHex, digestOf, type Sha256Digest } from "../../../core/digest.ts";
import { isTrisealError, TrisealError } from "../../../core/errors.ts";
import { encodeJcs } from "../../../core/jcs.ts";
import { type JsonValue, parseJson } from "../../../core/json.ts";
import { type AccountDocument, encodeAccount, MAX_ACCOUNT_BYTES, parseAccount } from "../wire/account.ts";
import { unsignedDecimal } from "../wire/document.ts";
import { encodeKeyDocument, type KeyDocument, MAX_KEY_DOCUMENT_BYTES, parseKeyDocument } from "../wire/key-document.ts";
import { blobAddress } from "../wire/run.ts";

export { codes } from "../wire/codes.ts";

/** Bytes of one chunk of an upload. */
const CHUNK_BYTES = 8 * 1024 * 1024;

/** Most accounts on one page of the service, and of an answer's bytes. */
const MAX_PAGE = 100;
const MAX_PAGE_BYTES = (MAX_PAGE + 1) * (MAX_ACCOUNT_BYTES + 1024);

/** Most times that an upload asks again where it stands. */
const MAX_RESUMES = 16;

/** A request to the service, with the API key of the caller. `TrisealClient.resource` is one. */
export type AskService = (
  address: string,
  request: {
    readonly method: "GET" | "POST" | "PATCH";
    readonly body?: Uint8Array;
    readonly headers?: Readonly<Record<string, string>>;
    readonly maxBytes: number;
  },
  signal?: AbortSignal,
) => Promise<Uint8Array>;

/** Reads a part of a file, so that a key is never in memory as a whole. */
export type ReadPart = (offset: number, length: number) => Promise<Uint8Array>;

/** The files of a key set that the service gets. The client key is none of them. */
export interface KeyFiles {
  readonly serverKey: ReadPart;
  /** Null where the set has no public key. */
  readonly publicKey: ReadPart | null;
}

const decodeUpload = object({
  v: oneOf(1),
  keyId: hexText(32),
  complete: boolean,
  pieces: array(object({ piece: hexText(32), offset: integer(), length: integer() }), 2),
});

const decodeState = object({
  document: (value) => parseAccount(encodeJcs(value as JsonValue)),
  documentDigest: digest,
  version: integer(),
  head: hexText(32),
  handle: nullable(hexText(32)),
  digest: nullable(digest),
  clear: nullable(unsignedDecimal),
});

const decodeStates = object({ v: oneOf(1), accounts: array(decodeState, MAX_PAGE), next: nullable(text(64)) });
const decodeKeys = object({
  v: oneOf(1),
  keys: array((value: JsonValue | undefined) => parseKeyDocument(encodeJcs(value as JsonValue)), 1024),
});

/** An account as the service says it is. Only receipts show that it is so. */
export type AccountState = Decoded<typeof decodeState>;

/** The fhe path's resources at one service. */
export interface FheService {
  /**
   * Uploads a key set, or what is missing of it: an upload that broke off goes on where it was.
   * @param progress is told the bytes that are there, and of how many.
   * @throws TrisealError `FHE_KEY_INVALID`, `FHE_KEY_QUOTA`; `FORMAT_INVALID` where a file has another length than its document says.
   */
  uploadKey(key: KeyDocument, files: KeyFiles, options?: UploadOptions): Promise<void>;
  /** The key sets of this caller's tenant. */
  keys(signal?: AbortSignal): Promise<readonly KeyDocument[]>;
  /** Makes an account; the same document again changes nothing. @throws TrisealError with a code of the path. */
  createAccount(account: AccountDocument, signal?: AbortSignal): Promise<AccountState>;
  /** An account that this caller may read. @throws TrisealError `FHE_FORBIDDEN_HANDLE`. */
  account(name: string, signal?: AbortSignal): Promise<AccountState>;
  /** All accounts that this caller may read. */
  accounts(signal?: AbortSignal): Promise<readonly AccountState[]>;
  /** Bytes by their digest, which is checked. @throws TrisealError `FHE_FORBIDDEN_HANDLE`, `VERIFICATION_FAILED`. */
  blob(named: Sha256Digest, maxBytes: number, signal?: AbortSignal): Promise<Uint8Array>;
  /** A stored value as node-tfhe reads it. Nothing shows that it is the same value: the digest is that of the compressed bytes. */
  expanded(named: Sha256Digest, maxBytes: number, signal?: AbortSignal): Promise<Uint8Array>;
}

/** How an upload is watched. */
export interface UploadOptions {
  readonly progress?: (done: number, of: number) => void;
  readonly signal?: AbortSignal;
}

const JSON_BODY = { "content-type": "application/json" };

/** The resources behind `ask`. */
export function createFheService(ask: AskService): FheService {
  const read = async <T>(
    address: string,
    decode: (value: JsonValue, place: string) => T,
    maxBytes: number,
    signal?: AbortSignal,
  ) => decode(parseJson(await ask(address, { method: "GET", maxBytes }, signal)), "answer");
  const stateIn = (value: JsonValue): AccountState => {
    const { v: _, ...state } = value as { readonly [name: string]: JsonValue };
    return decodeState(state, "account");
  };
  return {
    uploadKey: (key, files, options) => upload(ask, key, files, options),
    keys: async (signal) => (await read("/v1/fhe/keys", decodeKeys, 1024 * MAX_KEY_DOCUMENT_BYTES, signal)).keys,
    createAccount: async (account, signal) => {
      const request = { method: "POST", body: encodeAccount(account), headers: JSON_BODY, maxBytes: MAX_PAGE_BYTES } as const;
      return stateIn(parseJson(await ask("/v1/fhe/accounts", request, signal)));
    },
    account: (name, signal) => read(`/v1/fhe/accounts/${encodeURIComponent(name)}`, stateIn, MAX_PAGE_BYTES, signal),
    accounts: async (signal) => {
      const all: AccountState[] = [];
      for (let after: string | null = ""; after !== null; ) {
        const address: string = `/v1/fhe/accounts?after=${encodeURIComponent(after)}`;
        const page: Decoded<typeof decodeStates> = await read(address, decodeStates, MAX_PAGE_BYTES, signal);
        if (page.next !== null && page.next <= after)
          throw new TrisealError("FORMAT_INVALID", "the pages of accounts go in a circle");
        all.push(...page.accounts);
        after = page.next;
      }
      return all;
    },
    blob: async (named, maxBytes, signal) => {
      const bytes = await ask(blobAddress(named), { method: "GET", maxBytes }, signal);
      if (digestOf(bytes) === named) return bytes;
      throw new TrisealError("VERIFICATION_FAILED", "the service sent other bytes than those of this digest");
    },
    expanded: (named, maxBytes, signal) => ask(blobAddress(named, "expanded"), { method: "GET", maxBytes }, signal),
  };
}

async function upload(ask: AskService, key: KeyDocument, files: KeyFiles, options: UploadOptions = {}): Promise<void> {
  const { progress, signal } = options;
  const total = key.serverKey.bytes + (key.publicKey?.bytes ?? 0);
  const begin = { method: "POST", body: encodeKeyDocument(key), headers: JSON_BODY, maxBytes: 4096 } as const;
  for (let resumes = 0; ; resumes++) {
    let state = decodeUpload(parseJson(await ask("/v1/fhe/keys", begin, signal)), "upload");
    try {
      while (!state.complete) {
        progress?.(
          state.pieces.reduce((sum, { offset }) => sum + offset, 0),
          total,
        );
        state = decodeUpload(parseJson(await sendChunk(ask, key, files, state.pieces, signal)), "upload");
      }
      progress?.(total, total);
      return;
    } catch (error) {
      // Somebody else went on with it, or an answer was lost: the service says where it stands.
      if (!isTrisealError(error, "FHE_UPLOAD_OFFSET") || resumes === MAX_RESUMES) throw error;
    }
  }
}

async function sendChunk(
  ask: AskService,
  key: KeyDocument,
  files: KeyFiles,
  pieces: Decoded<typeof decodeUpload>["pieces"],
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const open = pieces.find(({ offset, length }) => offset < length);
  if (open === undefined) throw new TrisealError("FORMAT_INVALID", "an upload is neither complete nor open");
  const file = open.piece === digestHex(key.serverKey.digest) ? files.serverKey : files.publicKey;
  const length = Math.min(CHUNK_BYTES, open.length - open.offset);
  const body = await file?.(open.offset, length);
  if (body?.length !== length) throw new TrisealError("FORMAT_INVALID", "a key's file is shorter than its document says");
  const headers = { "content-type": "application/octet-stream", "upload-offset": String(open.offset) };
  return ask(`/v1/fhe/keys/${open.piece}`, { method: "PATCH", body, headers, maxBytes: 4096 }, signal);
}
