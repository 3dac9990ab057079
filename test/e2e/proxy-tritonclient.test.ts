/**
 * Python's `tritonclient` (PyPI, `tritonclient[http]`) through the proxy. Runs where `TRISEAL_TRITON_PYTHON`, or else `python3`,
 * has it; skipped otherwise, and says so.
 */
import { execFile, spawnSync } from "node:child_process";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventOf, parseBundle } from "../../src/receipt/index.ts";
import { bundleOf, heldBack, type Service, startService, verdictOn } from "./gateway-harness.ts";
import { repository } from "./gateway-process.ts";
import { classify } from "./plain-oip-client.ts";
import { type ProxyPlace, proxyArgs, proxyPlace, type RunningProxy, startProxy } from "./proxy-process.ts";

const python = process.env["TRISEAL_TRITON_PYTHON"] ?? "python3";
const installed = spawnSync(python, ["-c", "import numpy, tritonclient.http"]).status === 0;
if (!installed)
  console.warn(
    `skipped: \`${python}\` has no tritonclient (pip install 'tritonclient[http]'; TRISEAL_TRITON_PYTHON names another)`,
  );

interface Printed {
  readonly ready: boolean;
  readonly metadata: { readonly name: string; readonly versions: readonly string[] };
  readonly json: { readonly id: string; readonly scores: readonly number[] };
  readonly binary: { readonly id: string; readonly scores: readonly number[] };
  readonly unknown: readonly string[] | null;
  readonly denied: readonly string[] | null;
}

describe.skipIf(!installed)("Python's tritonclient, through the proxy", () => {
  let service: Service;
  let place: ProxyPlace;
  let proxy: RunningProxy;

  beforeAll(async () => {
    service = await startService();
    place = await proxyPlace(service);
    proxy = await startProxy(proxyArgs(service.url, service.trustFile, place.keyFile, "--bundles", place.bundles));
  });

  afterAll(async () => {
    expect(await proxy.program.stop()).toBe(0);
    await place.remove();
    expect(await service.close()).toBe(0);
  });

  it("gets sealed and verified answers in JSON and binary, and coded refusals", async () => {
    const { input } = await heldBack("digits-mlp", 5);
    const script = join(repository, "test", "e2e", "ask_by_tritonclient.py");
    const { stdout } = await promisify(execFile)(python, [script, proxy.url.slice("http://".length), JSON.stringify(input)]);
    const printed = JSON.parse(stdout) as Printed;
    const direct = Array.from(Float32Array.from(await classify(service.url, service.apiKey, "digits-mlp", input)));
    expect(printed.ready).toBe(true);
    expect(printed.metadata).toMatchObject({ name: "digits-mlp", versions: ["1"] });
    for (const form of [printed.json, printed.binary]) expect(form).toEqual({ id: "42", scores: direct });
    expect([printed.unknown, printed.denied]).toEqual([
      ["404", "MODEL_UNKNOWN"],
      ["403", "POLICY_DENIED"],
    ]);
    const kept = await readdir(place.bundles);
    expect(kept).toHaveLength(2);
    for (const name of kept) {
      const bundle = await bundleOf(service, name.slice(0, -".triseal.json".length));
      expect((await verdictOn(service, bundle)).outcome).toBe("accepted");
      expect(eventOf(parseBundle(bundle).receipt, "leg.sealed")?.sealed_by).toBe("caller");
    }
  });
});
