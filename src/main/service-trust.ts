/** The service that the gateway's own trust file names: read at start, and again when its operator says so. */
import { readFile } from "node:fs/promises";
import { TrisealError } from "../core/errors.ts";
import { parseFheTrust } from "../paths/fhe/evidence/trust-section.ts";
import { parseTeeTrust } from "../paths/tee/evidence/trust-section.ts";
import { parseZkTrust } from "../paths/zk/evidence/trust-section.ts";
import { parseTrust, pathSection, type TrustedService } from "../trust/trust-file.ts";

/** Public keys that a service is found by. */
export interface ServiceKeys {
  readonly gateway: string;
  readonly log: string;
}

/** The gateway's view of its trust file. A file that cannot be read, or names another service, leaves the last good one in force. */
export class ServiceTrust {
  readonly file: string;
  private readonly origin: string;
  private service: TrustedService;

  private constructor(file: string, origin: string, service: TrustedService) {
    this.file = file;
    this.origin = origin;
    this.service = service;
  }

  /** @throws TrisealError `CONFIG_INVALID` unless exactly one service names the keys; `TRUST_FILE_INVALID`. */
  static async open(file: string, origin: string, keys: ServiceKeys): Promise<ServiceTrust> {
    const found = await readServices(file, origin, keys);
    const [service] = found;
    if (service === undefined || found.length > 1) {
      const names = `gateway key ${keys.gateway} and log ${origin} ${keys.log}`;
      throw new TrisealError("CONFIG_INVALID", `${file} has ${found.length} services that name ${names}`);
    }
    return new ServiceTrust(file, origin, service);
  }

  /** The service as it was last read. */
  current(): TrustedService {
    return this.service;
  }

  /**
   * Reads the file again. Returns whether the service changed.
   * @param keys the keys that it must name: those in force, or one that is to come.
   * @param policyKey a policy signer that it must name, too.
   * @throws TrisealError `KEY_NOT_TRUSTED`, `TRUST_FILE_INVALID`.
   */
  async reload(keys: ServiceKeys, policyKey: string | null): Promise<boolean> {
    const found = await readServices(this.file, this.origin, keys);
    const [service] = found;
    const revoked = new Set(service?.revoked.keys.map(({ publicKey }) => publicKey));
    const wanted = [keys.gateway, keys.log, ...(policyKey === null ? [] : [policyKey])];
    const names = `gateway key ${keys.gateway} and log key ${keys.log}${policyKey === null ? "" : ` and policy signer ${policyKey}`}`;
    const signs = policyKey === null || service?.policySigners.some(({ publicKey }) => publicKey === policyKey);
    if (service === undefined || found.length > 1 || signs !== true)
      throw new TrisealError("KEY_NOT_TRUSTED", `${this.file} does not name ${names} in one service`);
    const withdrawn = wanted.find((key) => revoked.has(key));
    if (withdrawn !== undefined) throw new TrisealError("KEY_NOT_TRUSTED", `${this.file} revokes ${withdrawn}`);
    const changed = JSON.stringify(service) !== JSON.stringify(this.service);
    if (changed) this.service = service;
    return changed;
  }
}

/** The services of a trust file that name the receipt key and the log. */
async function readServices(file: string, origin: string, keys: ServiceKeys): Promise<readonly TrustedService[]> {
  let bytes: Uint8Array;
  try {
    bytes = new Uint8Array(await readFile(file));
  } catch (cause) {
    throw new TrisealError("TRUST_FILE_INVALID", `cannot read ${file}`, { cause });
  }
  const { services } = parseTrust(bytes);
  // Read here, so that a section that is edited half-way is refused as a whole and does not end the admission of workers.
  for (const service of services) {
    parseTeeTrust(pathSection(service, "tee"));
    parseZkTrust(pathSection(service, "zk"));
    parseFheTrust(pathSection(service, "fhe"));
  }
  return services.filter(
    ({ gateway, logs }) =>
      gateway.keys.some((key) => key.publicKey === keys.gateway) &&
      logs.some((log) => log.origin === origin && log.publicKey === keys.log),
  );
}
