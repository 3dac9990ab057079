import { describe, expect, it, onTestFinished } from "vitest";
import { parseNote, signCosignature, verifyCosignature } from "../../../src/log/index.ts";
import { createWitnessClient, type WitnessClientOptions } from "../../../src/log/store/witness-client.ts";
import type { WitnessAddress } from "../../../src/log/store/witness-peer.ts";
import { encodeWitnessRequest } from "../../../src/log/store/witness-request.ts";
import { type RunningWitness, runWitness } from "../../../src/main/witness.ts";
import { testSigner } from "../../fixtures/signer.ts";
import { clock, logSigner, makeLog, makeSource, ORIGIN, START, temporaryFolder } from "./witness-fixture.ts";

const LONG = 20_000;

/** Witness number `seed` with a key of its own, listening on a free port. */
async function runTestWitness(seed: number): Promise<WitnessAddress & { readonly running: RunningWitness }> {
  const signer = testSigner(`test witness key ${seed}`, seed);
  const name = `witness.example/w${seed}`;
  const logs = [{ origin: ORIGIN, publicKeys: [logSigner.publicKey] }];
  const running = await runWitness({ name, signer, logs, stateDir: `${await temporaryFolder()}/state`, port: 0, clock });
  onTestFinished(() => running.close());
  return { name, publicKey: signer.publicKey, url: `http://127.0.0.1:${running.port}`, running };
}

/** A witness at an address where nobody listens any more. */
async function deadWitness(seed: number): Promise<WitnessAddress> {
  const signer = testSigner(`test witness key ${seed}`, seed);
  const logs = [{ origin: ORIGIN, publicKeys: [logSigner.publicKey] }];
  const stateDir = await temporaryFolder();
  const running = await runWitness({ name: "witness.example/gone", signer, logs, stateDir, port: 0, clock });
  await running.close();
  return { name: `witness.example/w${seed}`, publicKey: signer.publicKey, url: `http://127.0.0.1:${running.port}` };
}

/** A client over `size` leaves that counts its requests and notes its failures. */
function startClient(size: number, options: Pick<WitnessClientOptions, "witnesses" | "quorum"> & Partial<WitnessClientOptions>) {
  const log = makeSource(size);
  const asked: string[] = [];
  const failures: string[] = [];
  const { fetch: inner = (address, init) => fetch(address, init), ...rest } = options;
  let notify: () => void = () => undefined;
  const failed = new Promise<void>((resolve) => {
    notify = resolve;
  });
  const client = createWitnessClient({
    origin: ORIGIN,
    log: log.source,
    roundTimeoutMs: LONG,
    backoff: { firstMs: 1, maxMs: 20 },
    onFailure: (who, reason) => {
      failures.push(`${who}: ${reason}`);
      notify();
    },
    ...rest,
    fetch: (input, init) => {
      asked.push(init.body.split("\n", 1)[0] ?? "");
      return inner(input, init);
    },
  });
  onTestFinished(() => client.close());
  return { ...log, client, asked, failures, failed };
}

describe("a witness client", () => {
  it("hands over all cosignatures of one checkpoint together", async () => {
    const witnesses = [await runTestWitness(2), await runTestWitness(3)];
    const { client, added } = startClient(5, { witnesses, quorum: 2 });
    client.request();
    expect(await client.settled(4, LONG)).toBe(true);
    expect(added).toHaveLength(1);
    const { text } = parseNote(added[0]?.noteText ?? "");
    const verified = (added[0]?.lines ?? []).map((line) =>
      witnesses.filter((witness) => verifyCosignature(text, line, witness)?.time === START),
    );
    expect(verified.flat().map(({ name }) => name)).toEqual(["witness.example/w2", "witness.example/w3"]);
  });

  it("follows the log as it grows, from the size that each witness knows", async () => {
    const { client, asked, grow, added } = startClient(5, { witnesses: [await runTestWitness(2)], quorum: 1 });
    expect(await client.settled(4, LONG)).toBe(true);
    grow(9);
    client.request();
    expect(await client.settled(8, LONG)).toBe(true);
    expect(asked).toEqual(["old 0", "old 5"]);
    expect(added.map(({ noteText }) => noteText.split("\n")[1])).toEqual(["5", "9"]);
  });

  it("says at once that a leaf is covered, and asks nobody for what is cosigned", async () => {
    const { client, asked } = startClient(5, { witnesses: [await runTestWitness(2)], quorum: 1 });
    expect(await client.settled(4, LONG)).toBe(true);
    client.request();
    expect(await client.settled(0, 0)).toBe(true);
    expect(await client.settled(5, 0)).toBe(false);
    expect(asked).toHaveLength(1);
  });

  it("makes one round of many requests", async () => {
    const { client, asked } = startClient(5, { witnesses: [await runTestWitness(2)], quorum: 1 });
    for (let count = 0; count < 50; count++) client.request();
    expect(await Promise.all([0, 1, 2, 3, 4].map((index) => client.settled(index, LONG)))).not.toContain(false);
    expect(asked).toHaveLength(1);
  });

  it("covers what was appended during a round by the next one", async () => {
    const witness = await runTestWitness(2);
    const { client, grow, added } = startClient(5, {
      witnesses: [witness],
      quorum: 1,
      fetch: (input, init) => {
        grow(7);
        client.request();
        return globalThis.fetch(input, init);
      },
    });
    client.request();
    expect(await client.settled(6, LONG)).toBe(true);
    expect(added.map(({ noteText }) => noteText.split("\n")[1])).toEqual(["5", "7"]);
  });

  it("asks again from the size that a 409 tells", async () => {
    const witness = await runTestWitness(2);
    const log = makeLog();
    const before = await fetch(`${witness.url}/add-checkpoint`, { method: "POST", body: log.request(0, 3) });
    expect(before.status).toBe(200);
    const { client, asked, failures } = startClient(5, { witnesses: [witness], quorum: 1 });
    expect(await client.settled(4, LONG)).toBe(true);
    expect([asked, failures]).toEqual([["old 0", "old 3"], []]);
  });

  it("reports a witness that has cosigned more leaves than the log has, or other ones", async () => {
    const [ahead, forked] = [await runTestWitness(2), await runTestWitness(3)];
    await fetch(`${ahead.url}/add-checkpoint`, { method: "POST", body: makeLog().request(0, 8) });
    await fetch(`${forked.url}/add-checkpoint`, { method: "POST", body: makeLog("forked").request(0, 3) });
    for (const [witness, reason] of [
      [ahead, "has cosigned 8 leaves of this log, which has 5"],
      [forked, "answered 422"],
    ] as const) {
      const { client, failed, failures, added } = startClient(5, { witnesses: [witness], quorum: 1 });
      client.request();
      await failed;
      await client.close();
      expect(failures[0]).toBe(`${witness.name}: witness ${reason}`);
      expect(added).toEqual([]);
    }
  });
});

describe("a quorum of 2 of 3", () => {
  it("is reached while one witness is down", async () => {
    const witnesses = [await runTestWitness(2), await deadWitness(3), await runTestWitness(4)];
    const { client, added, failures } = startClient(5, { witnesses, quorum: 2 });
    expect(await client.settled(4, LONG)).toBe(true);
    expect(added.map(({ lines }) => lines.map(({ name }) => name))).toEqual([["witness.example/w2", "witness.example/w4"]]);
    expect(failures[0]).toMatch(/^witness\.example\/w3: /);
  });

  it("is reached while one witness never answers, after the time of a round", async () => {
    const witnesses = [
      await runTestWitness(2),
      { ...(await runTestWitness(3)), url: "http://silent.example" },
      await runTestWitness(4),
    ];
    const { client, added } = startClient(5, {
      witnesses,
      quorum: 2,
      roundTimeoutMs: 300,
      // Deaf to its signal, as the worst transport would be.
      fetch: (input, init) => (input.includes("silent") ? new Promise(() => undefined) : globalThis.fetch(input, init)),
    });
    expect(await client.settled(4, LONG)).toBe(true);
    expect(added[0]?.lines).toHaveLength(2);
  });

  it("is not reached by one witness: nothing is handed over, and that one is asked only once", async () => {
    const witnesses = [await runTestWitness(2), await deadWitness(3), await deadWitness(4)];
    const urls: string[] = [];
    const { client, added } = startClient(5, {
      witnesses,
      quorum: 2,
      fetch: (input, init) => {
        urls.push(input);
        return globalThis.fetch(input, init);
      },
    });
    expect(await client.settled(4, 200)).toBe(false);
    expect(added).toEqual([]);
    expect(urls.filter((url) => url === `${witnesses[0]?.url}/add-checkpoint`)).toHaveLength(1);
    expect(urls).toContain(`${witnesses[2]?.url}/add-checkpoint`);
  });

  it("is reached when a witness comes back", async () => {
    const late = await runTestWitness(3);
    const witnesses = [await runTestWitness(2), late, await deadWitness(4)];
    let refusals = 3;
    const { client, added, asked } = startClient(5, {
      witnesses,
      quorum: 2,
      fetch: (input, init) =>
        input.startsWith(late.url) && refusals-- > 0
          ? Promise.resolve(new Response("", { status: 503 }))
          : globalThis.fetch(input, init),
    });
    client.request();
    expect(await client.settled(4, LONG)).toBe(true);
    expect(added.map(({ lines }) => lines.map(({ name }) => name))).toEqual([["witness.example/w2", "witness.example/w3"]]);
    expect(asked.length).toBeGreaterThanOrEqual(5);
  });
});

describe("an answer that does not count", () => {
  const signer = testSigner("test witness key 2", 2);
  const witness: WitnessAddress = { name: "witness.example/w2", publicKey: signer.publicKey, url: "https://witness.example/" };
  const { text } = parseNote(makeLog().note(5));
  const line = (body = text, name = witness.name, key = signer) => {
    const { keyId, signature } = signCosignature(body, name, START, key);
    return `— ${name} ${Buffer.concat([keyId, signature]).toString("base64")}\n`;
  };
  const size = (body: string, type = "text/x.tlog.size") =>
    new Response(body, { status: 409, headers: { "Content-Type": type } });

  it("is none of these; this one does", async () => {
    const { client, added } = startClient(5, {
      witnesses: [witness],
      quorum: 1,
      fetch: async () => new Response(`${line(text, "stranger", testSigner("s", 9))}${line()}`),
    });
    expect(await client.settled(4, LONG)).toBe(true);
    expect(added[0]?.lines.map(({ name }) => name)).toEqual([witness.name]);
  });

  it.each([
    ["is signed with another key", () => new Response(line(text, witness.name, testSigner("test other key", 9)))],
    ["is signed under another name", () => new Response(line(text, "witness.example/other"))],
    ["covers another checkpoint", () => new Response(line(parseNote(makeLog("forked").note(5)).text))],
    ["covers an earlier checkpoint", () => new Response(line(parseNote(makeLog().note(4)).text))],
    ["is empty", () => new Response("")],
    ["ends without a newline", () => new Response(line().slice(0, -1))],
    ["has a malformed line", () => new Response(`${line()}nonsense\n`)],
    ["is too large", () => new Response(line().repeat(1000))],
    ["is not UTF-8", () => new Response(Uint8Array.of(0xff, 0x0a))],
    ["is a cosignature behind another status", () => new Response(line(), { status: 500 })],
    ["is a conflict without a size", () => size("")],
    ["is a conflict without a newline", () => size("3")],
    ["is a conflict of another type", () => size("3\n", "text/plain")],
    ["is a conflict with a leading zero", () => size("03\n")],
    ["is a conflict over the same size", () => size("0\n")],
    ["is a conflict over a larger size", () => size("6\n")],
    ["is a conflict that never ends", () => size("3\n")],
    [
      "cannot be had",
      () => {
        throw new TypeError("fetch failed", { cause: new Error("no route") });
      },
    ],
  ])("is one that %s", async (_, answer) => {
    const { client, added, failed, failures } = startClient(5, { witnesses: [witness], quorum: 1, fetch: async () => answer() });
    client.request();
    await failed;
    await client.close();
    expect(failures[0]).toMatch(/^witness\.example\/w2: [^\n]+$/);
    expect(added).toEqual([]);
  });
});

describe("closing", () => {
  it("breaks off the round, answers false to who waits, and asks nobody any more", async () => {
    const witness = { name: "witness.example/w2", publicKey: testSigner("k", 2).publicKey, url: "http://silent.example" };
    let begun: () => void = () => undefined;
    const asking = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const { client, asked, failures } = startClient(5, {
      witnesses: [witness],
      quorum: 1,
      fetch: () => {
        begun();
        return new Promise(() => undefined);
      },
    });
    const settled = client.settled(4, LONG);
    await asking;
    await client.close();
    expect(await settled).toBe(false);
    client.request();
    expect(await client.settled(4, LONG)).toBe(false);
    expect([asked.length, failures]).toEqual([1, []]);
  });
});

describe("a log that fails", () => {
  it("is told as a failure of its origin, and asked again", async () => {
    const witness = await runTestWitness(2);
    const { source } = makeSource(5);
    let broken = 2;
    const failing: typeof source = {
      ...source,
      addCosignatures: async (...args) => {
        if (broken-- > 0) throw new Error("disk full");
        await source.addCosignatures(...args);
      },
    };
    const { client, failures, asked } = startClient(5, { witnesses: [witness], quorum: 1, log: failing });
    expect(await client.settled(4, LONG)).toBe(true);
    expect(failures).toEqual([`${ORIGIN}: disk full`, `${ORIGIN}: disk full`]);
    expect(asked).toHaveLength(1);
  });
});

describe("the options of a witness client", () => {
  const key = testSigner("k", 2).publicKey;
  const witness = { name: "witness.example/w2", publicKey: key, url: "https://witness.example" };
  it.each([
    ["a quorum of none", { quorum: 0 }],
    ["a quorum larger than the number of witnesses", { quorum: 2 }],
    ["half a witness", { quorum: 0.5 }],
    ["a key given twice", { witnesses: [witness, { ...witness, name: "witness.example/alias" }] }],
    ["a key that is none", { witnesses: [{ ...witness, publicKey: key.slice(2) }] }],
    ["a name that can name no key", { witnesses: [{ ...witness, name: "two words" }] }],
    ["an address that is none", { witnesses: [{ ...witness, url: "witness.example" }] }],
    ["an address of another scheme", { witnesses: [{ ...witness, url: "file:///witness" }] }],
    ["an origin that can name no log", { origin: "a+b" }],
  ])("are refused with %s", (_, wrong) => {
    const log = makeSource(5).source;
    const options = { origin: ORIGIN, witnesses: [witness], quorum: 1, log, roundTimeoutMs: LONG, ...wrong };
    expect(() => createWitnessClient(options)).toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }));
  });
});

describe("a running witness", () => {
  const run = (stateDir: string, port = 0) =>
    runWitness({
      name: "witness.example/w2",
      signer: testSigner("test witness key 2", 2),
      logs: [{ origin: ORIGIN, publicKeys: [logSigner.publicKey] }],
      stateDir,
      port,
      clock,
    });
  const send = async (port: number, body: string) => {
    const response = await fetch(`http://127.0.0.1:${port}/add-checkpoint`, { method: "POST", body });
    return { status: response.status, type: response.headers.get("Content-Type"), body: await response.text() };
  };

  it("remembers after it was closed and run again, and answers over HTTP as the specification says", async () => {
    const stateDir = await temporaryFolder();
    const first = await run(stateDir);
    expect((await send(first.port, makeLog().request(0, 5))).status).toBe(200);
    await first.close();
    await expect(send(first.port, "")).rejects.toThrow();
    const second = await run(stateDir);
    onTestFinished(() => second.close());
    expect(await send(second.port, makeLog().request(0, 5))).toEqual({ status: 409, type: "text/x.tlog.size", body: "5\n" });
    expect((await send(second.port, "x".repeat(64 * 1024 + 1))).status).toBe(413);
    expect((await send(second.port, encodeWitnessRequest(5, [], makeLog().note(8)))).status).toBe(422);
  });

  it("shares its state folder with no other, and gives it up where it cannot start", async () => {
    const stateDir = await temporaryFolder();
    const first = await run(stateDir);
    onTestFinished(() => first.close());
    await expect(run(stateDir)).rejects.toMatchObject({ code: "LOG_LOCKED" });
    const other = await temporaryFolder();
    await expect(run(other, first.port)).rejects.toMatchObject({ code: "EADDRINUSE" });
    await (await run(other)).close();
  });
});
