/** What a TPM's answers must be, and what a channel does with those that are not, from a stand-in that says anything. */
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { createTpmSource } from "../../../../enclave/attester/tpm2/tpm2.ts";
import { openTpmDevice, openTpmSocket, type TpmChannel } from "../../../../enclave/attester/tpm2/tpm2-channel.ts";
import { Tpm } from "../../../../enclave/attester/tpm2/tpm2-device.ts";
import { ATTESTATION_TEMPLATE, ENDORSEMENT_TEMPLATE, parsePublicArea } from "../../../../enclave/attester/tpm2/tpm2-key.ts";
import { EMPTY_PASSWORD, encodeCommand, parseResponse, sized, uint16 } from "../../../../enclave/attester/tpm2/tpm2-wire.ts";
import { concatBytes, encodeHex, parseHex, uint32BE, utf8 } from "../../../../src/core/bytes.ts";

const never = new AbortController().signal;

/** A response with its true length. */
function response(parameters: Uint8Array, code = 0, tag = 0x8001): Uint8Array {
  return concatBytes(uint16(tag), uint32BE(10 + parameters.length), uint32BE(code), parameters);
}

/** A TPM that gives these answers, one after another, and the last one for ever. */
function saying(...answers: readonly Uint8Array[]): Tpm {
  let next = 0;
  const channel: TpmChannel = {
    send: async () => answers[Math.min(next++, answers.length - 1)] ?? new Uint8Array(),
    close: async () => {},
  };
  return new Tpm(channel);
}

const plain = { code: 0x144 };
const authorised = { code: 0x158, handles: [1], authorisations: [EMPTY_PASSWORD] };
const acknowledged = (parameters: Uint8Array) =>
  response(concatBytes(uint32BE(parameters.length), parameters, uint16(0), Uint8Array.of(1), uint16(0)), 0, 0x8002);

describe("responses of a TPM", () => {
  const good = acknowledged(utf8("body"));
  it.each<readonly [string, Uint8Array, typeof plain, string]>([
    ["nothing", new Uint8Array(), plain, "ATTESTER_MALFORMED"],
    ["a header that is cut", response(new Uint8Array()).subarray(0, 9), plain, "ATTESTER_MALFORMED"],
    ["a length beyond its own", response(new Uint8Array()).with(5, 11), plain, "ATTESTER_MALFORMED"],
    ["a length below its own", response(new Uint8Array(4)).with(5, 10), plain, "ATTESTER_MALFORMED"],
    ["a tag of sessions without any", response(new Uint8Array(), 0, 0x8002), plain, "ATTESTER_MALFORMED"],
    ["a tag of none with sessions", response(new Uint8Array(9)), authorised, "ATTESTER_MALFORMED"],
    ["parameters beyond the end", good.with(13, 200), authorised, "ATTESTER_MALFORMED"],
    ["no acknowledgement", response(concatBytes(uint32BE(0)), 0, 0x8002), authorised, "ATTESTER_MALFORMED"],
    ["one acknowledgement too many", acknowledged(new Uint8Array()), plain, "ATTESTER_MALFORMED"],
    ["an error", response(new Uint8Array(), 0x98e), authorised, "ATTESTER_FAILED"],
    ["a request to retry", response(new Uint8Array(), 0x922), authorised, "ATTESTER_BUSY"],
  ])("%s is refused", (_, bytes, command, code) => {
    expect(() => parseResponse(bytes, command)).toThrow(expect.objectContaining({ code }));
  });

  it("parameters are what stands between header and acknowledgements", () => {
    expect(parseResponse(good, authorised).parameters).toEqual(utf8("body"));
  });

  it("a command is its bytes (part 3, section 18.4)", () => {
    const bytes = encodeCommand({ ...authorised, parameters: sized(utf8("n")) });
    expect(encodeHex(bytes)).toBe("80020000001e0000015800000001" + "00000009" + "40000009" + "0000" + "00" + "0000" + "00016e");
  });
});

describe("answers that are well-formed and wrong", () => {
  const registers = (count: number, bank: string, bitmap: string, values: string) =>
    response(parseHex(`00000001${count.toString(16).padStart(8, "0")}${bank}03${bitmap}${values}`));
  const value = `0020${"ab".repeat(32)}`;
  it.each([
    ["registers of another bank", registers(1, "000c", "010000", `00000001${value}`)],
    ["registers of two banks", registers(2, "000b", "010000", `00000001${value}`)],
    ["a register that was not asked for", registers(1, "000b", "020000", `00000001${value}`)],
    ["no register", registers(1, "000b", "000000", "00000000")],
    ["more values than registers", registers(1, "000b", "010000", `00000002${value}${value}`)],
    ["a value of another length", registers(1, "000b", "010000", `00000001001f${"ab".repeat(31)}`)],
    ["bytes after the values", registers(1, "000b", "010000", `00000001${value}00`)],
  ])("%s", async (_, bytes) => {
    await expect(saying(bytes).readRegisters([0], never)).rejects.toMatchObject({ code: "ATTESTER_MALFORMED" });
  });

  it("registers may come in several answers", async () => {
    const tpm = saying(registers(1, "000b", "010000", `00000001${value}`), registers(1, "000b", "020000", `00000001${value}`));
    expect([...(await tpm.readRegisters([0, 1], never)).keys()]).toEqual([0, 1]);
  });

  it("a TPM that wants every command again is given up, and one that wants it twice is not", async () => {
    const retry = response(new Uint8Array(), 0x922);
    await expect(saying(retry).flush(1, never)).rejects.toMatchObject({ code: "ATTESTER_BUSY" });
    await expect(saying(retry, retry, response(new Uint8Array())).flush(1, never)).resolves.toBeUndefined();
  });

  it("a TPM that was started is not started again, and another error is one", async () => {
    await expect(saying(response(new Uint8Array(), 0x100)).startUp(never)).resolves.toBeUndefined();
    await expect(saying(response(new Uint8Array(), 0x101)).startUp(never)).rejects.toMatchObject({ code: "ATTESTER_FAILED" });
  });

  it.each([
    ["RSA", ATTESTATION_TEMPLATE.with(1, 1)],
    ["a name of another hash", ATTESTATION_TEMPLATE.with(3, 0x0c)],
    ["another curve", ATTESTATION_TEMPLATE.with(17, 4)],
    ["another signature", ATTESTATION_TEMPLATE.with(13, 0x14)],
    ["a cut area", ATTESTATION_TEMPLATE.subarray(0, -1)],
    ["bytes after it", concatBytes(ENDORSEMENT_TEMPLATE, Uint8Array.of(0))],
  ])("a public area with %s is refused", (_, area) => {
    expect(() => parsePublicArea(area)).toThrow(expect.objectContaining({ code: "ATTESTER_MALFORMED" }));
  });
});

describe("a socket", () => {
  let server: Server | null = null;
  let folder = "";
  afterEach(async () => {
    server?.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** A simulator that writes these pieces after each command; null closes. */
  async function simulator(...pieces: readonly (Uint8Array | null)[]): Promise<string> {
    folder = await mkdtemp(join(tmpdir(), "triseal-tpm-"));
    const path = join(folder, "s");
    server = createServer((socket) => {
      socket.on("error", () => {});
      socket.on("data", async () => {
        for (const piece of pieces) {
          if (piece === null) socket.destroy();
          else socket.write(piece);
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      });
    });
    await new Promise<void>((resolve) => server?.listen(path, resolve));
    return path;
  }
  const body = response(utf8("0123456789"));

  it.each<readonly [string, readonly (Uint8Array | null)[], string]>([
    ["that closes in the middle", [body.subarray(0, 12), null], "ATTESTER_UNAVAILABLE"],
    ["that says it will send too much", [response(new Uint8Array(4)).with(3, 1)], "ATTESTER_TOO_LARGE"],
    ["that says it will send less than a header", [body.with(5, 9)], "ATTESTER_MALFORMED"],
    ["that sends more than it says", [concatBytes(body, Uint8Array.of(0))], "ATTESTER_MALFORMED"],
  ])("%s is refused, and is of no use afterwards", async (_, pieces, code) => {
    const channel = await openTpmSocket(await simulator(...pieces));
    await expect(channel.send(body, never)).rejects.toMatchObject({ code });
    await expect(channel.send(body, never)).rejects.toMatchObject({ code: "ATTESTER_UNAVAILABLE" });
  });

  it("that hangs is left at the deadline", async () => {
    const channel = await openTpmSocket(await simulator());
    await expect(channel.send(body, AbortSignal.timeout(30))).rejects.toMatchObject({ name: "TimeoutError" });
    await expect(channel.send(body, never)).rejects.toMatchObject({ code: "ATTESTER_UNAVAILABLE" });
  });

  it("that cuts a response anywhere is read whole", async () => {
    const channel = await openTpmSocket(await simulator(body.subarray(0, 3), body.subarray(3, 11), body.subarray(11)));
    expect(await channel.send(body, never)).toEqual(body);
    await channel.close();
  });

  it("or device that is not there is no TPM", async () => {
    const code = "ATTESTER_UNAVAILABLE";
    await expect(openTpmSocket("/nonexistent/tpm")).rejects.toMatchObject({ code });
    await expect(openTpmDevice("/nonexistent/tpmrm0")).rejects.toMatchObject({ code });
    const source = createTpmSource({
      type: "tpm2",
      openChannel: async () => await openTpmDevice("/nonexistent/tpmrm0"),
      readBootLog: null,
      readEnrolment: null,
    });
    await expect(source.collect(new Uint8Array(64), never)).rejects.toMatchObject({ code });
  });
});
