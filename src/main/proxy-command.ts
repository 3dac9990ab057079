/** `triseal proxy`: plain OIP in, verified and sealed out, until it is told to stop. */
import type { Command } from "commander";
import { TrisealError } from "../core/errors.ts";
import { OUTCOME_EXIT } from "./exit-code.ts";
import { createLineWriter } from "./line-writer.ts";
import { type ProxySettings, type RunningProxy, readKeyFile, startProxy } from "./proxy/start-proxy.ts";
import { refusingWith } from "./refusing.ts";
import { stopSignal } from "./stop-signal.ts";

interface ProxyFlags {
  readonly url: string;
  readonly trust: string;
  readonly listen: string;
  readonly keyFile?: string;
  readonly ca?: string;
  readonly bundles?: string;
  readonly withContent?: true;
  readonly maxBody: string;
  readonly maxRequests: string;
  readonly timeout: string;
  readonly dangerouslyExpose?: true;
  readonly json?: true;
}

/** 10 where the gateway does not pass the trust file, 30 for a trust file that is none, 1 else. */
const refusing = refusingWith({
  CHANNEL_NOT_BOUND: OUTCOME_EXIT.rejected,
  TLS_KEY_MISMATCH: OUTCOME_EXIT.rejected,
  VERIFICATION_FAILED: OUTCOME_EXIT.rejected,
  FORMAT_INVALID: OUTCOME_EXIT.malformed,
  TRUST_FILE_INVALID: OUTCOME_EXIT.malformed,
});

const MIB = 1024 * 1024;

function whole(name: string, text: string, least: number, most: number): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= least && value <= most))
    throw new TrisealError("CONFIG_INVALID", `--${name} wants a number from ${least} to ${most}`);
  return value;
}

function addressOf(text: string): { readonly host: string; readonly port: number } {
  const [, ipv6, other, port = ""] = /^(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = ipv6 ?? other;
  if (host === undefined || Number(port) > 65_535)
    throw new TrisealError("CONFIG_INVALID", "--listen wants an address and a port, such as 127.0.0.1:8000");
  return { host, port: Number(port) };
}

async function settingsOf(flags: ProxyFlags): Promise<Omit<ProxySettings, "log">> {
  const { url, trust, ca, keyFile, bundles } = flags;
  if (flags.withContent && bundles === undefined)
    throw new TrisealError("CONFIG_INVALID", "--with-content needs --bundles: the folder for it");
  return {
    url,
    trustFile: trust,
    apiKey: keyFile === undefined ? (process.env["TRISEAL_KEY"] ?? "") : await readKeyFile(keyFile),
    caFile: ca ?? null,
    ...addressOf(flags.listen),
    exposed: flags.dangerouslyExpose === true,
    bundles: bundles === undefined ? null : { folder: bundles, content: flags.withContent === true },
    limits: {
      maxBodyBytes: whole("max-body", flags.maxBody, 1, 64) * MIB,
      maxInFlight: whole("max-requests", flags.maxRequests, 1, 10_000),
    },
    timeoutMs: whole("timeout", flags.timeout, 1, 3600) * 1000,
  };
}

function announce({ url, unreached }: RunningProxy, flags: ProxyFlags): void {
  if (flags.json) {
    console.log(JSON.stringify({ ready: true, url, gateway: flags.url, unreached, pid: process.pid }));
    return;
  }
  console.log(`listening  ${url}: plain Open Inference Protocol v2, for programs on this machine`);
  console.log(`gateway    ${flags.url}${unreached === null ? ": passes the trust file" : `: not reached yet (${unreached})`}`);
  console.log("stop with Ctrl-C");
}

function proxy(flags: ProxyFlags): Promise<void> {
  return refusing(flags.json, async () => {
    const settings = await settingsOf(flags);
    const stopped = stopSignal();
    const { log, flush } = createLineWriter((text) => process.stderr.write(text), Date.now);
    process.once("exit", flush);
    const running = await startProxy({ ...settings, log });
    announce(running, flags);
    await stopped;
    await running.close();
  });
}

/** Adds `proxy` to the command line. */
export function addProxyCommand(program: Command): void {
  program
    .command("proxy")
    .description(
      "plain OIP v2 in, sealed and verified out: for callers in any language; the API key is TRISEAL_KEY or in --key-file",
    )
    .requiredOption("--url <url>", "the gateway")
    .requiredOption("--trust <file>", "what is to be believed of it; a change holds from the next request on")
    .option("--listen <address:port>", "where to listen; port 0 takes a free one", "127.0.0.1:8000")
    .option("--key-file <file>", "API key for the gateway, in a file of mode 0600")
    .option("--ca <file>", "authorities for the gateway's certificate, in PEM")
    .option("--bundles <dir>", "keep every answer's bundle here; an answer whose bundle cannot be kept is withheld")
    .option("--with-content", "keep the exact requests and responses beside the bundles, in the clear")
    .option("--max-body <MiB>", "longest request body", "16")
    .option("--max-requests <n>", "requests that are answered at one time", "64")
    .option("--timeout <seconds>", "time for one request, repeats included", "120")
    .option("--dangerously-expose", "listen beyond this machine: whoever reaches the port uses the API key, without TLS")
    .option("--json", "print one JSON line when ready")
    .action(proxy);
}
