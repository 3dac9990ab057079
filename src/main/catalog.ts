/** What callers find: models, tenants, and hints for a trust file. */
import { join } from "node:path";
import type { JsonObject } from "../core/json.ts";
import { hashApiKey } from "../gateway/authenticate.ts";
import type { CatalogModel, Tenant } from "../gateway/options.ts";
import type { KeyDescription, KeyPurpose } from "../keys/key-store.ts";
import { encodeIntegerModel } from "../model/integer/parse-model.ts";
import { readPackages } from "../model/read/read-package.ts";
import type { TrisealConfig } from "./config.ts";
import { packageRoot } from "./package-root.ts";

/** The models of a folder. */
export interface Catalog {
  readonly folder: string;
  readonly models: readonly CatalogModel[];
}

/** The models of the configuration. @throws TrisealError `MODEL_INVALID`. */
export async function readCatalog(config: TrisealConfig): Promise<Catalog> {
  const folder = config.modelsDir ?? join(packageRoot, "models");
  const packages = await readPackages(folder);
  const models = packages.map(({ model, integer }) => ({
    ...model,
    platform: "onnxruntime_onnx",
    integerModel: integer !== null && model.visibility === "public" ? encodeIntegerModel(integer.checked.model) : null,
  }));
  return { folder, models };
}

/** The tenants of the configuration, and the development one where there is a key for it, by the hash of their key. */
export function tenantsOf(config: TrisealConfig, devApiKey: string | null): ReadonlyMap<string, Tenant> {
  const tenants = new Map<string, Tenant>(
    config.apiKeys.map(({ hash, tenant, tier, jurisdiction }) => [hash, { id: tenant, tier, jurisdiction }]),
  );
  if (devApiKey !== null) tenants.set(hashApiKey(devApiKey), { id: "dev", tier: "gold", jurisdiction: null });
  return tenants;
}

/** What `triseal trust init --from` drafts a trust file from: keys that sign, and staged ones that will. */
export function hintsOf(
  config: TrisealConfig,
  keys: readonly KeyDescription[],
  models: readonly CatalogModel[],
  dev: boolean,
): JsonObject {
  const { quorum, peers } = config.witnesses;
  const coming = (purpose: KeyPurpose) =>
    keys
      .filter((key) => key.purpose === purpose && key.retiredAt === null && key.revoked === null)
      .map(({ publicKey }) => publicKey);
  return {
    gateway_keys: coming("gateway"),
    log: { origin: config.log.origin, public_keys: coming("log") },
    witnesses: { quorum, keys: peers.map(({ name, publicKey }) => ({ name, public_key: publicKey })) },
    policy_signers: coming("policy"),
    models: models.map(({ name, digest }) => ({ name, digest })),
    dev,
  };
}
