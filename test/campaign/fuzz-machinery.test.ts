import { describe, expect, it } from "vitest";
import { Dice } from "./dice.ts";
import type { OpenTarget, Subject } from "./fuzz-target.ts";
import { readResponses } from "./http-exchange.ts";
import { minimise } from "./minimise.ts";
import { mutate } from "./mutate.ts";
import { runCampaign } from "./run-campaign.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

const examples = [
  '{"v":1,"name":"abc","inner":"eyJhIjoxfQ==","list":[1,2,3]}',
  "origin.test/log\n12\nAAECAwQFBgc=\n\n— origin.test/log AAECAwQFBgc=\n",
].map(bytesOf);

function target(judge: Subject["judge"], inspect: OpenTarget["inspect"] = async () => null): OpenTarget {
  return {
    subjects: [{ name: "planted", examples, judge }],
    concurrency: 3,
    caseTimeoutMs: 60_000,
    inspect,
    numbers: () => ({}),
    close: async () => undefined,
  };
}

const options = { seed: 7, seconds: 60, casesPerSubject: null, minCases: 1, maxFailures: 1 };

describe("a campaign", () => {
  it("finds a reader that throws, and makes the case small", async () => {
    const judge = (bytes: Uint8Array) => {
      const text = textOf(bytes);
      if (text.startsWith("{") && text.includes("constructor")) throw new TypeError("planted");
      return { outcome: "read", fault: null };
    };
    const { failures, cases } = await runCampaign(target(judge), options);
    expect(failures).toEqual([expect.objectContaining({ subject: "planted", fault: "threw: TypeError planted" })]);
    expect(textOf(failures[0]?.bytes ?? new Uint8Array())).toBe("{constructor");
    expect(cases).toBeGreaterThan(failures[0]?.index ?? 0);
  });

  it("finds what only shows inside base64, and what is wrong with the whole after a batch", async () => {
    const deep = target((bytes) => {
      const inner = /"inner":"([A-Za-z0-9+/=]+)"/.exec(textOf(bytes))?.[1] ?? "";
      const changed = /^\{"a":(?!1\})/.test(Buffer.from(inner, "base64").toString());
      return { outcome: "", fault: changed ? "inner: changed" : null };
    });
    expect((await runCampaign(deep, options)).failures).toHaveLength(1);
    const broken = target(
      () => ({ outcome: "", fault: null }),
      async () => "ended",
    );
    expect((await runCampaign(broken, options)).inspections).toEqual([{ afterCase: 199, fault: "ended" }]);
  });

  it("makes the same cases from the same seed, and others from another", async () => {
    const cases = async (seed: number) => {
      const seen: string[] = [];
      const keep = async (bytes: Uint8Array) => {
        seen.push(Buffer.from(bytes).toString("hex"));
        return { outcome: "", fault: null };
      };
      await runCampaign(
        target(keep, async () => "enough"),
        { ...options, seed },
      );
      return seen;
    };
    const first = await cases(7);
    expect(first).toHaveLength(200);
    expect(await cases(7)).toEqual(first);
    expect(await cases(8)).not.toEqual(first);
  });
});

describe("a campaign by cases", () => {
  it("gives each subject as many, one subject after another, and ends", async () => {
    const open = target(() => ({ outcome: "read", fault: null }));
    const subjects = ["first", "second"].map((name) => ({ ...open.subjects[0], name }) as Subject);
    const length = { ...options, seconds: null, casesPerSubject: 250 };
    const { cases, outcomes } = await runCampaign({ ...open, subjects }, length);
    expect([cases, outcomes]).toEqual([500, { first: { read: 250 }, second: { read: 250 } }]);
  });
});

describe("mutation", () => {
  it("changes nearly every case, by structure and by bytes, and stays within its bound", () => {
    const dice = new Dice(3);
    const made = Array.from({ length: 2000 }, () => mutate(examples, dice));
    const same = made.filter((bytes) => examples.some((example) => textOf(example) === textOf(bytes)));
    expect(same.length).toBeLessThan(200);
    const isJson = (bytes: Uint8Array) => {
      try {
        return JSON.parse(textOf(bytes)) !== null;
      } catch {
        return false;
      }
    };
    expect(made.filter(isJson).length).toBeGreaterThan(300);
    expect(made.filter((bytes) => !isJson(bytes)).length).toBeGreaterThan(300);
    expect(Math.max(...made.map((bytes) => bytes.length))).toBeLessThanOrEqual(256 * 1024);
  });

  it("is undone as far as a case still fails, and no further", async () => {
    const smaller = await minimise(bytesOf("aaaaXbbbbYcccc"), async (bytes) => /X.*Y/.test(textOf(bytes)));
    expect(textOf(smaller)).toBe("XY");
  });
});

describe("reading raw responses", () => {
  const read = (text: string, isHead = false) => readResponses(Buffer.from(text), isHead);

  it("takes them apart by length and by chunks, and leaves out interim ones", () => {
    const { responses, rest } = read(
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabHTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    );
    expect(responses.map(({ status, body }) => [status, body.toString()])).toEqual([
      [200, "ab"],
      [404, "abc"],
    ]);
    expect(rest).toHaveLength(0);
    expect(read("HTTP/1.1 405 No\r\nContent-Length: 20\r\n\r\n", true).responses).toHaveLength(1);
  });

  it("keeps what is no whole response apart", () => {
    for (const text of ["HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", "HTTP/1.1 200", "hello", "HTTP/2 200 OK\r\n\r\n"]) {
      expect(read(text)).toMatchObject({ responses: [], rest: Buffer.from(text) });
    }
  });
});
