/** The gateway's TLS key and certificate: checked before they are used, and followed while it runs. */
import { createHash, createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { createSecureContext } from "node:tls";
import { encodeHex } from "../core/bytes.ts";
import { TrisealError } from "../core/errors.ts";
import { type Clock, formatTime, unixSeconds } from "../core/time.ts";
import type { OperatorLog } from "../gateway/options.ts";

/** Where key and certificate stand, both in PEM. */
export interface TlsFiles {
  /** The certificate, and the chain to its authority after it. */
  readonly certFile: string;
  readonly keyFile: string;
}

/** A certificate chain and its private key, both in PEM, checked to belong together. */
export interface TlsPair {
  readonly cert: string;
  readonly key: string;
  /** SHA-256 of the certificate's SPKI in hexadecimal, as ACI keysets list it (section 3.1). */
  readonly spkiSha256: string;
  /** The raw public key in hexadecimal where it is an Ed25519 one, else null. */
  readonly ed25519Key: string | null;
}

/** The only protocol version: 1.2 shows certificates in the clear, and no client of ours needs it. */
export const TLS_VERSION = "TLSv1.3";

const MAX_PEM_BYTES = 1024 * 1024;
const POLL_INTERVAL_MS = 1000;
/** Length of a raw Ed25519 public key, the tail of its SubjectPublicKeyInfo (RFC 8410 section 4). */
const ED25519_BYTES = 32;

function invalid(reason: string, cause?: unknown): never {
  throw new TrisealError("CONFIG_INVALID", `listen.tls.${reason}`, { cause });
}

async function readPem(name: keyof TlsFiles, path: string): Promise<string> {
  try {
    const found = await stat(path);
    if (!found.isFile() || found.size > MAX_PEM_BYTES) invalid(`${name}: \`${path}\` is no PEM file`);
    if (name === "keyFile" && (found.mode & 0o077) !== 0) invalid(`keyFile: \`${path}\` can be read by others: chmod 600`);
    return await readFile(path, "utf8");
  } catch (cause) {
    if (cause instanceof TrisealError) throw cause;
    return invalid(`${name}: cannot read \`${path}\``, cause);
  }
}

function attempt<T>(make: () => T, otherwise: string): T {
  try {
    return make();
  } catch (cause) {
    return invalid(otherwise, cause);
  }
}

function assertCurrent(certificate: X509Certificate, path: string, nowMs: number): void {
  const [from, to] = [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)];
  if (!(nowMs < to)) invalid(`certFile: the certificate in \`${path}\` expired at ${shown(to)}: renew it`);
  if (!(from <= nowMs)) invalid(`certFile: the certificate in \`${path}\` is not valid before ${shown(from)}`);
}

function shown(ms: number): string {
  return Number.isFinite(ms) ? formatTime(unixSeconds(Math.max(0, Math.floor(ms / 1000)))) : "an unreadable time";
}

/** OpenSSL's default lets RSA keys of 1024 bits pass. */
function assertStrong({ asymmetricKeyType: type, asymmetricKeyDetails }: KeyObject, path: string): void {
  const bits = asymmetricKeyDetails?.modulusLength;
  const strong = type === "ec" || type === "ed25519" || (bits !== undefined && bits >= 2048 && /^rsa(?:-pss)?$/.test(type ?? ""));
  if (!strong) invalid(`keyFile: the key in \`${path}\` is none that is served: EC, Ed25519, or RSA of at least 2048 bits`);
}

function spkiOf(publicKey: KeyObject): Buffer {
  return publicKey.export({ type: "spki", format: "der" });
}

/**
 * Reads and checks key and certificate: PEM, the key readable by its owner alone and that of the first certificate, which
 * is in its period. Judges neither chain nor names: clients of ours pin the key.
 * @throws TrisealError `CONFIG_INVALID`, naming the file.
 */
export async function readTlsPair(files: TlsFiles, clock: Clock): Promise<TlsPair> {
  const { certFile, keyFile } = files;
  const cert = await readPem("certFile", certFile);
  const key = await readPem("keyFile", keyFile);
  if (!cert.includes("-----BEGIN CERTIFICATE-----")) invalid(`certFile: \`${certFile}\` holds no PEM certificate`);
  const certificate = attempt(() => new X509Certificate(cert), `certFile: \`${certFile}\` holds no readable certificate`);
  const privateKey = attempt(() => createPrivateKey(key), `keyFile: \`${keyFile}\` holds no unencrypted PEM private key`);
  if (!certificate.checkPrivateKey(privateKey))
    invalid(`keyFile: \`${keyFile}\` is not the key of the certificate in \`${certFile}\``);
  assertCurrent(certificate, certFile, clock() * 1000);
  const context = { cert, key, minVersion: TLS_VERSION } as const;
  attempt(() => createSecureContext(context), `certFile: TLS cannot use the chain in \`${certFile}\``);
  assertStrong(privateKey, keyFile);
  const spki = spkiOf(certificate.publicKey);
  return {
    cert,
    key,
    spkiSha256: createHash("sha256").update(spki).digest("hex"),
    ed25519Key: privateKey.asymmetricKeyType === "ed25519" ? encodeHex(spki.subarray(-ED25519_BYTES)) : null,
  };
}

/** What follows from a change of the files. */
export interface TlsChanges {
  /**
   * The files hold another key. It is not served: the keyset in force does not list it. Whoever puts a keyset into force
   * that lists `pair.spkiSha256` calls `adopt` then.
   */
  readonly onNewKey: (pair: TlsPair) => void;
  /** One line for the operator. The last good pair goes on serving. */
  readonly onProblem: (reason: string) => void;
}

/** Key and certificate in force. */
export interface TlsSource {
  readonly pair: TlsPair;
  /** Calls `listener` with every pair that comes into force from now on: a renewed certificate, or an adopted key. */
  subscribe(listener: (pair: TlsPair) => void): void;
  /** Puts a pair into force. The keyset in force must list its key. */
  adopt(pair: TlsPair): void;
  close(): void;
}

async function stamp({ certFile, keyFile }: TlsFiles): Promise<string> {
  const stats = await Promise.all([certFile, keyFile].map((path) => stat(path)));
  return stats.map(({ mtimeMs, size, ino }) => `${mtimeMs}:${size}:${ino}`).join(" ");
}

/**
 * Reads the files and follows them. A renewed certificate of the same key comes into force by itself, for connections that
 * begin after it; a bad file, or one of a pair that is being replaced, keeps the last good pair.
 * @throws TrisealError `CONFIG_INVALID` where the first reading fails.
 */
export async function followTls(files: TlsFiles, clock: Clock, changes: TlsChanges): Promise<TlsSource> {
  let pair = await readTlsPair(files, clock);
  let seen = await stamp(files);
  let problem: string | null = null;
  const listeners: ((pair: TlsPair) => void)[] = [];
  const adopt = (next: TlsPair) => {
    pair = next;
    for (const listener of listeners) listener(next);
  };
  const reload = async () => {
    const now = await stamp(files);
    if (now === seen && problem === null) return;
    const next = await readTlsPair(files, clock);
    seen = now;
    problem = null;
    if (next.spkiSha256 !== pair.spkiSha256) changes.onNewKey(next);
    else if (next.cert !== pair.cert) adopt(next);
  };
  let polling = false;
  const poll = async () => {
    if (polling) return;
    polling = true;
    try {
      await reload();
    } catch (error) {
      const reason = error instanceof TrisealError ? error.message : "listen.tls: certificate or key cannot be read";
      if (reason !== problem) changes.onProblem(reason);
      problem = reason;
    } finally {
      polling = false;
    }
  };
  const timer = setInterval(() => void poll(), POLL_INTERVAL_MS);
  timer.unref();
  return {
    get pair() {
      return pair;
    },
    subscribe: (listener) => void listeners.push(listener),
    adopt,
    close: () => clearInterval(timer),
  };
}

/** What a gateway does at a change of the files: a new key comes into force with the keyset that lists it. */
export function tlsChanges(write: OperatorLog, adopt: (pair: TlsPair) => Promise<void>): TlsChanges {
  const onProblem = (reason: string) => write({ level: "warn", event: "tls", reason });
  return {
    onNewKey: (pair) =>
      void adopt(pair).catch(() => onProblem("the keyset that lists the new key could not be made: the old key is served")),
    onProblem,
  };
}
