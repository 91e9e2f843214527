/** Waits until the condition holds, checking every 10 ms. */
export async function until(holds: () => boolean | Promise<boolean>, limitMs = 25_000): Promise<void> {
  const deadline = Date.now() + limitMs;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`The condition did not hold in time: ${holds.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
