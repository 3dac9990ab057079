/** Asks a TPM something, over a channel of its own that is closed again. */
import { openTpmDevice, openTpmSocket } from "../../../enclave/attester/tpm2/tpm2-channel.ts";
import { Tpm } from "../../../enclave/attester/tpm2/tpm2-device.ts";

/** A TPM in software answers in milliseconds, a chip makes a key in seconds; a machine on its knees gets a minute. */
const TIMEOUT_MS = 60_000;

/** Where a TPM is: behind the kernel, or in software behind a unix socket. */
export type TpmPlace = { readonly device: string } | { readonly socket: string };

/** What the TPM answers; one in software may be one that nobody has started up. @throws TrisealError with a code of an attester. */
export async function askTpm<T>(place: TpmPlace, ask: (tpm: Tpm, signal: AbortSignal) => Promise<T>): Promise<T> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const channel = await ("socket" in place ? openTpmSocket(place.socket) : openTpmDevice(place.device));
  try {
    const tpm = new Tpm(channel);
    if ("socket" in place) await tpm.startUp(signal);
    return await ask(tpm, signal);
  } finally {
    await channel.close();
  }
}
