/** `/v1/fhe/programs`: shipped programs with their prices, and those that tenants registered. `/v1/fhe/crs`: what proofs are made with. */

import { TrisealError } from "../../../core/errors.ts";
import type { JsonObject } from "../../../core/json.ts";
import type { ResourceRoute } from "../../path.ts";
import type { CrsInfo } from "./engine.ts";
import { MAX_PROGRAM_BYTES, type Programs, type RunProgram } from "./programs.ts";
import { assertJsonType, assertNoName, bytesAnswer, jsonAnswer } from "./resources.ts";

/** The resource of programs. */
export function programRoute(programs: () => Promise<Programs>): ResourceRoute {
  return {
    kind: "resource",
    address: "programs",
    methods: ["GET", "POST"],
    maxBodyBytes: MAX_PROGRAM_BYTES,
    headers: ["content-type"],
    answer: async (call) => {
      const known = await programs();
      if (call.method === "POST") {
        assertNoName(call);
        assertJsonType(call);
        return jsonAnswer(await shown(await known.register(call.tenant, call.body)), 201);
      }
      if (call.name === null) return jsonAnswer(await listed(known, call.tenant));
      const found = known.find(call.tenant, call.name);
      if (found?.bytes == null) throw new TrisealError("MODEL_UNKNOWN", "no such program");
      return bytesAnswer(found.bytes);
    },
  };
}

/** The resource of the reference string: its digest; the bytes are a blob. */
export function crsRoute(crs: (signal: AbortSignal) => Promise<CrsInfo>): ResourceRoute {
  return {
    kind: "resource",
    address: "crs",
    methods: ["GET"],
    maxBodyBytes: 0,
    headers: [],
    answer: async (call) => {
      assertNoName(call);
      const { digest, bytes } = await crs(call.signal);
      return jsonAnswer({ digest: `sha256:${digest}`, bytes });
    },
  };
}

async function listed(known: Programs, tenant: string): Promise<JsonObject> {
  const all = (programs: readonly RunProgram[]) => Promise.all(programs.map(shown));
  const own = (kind: RunProgram["kind"]) => all(known.all().filter((program) => program.kind === kind));
  return { shipped: await own("integer"), models: await own("lwe"), registered: await all(known.of(tenant)) };
}

/** What is shown of a program; its price is null where it cannot be compiled any more. */
async function shown({ name, digest, price, inputs, outputs }: RunProgram): Promise<JsonObject> {
  return {
    name,
    digest,
    price: await price().then(
      (known) => ({ ...known }),
      () => null,
    ),
    inputs: inputs.map((input) => ({ ...input })),
    outputs: outputs.map((output) => ({ ...output })),
  };
}
