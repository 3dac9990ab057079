/** Integer models as their gateway publishes them: found by name, believed by digest. */

import type { Sha256Digest } from "../core/digest.ts";
import { isTrisealError } from "../core/errors.ts";
import type { CheckedModel } from "../model/integer/integer-model.ts";
import { parseIntegerModel } from "../model/integer/parse-model.ts";
import type { ServiceConnection } from "./service-connection.ts";

/** Most models that are kept. */
const MAX_KEPT = 16;

/** The integer models that a client has seen. */
export class IntegerModels {
  private readonly kept = new Map<Sha256Digest, CheckedModel>();

  /**
   * The integer model that the service publishes under `name`; null where it publishes none. Whether it has the digest that was
   * asked for is the verifier's to compare; only one that has is kept.
   * @throws TrisealError `MODEL_INVALID`, and what the connection throws.
   */
  async find(
    connection: ServiceConnection,
    name: string,
    digest: Sha256Digest,
    signal: AbortSignal,
  ): Promise<CheckedModel | null> {
    const known = this.kept.get(digest);
    if (known !== undefined) return known;
    try {
      const found = parseIntegerModel(await connection.getPublic(`/v2/models/${encodeURIComponent(name)}/integer-model`, signal));
      if (found.digest === digest && this.kept.size < MAX_KEPT) this.kept.set(digest, found);
      return found;
    } catch (error) {
      if (isTrisealError(error, "NOT_FOUND")) return null;
      throw error;
    }
  }
}
