/** What a change of keys means to a running gateway: who must know the successor first, and what is swapped under traffic. */
import type { Signer } from "../core/ed25519.ts";
import { TrisealError } from "../core/errors.ts";
import type { KeyDescription, KeyPurpose, KeyStore } from "../keys/key-store.ts";
import type { TransparencyLog } from "../log/store/transparency-log.ts";
import type { NamedKey } from "./dev-setup.ts";
import type { IdentitySource } from "./identity-source.ts";
import type { KeyEffects } from "./key-changes.ts";
import type { PolicySource } from "./policy-source.ts";
import type { ServiceTrust } from "./service-trust.ts";

/** The signers in force. They change under traffic. */
export type ActiveKeys = { -readonly [P in KeyPurpose]: Signer };

/** The parts of a running gateway that a change of keys reaches. */
export interface KeyedParts {
  readonly store: KeyStore;
  readonly active: ActiveKeys;
  readonly trust: ServiceTrust;
  /** Writes the development gateway's own trust file; null where an operator keeps it. */
  readonly writeTrust: ((keys: readonly NamedKey[]) => Promise<void>) | null;
  readonly identity: IdentitySource;
  readonly log: TransparencyLog;
  readonly policy: PolicySource;
  /** Signs the policy with a new key; null where an operator does. */
  readonly signPolicy: ((signer: Signer) => Promise<void>) | null;
  /** The trust file says something else than before. */
  readonly trustChanged: () => Promise<void>;
}

/** The effects on a running gateway. */
export class RunningKeyEffects implements KeyEffects {
  private readonly parts: KeyedParts;

  constructor(parts: KeyedParts) {
    this.parts = parts;
  }

  async prepare(purpose: KeyPurpose, signer: Signer, wasStaged: boolean): Promise<() => Promise<void>> {
    const { active, identity, log, writeTrust, store } = this.parts;
    if (writeTrust !== null) {
      const successor = { purpose, publicKey: signer.publicKey, revoked: null };
      await writeTrust([...(await store.list()).filter(({ keyId }) => keyId !== signer.keyId), successor]);
    } else if (!wasStaged) {
      throw new TrisealError(
        "KEY_NOT_TRUSTED",
        `no ${purpose} key is staged: \`triseal keys stage ${purpose}\` makes one, which the trust file must name before it signs`,
      );
    }
    await this.reloadTrust({ [purpose]: signer.publicKey });
    if (purpose === "policy") return () => this.changePolicyKey(signer);
    if (purpose === "log") {
      return async () => {
        await log.handOver(signer);
        active.log = signer;
      };
    }
    const putInForce = await identity.prepare(signer);
    return async () => {
      active.gateway = signer;
      await putInForce();
    };
  }

  async unfinished(purpose: KeyPurpose): Promise<Signer | null> {
    const signer = await this.parts.store.signer(purpose, "any");
    return signer.publicKey === this.parts.active[purpose].publicKey ? null : signer;
  }

  async assertRevocable({ purpose, keyId }: KeyDescription): Promise<void> {
    if (this.parts.active[purpose].keyId === keyId)
      throw new TrisealError("KEY_IN_USE", `${keyId} is the ${purpose} key of the running gateway: rotate it first`);
    await this.reloadTrust();
  }

  async changed(): Promise<void> {
    const { writeTrust, store } = this.parts;
    if (writeTrust === null) return;
    await writeTrust(await store.list());
    await this.reloadTrust();
  }

  /**
   * Reads the trust file again; the last good one stays in force where it cannot be used.
   * @param coming keys that it must name in the place of those in force.
   * @throws TrisealError `KEY_NOT_TRUSTED`, `TRUST_FILE_INVALID`.
   */
  async reloadTrust(coming: Partial<Record<KeyPurpose, string>> = {}): Promise<void> {
    const { active, trust, trustChanged } = this.parts;
    const keys = { gateway: coming.gateway ?? active.gateway.publicKey, log: coming.log ?? active.log.publicKey };
    if (await trust.reload(keys, coming.policy ?? null)) await trustChanged();
  }

  private async changePolicyKey(signer: Signer): Promise<void> {
    const { active, policy, signPolicy } = this.parts;
    active.policy = signer;
    await signPolicy?.(signer);
    await policy.reload();
  }
}
