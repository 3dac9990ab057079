/** A key set on disk, as `triseal fhe keygen` made it. */
import { open } from "node:fs/promises";
import { join } from "node:path";
import { digestHex } from "../../core/digest.ts";
import type { KeyFiles, ReadPart } from "../../paths/fhe/client/fhe-service.ts";
import { fheError } from "../../paths/fhe/wire/codes.ts";
import { type KeyDocument, parseKeyDocument } from "../../paths/fhe/wire/key-document.ts";
import { digestOfFile } from "../file-digest.ts";
import { readNamed } from "../refusing.ts";

/** The client key, which stays here. */
export const CLIENT_KEY = "client.key";
const SERVER_KEY = "server.key";
const PUBLIC_KEY = "public.key";
const DOCUMENT = "key.json";

/** A key set with its files. */
export interface KeyFolder {
  readonly key: KeyDocument;
  readonly clientKey: string;
  readonly serverKey: string;
  readonly publicKey: string | null;
}

/** The key set in `folder`. Reads its document alone. @throws TrisealError `FORMAT_INVALID`. */
export async function readKeyFolder(folder: string): Promise<KeyFolder> {
  const key = parseKeyDocument(await readNamed(join(folder, DOCUMENT)));
  const [clientKey, serverKey, publicKey] = [CLIENT_KEY, SERVER_KEY, PUBLIC_KEY].map((name) => join(folder, name));
  return {
    key,
    clientKey: clientKey ?? "",
    serverKey: serverKey ?? "",
    publicKey: key.publicKey === null ? null : (publicKey ?? ""),
  };
}

/** @throws TrisealError `FHE_KEY_INVALID` where a key's file is another than its document names. */
export async function assertKeyFiles({ key, serverKey, publicKey }: KeyFolder): Promise<void> {
  const isServerKey = digestHex(await digestOfFile(serverKey)) === key.keyId;
  const isPublicKey = publicKey === null || (await digestOfFile(publicKey)) === key.publicKey?.digest;
  if (!isServerKey || !isPublicKey) throw fheError("FHE_KEY_INVALID", "a key's file is another than its document names");
}

function partsOf(file: string): ReadPart {
  return async (offset, length) => {
    const handle = await open(file, "r");
    try {
      const { bytesRead, buffer } = await handle.read(new Uint8Array(length), 0, length, offset);
      return buffer.subarray(0, bytesRead);
    } finally {
      await handle.close();
    }
  };
}

/** The files that a service gets, in parts. */
export function uploadFiles({ serverKey, publicKey }: KeyFolder): KeyFiles {
  return { serverKey: partsOf(serverKey), publicKey: publicKey === null ? null : partsOf(publicKey) };
}
