import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { unixSeconds } from "../../../src/core/time.ts";
import {
  emptyRoot,
  encodeNote,
  parseNote,
  parseSignatureLine,
  signCheckpoint,
  verifyCosignature,
} from "../../../src/log/index.ts";
import { type DurableFiles, nodeFiles } from "../../../src/log/store/files.ts";
import { createWitness } from "../../../src/log/store/witness.ts";
import { encodeWitnessRequest, parseWitnessRequest } from "../../../src/log/store/witness-request.ts";
import { testSigner } from "../../fixtures/signer.ts";
import { C2SP_WITNESS_REQUEST } from "./published-note.ts";
import { flipBit } from "./reference-tree.ts";
import {
  clock,
  logSigner,
  makeLog,
  ORIGIN,
  type Reply,
  START,
  startWitness,
  temporaryFolder,
  WITNESS_NAME,
  witnessOptions,
  witnessSigner,
} from "./witness-fixture.ts";

const log = makeLog();
const witness = { name: WITNESS_NAME, publicKey: witnessSigner.publicKey };
const SIZE_TYPE = "text/x.tlog.size";

/** The verified cosignature of an answer to `note`. */
function cosignatureOf({ body }: Reply, note: string) {
  const lines = body.split("\n");
  expect(lines).toHaveLength(2);
  return verifyCosignature(parseNote(note).text, parseSignatureLine(lines[0] ?? ""), witness);
}

const conflict = (size: number): Reply => ({ status: 409, type: SIZE_TYPE, body: `${size}\n` });

describe("a witness that agrees", () => {
  it("answers 200 with its cosignature and the time of its clock", async () => {
    const { send } = await startWitness();
    const reply = await send(log.request(0, 5));
    expect([reply.status, reply.type]).toEqual([200, "text/plain; charset=utf-8"]);
    expect(cosignatureOf(reply, log.note(5))).toEqual({ witness, time: START });
  });

  it("follows the log from size to size, and cosigns the same size again", async () => {
    const { send } = await startWitness();
    for (const [from, to] of [
      [0, 1],
      [1, 1],
      [1, 2],
      [2, 7],
      [7, 8],
      [8, 31],
      [31, 31],
    ] as const) {
      expect((await send(log.request(from, to))).status).toBe(200);
    }
  });

  it("starts a log at size 0", async () => {
    const { send } = await startWitness();
    expect((await send(log.request(0, 0))).status).toBe(200);
    expect((await send(log.request(0, 3))).status).toBe(200);
  });

  it("ignores signatures of keys it does not know, and takes any of the log's keys", async () => {
    const next = testSigner("test next log key", 9);
    const { send } = await startWitness({ logs: [{ origin: ORIGIN, publicKeys: [logSigner.publicKey, next.publicKey] }] });
    const stranger = parseNote(makeLog("leaf", ORIGIN, testSigner("test stranger", 8)).note(4)).signatures;
    const { text, signatures } = parseNote(makeLog("leaf", ORIGIN, next).note(4));
    expect((await send(encodeWitnessRequest(0, [], encodeNote({ text, signatures: [...stranger, ...signatures] })))).status).toBe(
      200,
    );
  });

  it("keeps logs apart", async () => {
    const second = makeLog("other", "log.example/second");
    const logs = [ORIGIN, "log.example/second"].map((origin) => ({ origin, publicKeys: [logSigner.publicKey] }));
    const { send } = await startWitness({ logs });
    expect((await send(log.request(0, 5))).status).toBe(200);
    expect((await send(second.request(0, 3))).status).toBe(200);
    expect((await send(second.request(3, 4))).status).toBe(200);
    expect((await send(log.request(5, 6))).status).toBe(200);
  });
});

describe("a witness that refuses", () => {
  it("answers 404 for an origin it does not know, before it looks at signatures", async () => {
    const { send } = await startWitness();
    expect((await send(makeLog("leaf", "log.example/unknown", testSigner("test stranger", 8)).request(0, 3))).status).toBe(404);
  });

  it("answers 403 without a signature of the log", async () => {
    const { send } = await startWitness();
    const stranger = testSigner("test stranger", 8);
    expect((await send(makeLog("leaf", ORIGIN, stranger).request(0, 3))).status).toBe(403);
    const { text, signatures } = parseNote(log.note(3));
    const renamed = encodeNote({ text, signatures: signatures.map((line) => ({ ...line, name: "log.example/other" })) });
    expect((await send(encodeWitnessRequest(0, [], renamed))).status).toBe(403);
    const damaged = encodeNote({
      text,
      signatures: signatures.map((line) => ({ ...line, signature: flipBit(line.signature, 3) })),
    });
    expect((await send(encodeWitnessRequest(0, [], damaged))).status).toBe(403);
    expect((await send(log.request(0, 3).replace(`${ORIGIN}\n3\n`, `${ORIGIN}\n4\n`))).status).toBe(403);
  });

  it("answers 403 where one of two lines by the log's keys is wrong", async () => {
    const { send } = await startWitness();
    const { text, signatures } = parseNote(log.note(3));
    const damaged = signatures.map((line) => ({ ...line, signature: flipBit(line.signature, 3) }));
    expect((await send(encodeWitnessRequest(0, [], encodeNote({ text, signatures: [...signatures, ...damaged] })))).status).toBe(
      403,
    );
  });

  it("answers 403 rather than 400 or 409 to someone who is not the log", async () => {
    const { send } = await startWitness();
    const stranger = makeLog("leaf", ORIGIN, testSigner("test stranger", 8));
    expect((await send(stranger.request(9, 3))).status).toBe(403);
    expect((await send(stranger.request(2, 3))).status).toBe(403);
  });

  it("answers 400 where the old size is larger than the checkpoint, whatever it cosigned", async () => {
    const { send } = await startWitness();
    expect((await send(log.request(4, 3))).status).toBe(400);
    expect((await send(log.request(0, 3))).status).toBe(200);
    expect((await send(log.request(4, 3))).status).toBe(400);
  });

  it("answers 409 with the size it cosigned last where the old size is another", async () => {
    const { send } = await startWitness();
    expect(await send(log.request(2, 5))).toEqual(conflict(0));
    expect((await send(log.request(0, 5))).status).toBe(200);
    expect(await send(log.request(0, 8))).toEqual(conflict(5));
    expect(await send(log.request(3, 8))).toEqual(conflict(5));
    expect(await send(log.request(6, 8))).toEqual(conflict(5));
    expect(await send(log.request(3, 3))).toEqual(conflict(5));
  });

  it("answers 409 to another root of the size it cosigned", async () => {
    const { send } = await startWitness();
    expect((await send(log.request(0, 5))).status).toBe(200);
    const forked = makeLog("forked");
    expect(await send(forked.request(5, 5))).toEqual(conflict(5));
    expect(await send(encodeWitnessRequest(5, log.proof(3, 5), forked.note(5)))).toEqual(conflict(5));
    const noEmptyTree = signCheckpoint({ origin: ORIGIN, size: 0, root: emptyRoot().with(0, 0) }, logSigner);
    expect(await (await startWitness()).send(encodeWitnessRequest(0, [], noEmptyTree))).toEqual(conflict(0));
  });

  it("answers 422 where the proof does not verify", async () => {
    const { send } = await startWitness();
    expect((await send(encodeWitnessRequest(0, log.proof(2, 5), log.note(5)))).status).toBe(422);
    expect((await send(log.request(0, 5))).status).toBe(200);
    const proof = log.proof(5, 8);
    const wrong = [
      [],
      proof.slice(1),
      proof.toReversed(),
      [...proof, emptyRoot()],
      proof.map((hash) => flipBit(hash, 7)),
      log.proof(4, 8),
    ];
    for (const hashes of wrong) expect((await send(encodeWitnessRequest(5, hashes, log.note(8)))).status).toBe(422);
    expect((await send(encodeWitnessRequest(5, proof, log.note(5)))).status).toBe(422);
    expect((await send(log.request(5, 8))).status).toBe(200);
  });

  it("cosigns no second history: not from its own sizes, not from the first one's", async () => {
    const { send } = await startWitness();
    const forked = makeLog("forked");
    expect((await send(log.request(0, 5))).status).toBe(200);
    expect((await send(forked.request(5, 8))).status).toBe(422);
    expect((await send(encodeWitnessRequest(5, log.proof(5, 8), forked.note(8)))).status).toBe(422);
    expect((await send(forked.request(0, 8))).status).toBe(409);
    expect((await send(log.request(5, 8))).status).toBe(200);
  });

  it("answers 405 to another method and 404 to another address", async () => {
    const { app } = await startWitness();
    expect((await app.request("/add-checkpoint")).status).toBe(405);
    expect((await app.request("/add-checkpoint", { method: "PUT", body: log.request(0, 5) })).status).toBe(405);
    expect((await app.request("/other", { method: "POST", body: log.request(0, 5) })).status).toBe(404);
  });
});

describe("a malformed request", () => {
  const good = log.request(3, 5);
  const hash = good.split("\n")[1] ?? "";
  const proofOf = (count: number) => good.replace(/^old 3\n[\s\S]*?\n\n/, `old 3\n${`${hash}\n`.repeat(count)}\n`);

  it.each([
    ["nothing", ""],
    ["no checkpoint", good.slice(0, good.indexOf("\n\n"))],
    ["no old size", good.replace("old 3\n", "")],
    ["no number", good.replace("old 3", "old ")],
    ["a leading zero", good.replace("old 3", "old 03")],
    ["two spaces", good.replace("old 3", "old  3")],
    ["a sign", good.replace("old 3", "old +3")],
    ["a size beyond 2^53", good.replace("old 3", "old 9007199254740993")],
    ["upper case", good.replace("old 3", "Old 3")],
    ["a hash of 31 bytes", good.replace(hash, btoa("x".repeat(31)))],
    ["a hash with unused bits", good.replace(hash, `${"A".repeat(42)}B=`)],
    ["a hash without padding", good.replace(hash, hash.slice(0, -1))],
    ["64 hashes", proofOf(64)],
    ["a note without a signature", good.slice(0, good.lastIndexOf("\n\n") + 2)],
    ["an extension line", good.replace("\n5\n", "\n5\nx\n").replace(/x\n(.*)\n/, "$1\nx\n")],
    ["a size with a leading zero", good.replace("\n5\n", "\n05\n")],
    ["carriage returns", good.replaceAll("\n", "\r\n")],
    ["text behind it", `${good}more`],
  ])("is answered with 400: %s", async (_, body) => {
    expect((await (await startWitness()).send(body)).status).toBe(400);
  });

  it("is one that is not UTF-8", async () => {
    expect((await (await startWitness()).send(Uint8Array.of(0x6f, 0x6c, 0x64, 0xff))).status).toBe(400);
  });

  it("is not one with 63 hashes: that is a wrong proof", async () => {
    const { send } = await startWitness();
    expect((await send(log.request(0, 3))).status).toBe(200);
    expect((await send(proofOf(63))).status).toBe(422);
  });

  it("is answered with 413 above 64 kB", async () => {
    const { send } = await startWitness();
    const filler = 64 * 1024 - new TextEncoder().encode(good).length;
    expect((await send(good + "x".repeat(filler))).status).toBe(400);
    expect((await send(good + "x".repeat(filler + 1))).status).toBe(413);
  });

  it("is not the published example, which is read and written back", () => {
    const { oldSize, proof, checkpoint, note } = parseWitnessRequest(new TextEncoder().encode(C2SP_WITNESS_REQUEST));
    expect([oldSize, proof.length, checkpoint.size, note.signatures.length]).toEqual([20852014, 4, 20852163, 2]);
    expect(encodeWitnessRequest(oldSize, proof, encodeNote(note))).toBe(C2SP_WITNESS_REQUEST);
  });
});

describe("what a witness remembers", () => {
  it("survives a restart", async () => {
    const stateDir = await temporaryFolder();
    expect((await (await startWitness({ stateDir })).send(log.request(0, 5))).status).toBe(200);
    const { send } = await startWitness({ stateDir });
    expect(await send(log.request(0, 8))).toEqual(conflict(5));
    expect(await send(makeLog("forked").request(5, 5))).toEqual(conflict(5));
    expect((await send(makeLog("forked").request(5, 8))).status).toBe(422);
    expect((await send(log.request(5, 8))).status).toBe(200);
  });

  it("survives that the log changes its key, and what an interrupted write left behind", async () => {
    const stateDir = await temporaryFolder();
    expect((await (await startWitness({ stateDir })).send(log.request(0, 5))).status).toBe(200);
    const [state = ""] = await readdir(stateDir);
    await writeFile(join(stateDir, `${state}.7.tmp`), "torn");
    const next = testSigner("test next log key", 9);
    const { send } = await startWitness({ stateDir, logs: [{ origin: ORIGIN, publicKeys: [next.publicKey] }] });
    expect((await send(makeLog("leaf", ORIGIN, next).request(5, 8))).status).toBe(200);
    expect(await readdir(stateDir)).toEqual([state]);
  });

  it("is refused at start with any bit changed in the checkpoint or in its own cosignature", async () => {
    const stateDir = await temporaryFolder();
    expect((await (await startWitness({ stateDir })).send(log.request(0, 5))).status).toBe(200);
    const path = join(stateDir, (await readdir(stateDir))[0] ?? "");
    const good = await readFile(path);
    const signatures = good.indexOf("\n\n");
    const own = good.indexOf(`— ${WITNESS_NAME}`);
    const options = await witnessOptions({ stateDir });
    for (let place = 0; place < good.length; place++) {
      if (place > signatures && place < own) continue;
      await writeFile(path, flipBit(good, place * 8 + (place % 8)));
      await expect(createWitness(options)).rejects.toMatchObject({ code: "LOG_CORRUPT" });
    }
    await writeFile(path, good);
    await expect(createWitness(options)).resolves.toBeDefined();
  });

  it("is refused at start where it is empty, cut short, another witness's or another log's", async () => {
    const stateDir = await temporaryFolder();
    const logs = [ORIGIN, "log.example/second"].map((origin) => ({ origin, publicKeys: [logSigner.publicKey] }));
    const { send } = await startWitness({ stateDir, logs });
    expect((await send(log.request(0, 5))).status).toBe(200);
    expect((await send(makeLog("leaf", "log.example/second").request(0, 5))).status).toBe(200);
    const paths = (await readdir(stateDir)).map((name) => join(stateDir, name));
    const [first = "", second = ""] = paths;
    const good = await readFile(first);
    const options = await witnessOptions({ stateDir, logs });
    const corrupt = { code: "LOG_CORRUPT" };
    for (const bytes of [new Uint8Array(), good.subarray(0, -1), good.subarray(0, 60), await readFile(second)]) {
      await writeFile(first, bytes);
      await expect(createWitness(options)).rejects.toMatchObject(corrupt);
      expect(await readFile(first)).toEqual(Buffer.from(bytes));
    }
    await writeFile(first, good);
    await expect(createWitness({ ...options, signer: testSigner("test other witness", 3) })).rejects.toMatchObject(corrupt);
    await expect(createWitness({ ...options, name: "witness.example/renamed" })).rejects.toMatchObject(corrupt);
  });

  it("is durable before the cosignature leaves", async () => {
    const steps: string[] = [];
    const noted =
      <A extends unknown[], R>(name: string, work: (...args: A) => Promise<R>) =>
      async (...args: A): Promise<R> => {
        const result = await work(...args);
        steps.push(name);
        return result;
      };
    const files: DurableFiles = {
      ...nodeFiles,
      write: async (path, bytes, sync) => {
        await nodeFiles.write(path, bytes, sync);
        steps.push(sync ? "written and synced" : "written");
      },
      rename: noted("renamed", nodeFiles.rename),
      syncDirectory: noted("folder synced", nodeFiles.syncDirectory),
    };
    const { send } = await startWitness({ files });
    steps.length = 0;
    expect((await send(log.request(0, 5))).status).toBe(200);
    steps.push("answered");
    expect(steps).toEqual(["written and synced", "renamed", "folder synced", "answered"]);
  });

  it.each(["write", "rename", "syncDirectory"] as const)(
    "gives no cosignature where %s fails, and one when it works again",
    async (step) => {
      let broken = false;
      const fail = async (): Promise<void> => {
        throw new Error("disk full");
      };
      const files: DurableFiles = {
        ...nodeFiles,
        write: (...args) => (broken && step === "write" ? fail() : nodeFiles.write(...args)),
        rename: (...args) => (broken && step === "rename" ? fail() : nodeFiles.rename(...args)),
        syncDirectory: (...args) => (broken && step === "syncDirectory" ? fail() : nodeFiles.syncDirectory(...args)),
      };
      const { send } = await startWitness({ files });
      expect((await send(log.request(0, 5))).status).toBe(200);
      broken = true;
      const refused = await send(log.request(5, 8));
      expect(refused.status).toBe(500);
      expect(refused.body).not.toContain("—");
      expect(refused.body).not.toContain("disk full");
      broken = false;
      expect((await send(log.request(5, 7))).status).toBe(200);
    },
  );

  it("admits one of two requests that arrive together", async () => {
    const { send } = await startWitness();
    expect((await send(log.request(0, 3))).status).toBe(200);
    const replies = await Promise.all([send(log.request(3, 5)), send(log.request(3, 8)), send(makeLog("forked").request(3, 5))]);
    expect(replies.map(({ status }) => status).sort((left, right) => left - right)).toEqual([200, 409, 409]);
    const size = replies[0]?.status === 200 ? 5 : 8;
    expect(await send(log.request(3, 9))).toEqual(conflict(size));
  });

  it("is not read by a request while another one is being written", async () => {
    let release: () => void = () => undefined;
    let begun: () => void = () => undefined;
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    const writing = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const files: DurableFiles = {
      ...nodeFiles,
      write: async (...args) => {
        begun();
        await released;
        return nodeFiles.write(...args);
      },
    };
    const logs = [ORIGIN, "log.example/second"].map((origin) => ({ origin, publicKeys: [logSigner.publicKey] }));
    const { send } = await startWitness({ files, logs });
    const larger = send(log.request(0, 8));
    await writing;
    const smaller = send(log.request(0, 5));
    // A log of its own does not wait.
    expect((await send(makeLog("leaf", "log.example/second").request(2, 5))).status).toBe(409);
    release();
    expect((await larger).status).toBe(200);
    expect(await smaller).toEqual(conflict(8));
  });

  it("does not go back in time", async () => {
    let now = START;
    const stateDir = await temporaryFolder();
    const first = await startWitness({ stateDir, clock: () => now });
    expect((await first.send(log.request(0, 5))).status).toBe(200);
    now = unixSeconds(START - 1);
    expect((await first.send(log.request(5, 8))).status).toBe(503);
    expect((await (await startWitness({ stateDir, clock: () => now })).send(log.request(5, 8))).status).toBe(503);
    now = START;
    expect((await first.send(log.request(5, 8))).status).toBe(200);
  });
});

describe("the options of a witness", () => {
  it.each([
    ["a name that can name no key", { name: "two words" }],
    ["an origin given twice", { logs: [0, 1].map(() => ({ origin: ORIGIN, publicKeys: [logSigner.publicKey] })) }],
    ["an origin that can name no log", { logs: [{ origin: "a+b", publicKeys: [logSigner.publicKey] }] }],
    ["a key that is none", { logs: [{ origin: ORIGIN, publicKeys: [logSigner.publicKey.slice(2)] }] }],
  ])("are refused with %s", async (_, wrong) => {
    await expect(createWitness(await witnessOptions({ clock, ...wrong }))).rejects.toMatchObject({ code: "CONFIG_INVALID" });
  });
});
