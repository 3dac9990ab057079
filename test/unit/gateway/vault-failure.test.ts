import { mkdir } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { utf8 } from "../../../src/core/bytes.ts";
import { TrisealError } from "../../../src/core/errors.ts";
import { unixSeconds } from "../../../src/core/time.ts";
import { newReceiptId, ReceiptWriter } from "../../../src/gateway/exchange.ts";
import { createServiceIdentity } from "../../../src/gateway/service-identity.ts";
import { openLedger } from "../../../src/main/open-ledger.ts";
import { MemoryReceiptIndex } from "../../../src/store/index.ts";
import { testSigner } from "../../fixtures/signer.ts";
import { diskError, MemoryFiles } from "../log-store/memory-files.ts";
import { code, logSigner, ORIGIN, temporaryFolder } from "../log-store/store-fixture.ts";
import { watchFiles } from "../log-store/watched-files.ts";

const FIRST_DAY = 1_790_000_000;

/** A ledger whose disk fails where `state.fails` says so, on a day that can be changed. */
async function ledgerOn() {
  const base = await temporaryFolder();
  await mkdir(`${base}/log`);
  const state = { day: 0, fails: (_operation: string, _path: string): boolean => false };
  const files = watchFiles(new MemoryFiles().mount(base), (operation, path) => {
    if (state.fails(operation, path)) throw diskError("ENOSPC");
  });
  const clock = () => unixSeconds(FIRST_DAY + state.day * 86_400);
  const { ledger } = await openLedger({
    dataDir: base,
    origin: ORIGIN,
    signer: logSigner,
    retainDays: 7,
    clock,
    files,
    openIndex: async () => new MemoryReceiptIndex(),
  });
  const identity = createServiceIdentity(testSigner("gateway-1", 21), {
    notAfter: unixSeconds(FIRST_DAY * 2),
    dev: false,
    tlsKeys: [],
  });
  const writer = new ReceiptWriter(identity, new Set());
  const caller = { keyHash: "ab".repeat(32), tenant: { id: "acme", tier: null, jurisdiction: null } };
  const request = { caller, endpoint: "/infer", model: "m", body: utf8("x"), sealedBy: "none", guessable: false } as const;
  const log = async () => {
    const id = newReceiptId();
    await ledger.logExchange(writer.refusal(id, request, null, new TrisealError("INTERNAL", "x"), utf8("answer"), clock()), null);
    return new TextDecoder().decode((await ledger.response(id, caller.keyHash)).body);
  };
  return { ledger, state, log };
}

describe("a vault whose key of a new day cannot be written", () => {
  it.each(["writeSynced", "rename", "syncDirectory"])(
    "refuses with LOG_UNAVAILABLE and recovers by itself: %s",
    async (failing) => {
      const { ledger, state, log } = await ledgerOn();
      expect(await log()).toBe("answer");
      const size = ledger.log.size;
      state.day = 1;
      state.fails = (operation, path) => operation === failing && path.includes("/vault");
      for (let attempt = 0; attempt < 3; attempt++) await expect(log()).rejects.toEqual(code("LOG_UNAVAILABLE"));
      expect(ledger.log.size).toBe(size);
      state.fails = () => false;
      expect(await log()).toBe("answer");
      await ledger.log.close();
    },
  );

  it("does not keep the answers of the day before from being read", async () => {
    const { ledger, state, log } = await ledgerOn();
    await log();
    state.day = 1;
    state.fails = (_, path) => path.includes("/vault");
    await expect(log()).rejects.toEqual(code("LOG_UNAVAILABLE"));
    state.day = 0;
    expect(await log()).toBe("answer");
    await ledger.log.close();
  });
});
