/** Smaller differences do not matter for what is shown, and answers take time. */
const minDifferenceMs = 30_000;

let differenceMs = 0;

/** `fetch` that compares the clock of this device with that of the server, since people's clocks may be wrong. */
export const clockedFetch: typeof fetch = async (input, init) => {
  const response = await fetch(input, init);
  const found = Date.parse(response.headers.get('date') ?? '') - Date.now();
  if (!Number.isNaN(found)) differenceMs = Math.abs(found) < minDifferenceMs ? 0 : found;
  return response;
};

/** The time in milliseconds, by the server's clock. */
export const serverNow = (): number => Date.now() + differenceMs;
