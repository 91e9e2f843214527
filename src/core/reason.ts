/** What an error says. If a host that was called has several addresses, it has an error for each, and no message. */
export function reasonOf(error: unknown): string {
  const { errors, message } = error as { errors?: readonly unknown[]; message?: string };
  return errors?.map(reasonOf).join('; ') ?? message ?? String(error);
}
