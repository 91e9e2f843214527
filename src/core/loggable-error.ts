/** Maximum number of causes in a logged error. */
const maxCauses = 3;

/**
 * Converts an error for the log. Omits properties that libraries add (SQL statement, parameters, row, request), because
 * they may contain a prompt, a password or a signature.
 */
export function loggableError(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { message: typeof error };
  const { name, message, stack } = error;
  const { code } = error as { code?: unknown };
  const causes = causesOf(error);
  return {
    name,
    message,
    ...(typeof code === 'string' && { code }),
    stack,
    ...(causes.length > 0 && { cause: causes.join(' < ') }),
  };
}

function causesOf(error: Error): string[] {
  const causes: string[] = [];
  for (let { cause } = error; cause instanceof Error && causes.length < maxCauses; cause = cause.cause) {
    causes.push(`${cause.name}: ${cause.message}`);
  }
  return causes;
}
