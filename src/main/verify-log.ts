/** Verifies the log of a data folder offline, without its lock: a gateway may run on it, or have been killed on it. */
import { join } from "node:path";
import { encodeHex, equalBytes, parseUtf8 } from "../core/bytes.ts";
import { digestOf } from "../core/digest.ts";
import { TrisealError } from "../core/errors.ts";
import { parseRecord } from "../gateway/record.ts";
import { type Checkpoint, encodeLeaf, leafHash, parseCheckpointText, parseNote, verifyCheckpoint } from "../log/index.ts";
import { type DurableFiles, nodeFiles } from "../log/store/files.ts";
import { readLeaves } from "../log/store/leaf-file.ts";
import { Tree } from "../log/store/tree.ts";

/** A log that may sign: origin and Ed25519 key, as a trust file names them. */
export interface TrustedLog {
  readonly origin: string;
  readonly publicKey: string;
}

/** What was found. */
export interface LogAudit {
  readonly origin: string | null;
  /** Whole, checksummed leaves. */
  readonly leaves: number;
  /** Root over all of them, hexadecimal. */
  readonly root: string;
  /** Bytes of a batch that was cut short; nobody was told of it, and the next start cuts it off. */
  readonly unfinishedBytes: number;
  /** Size of the published checkpoint; null where it is missing or torn, which the next start repairs. */
  readonly published: number | null;
  /** How many cosigned checkpoints stand in the folder. All of them fit. */
  readonly cosigned: number;
  /** Leaves whose record is there and commits to them. */
  readonly records: number;
  /** Leaves whose record was deleted. */
  readonly forgotten: number;
  /** Size of the earlier checkpoint that this log extends, where one was given. */
  readonly from: number | null;
}

/** What is verified, against whose keys. */
export interface LogAuditOptions {
  readonly dataDir: string;
  readonly logs: readonly TrustedLog[];
  /** An earlier signed checkpoint that somebody kept: the log must extend it. */
  readonly from: string | null;
}

/**
 * Verifies that every checkpoint of the folder, and the earlier one, is signed by a trusted log and is the root over the
 * first leaves, and that every record commits to its leaf. Tiles are not read: they are made again at each start.
 * @throws TrisealError `LOG_CORRUPT`, `LOG_PROOF_INVALID`; `FORMAT_INVALID` for a record that is none.
 */
export async function verifyLog({ dataDir, logs, from }: LogAuditOptions, files: DurableFiles = nodeFiles): Promise<LogAudit> {
  const folder = join(dataDir, "log");
  // Checkpoints first: a running gateway publishes none before its leaves are durable.
  const published = await readPublished(files, `${folder}/checkpoint`);
  const cosigned = await readCosigned(files, `${folder}/checkpoints`);
  const bytes = await files.read(`${folder}/leaves`);
  if (bytes === null) throw new TrisealError("LOG_CORRUPT", "there is no file `leaves`");
  const { leaves, wholeLength } = readLeaves(bytes);
  const tree = new Tree();
  for (const leaf of leaves) tree.append(leaf);
  const notes = [...(published === null ? [] : [published]), ...cosigned, ...(from === null ? [] : [from])];
  const checkpoints = notes.map((note) => verifyOwn(note, logs));
  for (const checkpoint of checkpoints) assertExtends(tree, checkpoint);
  const origins = new Set(checkpoints.map(({ origin }) => origin));
  if (origins.size > 1) throw new TrisealError("LOG_CORRUPT", "the folder has checkpoints of several logs");
  const records = await countRecords(files, folder, leaves);
  return {
    origin: checkpoints[0]?.origin ?? null,
    leaves: leaves.length,
    root: encodeHex(tree.root()),
    unfinishedBytes: bytes.length - wholeLength,
    published: published === null ? null : parseCheckpointText(parseNote(published).text).size,
    cosigned: cosigned.length,
    records,
    forgotten: leaves.length - records,
    from: from === null ? null : (checkpoints.at(-1)?.size ?? null),
  };
}

/** The published checkpoint; null where it is missing or torn. It is written without sync, and never half by a process that dies. */
async function readPublished(files: DurableFiles, path: string): Promise<string | null> {
  const bytes = await files.read(path);
  if (bytes === null) return null;
  try {
    const note = parseUtf8(bytes);
    parseCheckpointText(parseNote(note).text);
    return note;
  } catch {
    return null;
  }
}

async function readCosigned(files: DurableFiles, folder: string): Promise<readonly string[]> {
  const names = (await files.list(folder)).filter((name) => /^[0-9]+$/.test(name));
  return await Promise.all(names.map(async (name) => parseUtf8((await files.read(`${folder}/${name}`)) ?? new Uint8Array())));
}

function verifyOwn(note: string, logs: readonly TrustedLog[]): Checkpoint {
  const { origin } = parseCheckpointText(parseNote(note).text);
  const keys = logs.filter((log) => log.origin === origin).map(({ publicKey }) => publicKey);
  return verifyCheckpoint(note, origin, keys).checkpoint;
}

function assertExtends(tree: Tree, { size, root }: Checkpoint): void {
  if (size > tree.size) throw new TrisealError("LOG_CORRUPT", `a checkpoint has ${size} leaves, ${tree.size} are left`);
  if (!equalBytes(tree.root(size), root))
    throw new TrisealError("LOG_CORRUPT", `the first ${size} leaves are not those of a checkpoint`);
}

/** How many leaves have their record. @throws TrisealError `LOG_CORRUPT` for one that commits to another leaf, `FORMAT_INVALID`. */
async function countRecords(files: DurableFiles, folder: string, leaves: readonly Uint8Array[]): Promise<number> {
  let count = 0;
  for (const leaf of leaves) {
    const hash = encodeHex(leafHash(leaf));
    const bytes = await files.read(`${folder}/records/${hash.slice(0, 2)}/${hash}`);
    if (bytes === null) continue;
    const { kind, document, salt, blobs } = parseRecord(bytes);
    const isOwn = equalBytes(encodeLeaf(kind, document, salt), leaf) && digestOf(blobs[0] ?? new Uint8Array()) === document;
    if (!isOwn) throw new TrisealError("LOG_CORRUPT", `the record ${hash.slice(0, 16)}… is not that of its leaf`);
    count++;
  }
  return count;
}
