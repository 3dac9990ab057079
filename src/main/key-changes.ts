/**
 * Changes of keys, the same for a running gateway and for a folder at rest: what is to happen is logged first, then it
 * happens. So no key signs that the log does not name, and a change that could not be logged changes nothing.
 */
import type { Signer } from "../core/ed25519.ts";
import { TrisealError } from "../core/errors.ts";
import { encodeJcs } from "../core/jcs.ts";
import type { Clock } from "../core/time.ts";
import type { Ledger } from "../gateway/ledger.ts";
import type { KeyDescription, KeyEvent, KeyPurpose, KeyStore } from "../keys/key-store.ts";
import type { TransparencyLog } from "../log/store/transparency-log.ts";

/** What a change of keys needs and causes beside key files and leaves. */
export interface KeyEffects {
  /**
   * Prepares `signer` for `purpose`: relying parties must know it. Returns what puts it in force.
   * @param wasStaged whether relying parties can know the key at all.
   * @throws TrisealError `KEY_NOT_TRUSTED`, or why the trust file cannot be read; nothing has changed then.
   */
  prepare(purpose: KeyPurpose, signer: Signer, wasStaged: boolean): Promise<() => Promise<void>>;
  /** The key that its file says is active and that is not in force, because the rotation to it failed at the end; else null. */
  unfinished(purpose: KeyPurpose): Promise<Signer | null>;
  /** @throws TrisealError `KEY_IN_USE` where the key signs now; why the trust file cannot be read. */
  assertRevocable(key: KeyDescription): Promise<void>;
  /** Called after every change. */
  changed(): Promise<void>;
}

/** Effects on a folder that no gateway serves, with its log opened: a gateway checks its keys when it starts. */
export function effectsAtRest(log: TransparencyLog): KeyEffects {
  return {
    prepare: async (purpose, signer) => async () => {
      if (purpose === "log") await log.handOver(signer);
    },
    unfinished: async () => null,
    assertRevocable: async (key) => {
      if (key.purpose === "log" && isActive(key))
        throw new TrisealError("KEY_IN_USE", "the active log key signs the leaf that revokes it: rotate it first");
    },
    changed: async () => undefined,
  };
}

/** Whether the key may sign. */
export function isActive({ retiredAt, revoked, activatedAt }: KeyDescription): boolean {
  return retiredAt === null && revoked === null && activatedAt !== null;
}

/** Logs what happened to the keys of `store` and is not in the log yet: a crash can come between a key file and its leaf. */
export async function logHistory(store: KeyStore, ledger: Ledger): Promise<void> {
  for (const event of await store.history()) await ledger.logShared("key", encodeJcs(event));
}

/** The changes of one data folder, one at a time. */
export class KeyChanges {
  private readonly store: KeyStore;
  private readonly ledger: Ledger;
  private readonly clock: Clock;
  private readonly effects: KeyEffects;

  constructor(store: KeyStore, ledger: Ledger, clock: Clock, effects: KeyEffects) {
    this.store = store;
    this.ledger = ledger;
    this.clock = clock;
    this.effects = effects;
  }

  /** Makes a key for every purpose that has none. */
  async init(dev: boolean): Promise<readonly KeyEvent[]> {
    return this.done(await this.store.init({ dev, now: this.clock() }));
  }

  /** Makes the successor of a key, which signs nothing yet. @throws TrisealError as `KeyStore.stage`. */
  async stage(purpose: KeyPurpose): Promise<readonly KeyEvent[]> {
    return this.done(await this.store.stage(purpose, this.clock()));
  }

  /** Puts the staged key, or a new one, in the place of the active one; or ends a rotation that failed at its end. @throws TrisealError `KEY_UNKNOWN`; as `KeyEffects.prepare`. */
  async rotate(purpose: KeyPurpose): Promise<readonly KeyEvent[]> {
    const unfinished = await this.effects.unfinished(purpose);
    if (unfinished !== null) {
      const putInForce = await this.effects.prepare(purpose, unfinished, true);
      await putInForce();
      return this.done((await this.store.history()).filter(({ keyId }) => keyId === unfinished.keyId));
    }
    const wasStaged = (await this.store.staged(purpose)) !== null;
    const rotation = await this.store.prepareRotation(purpose, this.clock());
    const putInForce = await this.effects.prepare(purpose, rotation.signer, wasStaged);
    await this.log(rotation.events);
    await rotation.activate();
    await putInForce();
    return this.done(rotation.events);
  }

  /** Marks a key as revoked. @throws TrisealError as `KeyStore.prepareRevocation` and `KeyEffects.assertRevocable`. */
  async revoke(keyId: string, because: string): Promise<readonly KeyEvent[]> {
    const { events, revoke } = await this.store.prepareRevocation(keyId, because, this.clock());
    const key = (await this.store.list()).find((candidate) => candidate.keyId === keyId);
    if (key !== undefined) await this.effects.assertRevocable(key);
    await this.log(events);
    await revoke();
    return this.done(events);
  }

  private async done(events: readonly KeyEvent[]): Promise<readonly KeyEvent[]> {
    await this.log(events);
    await this.effects.changed();
    return events;
  }

  /** Documents that stand in the log already are not logged again. */
  private async log(events: readonly KeyEvent[]): Promise<void> {
    for (const event of events) await this.ledger.logShared("key", encodeJcs(event));
  }
}
