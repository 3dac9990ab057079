/** The certificates beside a SEV-SNP report (AMD 56421, GHCB section 4.1.8.1): entries of GUID, offset and length, then what they name. */
import { encodeHex } from "../../src/core/bytes.ts";
import { attesterError } from "./attester-error.ts";

/** What a table may name here. Other GUIDs are the host's own business and are left out. */
export type CertificateName = "vcek" | "vlek" | "ask" | "ark" | "crl";

const NAMES: ReadonlyMap<string, CertificateName> = new Map([
  ["63da758de6644564adc5f4b93be8accd", "vcek"],
  ["a8074bc2a25a483eaae639c045a0b8a1", "vlek"],
  ["4ab7b379bbac4fe4a02f05aef327c782", "ask"],
  ["c0b406a4a803495297433fb6014cd0ae", "ark"],
  ["92f81bc358114d3d97ffd19f88dc67ea", "crl"],
]);

const ENTRY_BYTES = 24;
const MAX_ENTRIES = 32;
const TERMINATOR = "0".repeat(32);

function malformed(what: string): never {
  throw attesterError("ATTESTER_MALFORMED", `certificate table: ${what}`);
}

interface Entry {
  readonly guid: string;
  readonly offset: number;
  readonly length: number;
}

/** The entries up to the one of zeros. */
function entriesOf(table: Uint8Array): readonly Entry[] {
  const view = new DataView(table.buffer, table.byteOffset, table.length);
  const entries: Entry[] = [];
  for (let at = 0; ; at += ENTRY_BYTES) {
    if (at + ENTRY_BYTES > table.length) malformed("it does not end");
    const guid = encodeHex(table.subarray(at, at + 16));
    if (guid === TERMINATOR) return entries;
    if (entries.length === MAX_ENTRIES) malformed(`more than ${MAX_ENTRIES} entries`);
    entries.push({ guid, offset: view.getUint32(at + 16, true), length: view.getUint32(at + 20, true) });
  }
}

/**
 * The certificates of a table, by name. None where the host gave no table, which is empty or all zeros. They are not parsed.
 * @throws TrisealError `ATTESTER_MALFORMED` where the table does not end, names one thing twice, or points outside itself.
 */
export function parseCertificateTable(table: Uint8Array): ReadonlyMap<CertificateName, Uint8Array> {
  const found = new Map<CertificateName, Uint8Array>();
  if (table.every((byte) => byte === 0)) return found;
  const entries = entriesOf(table);
  const start = (entries.length + 1) * ENTRY_BYTES;
  for (const { guid, offset, length } of entries) {
    if (length === 0 || offset < start || offset + length > table.length) malformed("an entry that points outside of it");
    const name = NAMES.get(guid);
    if (name === undefined) continue;
    if (found.has(name)) malformed(`two entries of ${name}`);
    found.set(name, table.slice(offset, offset + length));
  }
  return found;
}
