import { describe, expect, it } from "vitest";
import { TrisealError } from "../../../src/core/errors.ts";
import { Conduct } from "../../../src/paths/tee/server/conduct.ts";
import { teeError } from "../../../src/paths/tee/wire/codes.ts";

function watch(alive = true) {
  const replaced: string[] = [];
  const conduct = new Conduct({ isAlive: async () => alive, replace: (reason) => replaced.push(reason) });
  return { conduct, replaced };
}

const lost = teeError("WORKER_LOST", "the connection broke");
const garbled = teeError("WORKER_ANSWER_INVALID", "no error document", { details: { garbled: true } });
const silent = new TrisealError("DEADLINE_EXCEEDED", "no answer", { details: { silent: true } });

describe("a worker process", () => {
  it("is replaced at its first answer that does not check", () => {
    const { conduct, replaced } = watch();
    conduct.failed(teeError("WORKER_ANSWER_INVALID", "the leg's signature does not verify"), true);
    expect(replaced).toEqual(["the leg's signature does not verify"]);
  });

  it("is replaced when it is silent and does not say that it is there", async () => {
    const { conduct, replaced } = watch(false);
    conduct.failed(silent, false);
    await expect.poll(() => replaced).toEqual(["the worker does not answer"]);
  });

  it("is kept when it was silent once and is there", async () => {
    const { conduct, replaced } = watch();
    conduct.failed(silent, false);
    await new Promise((resolve) => setImmediate(resolve));
    expect(replaced).toEqual([]);
  });

  it("is replaced after three requests in a row without an answer, and not while it answers between", () => {
    for (const error of [lost, garbled, silent]) {
      const { conduct, replaced } = watch();
      for (const _ of [1, 2]) conduct.failed(error, false);
      conduct.answered();
      for (const _ of [1, 2]) conduct.failed(error, false);
      conduct.failed(teeError("WORKER_OVERLOADED", "full"), false);
      for (const _ of [1, 2]) conduct.failed(error, false);
      expect(replaced).toEqual([]);
      conduct.failed(error, false);
      expect(replaced).toEqual(["3 requests in a row had no answer"]);
    }
  });

  it("is replaced where another path's evidence contradicts an answer of it", () => {
    const { conduct, replaced } = watch();
    conduct.contradicted("path `zk` contradicts an answer of it");
    expect(replaced).toEqual(["path `zk` contradicts an answer of it"]);
  });

  it("is not replaced for what a caller can bring about: a refusal, an answer beyond the limit, a closed connection", () => {
    const { conduct, replaced } = watch();
    for (let count = 0; count < 10; count++) {
      conduct.failed(teeError("SEALED_REPLAYED", "opened before"), false);
      conduct.failed(teeError("WORKER_ANSWER_INVALID", "more than 9 bytes"), false);
      conduct.failed(new TrisealError("DEADLINE_EXCEEDED", "the worker's own"), false);
      conduct.failed(new TrisealError("CLIENT_ABORTED", "gone"), false);
      conduct.failed(new Error("not ours"), true);
    }
    expect(replaced).toEqual([]);
  });
});
