/** The gateway's identity over its life: the same keyset at each start, a new one for a new key and before the old one expires. */
import { join } from "node:path";
import type { Signer } from "../core/ed25519.ts";
import { encodeJcs } from "../core/jcs.ts";
import { parseJson } from "../core/json.ts";
import type { Clock } from "../core/time.ts";
import type { Ledger } from "../gateway/ledger.ts";
import type { OperatorLog } from "../gateway/options.ts";
import { createServiceIdentity, type ServiceIdentity } from "../gateway/service-identity.ts";
import { type DurableFiles, replaceFile } from "../log/store/files.ts";
import { decodeKeyset, keysetDigest } from "../receipt/index.ts";
import type { TlsPair, TlsSource } from "./tls-source.ts";

/** What identities are made from. */
export interface IdentitySetup {
  readonly dataDir: string;
  readonly lifetimeSeconds: number;
  readonly dev: boolean;
  readonly ledger: Ledger;
  /** The disk of the stored keyset. */
  readonly files: DurableFiles;
  /** The TLS key that callers pin; null over plain HTTP. */
  readonly tls: TlsSource | null;
  readonly clock: Clock;
  readonly log: OperatorLog;
}

/** How often it is looked whether the keyset nears its end. */
const WATCH_MS = 1000;

/** The identity in force, and the way to the next. */
export class IdentitySource {
  private readonly setup: IdentitySetup;
  private identity: ServiceIdentity;
  private renewing = false;

  private constructor(setup: IdentitySetup, identity: ServiceIdentity) {
    this.setup = setup;
    this.identity = identity;
  }

  /** The identity that the data folder holds, if it still fits and lasts; else a new one, which is then held. */
  static async open(setup: IdentitySetup, signer: Signer): Promise<IdentitySource> {
    const stored = await storedIdentity(setup, signer);
    const identity = stored ?? newIdentity(setup, signer);
    await storeDocuments(setup, identity);
    if (stored === null) await storeIdentity(setup, identity);
    return new IdentitySource(setup, identity);
  }

  /** The identity for requests from now on. */
  readonly current = (): ServiceIdentity => this.identity;

  /**
   * Makes the identity of another signer, with everything durable that its receipts cite. Returns what puts it in force:
   * requests under way keep the one that they began with. Whatever else a keyset names can change in the same way.
   */
  async prepare(signer: Signer): Promise<() => Promise<void>> {
    const identity = newIdentity(this.setup, signer);
    await storeDocuments(this.setup, identity);
    return async () => {
      this.identity = identity;
      await storeIdentity(this.setup, identity);
    };
  }

  /** Puts a new TLS key into force, with a keyset that lists it: both at once, so that no caller meets one without the other. */
  async adoptTls(pair: TlsPair): Promise<void> {
    const identity = newIdentity(this.setup, this.identity.signer, [pair.spkiSha256]);
    await storeDocuments(this.setup, identity);
    this.identity = identity;
    this.setup.tls?.adopt(pair);
    await storeIdentity(this.setup, identity);
    this.setup.log({ level: "info", event: "tls key adopted", keyset_digest: identity.keysetDigest });
  }

  /** Renews the keyset before it expires, while requests go on. Returns what ends that. */
  watch(): () => void {
    const timer = setInterval(() => void this.renewIfDue(), WATCH_MS);
    timer.unref();
    return () => clearInterval(timer);
  }

  private async renewIfDue(): Promise<void> {
    const { clock, log, lifetimeSeconds } = this.setup;
    if (this.renewing || lasts(this.identity, clock(), lifetimeSeconds)) return;
    this.renewing = true;
    const { signer } = this.identity;
    try {
      const putInForce = await this.prepare(signer);
      // A rotation meanwhile has made a new one already.
      if (this.identity.signer === signer) await putInForce();
      log({ level: "info", event: "keyset renewed", keyset_digest: this.identity.keysetDigest });
    } catch (error) {
      const code = error instanceof Error ? error.message.slice(0, 200) : "unknown";
      log({ level: "warn", event: "keyset not renewed", reason: code });
    } finally {
      this.renewing = false;
    }
  }
}

/** Whether a keyset has more than a quarter of its life left, and no more than one: a clock that was set back is no longer life. */
function lasts({ keyset }: ServiceIdentity, now: number, lifetimeSeconds: number): boolean {
  const left = keyset.not_after - now;
  return left > lifetimeSeconds / 4 && left <= lifetimeSeconds * 1.25;
}

function newIdentity(
  { clock, lifetimeSeconds, dev, tls }: IdentitySetup,
  signer: Signer,
  tlsKeys: readonly string[] = tlsKeysOf(tls),
): ServiceIdentity {
  return createServiceIdentity(signer, { notAfter: clock() + lifetimeSeconds, dev, tlsKeys });
}

function tlsKeysOf(tls: TlsSource | null): readonly string[] {
  return tls === null ? [] : [tls.pair.spkiSha256];
}

async function storeDocuments({ ledger }: IdentitySetup, { keyset, reportBytes }: ServiceIdentity): Promise<void> {
  await ledger.storeKeyset(keyset);
  await ledger.store(reportBytes);
}

function keysetFile(dataDir: string): string {
  return join(dataDir, "keyset.json");
}

async function storeIdentity({ dataDir, files }: IdentitySetup, { keyset }: ServiceIdentity): Promise<void> {
  await replaceFile(files, keysetFile(dataDir), encodeJcs(keyset));
}

/** The stored keyset's identity, or null where there is none, or it is not what these keys give now, or it nears its end. */
async function storedIdentity(setup: IdentitySetup, signer: Signer): Promise<ServiceIdentity | null> {
  const bytes = await setup.files.read(keysetFile(setup.dataDir));
  if (bytes === null) return null;
  try {
    const stored = decodeKeyset(parseJson(bytes), "keyset");
    const identity = createServiceIdentity(signer, {
      notAfter: stored.not_after,
      dev: setup.dev,
      tlsKeys: tlsKeysOf(setup.tls),
    });
    const same = identity.keysetDigest === keysetDigest(stored);
    return same && lasts(identity, setup.clock(), setup.lifetimeSeconds) ? identity : null;
  } catch {
    // It holds nothing that cannot be made anew.
    return null;
  }
}
