/** Resolves at the first SIGINT or SIGTERM from now on; a second one ends the process at once. */
export function stopSignal(): Promise<void> {
  return new Promise((stop) => {
    const onSignal = () => {
      process.once("SIGINT", () => process.exit(130));
      process.once("SIGTERM", () => process.exit(143));
      stop();
    };
    process.once("SIGINT", onSignal);
    process.once("SIGTERM", onSignal);
  });
}
