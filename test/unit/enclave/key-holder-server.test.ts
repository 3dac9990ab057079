import { once } from "node:events";
import { chmod, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { parseKeyHolderConfig } from "../../../enclave/key-holder/config.ts";
import { openDecryptProgram } from "../../../enclave/key-holder/decrypt-program.ts";
import { createHolderServer, type HolderServerParts } from "../../../enclave/key-holder/http-server.ts";
import { utf8 } from "../../../src/core/bytes.ts";
import { digestOf } from "../../../src/core/digest.ts";
import { encodeJcs } from "../../../src/core/jcs.ts";
import type { JsonObject } from "../../../src/core/json.ts";
import { holderTrust } from "../../../src/paths/fhe/evidence/reveal-rule.ts";
import { fheError } from "../../../src/paths/fhe/wire/codes.ts";
import { MAX_REVEAL_REQUEST_BYTES } from "../../../src/paths/fhe/wire/reveal.ts";
import { configurationFor, newFolder } from "../../fixtures/reveal.ts";
import { createWorld } from "../../fixtures/world.ts";

async function serve(holder: Partial<HolderServerParts["holder"]> = {}) {
  const lines: string[] = [];
  const parts: HolderServerParts = {
    holder: { describe: async () => ({ v: 1 }), reveal: async (bytes) => bytes, ...holder },
    revealed: () => 3,
    log: (event, fields) => lines.push(JSON.stringify({ event, ...fields })),
  };
  const server = createHolderServer(parts).listen({ host: "127.0.0.1", port: 0 });
  onTestFinished(() => void server.close());
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const ask = async (method: string, path: string, body?: Uint8Array) => {
    const response = await fetch(`${url}${path}`, { method, ...(body === undefined ? {} : { body: Uint8Array.from(body) }) });
    const json = (await response.json()) as JsonObject;
    return [response.status, json["code"] ?? json];
  };
  return { ask, lines };
}

describe("the key holder's server", () => {
  it("refuses what it does not serve, and challenges of another form", async () => {
    const { ask } = await serve();
    expect(await ask("GET", "/v1/none")).toEqual([404, "NOT_FOUND"]);
    expect(await ask("GET", "/v1/reveals")).toEqual([404, "NOT_FOUND"]);
    expect(await ask("DELETE", "/v1/key-holder")).toEqual([404, "NOT_FOUND"]);
    for (const nonce of ["", "?nonce=", "?nonce=ab", `?nonce=${"AB".repeat(32)}`, `?nonce=${"ab".repeat(33)}`])
      expect(await ask("GET", `/v1/key-holder${nonce}`)).toEqual([400, "FORMAT_INVALID"]);
  });

  it("reads no more than a request may have", async () => {
    const { ask, lines } = await serve();
    // A caller that is still sending may see the connection close before the answer.
    await ask("POST", "/v1/reveals", new Uint8Array(MAX_REVEAL_REQUEST_BYTES + 1)).catch(() => null);
    await vi.waitFor(() => expect(lines.join()).toContain('"status":413,"code":"REQUEST_TOO_LARGE"'));
  });

  it("answers at most four at a time", async () => {
    let release = () => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    let begun = 0;
    const { ask } = await serve({
      reveal: async (bytes) => {
        begun++;
        await held;
        return bytes;
      },
    });
    const four = Array.from({ length: 4 }, () => ask("POST", "/v1/reveals", utf8("{}")));
    await expect.poll(() => begun).toBe(4);
    expect(await ask("POST", "/v1/reveals", utf8("{}"))).toEqual([503, "OVERLOADED"]);
    expect(await ask("GET", `/v1/key-holder?nonce=${"ab".repeat(32)}`)).toEqual([503, "OVERLOADED"]);
    release();
    expect((await Promise.all(four)).map(([status]) => status)).toEqual([200, 200, 200, 200]);
  });

  it("passes on codes of its own and hides everything else", async () => {
    const refused = await serve({ reveal: () => Promise.reject(fheError("FHE_REVEAL_REPEATED", "again")) });
    expect(await refused.ask("POST", "/v1/reveals", utf8("{}"))).toEqual([409, "FHE_REVEAL_REPEATED"]);
    const failed = await serve({ reveal: () => Promise.reject(new Error("the winner is 1")) });
    expect(await failed.ask("POST", "/v1/reveals", utf8("{}"))).toEqual([500, "INTERNAL"]);
    expect(failed.lines.join()).not.toContain("winner");
  });

  it("says how many reveals there were, and gives evidence under a challenge", async () => {
    const { ask } = await serve();
    expect(await ask("GET", "/v1/health")).toEqual([200, { ready: true, revealed: 3 }]);
    expect(await ask("GET", `/v1/key-holder?nonce=${"ab".repeat(32)}`)).toEqual([200, { v: 1 }]);
  });
});

const without = (plain: JsonObject, name: string): JsonObject =>
  Object.fromEntries(Object.entries(plain).filter(([member]) => member !== name));

describe("the key holder's configuration", () => {
  const configured = async (change: (plain: JsonObject) => JsonObject = (plain) => plain) => {
    const measured = JSON.parse(JSON.stringify(configurationFor(await createWorld()))) as JsonObject;
    const attester = { type: "simulated", seedFile: "seed" };
    return encodeJcs(change({ v: 1, measured, attester, keys: "keys", program: "program", dataDir: "held" }));
  };
  const measuredWith = (more: JsonObject) => (plain: JsonObject) => ({
    ...plain,
    measured: { ...(plain["measured"] as JsonObject), ...more },
  });

  it("is refused with a member missing, unknown or of another form, and where it permits nothing", async () => {
    const changes: ((plain: JsonObject) => JsonObject)[] = [
      (plain) => ({ ...plain, more: 1 }),
      (plain) => without(plain, "keys"),
      (plain) => ({ ...plain, port: 1, socket: "s" }),
      (plain) => ({ ...plain, attester: { type: "none" } }),
      measuredWith({ programs: [] }),
      measuredWith({ engines: [] }),
      measuredWith({ engineBasis: "attestation" }),
      measuredWith({ inputs: "any" }),
      measuredWith({ kind: "triseal.fhe.key-holder.v2" }),
      measuredWith({ programs: [{ name: "p", digest: digestOf(utf8("p")), outputs: [] }] }),
      measuredWith({ programs: [1, 2].map(() => ({ name: "p", digest: digestOf(utf8("p")), outputs: ["x"] })) }),
    ];
    for (const change of changes) {
      const line = await configured(change);
      expect(() => parseKeyHolderConfig(line)).toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }));
    }
    expect(() => parseKeyHolderConfig(utf8("{"))).toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }));
    expect(parseKeyHolderConfig(await configured()).dataDir).toBe("held");
  });

  it("states a service as a trust file does, without paths of its own", async () => {
    const world = await createWorld();
    const services: ((plain: JsonObject) => JsonObject)[] = [
      (service) => ({ ...service, paths: {} }),
      (service) => ({ ...service, more: 1 }),
      (service) => without(service, "witnesses"),
      () => ({}),
    ];
    for (const change of services) {
      const configuration = configurationFor(world, (plain) => ({ ...plain, service: change(plain["service"] as JsonObject) }));
      expect(() => holderTrust(configuration)).toThrow(expect.objectContaining({ code: "TRUST_FILE_INVALID" }));
    }
    expect(holderTrust(configurationFor(world)).services).toHaveLength(1);
  });
});

describe("the program that decrypts", () => {
  const program = async (script: string) => {
    const folder = await newFolder();
    const file = join(folder, "program");
    const bytes = utf8(`#!/bin/sh\n${script}\n`);
    await writeFile(file, bytes);
    await chmod(file, 0o700);
    return { folder, file, digest: digestOf(bytes) };
  };
  const opened = async (script: string) => {
    const { folder, file, digest } = await program(script);
    return openDecryptProgram(file, digest, "client.key", folder);
  };

  it("is refused where it is another than the configuration names, or is not there", async () => {
    const { folder, file } = await program("exit 0");
    const other = digestOf(utf8("another program"));
    for (const named of [file, `${file}-missing`])
      await expect(openDecryptProgram(named, other, "client.key", folder)).rejects.toThrow(
        expect.objectContaining({ code: "CONFIG_INVALID" }),
      );
  });

  it("is believed about the ciphertext, and about nothing else", async () => {
    const code = async (script: string) => {
      const decrypt = await opened(script);
      return decrypt("u2", new Uint8Array([1])).then(
        (value) => value,
        (error: { code: string }) => error.code,
      );
    };
    const fails = (name: string) => code(`echo '{"error": {"code": "${name}", "message": "the value is 1"}}' >&2; exit 1`);
    expect(await fails("FHE_INPUT_FOREIGN_KEY")).toBe("FHE_INPUT_FOREIGN_KEY");
    expect(await fails("FHE_INPUT_MALFORMED")).toBe("FHE_INPUT_MALFORMED");
    expect(await fails("NOT_FOUND")).toBe("INTERNAL");
    expect(await code("exit 1")).toBe("INTERNAL");
    expect(await code("echo hello")).toBe("INTERNAL");
    expect(await code(`echo '{"type": "u2", "value": "1"}'`)).toBe("1");
  });
});
